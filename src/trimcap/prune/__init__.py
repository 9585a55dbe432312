"""Pruning: which slices or weights go, and their removal.

saliency → `Scores` → `keep_top`, `keep_within`, `keep_electrodes`, `plan_from` → `Plan` → `shrink`, `compact`; or, for
single weights, `mask_weights` → `Masks` (in `trimcap.train`). `SALIENCIES` names every saliency and `describe` says
what each is; `compare` measures them against the `oracle`, `sensitivity` what every axis may lose.
"""

from trimcap.prune.after.compact import Compacted, compact, difference
from trimcap.prune.after.soft import scales_off, silent_plan, soft_pruning, zeroed
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.choose.compare import Comparison, compare
from trimcap.prune.choose.keep import keep_electrodes, keep_top, keep_within
from trimcap.prune.choose.ratios import plan_from, ratio_at, ratios_for
from trimcap.prune.choose.schedule import gradual, rounds_of
from trimcap.prune.choose.sensitivity import Curve, Sensitivity, metric_of, sensitivity
from trimcap.prune.electrodes import Cap, ElectrodeCurve, Recovery, electrode_curve
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.saliency.table import (
    SALIENCIES,
    Description,
    Saliency,
    Scores,
    activation_mean,
    activation_std,
    apoz,
    bn_scale,
    chip,
    d_score,
    d_step,
    d_step_gm,
    describe,
    fisher,
    fpgm,
    from_units,
    grasp,
    hrank,
    l1,
    l2,
    lamp,
    lamp_weights,
    largest_first,
    needs_windows,
    oracle,
    random,
    score,
    snip,
    synflow,
    taylor,
    units_of,
    wanda,
    whc,
)
from trimcap.prune.shrink import shrink, twin_error
from trimcap.prune.twin import silence
from trimcap.prune.weights.compressed import Storage, storage
from trimcap.prune.weights.unstructured import mask_weights, weights_of

__all__ = [
    "SALIENCIES",
    "Cap",
    "Compacted",
    "Comparison",
    "Curve",
    "Description",
    "ElectrodeCurve",
    "Plan",
    "Recovery",
    "Saliency",
    "Scores",
    "Sensitivity",
    "Storage",
    "activation_mean",
    "activation_std",
    "apoz",
    "axes_of",
    "bn_scale",
    "chip",
    "compact",
    "compare",
    "d_score",
    "d_step",
    "d_step_gm",
    "describe",
    "difference",
    "electrode_curve",
    "fisher",
    "fpgm",
    "from_units",
    "gradual",
    "grasp",
    "hrank",
    "keep_electrodes",
    "keep_top",
    "keep_within",
    "l1",
    "l2",
    "lamp",
    "lamp_weights",
    "largest_first",
    "make_plan",
    "mask_weights",
    "metric_of",
    "needs_windows",
    "oracle",
    "plan_from",
    "random",
    "ratio_at",
    "ratios_for",
    "rounds_of",
    "scales_off",
    "score",
    "sensitivity",
    "shrink",
    "silence",
    "silent_plan",
    "snip",
    "soft_pruning",
    "storage",
    "synflow",
    "taylor",
    "twin_error",
    "units_of",
    "wanda",
    "weights_of",
    "whc",
    "zeroed",
]
