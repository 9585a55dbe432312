"""Caps on the scalp: the order in which electrodes go, which of them stay, and what headsets have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap.data.electrodes.headsets import Fitting
from trimcap.data.electrodes.names import positions, tidy, unknown_electrodes
from trimcap.prune.electrodes import ElectrodeCurve
from trimcap.study.report.figures.draw import BLUE, GREEN, GREY, ORANGE, drawing, new_figure, style
from trimcap.study.report.figures.electrodes import check_alike, summaries
from trimcap.study.report.figures.scalp import draw_map, head
from trimcap.study.results.words import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = (2, 4, 8)
_COLUMNS = 4
#: more names than this do not fit on a head
_MOST_NAMES = 32
_FEWEST = 4


def caps_figure(
    curves: ElectrodeCurve | Sequence[ElectrodeCurve], *, marks: Sequence[int] = _MARKS, title: str = ""
) -> Drawing | None:
    """One row per saliency: the order in which electrodes go, and the caps of some sizes; below, the headsets.

    Parameters
    ----------
    curves : of one network, or of several: the order is then the mean rank, and dots are as dark as the share of
        networks that keep the electrode
    marks : sizes of the caps that are shown; those that were not measured are left out

    Returns
    -------
    Drawing, or None where fewer than four electrodes have a known place on the head, or there is nothing to show
    """
    several = [curves] if isinstance(curves, ElectrodeCurve) else list(curves)
    check_alike(several)
    channels = several[0].channels
    if len(channels) < _FEWEST or unknown_electrodes(channels):
        return None
    names = list(several[0].orders)
    fittings = {name: f for name, f in several[0].headsets.items() if f.complete}
    worn = sorted(fittings.items(), key=lambda item: len(item[1].channels))
    rows = len(names) + -(-len(worn) // _COLUMNS)
    if not rows:
        return None
    with style():
        figure = new_figure(2.25 * _COLUMNS, 2.5 * rows + 0.3)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for row, name in zip(grid, names, strict=False):
            _saliency_row(list(row), several, name, marks)
        places = list(grid[len(names) :].flat)
        for axes, (name, fitting) in zip(places, worn, strict=False):
            _headset(axes, several, name, fitting)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
        return drawing("caps", figure, _caption(several, bool(worn)))


def _caption(curves: Sequence[ElectrodeCurve], worn: bool) -> str:
    many = f", mean rank of {len(curves)} networks" if len(curves) > 1 else ""
    dots = f"the darker, the more of {len(curves)} networks keep it" if len(curves) > 1 else "blue: kept"
    text = f"Left: the order in which electrodes go{many}; dark ones stay longest. Beside it: caps, {dots}."
    if worn:
        text += " Green: headsets; orange electrodes stand in for those that the recording lacks."
    return text + f" Numbers: {curves[0].metric.replace('_', ' ')} without training."


def _saliency_row(row: Sequence[Axes], curves: Sequence[ElectrodeCurve], name: str, marks: Sequence[int]) -> None:
    channels = curves[0].channels
    orders = [curve.orders[name] for curve in curves if name in curve.orders]
    ranks = np.mean([[order.index(channel) for channel in channels] for order in orders], axis=0)
    row[0].set_axis_on()
    draw_map(row[0], ranks, list(channels), (0, len(channels) - 1), "Blues")
    row[0].set_title(f"order by {name}", loc="center", fontsize=10)
    known = {s.count: s for s in summaries(curves, "saliency", name)}
    for axes, k in zip(row[1:], [k for k in marks if k in known and k < len(channels)], strict=False):
        share = np.mean([[channel in order[-k:] for channel in channels] for order in orders], axis=0)
        _dots(axes, channels, {c: (BLUE, float(s)) for c, s in zip(channels, share, strict=True) if s})
        axes.set_title(f"{k} by {name}: {known[k].mean:.3f}", loc="center", fontsize=10)


def _headset(axes: Axes, curves: Sequence[ElectrodeCurve], name: str, fitting: Fitting) -> None:
    other = set(fitting.substitutions.values())
    _dots(axes, curves[0].channels, {c: (ORANGE if c in other else GREEN, 1.0) for c in fitting.channels})
    mean = summaries(curves, "headset", name)[0].mean
    axes.set_title(f"{fitting.headset.title}: {mean:.3f}", loc="center", fontsize=10)


def _dots(axes: Axes, channels: Sequence[str], shown: Mapping[str, tuple[str, float]]) -> None:
    """A head from above; electrodes that are shown have a colour, how dark it is, and a name."""
    from matplotlib.patches import Circle, Polygon
    from matplotlib.patheffects import withStroke

    outline = {"edgecolor": GREY, "facecolor": "none", "linewidth": 1.0}
    axes.add_patch(Polygon([(-0.11, 0.99), (0, 1.12), (0.11, 0.99)], closed=False, **outline))
    axes.add_patch(Circle((0, 0), 1.0, **outline))
    for channel, (x, y) in zip(channels, flat_places(channels), strict=True):
        colour, share = shown.get(channel, ("none", 1.0))
        kept = channel in shown
        axes.add_patch(Circle((x, y), 0.135 if kept else 0.045, facecolor="white" if kept else "none", edgecolor=GREY))
        if kept:
            axes.add_patch(Circle((x, y), 0.135, facecolor=colour, edgecolor=colour, alpha=share, linewidth=0.8))
            if len(shown) <= _MOST_NAMES:
                halo = [withStroke(linewidth=1.4, foreground="white")]
                text = tidy(channel) or channel
                axes.text(
                    x, y, text, ha="center", va="center_baseline", fontsize=6.5, color="#10161d", path_effects=halo
                )
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.15, 1.2)
    axes.set_aspect("equal")


def flat_places(channels: Sequence[str]) -> NDArray[np.float64]:
    """Places on a head seen from above, (n, 2): its outline is the unit circle, the nose is up.

    Angle from the vertical through the centre of the head, T7 and T8 at 1/1.06 of the radius (azimuthal equidistant).
    """
    centre, _ = head()
    place = positions(channels) - centre
    angle = np.arccos(np.clip(place[:, 2] / np.linalg.norm(place, axis=1), -1, 1))
    level = np.hypot(place[:, 0], place[:, 1])
    radius = angle / (np.pi / 2) / 1.06
    return np.asarray(place[:, :2] / np.maximum(level, 1e-12)[:, None] * radius[:, None])
