"""Where a set's files are when nobody says it."""

from __future__ import annotations

import os
from pathlib import Path

from trimcap.data.sets.catalogue import data_set


def set_folder(name: str, path: Path | str | None) -> Path:
    """`path`; without one `$TRIMCAP_DATA/<name>`, if it is there.

    Raises
    ------
    FileNotFoundError : neither; says how to get the set.
    """
    if path is not None:
        return Path(path)
    root = os.environ.get("TRIMCAP_DATA")
    place = Path(root) / name if root else None
    if place is not None and place.is_dir():
        return place
    where = f"{place} is no folder either" if place is not None else "TRIMCAP_DATA is not set either"
    entry = data_set(name)
    raise FileNotFoundError(
        f"{name}: no path was given, and {where}; give the folder of its files. To get them: {entry.access} "
        f"({entry.homepage})"
    )
