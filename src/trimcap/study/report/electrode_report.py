"""A curve of electrodes as a folder: JSON, CSV, one plan per number of electrodes, and figures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimcap._csv import csv_text
from trimcap._files import make_folder, write_atomic, write_json
from trimcap.graph.network import Network
from trimcap.prune.electrodes import Cap, ElectrodeCurve
from trimcap.study.report.figures.electrode_maps import caps_figure
from trimcap.study.report.figures.electrodes import electrodes_figure
from trimcap.study.report.pages import save_figure
from trimcap.study.results.plain import to_plain
from trimcap.study.steps.kind import slug


def write_electrodes(
    found: ElectrodeCurve, folder: Path | str, *, network: Network | None = None, counts: Sequence[int] = ()
) -> list[Path]:
    """Write `electrodes.json`, `.csv`, `.png`, `.svg`, `caps.png`, `.svg` and plans; returns their paths.

    Plans of an earlier analysis in the folder, `plan-*.json`, are deleted.

    Parameters
    ----------
    network : the whole network, for plans; None writes none, as where electrodes can only be silenced
    counts : numbers of electrodes that get a plan for every saliency; headsets always get one
    """
    place = make_folder(Path(folder))
    write_json(place / "electrodes.json", to_plain(found.as_dict()))
    write_atomic(place / "electrodes.csv", csv_text(found.table()))
    written = [place / "electrodes.json", place / "electrodes.csv"]
    for old in place.glob("plan-*.json"):  # of other caps
        old.unlink()
    if network is not None and not found.silenced:
        for cap in planned(found, counts):
            plan = found.plan(network, cap.name, cap.count)
            written.append(plan.save(place / f"plan-{plan_name(cap)}.json"))
    figures = [electrodes_figure(found), caps_figure(found)]
    for figure in figures:
        written += save_figure(figure, place / figure.name) if figure is not None else []
    return written


def planned(found: ElectrodeCurve, counts: Sequence[int]) -> list[Cap]:
    """The caps that get a plan: of saliencies with so many electrodes, and of headsets; none of all electrodes."""
    own = [cap for cap in found.caps if not cap.epochs and cap.count < len(found.channels)]
    return [c for c in own if c.kind == "headset" or (c.kind == "saliency" and c.count in counts)]


def plan_name(cap: Cap) -> str:
    """The name of a headset, or a saliency with a number: l1-4."""
    return slug(cap.name) if cap.kind == "headset" else f"{slug(cap.name)}-{cap.count}"
