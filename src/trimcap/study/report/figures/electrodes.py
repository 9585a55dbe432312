"""Accuracy against the number of electrodes as a figure, of one network or the mean of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trimcap.prune.electrodes import ElectrodeCurve
from trimcap.study.report.figures.draw import BLUE, GREEN, GREY, INK, ORANGE, drawing, legend_name, new_figure, style
from trimcap.study.results.words import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#7a5cc4", "#b58b00", "#56b4e9")
_MARKERS = ("^", "s", "D", "v", "P", "X", "<", ">", "p", "h")
_LOW, _HIGH = 10, 90
_ROOM = 0.045
#: headsets with as many electrodes stand side by side
_ASIDE = 0.5


@dataclass(frozen=True)
class Summary:
    """Caps of one kind and size over all networks (and draws): how many, mean, standard deviation, low and high end."""

    count: int
    n: int
    mean: float
    sd: float
    low: float
    high: float


def summaries(curves: Sequence[ElectrodeCurve], kind: str, name: str, *, recovered: bool = False) -> list[Summary]:
    """The reported metric of all caps of a kind and name, by number of electrodes; low and high: 10 and 90 %.

    Raises
    ------
    ValueError : curves of different metrics, or of different electrodes, are not one figure.
    """
    check_alike(curves)
    values: dict[int, list[float]] = {}
    for cap in (cap for curve in curves for cap in curve.caps):
        if (cap.kind, cap.name, bool(cap.epochs)) == (kind, name, recovered):
            values.setdefault(cap.count, []).append(cap.value)
    found = []
    for count, own in sorted(values.items()):
        sd = float(np.std(own, ddof=1)) if len(own) > 1 else 0.0
        low, high = np.percentile(own, (_LOW, _HIGH))
        found.append(Summary(count, len(own), float(np.mean(own)), sd, float(low), float(high)))
    return found


def check_alike(curves: Sequence[ElectrodeCurve]) -> None:
    """Refuse curves that do not belong into one figure."""
    if not curves:
        raise ValueError("a figure of electrodes needs at least one curve")
    for name in ("metric", "channels", "reported"):
        if len({getattr(curve, name) for curve in curves}) > 1:
            raise ValueError(f"the curves differ in {name}; draw those with the same {name} together")


def electrodes_figure(curves: ElectrodeCurve | Sequence[ElectrodeCurve], *, title: str = "") -> Drawing:
    """The metric against the number of electrodes: saliencies as lines, random caps as a band, headsets as markers.

    A second panel shows the caps after recovery, if there are any.

    Parameters
    ----------
    curves : of one network, or of several (folds, seeds), whose mean is drawn
    """
    several = [curves] if isinstance(curves, ElectrodeCurve) else list(curves)
    check_alike(several)
    trained = any(cap.epochs for curve in several for cap in curve.caps)
    with style():
        panels = 2 if trained else 1
        figure = new_figure(4.6 * panels + 2.4, 4.2)
        grid = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
        for axes, recovered in zip(grid, (False, True), strict=False):
            _panel(axes, several, recovered)
        _limits(list(grid), several)
        grid[0].set_ylabel(several[0].metric.replace("_", " "))
        if trained:
            epochs = max(cap.epochs for curve in several for cap in curve.caps)
            grid[0].set_title("without training")
            grid[1].set_title(f"after {epochs} epoch{'s' * (epochs > 1)} of recovery")
            figure.suptitle(title or "Electrodes", x=0.01, ha="left", fontsize=11, weight="bold")
        else:
            grid[0].set_title(title or "Electrodes")
        handles, labels = grid[-1].get_legend_handles_labels()
        more = [p for p in zip(*grid[0].get_legend_handles_labels(), strict=True) if p[1] not in labels]
        handles, labels = [*handles, *(h for h, _ in more)], [*labels, *(label for _, label in more)]
        order = sorted(range(len(labels)), key=lambda i: _place(labels[i], several))
        grid[-1].legend(
            [handles[i] for i in order], [labels[i] for i in order], loc="upper left", bbox_to_anchor=(1.01, 1.0)
        )
        return drawing("electrodes", figure, _caption(several, trained))


def _place(label: str, curves: Sequence[ElectrodeCurve]) -> int:
    """Lines first, then what they are compared with, then headsets."""
    names = [legend_name(name) for name in _names(curves)]
    if label in names:
        return names.index(label)
    return 100 + ("all electrodes", "random", "chance").index(label) if label in _COMPARED else 200


_COMPARED = ("all electrodes", "random", "chance")


def _names(curves: Sequence[ElectrodeCurve]) -> list[str]:
    return list(dict.fromkeys(name for curve in curves for name in curve.orders))


def _panel(axes: Axes, curves: Sequence[ElectrodeCurve], recovered: bool) -> None:
    dense = summaries(curves, "dense", "all", recovered=recovered)
    if dense:
        axes.axhline(dense[0].mean, color=INK, linewidth=1.2, linestyle="--", label="all electrodes", zorder=1)
    axes.axhline(float(np.mean([c.chance for c in curves])), color=GREY, linewidth=1.2, linestyle=":", label="chance")
    _random(axes, summaries(curves, "random", "random", recovered=recovered))
    for number, name in enumerate(_names(curves)):
        own = summaries(curves, "saliency", name, recovered=recovered)
        if recovered and dense:
            own = [*(s for s in own if s.count != dense[0].count), *dense]
        if own:
            colour = _COLOURS[number % len(_COLOURS)]
            axes.plot(
                [s.count for s in own], [s.mean for s in own], "o-", color=colour, markersize=3.5, linewidth=1.6,
                label=legend_name(name), zorder=3,
            )  # fmt: skip
    _worn(axes, curves, recovered)
    n = len(curves[0].channels)
    axes.set_xlim(0.4, n + 0.6 + _ROOM * n / 2)
    axes.set_xlabel("electrodes")
    axes.locator_params(axis="x", integer=True)
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.7)


def _random(axes: Axes, found: Sequence[Summary]) -> None:
    if not found:
        return
    x = [s.count for s in found]
    if len(found) > 1:
        axes.fill_between(x, [s.low for s in found], [s.high for s in found], color=GREY, alpha=0.22, linewidth=0)
    axes.plot(
        x, [s.mean for s in found], color=GREY, linewidth=1.6, marker="o", markersize=2.5, label="random", zorder=2
    )


def _worn(axes: Axes, curves: Sequence[ElectrodeCurve], recovered: bool) -> None:
    """Headsets, from the smallest on; those with stand-ins are hollow."""
    fittings = {name: fitting for curve in curves for name, fitting in curve.headsets.items() if fitting.complete}
    ordered = sorted(fittings.items(), key=lambda item: len(item[1].channels))
    for number, (name, fitting) in enumerate(ordered):
        own = summaries(curves, "headset", name, recovered=recovered)
        same = [other for other, f in ordered if len(f.channels) == len(fitting.channels)]
        aside = _ASIDE * (same.index(name) - (len(same) - 1) / 2)
        replaced = len(fitting.substitutions)
        label = fitting.headset.title + (f" ({replaced} replaced)" if replaced else "")
        for summary in own:
            axes.plot(
                summary.count + aside, summary.mean, _MARKERS[number % len(_MARKERS)], color=INK, markersize=7,
                markerfacecolor="white" if replaced else INK, markeredgewidth=1.3, linestyle="none",
                label=legend_name(label), zorder=5,
            )  # fmt: skip


def _limits(grid: Sequence[Axes], curves: Sequence[ElectrodeCurve]) -> None:
    """A little room above and below everything that is drawn."""
    low, high = min(a.dataLim.y0 for a in grid), max(a.dataLim.y1 for a in grid)
    chance = float(np.mean([c.chance for c in curves]))
    low, high = min(low, chance), max(high, chance)
    room = max(_ROOM * (high - low), 0.01)
    top = high + room if curves[0].metric == "loss" else min(high + room, 1.005)
    grid[0].set_ylim(max(low - room, 0.0), top)


def _caption(curves: Sequence[ElectrodeCurve], trained: bool) -> str:
    first = curves[0]
    metric = first.metric.replace("_", " ").capitalize()
    where = "test windows" if first.reported == "test" else "the windows on which choices were made (too good)"
    how = "held at their mean" if first.silenced else "removed"
    draws = max((s.n for s in summaries(curves, "random", "random")), default=0) // len(curves)
    text = f"{metric} on {where} with only so many electrodes, the others {how}"
    text += f"; mean of {len(curves)} networks." if len(curves) > 1 else "."
    if draws:
        text += f" Grey: up to {draws} random caps per number of electrodes{' and network' * (len(curves) > 1)}, mean "
        text += f"and {_LOW} to {_HIGH} %."
    if any(f.substitutions for c in curves for f in c.headsets.values() if f.complete):
        text += " Hollow markers: headsets of which the recording lacks electrodes; their neighbours stand in."
    return text + (" Lines on the right end at the whole network, trained on as long." if trained else "")
