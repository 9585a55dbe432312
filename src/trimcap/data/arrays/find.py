"""What kind of arrays a path holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimcap.data.arrays.folder import read_folder
from trimcap.data.arrays.layout import Layout
from trimcap.data.arrays.npz import read_archive
from trimcap.data.arrays.parquet import read_parquet
from trimcap.data.arrays.zarr import is_zarr, read_zarr

_KINDS = "a folder with X.npy, a Zarr group, or a .parquet or .npz file"


def layout_at(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays at a path.

    Raises
    ------
    FileNotFoundError : nothing there. ValueError : something else, or damaged. ImportError : a library is missing.
    """
    if (path / "X.npy").is_file():
        return read_folder(path, given)
    if is_zarr(path):
        return read_zarr(path, given)
    if path.suffix == ".parquet":
        return read_parquet(path, given)
    if path.suffix == ".npz":
        return read_archive(path, given)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected {_KINDS}")
    raise ValueError(f"{path} is not {_KINDS}")


def items_in(path: Path) -> tuple[Path, ...]:
    """The place itself, or the things in it, sorted by name."""
    if is_item(path) or not path.is_dir():
        return (path,) if path.exists() else _none(path)
    items = tuple(sorted(child for child in path.iterdir() if is_item(child)))
    return items or _none(path)


def _none(path: Path) -> tuple[Path, ...]:
    raise FileNotFoundError(f"{path}: no arrays; expected {_KINDS}, or a folder of them")


def is_item(path: Path) -> bool:
    """Whether a path looks like arrays; nothing is opened."""
    return (path.suffix in (".parquet", ".npz") and path.is_file()) or (path / "X.npy").is_file() or is_zarr(path)
