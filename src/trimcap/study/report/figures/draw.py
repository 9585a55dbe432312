"""The report's figures: drawn once, saved as inline SVG that follows the page's colours, and as PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trimcap.study.results.gathered import Gathered
from trimcap.study.results.statistics import mean_interval, per_subject
from trimcap.study.results.store import BASELINES
from trimcap.study.results.words import Drawing, attempted, number, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: text and axes; in SVG it becomes the colour of the page's text
INK = "#1c2530"
#: readable on white and on black
BLUE, ORANGE, GREY, GREEN = "#3b82c4", "#e07b39", "#8b93a1", "#3a9e6e"


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings inside."""
    import matplotlib as mpl

    settings: dict[str, Any] = {
        "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "legend.fontsize": 9, "legend.frameon": False,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GREY, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "figure.dpi": 100,
        "savefig.dpi": 160, "svg.fonttype": "path", "axes.titleweight": "bold", "axes.grid": False,
        "text.parse_math": False,  # a $ in a name is a $
    }  # fmt: skip
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        yield


def drawing(name: str, figure: Figure, caption: str) -> Drawing:
    """Save a figure both ways."""
    import matplotlib as mpl

    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", bbox_inches="tight", facecolor="white")
    # ids are made from the salt, so that figures on one page do not share them and runs repeat byte for byte
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(svg, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    figure.clear()
    return Drawing(name, _inline(svg.getvalue(), name), png.getvalue(), caption)


def legend_name(name: str) -> str:
    """A name as the label of a line: Matplotlib leaves labels that begin with `_`, or are empty, out of legends.

    >>> legend_name("_x"), legend_name("dense"), legend_name("")
    (' _x', 'dense', ' ')
    """
    return name if name and not name.startswith("_") else f" {name}"


def _inline(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    # the natural width is a limit, so that text has one size in all figures
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])  # type: ignore[index]
    return re.sub(
        r'width="[\d.]+pt" height="[\d.]+pt"|height="[\d.]+pt" ', f'style="width:{width * 4 / 3:.0f}px" ', svg, count=1
    )


def new_figure(width: float, height: float) -> Figure:
    """A figure without the global state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@attempted
def subjects_figure(run: Gathered) -> Drawing:
    """Accuracy by stage, every subject a line; and by subject, dense against the last stage."""
    table = per_subject(run.subjects)
    networks = [s for s in run.networks if s in table]
    height = max(3.6, 1.2 + 0.17 * len(table))
    figure = new_figure(10.0, height)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    _stages(left, table, networks)
    _dumbbells(right, table, networks)
    for axes, vertical in ((left, False), (right, True)):
        _baselines(axes, table, vertical=vertical)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=3.6, ncols=3)
    first = "dense" if "dense" in networks else networks[0]
    against = f", {first} against {networks[-1]}" if networks[-1] != first else ""
    return drawing(
        "subjects",
        figure,
        "Left: accuracy by stage; thin lines are subjects, dots their mean (its number under the stage) with a "
        "95 % t interval. Right: "
        f"every subject{against}. Dotted: majority class; dashed: linear baseline; dash-dotted: "
        "nearest neighbours; densely dotted: the field's own baseline of signals, if there is one.",
    )


def _stages(axes: Axes, table: pd.DataFrame, networks: list[str]) -> None:
    x = np.arange(len(networks))
    values = table[networks].to_numpy()
    for row in values:
        axes.plot(x, row, color=GREY, alpha=0.35, linewidth=0.8)
    means = np.nanmean(values, axis=0)
    intervals = np.array([mean_interval(c[np.isfinite(c)]) for c in values.T])
    bars = np.nan_to_num(np.abs(intervals.T - means))
    axes.errorbar(x, means, yerr=bars, fmt="o-", color=BLUE, capsize=3, linewidth=1.8, zorder=5)
    # means stand under the stages: in the axes they would lie on some line
    axes.set_xticks(x, [f"{name}\n{number(mean)}" for name, mean in zip(networks, means.tolist(), strict=True)])
    axes.set_xlim(-0.5, len(x) - 0.5)
    axes.set_ylabel("window accuracy")
    axes.set_title("By stage")


def _dumbbells(axes: Axes, table: pd.DataFrame, networks: list[str]) -> None:
    first, last = ("dense" if "dense" in networks else networks[0]), networks[-1]
    ordered = table.sort_values(first)
    y = np.arange(len(ordered))
    axes.hlines(y, ordered[first], ordered[last], color=GREY, linewidth=1.5, alpha=0.7)
    axes.scatter(
        ordered[first], y, s=26, facecolors="none", edgecolors=BLUE, linewidths=1.4, label=legend_name(first), zorder=3
    )
    if last != first:
        axes.scatter(ordered[last], y, s=20, color=ORANGE, label=legend_name(last), zorder=4)
    names = [str(s).removeprefix("Subject") for s in ordered.index]
    axes.set_yticks(y, names, fontsize=8 if len(y) > 12 else 9)
    axes.set_ylim(-0.7, len(y) - 0.3)
    axes.set_xlabel("window accuracy")
    axes.set_title("By subject")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=3.6, ncols=2)


def _baselines(axes: Axes, table: pd.DataFrame, *, vertical: bool) -> None:
    lines = ((":", GREY), ("--", GREEN), ("-.", GREY), ((0, (1, 1)), GREEN), ((0, (1, 1)), GREEN))
    for name, (line, colour) in zip(BASELINES, lines, strict=True):
        if name in table:
            mean = float(table[name].mean())
            draw = axes.axvline if vertical else axes.axhline
            label = "_" if vertical else f"{name} {number(mean)}"
            draw(mean, color=colour, linestyle=line, linewidth=1.4, label=label)


@attempted
def cost_figure(run: Gathered) -> Drawing | None:
    """Cost of every stage relative to the first; None if there is no other."""
    cost = run.cost.dropna(axis="columns", how="all")
    if len(cost) < 2:
        return None
    heads = {"parameters": "parameters", "macs": "MACs", "flash": "flash", "sram": "peak SRAM"}
    shown = [key for key in heads if key in cost]
    figure = new_figure(10.0, 0.9 + 0.32 * len(cost))
    for axes, key in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        share = 100 * cost[key] / cost[key].iloc[0]
        y = np.arange(len(cost))
        axes.barh(y, share, color=[BLUE, *[ORANGE] * (len(y) - 1)], height=0.62)
        for place, percent, value in zip(y, share, cost[key], strict=True):
            text = size(float(value)) if key in ("flash", "sram") else f"{value:,.0f}"
            axes.annotate(
                "–" if np.isnan(value) else text, (0 if np.isnan(percent) else percent, place), (4, 0),
                textcoords="offset points", va="center", fontsize=8.5,
            )  # fmt: skip
        axes.set_yticks(y, list(cost.index))
        axes.set_xlim(0, 1.45 * float(np.nanmax(share)))
        axes.set_xticks([])
        axes.spines.bottom.set_visible(False)
        axes.set_title(heads[key])
    figure.axes[0].invert_yaxis()
    return drawing("cost", figure, "Cost by stage, each panel scaled to the first stage.")


@attempted
def confusion_figure(run: Gathered) -> Drawing:
    """Row-normalised confusion matrices of the networks that matter."""
    shown = [s for s in dict.fromkeys(("linear baseline", "dense", run.final)) if s in run.confusion]
    classes = run.header["data"]["classes"]
    figure = new_figure(3.3 * len(shown), 3.2)
    for axes, stage in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        counts = run.confusion[stage]
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(share):
            colour = "white" if value > 0.55 else "#10161d"
            text = f"{100 * value:.0f} %\n{counts[i, j]:,}"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes, rotation=90, va="center")
        axes.set_xlabel("predicted")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(stage)
    figure.axes[0].set_ylabel("true")
    return drawing("confusion", figure, "Test windows of all folds and seeds: share of the true class, and count.")


@attempted
def curves_figure(run: Gathered) -> Drawing | None:
    """Loss and validation accuracy over training passes, one thin line per trial."""
    shown = [s for s in run.stages if run.histories.get(s)]
    if not shown:
        return None
    figure = new_figure(10.0, 2.9 * len(shown))
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for row, stage in zip(grid, shown, strict=True):
        for table in run.histories[stage]:
            for axes, column, colour in (
                (row[0], "train_loss", BLUE), (row[0], "valid_loss", ORANGE), (row[1], "valid_accuracy", ORANGE),
            ):  # fmt: skip
                if column in table:
                    axes.plot(table.epoch, table[column], color=colour, alpha=0.6, linewidth=1)
        row[0].set_ylabel("loss")
        row[1].set_ylabel("accuracy")
        row[0].set_title(f"{stage}: loss")
        row[1].set_title(f"{stage}: validation accuracy")
        for axes in row:
            axes.set_xlabel("epoch")
            axes.locator_params(axis="x", integer=True)
        row[0].plot([], [], color=BLUE, label="training")
        row[0].plot([], [], color=ORANGE, label="validation")
        row[0].legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=2)
    return drawing("curves", figure, "Training curves, one line per fold and seed.")
