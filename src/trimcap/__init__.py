"""Make EEG networks small enough for the headset, and prove they still work.

Names are imported when they are first used, so that `import trimcap` is quick and loads neither torch nor MNE.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: public name → module that defines it, with ":name" where it is called otherwise there
_HOME = {
    **dict.fromkeys(
        (
            "Fold", "Ledger", "Recording", "Region", "Windows", "audit", "audit_split",
            "band_power", "cached", "crop", "cut", "differential_entropy", "few_shot",
            "from_arrays", "from_braindecode", "from_epochs", "from_moabb", "from_raw",
            "from_torcheeg", "from_triple", "grid", "join", "k_fold_subjects",
            "leave_one_subject_out", "leave_sessions_out", "leave_trials_out", "linear_baseline",
            "make_chain", "make_fingerprint", "make_synthetic", "make_windows", "nested",
            "open_arrays", "open_source", "random_labels", "read_bids", "read_eegmat", "read_files",
            "read_npz", "read_splits", "region", "split", "to_grid", "within_subject",
            "write_arrays", "write_npz", "write_splits", "z_score_per_subject",
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
    **dict.fromkeys(("evaluate", "fit", "per_subject", "predict", "probabilities"), "trimcap.train"),
    "Network": "trimcap.graph.network",
    "trace": "trimcap.graph.trace",
    "cost": "trimcap.graph.cost",
    "rewrite": "trimcap.graph.rewrite",
    "load": "trimcap.graph.save",
    "save": "trimcap.graph.save",
    "Plan": "trimcap.prune.plan",
    "make_plan": "trimcap.prune.plan",
    **dict.fromkeys(("Scores", "d_score", "l1", "l2", "random"), "trimcap.prune.saliency"),
    **dict.fromkeys(("keep_electrodes", "keep_top", "keep_within"), "trimcap.prune.keep"),
    "shrink": "trimcap.prune.shrink",
    "lower": "trimcap.program.lower",
    "interpret": "trimcap.program.interpret",
    "quantize_network": "trimcap.quantize.network",
    "export_c": "trimcap.export.artifact:export",
    "verify": "trimcap.export.verify",
    "load_recipe": "trimcap.study.recipe",
    "run": "trimcap.study.run",
    "report": "trimcap.study.report",
}  # fmt: skip

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trimcap' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
