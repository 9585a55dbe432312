"""Figures of filters and feature maps in rank order, the pruned ones framed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.prune.plan import Plan, prunable_axis
from trimcap.prune.saliency.maps import maps_of
from trimcap.prune.saliency.scores import Scores
from trimcap.study.report.figures.draw import BLUE, GREY, INK, ORANGE, drawing, new_figure, style
from trimcap.study.report.figures.map_sides import Side, side_of, time_side
from trimcap.study.results.filters import kernels, ranked, shown
from trimcap.study.results.words import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]
_MOST = 64
_COLUMNS = 16


@dataclass(frozen=True)
class _Tiles:
    """What the tiles show, besides their numbers: sides from the top and from the left, None for plain positions."""

    name: str
    title: str
    text: str
    down: Side | None = None
    across: Side | None = None
    own_scale: bool = False


def filters_figure(network: Network, scores: Scores, plan: Plan, axis: str, *, most: int = _MOST) -> Drawing | None:
    """Kernels of an axis in rank order, each summed over its inputs; None where its layers have no kernels.

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 4a, there coloured by the sign that prevails.
    """
    values = kernels(network, prunable_axis(network, axis))
    if values is None:
        return None
    scale = f"from −{_top(values):.2g} to {_top(values):.2g}"
    signs = "" if values.shape[1] == 1 else "red positive, blue negative, "
    text = f"Each kernel summed over its inputs; {signs}one scale for all, {scale}."
    return _draw(values, scores, plan, axis, most, _Tiles("filters", f"Filters of {axis}", text))


def maps_figure(
    network: Network,
    scores: Scores,
    plan: Plan,
    axis: str,
    window: NDArray[np.float32],
    *,
    most: int = _MOST,
    rate: float = 0.0,
    channels: Sequence[str] = (),
    about: str = "",
) -> Drawing | None:
    """What every slice of an axis is on one window, in rank order; None where the slices are single numbers.

    Parameters
    ----------
    window : one window as the network takes it, without the batch
    rate : of the network's input, Hz; 0 draws no seconds
    channels : electrodes of the input; default those the network knows
    about : which window it is, in words

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 4c.
    """
    found = _maps(network, prunable_axis(network, axis), window, rate, channels)
    if found is None:
        return None
    values, down, across = found
    if values.shape[1] == 1:
        scale = "Grey line: 0; top and bottom: ± the number above"
    else:
        scale = "Red positive, blue negative, up to ± the number above"
    sides = f"across: {across.name}" + (f", from the top: {down.name}" if down is not None else "")
    which = f"All on one window{f' ({about})' if about else ''}"
    text = f"{which}; {sides}. {scale}, every map on its own scale."
    return _draw(
        values, scores, plan, axis, most, _Tiles("maps", f"Feature maps of {axis}", text, down, across, own_scale=True)
    )


def _maps(
    network: Network, axis: Axis, window: NDArray[np.float32], rate: float, channels: Sequence[str]
) -> tuple[Values, Side | None, Side] | None:
    """(n_slices, height, width) on one window, and what runs down (None: one row) and across; or None."""
    try:
        name = maps_of(network, axis)[0]
    except PlanError:
        return None
    with torch.no_grad():
        module: Any = network.module()
        result = module.run(torch.from_numpy(np.array(window[None], dtype=np.float32)), keep=True)[name][0]
    dims = network.axes.dims(name)[1:]
    (position, labels) = next(
        (p, found) for p, dim in enumerate(dims) if (found := network.axes.labels(dim, axis.name)).ge(0).any()
    )
    rows = result.double().movedim(position, 0).numpy()
    maps = np.stack([rows[labels.numpy() == j].mean(0) for j in range(axis.size)])
    rest = [place for place, size in enumerate(result.shape) if place != position and size > 1]
    if not rest:
        return None
    sizes = [result.shape[place] for place in rest]
    values = np.asarray(maps.reshape(axis.size, *([1, *sizes] if len(sizes) == 1 else [sizes[0], -1])))
    sides = [side_of(network, dims[place], result.shape[place], channels=channels) for place in rest]
    across = sides[-1] if len(rest) <= 2 else Side("positions", ("1", str(values.shape[2])))
    if rest[-1] == len(dims) - 1 and len(rest) <= 2:
        across = time_side(network, name, rate=rate) or across
    return values, None if len(rest) == 1 else sides[0], across


def _draw(values: Values, scores: Scores, plan: Plan, axis: str, most: int, tiles: _Tiles) -> Drawing:
    order, hidden = shown(ranked(scores, axis), most)
    gone = set(range(len(values))) - set(plan.keep.get(axis, range(len(values))))
    columns = min(_COLUMNS, 8 if len(order) <= 32 else _COLUMNS, len(order))
    rows = -(-len(order) // columns)
    tile = max(0.55, 7.6 / columns)
    line = values.shape[1] == 1
    high = min(tile * (0.62 if line else min(max(values.shape[1] / values.shape[2], 0.4), 1.4)), 2.4)
    left_out = f" {hidden} in the middle of the ranking are left out." if hidden else ""
    caption = f"Numbers are slices, the first to go first; framed: pruned. {tiles.text}{left_out}"
    with style():
        figure = new_figure(columns * tile + 0.3, rows * (high + 0.2) + 1.1)
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(order):
                axes.set_axis_off()
                continue
            one = values[order[place]]
            scale = _top(one)
            _tile(axes, one, scale if tiles.own_scale else _top(values), framed=order[place] in gone)
            _label(axes, str(order[place]), framed=order[place] in gone, scale=scale if tiles.own_scale else None)
            lowest = place + columns >= len(order)
            _sides(axes, one, tiles.down if place % columns == 0 else None, tiles.across if lowest else None)
        figure.suptitle(f"{tiles.title}, in rank order by {scores.name}", x=0.01, ha="left", fontsize=11, weight="bold")
        note = textwrap.fill(caption, int(15 * (columns * tile + 0.3)))
        figure.supxlabel(note, x=0.01, ha="left", fontsize=8.5)
        return drawing(tiles.name, figure, f"In rank order by {scores.name}. {caption}")


def _top(values: Values) -> float:
    """The end of a scale."""
    return float(np.abs(values).max()) or 1.0


def _tile(axes: Axes, values: Values, limit: float, *, framed: bool) -> None:
    if len(values) == 1:
        axes.axhline(0, color=GREY, linewidth=0.6)
        axes.plot(values[0], color=BLUE, linewidth=0.9)
        axes.set_ylim(-1.08 * limit, 1.08 * limit)
        axes.set_xlim(0, values.shape[1] - 1)
    else:
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set(color=ORANGE if framed else GREY, linewidth=2.4 if framed else 0.5)


def _label(axes: Axes, label: str, *, framed: bool, scale: float | None) -> None:
    """The number of the slice, and on the right the end of its own scale."""
    weight = "bold" if framed else "normal"
    text = axes.set_title(label, fontsize=7.5, weight=weight, loc="center" if scale is None else "left", pad=3)
    text.set_color(ORANGE if framed else INK)
    if scale is not None:
        axes.set_title(f"±{_short(scale)}", fontsize=6, weight="normal", loc="right", pad=3)


def _short(value: float) -> str:
    """Two digits, or one where two would not fit above a small tile.

    >>> _short(0.4567), _short(123.4), _short(0.0123), _short(45678.0)
    ('0.46', '123', '0.01', '5e+04')
    """
    if 10 <= value < 9999.5:
        return f"{value:.0f}"
    return f"{value:.2g}" if 0.1 <= value < 10 else f"{value:.1g}"


def _sides(axes: Axes, values: Values, down: Side | None, across: Side | None) -> None:
    """The ends of both sides, each where it is wanted."""
    if down is not None and len(values) > 1:
        axes.set_yticks([0, len(values) - 1], down.ends, fontsize=6)
    if across is not None:
        axes.set_xticks([0, values.shape[1] - 1], across.ends, fontsize=6)
        left, right = axes.get_xticklabels()
        left.set_horizontalalignment("left")
        right.set_horizontalalignment("right")
    axes.tick_params(length=1.5, pad=1.5)
