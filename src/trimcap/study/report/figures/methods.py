"""Figures of methods side by side: accuracy against sparsity, and against what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from trimcap.study.report.figures.draw import GREY, INK, drawing, legend_name, new_figure
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.method_results import Outcome, trunk_of
from trimcap.study.results.statistics import mean_interval, per_subject
from trimcap.study.results.words import Drawing, attempted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

#: told apart by people with any colour vision (Okabe & Ito, 2008), and by their markers
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b59f00",
    "#56b4e9",
    "#8c564b",
    "#7f7fff",
    "#e69f00",
    "#444f5c",
)
_MARKERS = "osD^vP*X<>hd"


@attempted
def methods_figure(run: Gathered, found: Sequence[Outcome]) -> Drawing:
    """Accuracy of every method against sparsity (where one was asked for), parameters and MACs."""
    table, cost = per_subject(run.subjects), run.cost
    base, methods = trunk_of(run).final, list(dict.fromkeys(o.method for o in found))
    asked = any(o.sparsity is not None for o in found)
    figure = new_figure(10.5, 4.6)
    panels = figure.subplots(1, 2 + asked, sharey=True, squeeze=False)[0]
    keys = [*(("sparsity",) if asked else ()), "parameters", "macs"]
    for axes, key in zip(panels, keys, strict=True):
        lines = []
        for number, method in enumerate(methods):
            own = [o for o in found if o.method == method and (key != "sparsity" or o.sparsity is not None)]
            share = [(o.sparsity or 0.0) if key == "sparsity" else cost[key][o.last] / cost[key][base] for o in own]
            means = [float(table[o.last].mean()) for o in own]
            colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
            lines.append(_line(axes, [100 * x for x in share], means, color=colour, marker=marker))
        _reference(axes, table, base, run.recipe.report.margin)
        _label(axes, key)
    panels[0].set_ylabel("window accuracy")
    figure.legend(lines, list(map(legend_name, methods)), loc="outside lower center", ncols=min(6, len(methods)))
    return drawing(
        "methods",
        figure,
        f"Accuracy of every method, mean over subjects. Line: {base}, with the 95 % t interval of its mean "
        f"shaded; dashed: {100 * run.recipe.report.margin:g} points below. Both axes of what is left are logarithmic; "
        "single weights that are zero still count as parameters and MACs.",
    )


def _label(axes: Axes, key: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    if key == "sparsity":
        axes.set_xlabel("sparsity asked for, %")
        axes.set_title("Sparsity")
        return
    what = "MACs" if key == "macs" else key
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{what} left, %")
    axes.set_title(what[0].upper() + what[1:])


def _line(axes: Axes, x: list[float], y: list[float], *, color: str, marker: str) -> Line2D:
    order = np.argsort(x)
    return axes.plot(
        np.array(x)[order], np.array(y)[order], color=color, marker=marker, markersize=5, linewidth=1.2, alpha=0.9
    )[0]


def _reference(axes: Axes, table: pd.DataFrame, base: str, margin: float) -> None:
    """The trunk's last network, its interval, and the margin below."""
    mean = float(table[base].mean())
    axes.axhline(mean, color=INK, linewidth=1.2)
    axes.axhline(mean - margin, color=GREY, linewidth=1, linestyle="--")
    low, high = mean_interval(table[base].dropna())
    if np.isfinite([low, high]).all():
        axes.axhspan(low, high, color=GREY, alpha=0.15, linewidth=0)


@attempted
def recovery_figure(run: Gathered, found: Sequence[Outcome]) -> Drawing | None:
    """Accuracy right after pruning and after recovery, by sparsity."""
    shown = [o for o in found if o.first != o.last and o.sparsity is not None]
    if not shown:
        return None
    table = per_subject(run.subjects)
    figure = new_figure(10.0, 4.2)
    axes = figure.subplots()
    sparsities = sorted({o.sparsity for o in shown if o.sparsity is not None})
    methods, every = list(dict.fromkeys(o.method for o in shown)), list(dict.fromkeys(o.method for o in found))
    width = 0.8 / len(methods)
    for number, method in enumerate(methods):
        colour = _COLOURS[every.index(method) % len(_COLOURS)]
        own = [o for o in shown if o.method == method]
        for o in own:
            assert o.sparsity is not None
            x = sparsities.index(o.sparsity) + (number - (len(methods) - 1) / 2) * width
            before, after = float(table[o.first].mean()), float(table[o.last].mean())
            axes.plot([x, x], [before, after], color=colour, linewidth=1.5, alpha=0.6)
            axes.plot(x, before, marker="o", markerfacecolor="none", color=colour, markersize=5)
            axes.plot(x, after, marker="o", color=colour, markersize=5, linestyle="none",
                      label=legend_name(method) if o is own[0] else "_")  # fmt: skip
    axes.set_xticks(range(len(sparsities)), [f"{100 * s:.4g} %" for s in sparsities])
    axes.axhline(float(table[trunk_of(run).final].mean()), color=INK, linewidth=1.2)
    axes.set_ylabel("window accuracy")
    axes.set_title("Before and after recovery")
    figure.legend(loc="outside lower center", ncols=min(6, len(methods)))
    return drawing("recovery", figure, "Accuracy right after pruning (open) and after recovery (filled), by sparsity.")
