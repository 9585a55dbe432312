"""Windows written to a folder as they are made."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from trimcap._csv import csv_text
from trimcap._files import make_folder
from trimcap.data.arrays.layout import plain_column
from trimcap.data.cache.entry import flush_folder
from trimcap.data.hearsay import metadata_of
from trimcap.data.preprocess.run import Part, summary
from trimcap.data.rows.lazy import pieces
from trimcap.data.rows.stored import npy_header
from trimcap.data.windows import Windows

_HEADER = 192


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
        _write(_parts(windows), draft, path)
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


def _parts(windows: Windows | Iterable[Windows] | Iterable[Part]) -> Iterator[Part]:
    if isinstance(windows, Windows):
        windows = [windows]
    for item in windows:
        yield item if isinstance(item, Part) else Part(item, len(item), Counter())


def _write(parts: Iterable[Part], folder: Path, path: Path) -> None:
    first: Windows | None = None
    counted: list[Part] = []
    digest = hashlib.sha256()
    with (folder / "X.npy").open("wb") as file:
        file.write(bytes(_HEADER))
        for part in parts:
            if part.windows is None:
                counted.append(part)
                continue
            _check_alike(part.windows, first, path)
            for X in pieces(part.windows.X):
                data = np.ascontiguousarray(X, dtype="<f4").reshape(-1).view(np.uint8).data
                file.write(data)
                digest.update(data)
            first = part.windows.take([]) if first is None else first
            counted.append(replace(part, windows=replace(part.windows, X=np.empty((len(part.windows), 0), np.float32))))
        tail = summary(counted)
        rows = [part.windows for part in counted if part.windows is not None]
        assert first is not None  # or there would be no summary
        file.seek(0)
        file.write(npy_header((sum(map(len, rows)), *first.shape), size=_HEADER))
        _flush(file)
    with (folder / "y.npy").open("wb") as file:
        np.save(file, np.concatenate([part.y for part in rows]))
        _flush(file)
    table = metadata_of(rows)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as text:
        text.write(csv_text(pd.DataFrame({name: plain_column(table[name]) for name in table})))
        _flush(text)
    with (folder / "info.json").open("w", encoding="utf-8") as text:
        json.dump(
            {**_info(first, tail), "sha256": digest.hexdigest()}, text, indent=1, ensure_ascii=False, allow_nan=False
        )
        _flush(text)


def _check_alike(windows: Windows, first: Windows | None, path: Path) -> None:
    for what in ("channels", "rate", "duration", "classes", "unit", "shape") if first is not None else ():
        if getattr(windows, what) != getattr(first, what):
            raise ValueError(
                f"{path}: windows of {windows.metadata.subject.iloc[0]} have {what} {getattr(windows, what)}, those "
                f"before have {getattr(first, what)}; make all by the same steps"
            )


def _info(windows: Windows, tail: tuple[str, ...]) -> dict[str, object]:
    return {
        "channels": list(windows.channels),
        "rate": windows.rate,
        "classes": list(windows.classes),
        "unit": windows.unit,
        "duration": windows.duration,
        "steps": [*windows.steps, *tail],
    }


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
