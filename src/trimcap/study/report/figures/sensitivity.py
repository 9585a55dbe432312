"""Figures of a sensitivity analysis: the curves of all axes, and the signs of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from trimcap._errors import unknown
from trimcap.graph.network import Network
from trimcap.prune.choose.ratios import ratios_for
from trimcap.prune.choose.sensitivity import Curve, Sensitivity
from trimcap.prune.plan import Plan, prunable_axis
from trimcap.prune.saliency.scores import Scores
from trimcap.study.report.figures.draw import BLUE, GREY, INK, ORANGE, drawing, legend_name, new_figure, style
from trimcap.study.results.filters import negative_share, ranked, shown
from trimcap.study.results.words import Drawing, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: colours that stay apart for colour-blind readers (Okabe and Ito 2008), and those of the D-Score paper
_CYCLES = {
    "trimcap": ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a7a7a"),
    "d_score": ("#ff0000", "#008000", "#0000ff", "#000000", "#bfbf00", "#bf00bf", "#00bfbf"),
}
_LINES = ("-", "--", "-.", ":")


def sensitivity_figure(
    found: Sensitivity, *, target: float | None = None, look: str = "trimcap", title: str = ""
) -> Drawing:
    """The metric against the fraction of slices that is really removed, one line per axis, from the whole network on.

    Parameters
    ----------
    target : drawn as a line; the ratio that it gives on each axis is ringed
    look : "trimcap", or "d_score": the colours of that paper (r, g, b, k, y, m, c; the line style changes every seven)

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, figs. 2 and 3.
    """
    if look not in _CYCLES:
        raise ValueError(unknown("look", look, _CYCLES))
    ratios = {} if target is None else ratios_for(found, target=target)
    with style():
        tall = 3.9 + 0.16 * max(len(found.curves) - 14, 0)
        figure = new_figure(8.2, tall)
        axes = figure.subplots()
        for place, (name, curve) in enumerate(found.curves.items()):
            colour = _CYCLES[look][place % 7]
            line = _LINES[place // 7 % len(_LINES)]
            _curve(axes, found, curve, f"{name} ({curve.size})", colour, line, ratios.get(name))
        axes.plot(0, found.baseline, "o", color=INK, markersize=5, zorder=6, clip_on=False)
        if target is not None:
            # named in the legend, as curves may be anywhere along the line
            axes.axhline(target, color=GREY, linewidth=1.2, zorder=0, label=f"target {number(target)}")
        axes.set_xlim(0, 100)
        axes.set_xticks(range(0, 101, 10))
        axes.set_xlabel("slices removed (%)")
        axes.set_ylabel(found.metric.replace("_", " "))
        axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.7)
        axes.set_title(title or f"Sensitivity, ranked by {found.saliency}")
        axes.legend(title="axis (slices)", loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left")
        return drawing("sensitivity", figure, _caption(found, target))


def _curve(
    axes: Axes, found: Sensitivity, curve: Curve, label: str, colour: str, line: str, ratio: float | None
) -> None:
    x = [0.0, *(100 * s for s in curve.sparsities)]
    y = [found.baseline, *curve.values]
    axes.plot(x, y, line, color=colour, marker="o", markersize=3, linewidth=1.5, label=legend_name(label))
    if ratio:
        at = [p / 100 for p in curve.percents].index(ratio) + 1
        axes.plot(x[at], y[at], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.6)


def _caption(found: Sensitivity, target: float | None) -> str:
    how = "from the original ranking" if found.mode == "one_shot" else "ranked anew after every step"
    text = (
        f"{found.metric.replace('_', ' ').capitalize()} on {found.n_windows:,} validation windows when one axis alone "
        f"is pruned, without recovery, {how} by {found.saliency}; in brackets the number of slices. Steps that remove "
        "no further slice are left out."
    )
    if target is not None:
        text += f" Rings: the most of each axis before its curve first is worse than {number(target)}."
    return text


def sign_figure(network: Network, scores: Scores, plan: Plan, axis: str, *, most: int = 64) -> Drawing:
    """Share of negative weights of every slice in rank order; those that the plan drops are orange.

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 5, here for all slices of an axis.
    """
    share = negative_share(network, prunable_axis(network, axis))
    order, hidden = shown(ranked(scores, axis), most)
    gone = set(range(len(share))) - set(plan.keep.get(axis, range(len(share))))
    with style():
        figure = new_figure(max(5.2, 2.3 + 0.2 * len(order)), 3.1)
        axes = figure.subplots()
        _bars(axes, [float(share[j]) for j in order], [str(j) for j in order], [j in gone for j in order])
        # two lines, as with few slices the axes are narrow
        axes.set_xlabel(f"slices in rank order by {scores.name},\nthe first to go on the left")
        axes.set_title(f"Signs of the weights of {axis}")
        left_out = f" {hidden} in the middle of the ranking are left out." if hidden else ""
        text = f"Share of negative (dark) and positive weights (light), by count; orange: pruned.{left_out}"
        return drawing("signs", figure, text)


def sign_comparison_figure(network: Network, plans: Mapping[str, Plan], axis: str) -> Drawing:
    """Share of negative weights of the slices that only one of two plans keeps.

    Parameters
    ----------
    plans : name of the saliency → plan, two of them

    Raises
    ------
    ValueError : not two plans, or both keep the same slices

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 5.
    """
    if len(plans) != 2:
        raise ValueError(f"two plans are compared, got {len(plans)}: {', '.join(plans)}")
    share = negative_share(network, prunable_axis(network, axis))
    (first, a), (second, b) = ((name, set(plan.keep.get(axis, range(len(share))))) for name, plan in plans.items())
    only = {first: sorted(a - b, key=lambda j: share[j]), second: sorted(b - a, key=lambda j: share[j])}
    if not (a - b or b - a):
        raise ValueError(f"{first} and {second} keep the same slices of axis '{axis}'; there is nothing to compare")
    with style():
        counts = [max(len(slices), 4, len(name) // 2) for name, slices in only.items()]  # titles side by side
        figure = new_figure(max(5.0, 1.6 + 0.3 * sum(counts)), 2.9)
        panels = figure.subplots(1, 2, sharey=True, width_ratios=counts)
        for axes, (name, slices) in zip(panels, only.items(), strict=True):
            _bars(axes, [float(share[j]) for j in slices], [str(j) for j in slices], [False] * len(slices))
            axes.set_title(f"kept only by\n{name}")
        panels[1].set_ylabel("")
        figure.supxlabel(f"slices of {axis}", fontsize=10)
        text = (
            f"Share of negative (dark) and positive weights (light) of the slices that only {first} or {second} keeps."
        )
        return drawing("signs_compared", figure, text)


def _bars(axes: Axes, share: list[float], names: list[str], gone: list[bool]) -> None:
    x, pruned = np.arange(len(share)), np.array(gone, dtype=bool)
    for colour, some, label in ((ORANGE, pruned, "pruned"), (BLUE, ~pruned, "kept")):
        axes.bar(x[some], 1.0, width=0.8, color=colour, alpha=0.2)
        axes.bar(x[some], np.array(share)[some], width=0.8, color=colour, label=label if pruned.any() else None)
    if pruned.any():
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)  # the title may be wide
    axes.axhline(0.5, color=INK, linestyle="--", linewidth=1)
    every = 1 if len(names) <= 40 else 2
    axes.set_xticks(x[::every], names[::every], fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, len(share) - 0.3)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of negative weights")
