"""Figures of filters and feature maps in rank order, the pruned ones framed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.prune.maps import maps_of
from trimcap.prune.plan import Plan, prunable_axis
from trimcap.prune.scores import Scores
from trimcap.study.figures import BLUE, GREY, INK, ORANGE, drawing, new_figure, style
from trimcap.study.filters import kernels, ranked, shown
from trimcap.study.layout import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]
_MOST = 64
_COLUMNS = 16


def filters_figure(network: Network, scores: Scores, plan: Plan, axis: str, *, most: int = _MOST) -> Drawing | None:
    """Kernels of an axis in rank order, each summed over its inputs; None where its layers have no kernels.

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 4a, there coloured by the sign that prevails.
    """
    values = kernels(network, prunable_axis(network, axis))
    if values is None:
        return None
    text = "each kernel summed over its inputs; red positive, blue negative, one scale for all."
    return _tiles(values, scores, plan, axis, most, name="filters", title=f"Filters of {axis}", text=text)


def maps_figure(
    network: Network, scores: Scores, plan: Plan, axis: str, window: NDArray[np.float32], *, most: int = _MOST
) -> Drawing | None:
    """What every slice of an axis is on one window, in rank order; None where the slices are single numbers.

    Parameters
    ----------
    window : one window as the network takes it, without the batch

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, fig. 4c.
    """
    found = prunable_axis(network, axis)
    values = _maps(network, found, window)
    if values is None:
        return None
    text = "each slice on the same validation window; red positive, blue negative, every map on its own scale."
    return _tiles(
        values, scores, plan, axis, most, name="maps", title=f"Feature maps of {axis}", text=text, own_scale=True
    )


def _maps(network: Network, axis: Axis, window: NDArray[np.float32]) -> Values | None:
    """(n_slices, height, width) on one window, or None."""
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
    shape = [s for s in maps.shape[1:] if s > 1]
    if not shape:
        return None
    return np.asarray(maps.reshape(axis.size, *([1, *shape] if len(shape) == 1 else [shape[0], -1])))


def _tiles(
    values: Values,
    scores: Scores,
    plan: Plan,
    axis: str,
    most: int,
    *,
    name: str,
    title: str,
    text: str,
    own_scale: bool = False,
) -> Drawing:
    order, hidden = shown(ranked(scores, axis), most)
    gone = set(range(len(values))) - set(plan.keep.get(axis, range(len(values))))
    columns = min(_COLUMNS, 8 if len(order) <= 32 else _COLUMNS, len(order))
    rows = -(-len(order) // columns)
    tile = max(0.55, 7.6 / columns)
    line = values.shape[1] == 1
    high = tile * (0.62 if line else min(max(values.shape[1] / values.shape[2], 0.4), 1.4))
    limit = float(np.abs(values).max()) or 1.0
    with style():
        figure = new_figure(columns * tile + 0.3, rows * (high + 0.2) + 0.5)
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(order):
                axes.set_axis_off()
                continue
            one = values[order[place]]
            top = float(np.abs(one).max()) or 1.0 if own_scale else limit
            _tile(axes, one, top, str(order[place]), framed=order[place] in gone)
        figure.suptitle(f"{title}, in rank order by {scores.name}", x=0.01, ha="left", fontsize=11, weight="bold")
        left_out = f" {hidden} in the middle of the ranking are left out." if hidden else ""
        caption = f"In rank order by {scores.name}, the first to go first; numbers are slices, framed: pruned. "
        return drawing(name, figure, f"{caption}{text[0].upper()}{text[1:]}{left_out}")


def _tile(axes: Axes, values: Values, limit: float, label: str, *, framed: bool) -> None:
    if len(values) == 1:
        axes.axhline(0, color=GREY, linewidth=0.6)
        axes.plot(values[0], color=BLUE, linewidth=0.9)
        axes.set_ylim(-1.08 * limit, 1.08 * limit)
        axes.set_xlim(0, values.shape[1] - 1)
    else:
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(label, fontsize=7.5, weight="bold" if framed else "normal", loc="center", pad=2)
    axes.title.set_color(ORANGE if framed else INK)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set(color=ORANGE if framed else GREY, linewidth=2.4 if framed else 0.5)
