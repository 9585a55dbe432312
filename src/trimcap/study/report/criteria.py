"""The comparison of saliencies as a folder: table as Markdown and JSON, correlations as CSV, a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimcap._csv import csv_text
from trimcap._files import make_folder, write_atomic, write_json
from trimcap.prune.choose.compare import POOLED, Comparison
from trimcap.prune.saliency.table import Description, describe
from trimcap.study.report.figures.draw import drawing, new_figure, style
from trimcap.study.report.pages import markdown_text
from trimcap.study.results.words import number

if TYPE_CHECKING:
    from trimcap.study.results.words import Drawing

#: an axis of two slices has a correlation of 1 or -1, one of three ±1 or ±0.5
_FEWEST = 4


def write_comparison(found: Comparison, folder: Path | str, *, title: str, whose: str = "") -> list[Path]:
    """Write `criteria.md`, `criteria.json`, `correlations.csv` and `criteria.png`; returns their paths.

    Parameters
    ----------
    whose : a sentence about whose windows were seen, for `criteria.md`
    """
    place = make_folder(Path(folder))
    figure = comparison_figure(found)
    write_atomic(place / "criteria.png", figure.png)
    write_atomic(place / "criteria.md", markdown(found, title=title, caption=figure.caption, whose=whose))
    write_atomic(place / "correlations.csv", csv_text(found.correlations))
    write_json(place / "criteria.json", as_dict(found))
    return [place / name for name in ("criteria.md", "criteria.json", "correlations.csv", "criteria.png")]


def as_dict(found: Comparison) -> dict[str, Any]:
    """The comparison for JSON; what can't be had is null."""
    return {
        "accuracy": found.accuracy,
        "windows": {"saliencies": found.windows[0], "oracle": found.windows[1]},
        "saliencies": _records(found.table()),
        "correlations": _records(found.correlations),
        "reasons": dict(found.reasons),
    }


def _records(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_dict("records")
    return [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in rows]


def markdown(found: Comparison, *, title: str, caption: str, whose: str = "") -> str:
    """The table, the figure with its caption, and why some scores are missing."""
    table = found.table()
    head = list(table.columns)
    lines = [f"# Saliencies against the oracle: {markdown_text(title)}", "", f"{_sentence(found)} {whose}".strip(), ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "|".join("---" if h == "saliency" else "--:" for h in head) + "|"]
    lines += [
        "| " + " | ".join(markdown_text(_cell(cell)) for cell in row) + " |" for row in table.itertuples(index=False)
    ]
    lines += ["", f"![{caption}](criteria.png)", "", caption, ""]
    if found.reasons:
        lines += ["Not to be had everywhere:", ""]
        lines += [f"- {markdown_text(reason)}" for reason in found.reasons.values()] + [""]
    return "\n".join(lines)


def _sentence(found: Comparison) -> str:
    return (
        f"Correlations of ranks with the true increase of the loss on {found.windows[1]} windows; saliencies that "
        f"look at data saw {found.windows[0]}. Accuracies are of all windows that the oracle draws from: whole network "
        f"{found.accuracy:.3f}; after pruning every axis, without recovery, as listed."
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.3f}"
    return str(value)


def comparison_figure(found: Comparison) -> Drawing:
    """Spearman's correlation with the oracle, saliencies by axes, as a heat map; axes of few slices are left out."""
    names = list(found.table().saliency)
    names.remove("oracle")
    most = found.correlations.groupby("axis", sort=False).slices.max()  # a saliency that can't be had has 0
    slices = {str(axis): int(n) for axis, n in most.items()}
    few = {axis: n for axis, n in slices.items() if axis != POOLED and n < _FEWEST}
    axes = [POOLED, *(axis for axis in slices if axis != POOLED and axis not in few)]
    values = found.correlations.pivot(index="saliency", columns="axis", values="spearman").reindex(names)[axes]
    heads = [f"{axis} ({slices[axis]})" for axis in axes]
    with style():
        # room for the names below, which are written at 40 degrees
        figure = new_figure(max(5.0, 2.6 + 0.62 * len(axes)), 0.8 + 0.055 * max(map(len, heads)) + 0.3 * len(names))
        plot = figure.subplots()
        grid = values.to_numpy(dtype=np.float64)
        image = plot.imshow(grid, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
        plot.set_xticks(range(len(axes)), heads, rotation=40, ha="right", rotation_mode="anchor")
        plot.set_yticks(range(len(names)), names)
        plot.set_title("Spearman's correlation with the oracle")
        for (row, column), value in np.ndenumerate(grid):
            text, ink = (
                ("–", "#5b6472") if np.isnan(value) else (number(value, 2), "white" if abs(value) > 0.6 else "black")
            )
            plot.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink)
        for spine in plot.spines.values():
            spine.set_visible(False)
        plot.tick_params(length=0)
        figure.colorbar(image, ticks=(-1, 0, 1)).outline.set_visible(False)
        return drawing("criteria", figure, _caption(few))


def _caption(few: Mapping[str, int]) -> str:
    text = (
        "Spearman's rank correlation of each saliency with the true increase of the loss without a slice, by axis, in "
        "brackets the number of slices; best pooled correlation on top. – : not to be had, or the same score for all "
        "slices."
    )
    if few:
        text += (
            f" Left out, as ranks of fewer than {_FEWEST} slices say nothing: "
            f"{', '.join(f'{axis} ({n})' for axis, n in few.items())}; their slices are part of {POOLED}."
        )
    return text


def listed(rows: list[Description] | None = None) -> list[dict[str, str]]:
    """Name, group, formula, source and needs of every saliency, for tables."""
    return [
        {"name": d.name, "looks at": d.group, "formula": d.formula, "needs": d.needs or "–", "source": d.source}
        for d in (describe() if rows is None else rows)
    ]
