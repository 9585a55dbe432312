"""Filters of EEG networks: temporal filters as time course and spectrum, spatial filters as scalp maps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trimcap.graph.network import Network
from trimcap.prune.plan import Plan, prunable_axis
from trimcap.prune.saliency.scores import Scores
from trimcap.study.report.figures.draw import BLUE, GREEN, GREY, INK, ORANGE, drawing, new_figure, style
from trimcap.study.report.figures.scalp import draw_map
from trimcap.study.results.filters import Bank, Values, ranked, shown, spatial, temporal
from trimcap.study.results.words import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 8
#: more maps of one slice than this are not drawn
_MOST_MAPS = 8
_FFT = 1024
_SHADES = {"blue": BLUE, "green": GREEN, "grey": GREY, "black": INK}


def eeg_figure(
    network: Network,
    scores: Scores,
    plan: Plan,
    axis: str,
    *,
    rate: float,
    channels: Sequence[str] = (),
    to_hz: float = 50.0,
    most: int = 32,
) -> Drawing | None:
    """Every slice of an axis in rank order: its temporal filters over time and in Hz, its spatial filters on the scalp.

    Parameters
    ----------
    rate : of the network's input, Hz
    channels : electrodes of the input; default those the network knows
    to_hz : spectra end here, or at half the rate

    Returns
    -------
    Drawing, or None where the axis has neither temporal filters nor (with at least 4 known electrodes) spatial ones

    Source: spectra and maps as Lawhern et al. (2018), EEGNet, J. Neural Eng. 15 056013, fig. 7, show them.
    """
    found = prunable_axis(network, axis)
    names = list(network.channels or channels)
    courses, maps = temporal(network, found), spatial(network, found) if len(names) >= 4 else []
    maps = [bank for bank in maps if bank.values.shape[1] == len(names)]
    if not (courses or maps):
        return None
    order, hidden = shown(ranked(scores, axis), most)
    gone = set(range(found.size)) - set(plan.keep.get(axis, range(found.size)))
    most_maps = max((int(np.bincount(b.slices).max()) for b in maps), default=0)
    per_slice = min(most_maps, _MOST_MAPS)
    heights = [*([0.62, 0.62] if courses else []), *[1.0] * per_slice]
    columns = min(_COLUMNS, len(order))
    rows = -(-len(order) // columns)
    with style():
        figure = new_figure(max(1.28 * columns + 0.35, 4.6), rows * (1.12 * sum(heights) + 0.42) + 1.1)
        panels = figure.subfigures(rows, columns, squeeze=False, wspace=0.03, hspace=0.03)
        for place, panel in enumerate(panels.flat):
            if place < len(order):
                _slice(panel, order[place], courses, maps, names, heights, rate, to_hz, order[place] in gone)
        title = f"Filters of {axis}, in rank order by {scores.name}"
        if most_maps > per_slice:
            title += f"\n(of each slice the first {per_slice} of up to {most_maps} spatial filters)"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
        caption = _caption(scores, courses, maps, per_slice, hidden, to_hz)
        figure.supxlabel(textwrap.fill(caption, int(15 * figure.get_figwidth())), x=0.01, ha="left", fontsize=8.5)
        return drawing("eeg_filters", figure, caption)


def _caption(scores: Scores, courses: list[Bank], maps: list[Bank], per_slice: int, hidden: int, to_hz: float) -> str:
    text = f"In rank order by {scores.name}, the first to go first; numbers are slices, framed: pruned."
    if courses:
        text += f" Above: filters over time, and their gain up to {to_hz:g} Hz with the frequency of its maximum."
    if len(courses) > 1:
        names = ", ".join(
            f"{name} {b.layer.removesuffix('.weight')}" for name, b in zip(_SHADES, courses, strict=False)
        )
        text += f" Layers: {names}; the frequency is that of the first."
    if maps:
        text += " Heads: spatial filters, every one on its own scale, red positive and blue negative."
        most = max(int(np.bincount(b.slices).max()) for b in maps)
        if most > 1:
            text += " Those of one slice stand in the order of their layer, from the top."
        if most > per_slice:
            text += f" Only the first {per_slice} of up to {most} of each slice are shown."
    mixed = [b for b in (*courses, *maps) if b.share < 0.9999]
    if mixed:
        share = 100 * float(np.mean([b.share for b in mixed]))
        text += (
            f" Filters that mix several inputs are drawn by their first singular vector ({share:.0f} % of the energy)."
        )
    return text + (f" {hidden} slices in the middle of the ranking are left out." if hidden else "")


def _slice(
    panel: Any,
    number: int,
    courses: list[Bank],
    maps: list[Bank],
    names: list[str],
    heights: list[float],
    rate: float,
    to_hz: float,
    framed: bool,
) -> None:
    panel.suptitle(str(number), fontsize=9, weight="bold" if framed else "normal", color=ORANGE if framed else INK)
    if framed:
        panel.patch.set(edgecolor=ORANGE, linewidth=1.8, visible=True)
    grid = list(panel.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if courses:
        own = [bank.values[bank.slices == number] for bank in courses]
        _course(grid.pop(0), own, rate)
        _spectrum(grid.pop(0), own, rate, min(to_hz, rate / 2))
    heads = [values for bank in maps for values in bank.values[bank.slices == number]]
    for axes, values in zip(grid, heads, strict=False):
        limit = float(np.abs(values).max()) or 1.0
        draw_map(axes, values, names, (-limit, limit), "RdBu_r", named=False)
    for axes in grid[len(heads) :]:
        axes.set_axis_off()


def _course(axes: Axes, filters: list[Values], rate: float) -> None:
    top = max(float(np.abs(f).max()) for f in filters) or 1.0
    axes.axhline(0, color=GREY, linewidth=0.6)
    for colour, values in zip(_SHADES.values(), filters, strict=False):
        times = 1000 * np.arange(values.shape[1]) / rate
        axes.plot(times, values.T / top, color=colour, linewidth=0.9)
        axes.set_xlim(0, max(axes.get_xlim()[1] if colour != BLUE else 0, times[-1]))
    axes.set_ylim(-1.1, 1.1)
    _small(axes, "ms")


def _spectrum(axes: Axes, filters: list[Values], rate: float, to_hz: float) -> None:
    for colour, values in zip(_SHADES.values(), filters, strict=False):
        gain = np.abs(np.fft.rfft(values, _FFT, axis=1))
        hz = np.fft.rfftfreq(_FFT, 1 / rate)
        gain = gain[:, hz <= to_hz] / max(float(gain[:, hz <= to_hz].max()), 1e-300)
        hz = hz[hz <= to_hz]
        axes.plot(hz, gain.T, color=colour, linewidth=0.9)
        if colour == BLUE:
            axes.fill_between(hz, gain[0], color=colour, alpha=0.18, linewidth=0)
            peak = float(hz[gain[0].argmax()])
            axes.axvline(peak, color=ORANGE, linewidth=0.8)
            axes.set_title(f"{peak:.1f} Hz", fontsize=7, loc="center", pad=1.5, weight="normal")
    axes.set_xlim(0, to_hz)
    axes.set_ylim(0, 1.08)
    _small(axes, "Hz")


def _small(axes: Axes, unit: str) -> None:
    axes.set_yticks([])
    low, high = axes.get_xlim()
    axes.set_xticks([low, high], ["0", f"{high:.0f} {unit}"], fontsize=6.5)
    left, right = axes.get_xticklabels()
    left.set_horizontalalignment("left")
    right.set_horizontalalignment("right")
    axes.tick_params(length=2, pad=1.5)
    axes.spines.left.set_visible(False)
