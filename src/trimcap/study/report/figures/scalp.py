"""Scalp maps of evidence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.electrodes.names import positions
from trimcap.study.report.figures.draw import GREY, drawing, new_figure
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.words import Drawing, attempted

#: fewer electrodes than this make no map
_FEWEST = 4
#: more names than this do not fit on a small head
_MOST_NAMES = 32


@attempted
def evidence_figure(run: Gathered) -> Drawing | None:
    """Where networks look: share of mean |input × gradient| by electrode, and the change by compression."""
    shown = [s for s in run.networks if s in run.evidence]
    channels = run.header["data"]["channels"]
    if not shown or len(channels) < _FEWEST:
        return None
    first, last = shown[0], shown[-1]
    maps: list[tuple[str, Any]] = [(s, 100 * run.evidence[s]) for s in dict.fromkeys((first, last))]
    if first != last:
        maps.append((f"{last} − {first}", 100 * (run.evidence[last] - run.evidence[first])))
    figure = new_figure(3.3 * len(maps), 3.2)
    top = max(float(values.max()) for _, values in maps[:2])
    for axes, (title, values) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        difference = "−" in title
        limit = max(float(np.abs(values).max()), 1e-9) if difference else top
        image = draw_map(
            axes, values, channels, (-limit if difference else 0.0, limit), "RdBu_r" if difference else "YlOrBr"
        )
        axes.set_title(title, loc="center")
        if len(maps) > 1 and title == first:
            continue  # the second map has the same scale
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.03)
        bar.outline.set_visible(False)
        bar.ax.set_title("points" if difference else "%", fontsize=9, loc="center")
    return drawing(
        "evidence",
        figure,
        "Evidence by electrode on validation windows: mean |(input − mean) × gradient of the predicted class's logit|, "
        f"as share of the sum, mean over folds and seeds.{_agreement(run, first, last)} Evidence shows what a network "
        "uses, not what causes the brain's signal.",
    )


def _agreement(run: Gathered, first: str, last: str) -> str:
    from scipy.stats import spearmanr

    a, b = run.evidence[first], run.evidence[last]
    if first == last or np.ptp(a) == 0 or np.ptp(b) == 0:
        return ""
    return f" Rank correlation of the two maps over electrodes: {spearmanr(a, b).statistic:.2f}."


def draw_map(
    axes: Any, values: Any, channels: list[str], limits: tuple[float, float], colours: str, *, named: bool | None = None
) -> Any:
    """One scalp map, with the names of electrodes if they fit (or `named`); returns the image for a colour bar."""
    import mne
    from matplotlib.patheffects import withStroke

    named = len(channels) <= _MOST_NAMES if named is None else named
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image, _ = mne.viz.plot_topomap(
            values, _info(channels), axes=axes, show=False, cmap=colours, vlim=limits, contours=4, outlines="head",
            sensors=True, names=channels if named else None, sphere=(0.0, 0.0, 0.0, head()[1]),
        )  # fmt: skip
    for line in axes.lines:
        line.set_color(GREY)
        # MNE draws names only where it draws dots; a dot under its name is unreadable
        line.set_visible(not named or line.get_marker() in ("None", ""))
    for text in axes.texts:
        text.set(fontsize=7, color="#10161d", path_effects=[withStroke(linewidth=1.6, foreground="white")])
    return image


def _info(channels: list[str]) -> Any:
    """Electrodes around the centre of the head, which lies midway between Fpz and Oz, and T7 and T8."""
    import mne

    centre, _ = head()
    place = dict(zip(channels, positions(channels) - centre, strict=True))
    info = mne.create_info(list(channels), 100.0, "eeg")
    info.set_montage(mne.channels.make_dig_montage(place, coord_frame="head"), verbose="error")
    return info


def head() -> tuple[NDArray[np.float64], float]:
    """Centre and radius, m, so that the ring of Fpz, T7, T8 and Oz lies just inside the outline."""
    front, back, left, right = positions(("Fpz", "Oz", "T7", "T8"))
    centre = np.array([(left[0] + right[0]) / 2, (front[1] + back[1]) / 2, (left[2] + right[2]) / 2])
    return centre, 1.06 * float(front[1] - back[1]) / 2
