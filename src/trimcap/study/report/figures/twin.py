"""The inflation of a leaky split, drawn."""

from __future__ import annotations

from collections.abc import Sequence

from trimcap.study.report.figures.draw import BLUE, GREY, ORANGE, drawing, new_figure
from trimcap.study.results.inflation import Inflation
from trimcap.study.results.words import Drawing, attempted, points


@attempted
def twin_figure(found: Sequence[Inflation]) -> Drawing:
    """Honest and leaky accuracy of every classifier, joined by a line."""
    figure = new_figure(10.0, 1.0 + 0.55 * len(found))
    axes = figure.subplots()
    for y, one in enumerate(found):
        honest, leaky = one.honest[0], one.leaky[0]
        axes.plot([honest, leaky], [y, y], color=GREY, linewidth=2, zorder=1)
        axes.scatter(honest, y, s=60, color=BLUE, zorder=2, label="honest" if y == 0 else "_")
        axes.scatter(
            leaky, y, s=60, facecolors="none", edgecolors=ORANGE, linewidths=2, zorder=3,
            label="LEAKY: windows shuffled" if y == 0 else "_",
        )  # fmt: skip
        axes.annotate(
            f"{points(one.paired.difference)} points", (max(honest, leaky), y), (10, 0),
            textcoords="offset points", va="center", fontsize=9,
        )  # fmt: skip
    low = min(min(one.honest[0], one.leaky[0]) for one in found)
    axes.set_xlim(min(low, 0.5) - 0.03, 1.08)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_yticks(range(len(found)), [one.classifier for one in found])
    axes.set_xlabel("window accuracy, mean over subjects")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return drawing("leaky-twin", figure, "LEAKY beside honest: what shuffling windows adds to every classifier.")
