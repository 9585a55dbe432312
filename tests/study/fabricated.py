"""A run folder with invented numbers, written through the store."""

import numpy as np
import pandas as pd

from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results.store import open_run

CHANNELS = ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4",
            "T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz")  # fmt: skip
STAGES = {
    "majority class": (0.5, None),
    "linear baseline": (0.79, None),
    "dense": (0.80, (1922, 5_200_000, 7688, 290_000)),
    "rewritten": (0.80, (1800, 520_000, 7200, 41_000)),
    "pruned": (0.71, (700, 200_000, 2800, 21_000)),
    "recovered": (0.80, (700, 200_000, 2800, 21_000)),
    "int8": (0.795, (700, 200_000, 1100, 5_400)),
    "C": (0.795, (700, 200_000, 1100, 5_400)),
}
TEXT = """name = "invented"
seeds = [0, 1]
[data]
source = "eegmat"
features = "differential_entropy"
layout = "grid"
normalise = "subject"
[protocol]
folds = 4
[[steps]]
kind = "prune"
sparsity = 0.5
"""


def make_run(folder, *, n_subjects=26, leaky=False, verdict="passed", text=TEXT):
    rng = np.random.default_rng(1)
    recipe = parse_recipe(text)
    data = {
        "windows": n_subjects * 30, "subjects": [f"Subject{i:02d}" for i in range(n_subjects)],
        "classes": ["rest", "arithmetic"], "channels": list(CHANNELS), "rate": 128.0, "duration": 4.0, "unit": "z",
        "steps": ["cut into windows of 4 s",
                  "z-scored per feature within each subject (transductive)"], "sha256": "ab" * 32,
    }  # fmt: skip
    label = "LEAKY: windows shuffled" if leaky else "subject-grouped 4-fold"
    protocol = {"text": label, "unit": "subject", "leaky": leaky, "folds": 4}
    run = open_run(folder, recipe, text=text, facts={"data": data, "protocol": protocol})
    skill = rng.normal(0, 0.1, n_subjects)
    for fold in range(4):
        members = range(fold, n_subjects, 4)
        for seed in recipe.seeds:
            _trial(run.trial(fold, seed), rng, {f"Subject{i:02d}": skill[i] for i in members}, verdict)
    run.gather()
    return run


def _trial(trial, rng, skills, verdict):
    rows, subjects = [], []
    n = 30 * len(skills)
    y = np.arange(n) % 2
    for stage, (level, cost) in STAGES.items():
        scores = {s: np.clip(level + v * (level > 0.5) + rng.normal(0, 0.02), 0, 1) for s, v in skills.items()}
        for subject, a in scores.items():
            extra = {
                "n": 30,
                "accuracy": a,
                "balanced_accuracy": a,
                "f1": a,
                "kappa": 2 * a - 1,
                "auroc": min(1, a + 0.05),
            }
            subjects.append({"fold": trial.fold, "seed": trial.seed, "stage": stage, "subject": subject, **extra})
        mean = float(np.mean(list(scores.values())))
        row = {"fold": trial.fold, "seed": trial.seed, "stage": stage, "n": n, "accuracy": mean, "valid_accuracy": mean}
        row |= dict(zip(("parameters", "macs", "flash", "sram"), cost or (None,) * 4, strict=True))
        row |= {"sparsity_requested": 0.5, "sparsity_achieved": 0.498} if stage == "pruned" else {}
        row |= {"verified": "bit-exact on host", "verified_windows": 16} if stage == "C" else {}
        rows.append(row)
        slug = stage.replace(" ", "-")
        right = rng.random(n) < mean
        p = np.where(right, y, 1 - y)
        trial.write_arrays(f"evaluated/{slug}", y=y, probabilities=np.stack([1 - p, p], 1).astype(float))
        trial.write(f"evaluated/{slug}", {})
        if stage in ("dense", "recovered"):
            weight = np.array([3.0 if c.startswith("F") else 1.0 for c in CHANNELS])
            trial.write_arrays(f"evidence/{slug}", evidence=weight * rng.uniform(0.7, 1.3, len(CHANNELS)))
            trial.write(f"evidence/{slug}", {})
            epochs = np.arange(1, 31)
            loss = 0.7 * np.exp(-epochs / 12)
            (trial.path / "history").mkdir(exist_ok=True)
            pd.DataFrame([
                {"epoch": e, "train_loss": v + rng.normal(0, 0.01), "valid_loss": v + 0.1, "valid_accuracy": 1 - v}
                for e, v in zip(epochs, loss, strict=True)
            ]).to_csv(trial.path / "history" / f"{slug}.csv", index=False)  # fmt: skip
    stages = [("scale", ""), ("fit", "dense"), ("saliency", "pruned"), ("calibration", "int8"), ("evaluate", "dense")]
    finding = {"severity": "error", "stage": "fit", "text": "fit saw 3 test windows"}
    audit = {
        "verdict": verdict,
        "checks": {"access": verdict, "provenance": "passed", "content": "passed"},
        "findings": [finding] if verdict == "failed" else [],
        "rows": [
            {"stage": s, "note": note, "n": n, "test": n * (s == "evaluate"), "sha256": "cd" * 32} for s, note in stages
        ],
    }
    facts = {"fold": trial.fold, "seed": trial.seed, "fold_name": f"part {trial.fold}", "rows": rows,
             "subjects": subjects, "audit": audit, "seconds": 12.0}  # fmt: skip
    trial.finish(facts)
