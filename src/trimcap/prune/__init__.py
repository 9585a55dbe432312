"""Pruning: which slices or weights go, and their removal.

saliency → `Scores` → `keep_top`, `keep_within`, `keep_electrodes`, `plan_from` → `Plan` → `shrink`, `compact`; or, for
single weights, `mask_weights` → `Masks` (in `trimcap.train`). `SALIENCIES` names every saliency and `describe` says
what each is; `compare` measures them against the `oracle`, `sensitivity` what every axis may lose.

What most functions take and return is said here; their docstrings say what is their own.

Parameters
----------
network : traced network; not changed
axis : one of the network's
axes : names of axes; default: all hidden prunable ones
folded : whether weights are taken with the batch norm behind their layer folded in: the scale of a raw filter is
    arbitrary there
ties : "ordinal" or "average", see `d_score`
windows : of the training or validation set
n_windows : at most so many of them, drawn without replacement with `seed`; None for all
batch_size : windows at once
seed : of every random choice
ledger : of a fold, where the access is recorded
plan : for this network
sparsity : fraction removed, 0 ≤ sparsity < 1

Returns
-------
Scores : axis → float64 (n_slices,), higher = keep
Plan : for `shrink`
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
from trimcap.prune.saliency.by_activations import activation_mean, activation_std, apoz, chip, hrank, wanda
from trimcap.prune.saliency.by_flow import synflow
from trimcap.prune.saliency.by_gradients import fisher, grasp, snip, taylor
from trimcap.prune.saliency.by_weights import (
    bn_scale,
    d_score,
    d_step,
    d_step_gm,
    fpgm,
    l1,
    l2,
    lamp,
    lamp_weights,
    largest_first,
    random,
    whc,
)
from trimcap.prune.saliency.oracle import oracle
from trimcap.prune.saliency.scores import Scores, from_units, units_of
from trimcap.prune.saliency.table import SALIENCIES, Description, Saliency, describe, needs_windows, score
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
