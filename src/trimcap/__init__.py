"""Make EEG networks small enough for the headset, and prove they still work.

Names are imported when they are first used, so that `import trimcap` is quick and loads neither torch nor MNE. What a
script goes through is here by its own name; the parts of the package are here too, and hold more:
`trimcap.prune.fpgm`, `trimcap.train.equal_flops`, `trimcap.data.electrodes.names.hemispheres`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: public name → module that defines it, with ":name" where it is called otherwise there
_HOME = {
    **dict.fromkeys(
        (
            "Chain", "Effect", "Fold", "Ledger", "Recording", "Windows", "audit", "band_power", "bandpass",
            "crop", "cut", "differential_entropy", "from_arrays", "from_braindecode", "from_epochs",
            "from_moabb", "from_raw", "from_torcheeg", "from_triple", "grid", "join", "k_fold_subjects",
            "make_chain", "make_fold", "make_step", "make_synthetic", "make_windows", "nested", "notch",
            "open_arrays", "open_source", "read_files", "read_npz", "read_set", "read_splits", "region",
            "resample", "split", "subject_z_score", "to_grid", "write_arrays", "write_npz", "write_splits",
        ),
        "trimcap.data",
    ),
    **dict.fromkeys(
        (
            "CCNN", "DeepConvNet", "EEGConformer", "EEGNet", "EEGNet3D", "FBCCNN", "FrameCNN", "GridCNN",
            "RecurrentNet", "ResNet", "Scaled", "ShallowConvNet", "TSCeption", "VGG16", "build",
        ),
        "trimcap.models",
    ),
    **dict.fromkeys(
        (
            "Masks", "attention_transfer", "distillation", "evaluate", "fit", "per_subject", "predict",
            "probabilities", "re_estimate_batch_norm", "slimming",
        ),
        "trimcap.train",
    ),
    "Network": "trimcap.graph.network",
    "trace": "trimcap.graph.trace.trace",
    "cost": "trimcap.program.cost",
    "deployed_cost": "trimcap.program.cost",
    "rewrite": "trimcap.graph.rewrite.rewrite",
    "load": "trimcap.graph.save",
    "save": "trimcap.graph.save",
    **dict.fromkeys(
        (
            "Plan", "SALIENCIES", "Scores", "Sensitivity", "axes_of", "compact", "d_score", "electrode_curve",
            "keep_electrodes",
            "keep_top", "keep_within", "l1", "l2", "make_plan", "mask_weights", "oracle", "plan_from", "random",
            "ratios_for", "score", "sensitivity", "shrink", "soft_pruning",
        ),
        "trimcap.prune",
    ),
    "lower": "trimcap.program.lower.lower",
    "interpret": "trimcap.program.interpret",
    "quantize_network": "trimcap.quantize.network",
    "export_c": "trimcap.export.artifact:export",
    "verify": "trimcap.export.verify",
    "load_recipe": "trimcap.study.recipe.recipe",
    "run": "trimcap.study.run.run",
    "report": "trimcap.study.report.report",
}  # fmt: skip

#: parts of the package that are there by their own name
_PARTS = ("data", "models", "prune", "reproduce", "runtime", "train")

__all__ = ["__version__", *sorted((*_HOME, *_PARTS))]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f"trimcap.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'trimcap' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_PARTS})
