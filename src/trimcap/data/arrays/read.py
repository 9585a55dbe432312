"""Arrays on disk, larger than memory: NumPy folders and archives, Parquet, Zarr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from trimcap.data.arrays.find import is_item, items_in, layout_at
from trimcap.data.arrays.folder import check_numbers
from trimcap.data.arrays.labels import labels_of
from trimcap.data.arrays.layout import Check, problems_of, values_problem, windows_from
from trimcap.data.source import Wanted
from trimcap.data.windows import Windows


def open_arrays(
    path: Path | str,
    *,
    subjects: Wanted = None,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    classes: Sequence[str] | None = None,
    unit: str | None = None,
    scale: float | None = None,
    duration: float | None = None,
    check: Check = "quick",
    any_names: bool = False,
) -> Windows:
    """Windows whose X stays on disk and is read when it is asked for.

    The arrays are X (n, n_channels, n_times), one label per window, and a table with the columns subject, session,
    trial and start (s); only subject must be there. Beside them stand channels, rate and classes:

    - a folder: X.npy, y.npy, metadata.csv or metadata.parquet, info.json (see `write_arrays`). Fastest in any order.
    - a Zarr group (version 2 or 3): arrays X, y and one per column of the table; info in the group's attributes.
    - Parquet: one row per window, X a column of lists, y (or label) and the table; info as JSON in the schema's
      metadata under "trimcap", or in a .json file of the same name. Reading a window decodes its row group: to train
      on a large file, first `write_arrays(open_arrays("x.parquet"), "folder")`.
    - .npz: the same arrays in one file, read at once; channels, rate and classes are arrays too.

    Parameters
    ----------
    path : one of these
    subjects : names, how many of the first, or None for all
    channels, rate, classes, unit, scale, duration : instead of what the place says. X · scale is in `unit`; integers
        need a scale (the µV of one step). Without class names labels are integers from 0
    check : "quick" looks for NaN in 32 windows; "full" in all, and compares X.npy with the sha256 in info.json
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems

    Returns
    -------
    Windows with a `LazyArray` X. Windows without a label (NaN or empty) are left out and counted in `steps`.

    Raises
    ------
    FileNotFoundError : nothing there, or a part is missing.
    ValueError : parts that do not fit together; damaged files; NaN; labels out of range; names part and row.
    ImportError : pyarrow or zarr is missing.
    """
    given = {
        "channels": channels, "rate": rate, "classes": classes, "unit": unit, "scale": scale, "duration": duration,
    }  # fmt: skip
    layout = layout_at(Path(path), given)
    if check == "full":
        check_numbers(layout)
    return windows_from(layout, subjects=subjects, check=check, any_names=any_names)


@wraps(open_arrays)
def windows_source(path: Path | None, **options: Any) -> Windows:
    """`open_arrays` as a source by name, with the same options."""
    if path is None:
        raise ValueError("windows: no path was given; give the folder, .zarr or .parquet that holds them")
    return open_arrays(path, **options)


def arrays_facts(path: Path | str, *, any_names: bool = False, **given: Any) -> dict[str, Any]:
    """What a place holds, for people; X is looked through for NaN, at most 2 GiB of it.

    Parameters
    ----------
    path : as in `open_arrays`; or a folder of several such things
    any_names, given : as in `open_arrays`

    Returns
    -------
    dict with kind ("windows"), shape, dtype, bytes (of X), rate, channels, unit, subjects, sessions, trials,
    classes (name → number of windows), unlabelled, and problems: what `open_arrays` would refuse, in words. Of a
    folder of several ("several"): items (name → facts) and all their problems.

    Raises
    ------
    FileNotFoundError, ImportError : as `open_arrays`. ValueError : nothing of it can be read.
    """
    path = Path(path)
    if path.is_dir() and not is_item(path):
        items = {item.name: arrays_facts(item, any_names=any_names, **given) for item in items_in(path)}
        found = [f"{name}: {problem}" for name, facts in items.items() for problem in facts["problems"]]
        return {"kind": "several", "items": items, "problems": found}
    layout = layout_at(path, given)
    problems = problems_of(layout, any_names=any_names)
    if not problems and (unfit := values_problem(layout)):
        problems = [unfit]
    info, table = layout.info, layout.table
    facts = {
        "kind": "windows",
        "shape": layout.shape,
        "dtype": str(layout.dtype),
        "bytes": int(np.prod(layout.shape, dtype=np.float64)) * layout.dtype.itemsize,
        "rate": info.get("rate"),
        "channels": tuple(info.get("channels") or ()),
        "unit": info.get("unit", "µV"),
        **{
            f"{name}s": sorted(set(table[name].astype(str))) if name in table else [] for name in ("subject", "session")
        },
        "trials": len(table[[c for c in ("subject", "session", "trial") if c in table]].drop_duplicates()),
        "classes": {},
        "unlabelled": 0,
        "problems": problems,
    }
    try:
        y, classes, known = labels_of(layout.labels, info.get("classes"))
    except ValueError:
        return facts
    counts = Counter(y[known].tolist())
    balance = {name: counts[number] for number, name in enumerate(classes)}
    return {**facts, "classes": balance, "unlabelled": int((~known).sum())}
