"""The files of one cache entry: X.npy, rows.npz, manifest.json."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._files import sha256
from trimcap.data.hearsay import metadata_of
from trimcap.data.preprocess.run import Part, contents, facts_of, summary
from trimcap.data.rows.stored import HEADER, flush, flush_folder, write_npy
from trimcap.data.windows import Windows


class DamagedError(ValueError):
    """A cache entry is incomplete, edited, or of another content; says which file."""


def write_entry(folder: Path, parts: Iterable[Part], facts: Mapping[str, Any]) -> None:
    """Write what a chain yields, part by part; nothing of X is kept in memory.

    Parameters
    ----------
    folder : exists and is empty; nobody reads it before it is renamed
    parts : of `Chain.parts`
    facts : goes into the manifest: key, chain, inputs, …
    """
    counted: list[Part] = []
    X = write_npy(folder / "X.npy", contents(parts, counted))
    tail = summary(counted)
    rows = [part.windows for part in counted if part.windows is not None]
    table, columns = _pack(metadata_of(rows))
    with (folder / "rows.npz").open("wb") as file:
        buffer = io.BytesIO()
        np.savez(buffer, y=np.concatenate([part.y for part in rows]), **table)  # type: ignore[arg-type]
        file.write(buffer.getvalue())
        flush(file)
    manifest = {
        **facts,
        "windows": {"shape": list(X.shape), "columns": columns, **facts_of(rows[0], tail)},
        "files": {
            "X.npy": {
                "bytes": (folder / "X.npy").stat().st_size,
                "header_sha256": hashlib.sha256(X.header).hexdigest(),
                "data_sha256": X.digest,
            },
            "rows.npz": {"bytes": (folder / "rows.npz").stat().st_size, "sha256": sha256(folder / "rows.npz")},
        },
    }
    with (folder / "manifest.json").open("w", encoding="utf-8") as text:
        json.dump({**manifest, "sha256": _seal(manifest)}, text, indent=1, allow_nan=False)
        flush(text)
    flush_folder(folder)


def read_manifest(folder: Path, key: str) -> dict[str, Any]:
    """The manifest, whole and of this key.

    Raises
    ------
    FileNotFoundError : no entry.
    DamagedError : the manifest was cut, edited, or belongs to another key.
    """
    if not folder.exists():
        raise FileNotFoundError(folder)
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        seal = manifest.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedError(f"manifest.json can't be read ({error})") from error
    if seal != _seal(manifest):
        raise DamagedError("manifest.json was changed")
    if manifest.get("key") != key:
        raise DamagedError("manifest.json belongs to another entry")
    return manifest


def check_files(folder: Path, manifest: Mapping[str, Any], *, full: bool) -> None:
    """Compare the files with the manifest: sizes, the header of X and all rows; with `full` also all of X.

    Raises
    ------
    DamagedError : names the file.
    """
    for name, facts in manifest["files"].items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else -1
        if size != facts["bytes"]:
            raise DamagedError(f"{name} is missing" if size < 0 else f"{name} has {size} of {facts['bytes']} bytes")
    facts = manifest["files"]["X.npy"]
    with (folder / "X.npy").open("rb") as file:
        if hashlib.sha256(file.read(HEADER)).hexdigest() != facts["header_sha256"]:
            raise DamagedError("the header of X.npy was changed")
        if full and hashlib.file_digest(file, "sha256").hexdigest() != facts["data_sha256"]:
            raise DamagedError("the numbers in X.npy were changed")
    if sha256(folder / "rows.npz") != manifest["files"]["rows.npz"]["sha256"]:
        raise DamagedError("rows.npz was changed")


def load_entry(folder: Path, key: str, *, full: bool = False) -> Windows:
    """Windows whose X is mapped from the file: read when touched, private to this process when written to.

    Raises
    ------
    FileNotFoundError : no entry of this key.
    DamagedError : see `check_files`.
    """
    manifest = read_manifest(folder, key)
    check_files(folder, manifest, full=full)
    facts = manifest["windows"]
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        y, metadata = rows["y"], _unpack(rows, facts["columns"])
    mapped = np.memmap(folder / "X.npy", dtype="<f4", mode="c", offset=HEADER, shape=tuple(facts["shape"]))
    return Windows(
        X=np.asarray(mapped),
        y=y,
        metadata=metadata,
        channels=tuple(facts["channels"]),
        rate=facts["rate"],
        classes=tuple(facts["classes"]),
        duration=facts["duration"],
        unit=facts["unit"],
        steps=tuple(facts["steps"]),
    )


def _pack(table: pd.DataFrame) -> tuple[dict[str, NDArray[Any]], list[list[str]]]:
    """Columns as plain arrays; text as codes and the different texts, which loads at once."""
    arrays: dict[str, NDArray[Any]] = {}
    columns: list[list[str]] = []
    for number, name in enumerate(table.columns):
        values = table[name].to_numpy()
        if values.dtype.kind in "biuf":
            arrays[f"column{number}"] = values
            columns.append([str(name), "number"])
            continue
        codes, texts = pd.factorize(table[name].to_numpy(dtype=object))
        if not all(isinstance(text, str) for text in texts) or (codes < 0).any():
            raise ValueError(f"metadata column {name!r} holds Python objects; turn it into text or numbers first")
        arrays[f"codes{number}"] = codes.astype(np.int32)
        arrays[f"texts{number}"] = np.asarray(texts.tolist(), dtype=np.str_)
        columns.append([str(name), "text"])
    return arrays, columns


def _unpack(rows: Mapping[str, NDArray[Any]], columns: Iterable[Iterable[str]]) -> pd.DataFrame:
    table: dict[str, Any] = {}
    for number, (name, kind) in enumerate(columns):
        if kind == "number":
            table[name] = rows[f"column{number}"]
        else:
            table[name] = rows[f"texts{number}"].astype(object)[rows[f"codes{number}"]]
    return pd.DataFrame(table)


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
