"""Windows written to a folder as they are made."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from trimcap._csv import csv_text
from trimcap._files import make_folder
from trimcap.data.arrays.layout import plain_column
from trimcap.data.hearsay import metadata_of
from trimcap.data.preprocess.run import Part, contents, facts_of, summary
from trimcap.data.rows.stored import flush, flush_folder, write_npy
from trimcap.data.windows import Windows


def write_arrays(windows: Windows | Iterable[Windows] | Iterable[Part], path: Path | str) -> Path:
    """Write windows to a folder that `open_arrays` reads from: X.npy, y.npy, metadata.csv, info.json.

    The folder appears whole or not at all. X is written piece by piece, so that the windows may be larger than memory.

    Parameters
    ----------
    windows : windows; or several of the same kind, one after the other; or what `Chain.parts` gives
    path : of the folder, which must not exist

    Raises
    ------
    FileExistsError : there is something at `path`.
    ValueError : no windows; parts that do not fit together; metadata of Python objects.
    OSError : the folder can't be written, or the disk is full; nothing is left behind.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; write to another folder or delete it first")
    parent = make_folder(path.absolute().parent)
    draft = Path(tempfile.mkdtemp(dir=parent, prefix=f".{path.name}."))
    try:
        _write(_parts(windows, path), draft)
        draft.chmod(parent.stat().st_mode & 0o777)
        flush_folder(draft)
        draft.rename(path)
        flush_folder(parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, f"no space left for {path}; what was written of it is removed") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return path


def _parts(windows: Windows | Iterable[Windows] | Iterable[Part], path: Path) -> Iterator[Part]:
    first: Windows | None = None
    for item in [windows] if isinstance(windows, Windows) else windows:
        part = item if isinstance(item, Part) else Part(item, len(item), Counter())
        if part.windows is not None:
            _check_alike(part.windows, first, path)
            first = part.windows.take([]) if first is None else first
        yield part


def _write(parts: Iterable[Part], folder: Path) -> None:
    counted: list[Part] = []
    X = write_npy(folder / "X.npy", contents(parts, counted))
    tail = summary(counted)
    rows = [part.windows for part in counted if part.windows is not None]
    with (folder / "y.npy").open("wb") as file:
        np.save(file, np.concatenate([part.y for part in rows]))
        flush(file)
    table = metadata_of(rows)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as text:
        text.write(csv_text(pd.DataFrame({name: plain_column(table[name]) for name in table})))
        flush(text)
    with (folder / "info.json").open("w", encoding="utf-8") as text:
        info = {**facts_of(rows[0], tail), "sha256": X.digest}
        json.dump(info, text, indent=1, ensure_ascii=False, allow_nan=False)
        flush(text)


def _check_alike(windows: Windows, first: Windows | None, path: Path) -> None:
    for what in ("channels", "rate", "duration", "classes", "unit", "shape") if first is not None else ():
        if getattr(windows, what) != getattr(first, what):
            raise ValueError(
                f"{path}: windows of {windows.metadata.subject.iloc[0]} have {what} {getattr(windows, what)}, those "
                f"before have {getattr(first, what)}; make all by the same steps"
            )
