"""Recordings in arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trimcap.data.arrays.find import items_in, layout_at
from trimcap.data.arrays.labels import labels_of
from trimcap.data.arrays.layout import Layout, ScaledRows, complete, problems_of
from trimcap.data.check import check_signal
from trimcap.data.recording import Recording
from trimcap.data.source import Source, Wanted, choose_subjects


def arrays_source(
    path: Path | str | None,
    *,
    subjects: Wanted = None,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    any_names: bool = False,
) -> Source:
    """Continuous recordings in arrays: each row of X is a recording.

    Parameters
    ----------
    path : what `open_arrays` reads, X being (n_recordings, n_channels, n_times) and each subject, session and trial a
        row; or a folder of several such things
    subjects : names, how many of the first, or None for all
    channels, rate, classes, scale, any_names : as in `open_arrays`

    Raises
    ------
    FileNotFoundError, ValueError, ImportError : as `open_arrays`; further errors come when recordings are read.

    Warns
    -----
    UserWarning : recordings without a label (NaN or empty) are left out.
    """
    if path is None:
        raise ValueError("arrays need a path")
    path = Path(path)
    items = items_in(path)
    chosen = None
    if subjects is not None:
        names = sorted({name for item in items for name in _subjects(item)})
        chosen = tuple(choose_subjects(names, subjects, what="arrays"))
    given = {"channels": channels, "rate": rate, "classes": classes, "scale": scale}
    options: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return Source("arrays", items, partial(read_recordings, subjects=chosen, any_names=any_names, **options))


def read_recordings(
    path: Path, *, subjects: Sequence[str] | None = None, any_names: bool = False, **given: Any
) -> Iterator[Recording]:
    """Recordings of one item of `arrays_source`, one after the other; options and errors as there."""
    wanted = None if subjects is None else frozenset(subjects)
    return _rows_as_recordings(layout_at(path, given), wanted, any_names=any_names)


def _subjects(item: Path) -> list[str]:
    table = layout_at(item, {}).table
    return sorted(set(table["subject"].astype(str))) if "subject" in table else []


def _rows_as_recordings(layout: Layout, subjects: frozenset[str] | None, *, any_names: bool) -> Iterator[Recording]:
    problems = problems_of(layout, any_names=any_names)
    if problems:
        raise ValueError(f"{layout.where}: {problems[0]}")
    info = layout.info
    table = complete(layout.table, 1.0)
    twice = table.duplicated(["subject", "session", "trial"])
    if twice.any():
        name = "/".join(table[["subject", "session", "trial"]][twice].iloc[0])
        raise ValueError(
            f"{layout.where}: recording {name} has several rows; if they are windows of it, read them with open_arrays"
        )
    y, classes, known = labels_of(layout.labels, info.get("classes"))
    read = ScaledRows(layout.read, float(info.get("scale", 1)))
    if not known.all():
        lacking = int((~known).sum())
        warnings.warn(
            f"{layout.where}: {lacking} of {len(known)} recordings have no label and are left out", stacklevel=2
        )
    extra = [name for name in table.columns if name not in ("subject", "session", "trial", "start")]
    lost: dict[str, dict[str, str]] = {}
    for subject, session, trial in table.loc[~known, ["subject", "session", "trial"]].astype(str).to_numpy().tolist():
        lost.setdefault(subject, {})[f"{session}/{trial}"] = "it has no label"
    for row in np.flatnonzero(known).tolist():
        line = table.iloc[row]
        if subjects is None or line.subject in subjects:
            yield check_signal(
                Recording(
                    signal=np.ascontiguousarray(read(np.array([row]))[0]),
                    rate=float(info["rate"]),
                    channels=tuple(map(str, info["channels"])),
                    subject=line.subject,
                    session=line.session,
                    trial=line.trial,
                    label=int(y[row]),
                    classes=classes,
                    info={
                        "file": Path(layout.where).name,
                        **{name: line[name] for name in extra},
                        **({"left_out": lost[line.subject]} if line.subject in lost else {}),
                    },
                )
            )
