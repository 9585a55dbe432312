"""Draw the figure of the README from a finished run: what each stage costs and what accuracy is left.

    python examples/overview_figure.py runs/eegmat-ccnn docs/figures/overview.png

Left: window accuracy per stage, mean and 95 % t interval over subjects, with the linear baseline and chance.
Right: flash and peak SRAM relative to the dense network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

from trimcap.study.results.statistics import mean_interval

STAGES = ("dense", "rewritten", "pruned", "recovered", "int8", "C")
BLUE, ORANGE, GREEN, GREY = "#2f6db3", "#d9772e", "#3b8f5c", "#8a8f98"


def main(run: Path, target: Path) -> None:
    results, subjects = pd.read_csv(run / "results.csv"), pd.read_csv(run / "subjects.csv")
    stages = [s for s in STAGES if s in set(results.stage)]
    accuracy = subjects.groupby(["stage", "subject"], sort=False).accuracy.mean()
    cost = results.groupby("stage")[["flash", "sram"]].mean()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(1, 1.15), layout="constrained")

    means = [accuracy[s].mean() for s in stages]
    limits = [mean_interval(accuracy[s].to_numpy()) for s in stages]
    errors = [[m - lo for m, (lo, _) in zip(means, limits, strict=True)], [hi - m for m, (_, hi) in zip(means, limits, strict=True)]]  # fmt: skip  # noqa: E501
    left.errorbar(range(len(stages)), means, yerr=errors, fmt="o-", color=BLUE, capsize=3, lw=1.8, ms=6)
    left.axhline(accuracy["linear baseline"].mean(), color=GREEN, ls="--", lw=1.2, label="linear baseline")
    left.axhline(0.5, color=GREY, ls=":", lw=1.2, label="chance")
    # numbers stand under the stages, where no line crosses them
    labels = [f"{stage}\n{mean:.3f}" for stage, mean in zip(stages, means, strict=True)]
    left.set(xticks=range(len(stages)), xticklabels=labels, ylabel="window accuracy", ylim=(0.45, 1.0))
    left.set_title(f"Accuracy on {accuracy['dense'].size} unseen subjects", loc="left", fontsize=11, weight="bold")
    left.legend(frameon=False, fontsize=9, loc="upper right", ncols=2)

    height = 0.38
    for offset, column, color, title in (
        (-height / 2, "flash", BLUE, "flash"),
        (height / 2, "sram", ORANGE, "peak SRAM"),
    ):
        share = cost.loc[stages, column] / cost.loc["dense", column]
        places = [i + offset for i in range(len(stages))]
        right.barh(places, share, height, color=color, label=title)
        for place, stage, value in zip(places, stages, share, strict=True):
            kib = cost.loc[stage, column] / 1024
            right.annotate(f"{kib:,.1f} KiB  ({1 / value:.1f}×)", (value, place), (4, 0), textcoords="offset points",
                           va="center", fontsize=8.5)  # fmt: skip
    right.set(yticks=range(len(stages)), yticklabels=stages, xlim=(0, 1.35), xlabel="share of the dense network")
    right.invert_yaxis()
    right.set_title("What it takes on the device", loc="left", fontsize=11, weight="bold")
    right.legend(frameon=False, fontsize=9, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
