"""A sensitivity analysis as a folder: JSON, CSV, the plan for a target, and figures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trimcap._csv import csv_text
from trimcap._files import make_folder, write_atomic, write_json
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.prune.choose.sensitivity import Sensitivity
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.scores import Scores
from trimcap.study.report.figures.filter_scalp import eeg_figure
from trimcap.study.report.figures.filters import filters_figure, maps_figure
from trimcap.study.report.figures.sensitivity import sensitivity_figure, sign_figure
from trimcap.study.report.pages import save_figure
from trimcap.study.results.plain import to_plain
from trimcap.study.results.words import Drawing
from trimcap.study.steps.kind import slug


def write_sensitivity(
    found: Sensitivity,
    folder: Path | str,
    *,
    plan: Plan | None = None,
    target: float | None = None,
    look: str = "trimcap",
) -> list[Path]:
    """Write `sensitivity.json`, `.csv`, `.png` and `.svg`, and `plan.json` if there is a plan; returns their paths.

    Parameters
    ----------
    target, look : as for `sensitivity_figure`
    """
    place = make_folder(Path(folder))
    write_json(place / "sensitivity.json", to_plain(found.as_dict() | {"target": target}))
    write_atomic(place / "sensitivity.csv", csv_text(found.table()))
    written = [place / "sensitivity.json", place / "sensitivity.csv"]
    if plan is not None:
        written.append(plan.save(place / "plan.json"))
    else:
        (place / "plan.json").unlink(missing_ok=True)  # of another target
    return [*written, *save_figure(sensitivity_figure(found, target=target, look=look), place / "sensitivity")]


def write_filters(
    network: Network, scores: Scores, plan: Plan | None, windows: Windows, folder: Path | str
) -> list[Path]:
    """Write the figures of every axis that has scores, `eeg_filters-<axis>.png` and so on; returns their paths.

    Parameters
    ----------
    plan : its dropped slices are framed; None frames nothing
    windows : as the network takes them; feature maps are those of the first
    """
    place = make_folder(Path(folder))
    written = []
    for axis in scores.values:
        for figure in _figures(network, scores, plan or Plan({}, {}), axis, windows):
            written += save_figure(figure, place / f"{figure.name}-{slug(axis)}")
    return written


def _figures(network: Network, scores: Scores, plan: Plan, axis: str, windows: Windows) -> Iterator[Drawing]:
    eeg = eeg_figure(network, scores, plan, axis, rate=windows.rate, channels=windows.channels)
    filters = filters_figure(network, scores, plan, axis) if eeg is None else None
    # bands of features are no samples
    rate = windows.rate if abs(windows.shape[-1] - windows.rate * windows.duration) <= 1 else 0.0
    maps = maps_figure(
        network, scores, plan, axis, windows.X[0], rate=rate, channels=windows.channels, about=_first(windows)
    )
    yield from (figure for figure in (eeg, filters, maps) if figure is not None)
    yield sign_figure(network, scores, plan, axis)


def _first(windows: Windows) -> str:
    """Which window the first one is, in words."""
    row = windows.metadata.iloc[0]
    at = f" at {float(row.start):g} s" if windows.duration > 0 else ""
    return f"the first of {len(windows)}: {row.subject}, trial {row.trial}{at}, class {windows.classes[windows.y[0]]}"
