"""A run folder: every finished piece is one whole file, so that a killed run goes on where it stopped."""

from __future__ import annotations

import io
import json
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._csv import csv_text, read_csv
from trimcap._errors import ArtifactError
from trimcap._files import make_folder, write_atomic, write_json
from trimcap.data.baseline import COVARIANCE, EVOKED, LINEAR, MAJORITY, NEIGHBOURS
from trimcap.study.names import slug as slug
from trimcap.study.recipe import Recipe

FORMAT = "trimcap run 1"
#: stages that are no networks; the report draws them as lines
BASELINES = (MAJORITY, LINEAR, NEIGHBOURS, COVARIANCE, EVOKED)
_PACKAGES = ("trimcap", "torch", "numpy", "scipy", "scikit-learn", "mne", "pandas")


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its results.

    `run.json` says what was run; `trials/` has one folder per fold and seed; `results.csv`, `results.json` and
    `subjects.csv` gather the rows of all finished trials.
    """

    path: Path

    def trial(self, fold: int, seed: int) -> TrialFolder:
        """The folder of one fold and seed."""
        return TrialFolder(self.path / "trials" / f"fold-{fold:02d}_seed-{seed}", fold, seed)

    @property
    def header(self) -> dict[str, Any]:
        """`run.json`."""
        return read_header(self.path)

    @property
    def trials(self) -> tuple[TrialFolder, ...]:
        """The trials that have begun, by fold and seed."""
        found = []
        for folder in (self.path / "trials").glob("fold-*_seed-*"):
            fold, seed = folder.name.removeprefix("fold-").split("_seed-")
            found.append(TrialFolder(folder, int(fold), int(seed)))
        return tuple(sorted(found, key=lambda t: (t.fold, t.seed)))

    def gather(self) -> None:
        """Write the tables of all finished trials anew."""
        done = [t.read("trial") for t in self.trials if t.has("trial")]
        rows = [row for trial in done for row in trial["rows"]]
        write_json(self.path / "results.json", rows)
        write_csv(self.path / "results.csv", rows)
        write_csv(self.path / "subjects.csv", [row for trial in done for row in trial["subjects"]])

    def results(self) -> pd.DataFrame:
        """One row per fold, seed and stage."""
        return _read_csv(self.path / "results.csv", {"stage": str})

    def subjects(self) -> pd.DataFrame:
        """One row per fold, seed, stage and test subject."""
        return _read_csv(self.path / "subjects.csv", {"stage": str, "subject": str})


@dataclass(frozen=True)
class TrialFolder:
    """Files of one fold and seed; a JSON file is written last and says that the rest of its piece is whole."""

    path: Path
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """`fold 3, seed 0`."""
        return f"fold {self.fold}, seed {self.seed}"

    def has(self, piece: str) -> bool:
        """Whether `piece` is finished."""
        return (self.path / f"{piece}.json").is_file()

    def read(self, piece: str) -> dict[str, Any]:
        """The facts of a finished piece."""
        path = self.path / f"{piece}.json"
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ArtifactError(f"{path} was edited or damaged ({error}); delete it, and run again") from error
        return facts

    def write(self, piece: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Mark `piece` as finished."""
        plain: dict[str, Any] = to_plain(facts)
        write_json(self.path / f"{piece}.json", plain)
        return plain

    def write_arrays(self, piece: str, **arrays: NDArray[Any]) -> None:
        """Arrays that belong to `piece`; write them before its facts."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(self.path / f"{piece}.npz", buffer.getvalue())

    def read_arrays(self, piece: str) -> dict[str, NDArray[Any]]:
        """Arrays of a piece; empty if it has none."""
        path = self.path / f"{piece}.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)


def open_run(folder: Path | str, recipe: Recipe, *, text: str = "", facts: Mapping[str, Any]) -> RunFolder:
    """Create a run folder, or go on in one that was made by the same recipe.

    Parameters
    ----------
    text : the recipe as the user wrote it
    facts : what else to keep in `run.json`, e.g. about data and protocol

    Raises
    ------
    ValueError : the folder belongs to another recipe or other data, or holds other files; says what differs.
    OSError : the folder can't be written.
    """
    folder = Path(folder)
    if (folder / "run.json").exists():
        check_same(folder, recipe)
        _check_same_data(folder, facts)
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"folder '{folder}' is not empty and is no run folder; choose another output folder")
    make_folder(folder)
    header = {
        "format": FORMAT,
        "name": recipe.name,
        "hash": recipe.hash,
        "recipe": recipe.model_dump(mode="json"),
        "text": text,
        "versions": versions(),
        **to_plain(facts),
    }
    write_json(folder / "run.json", header)
    return RunFolder(folder)


def check_same(folder: Path | str, recipe: Recipe) -> None:
    """Refuse a run folder of another recipe, and name the first value that differs."""
    header = read_header(folder)
    if header["hash"] == recipe.hash:
        return
    theirs, ours = _flat(header["recipe"]), _flat(recipe.model_dump(mode="json"))
    differing = [
        f"{key} = {theirs.get(key)!r} there, {ours.get(key)!r} here"
        for key in [*ours, *(k for k in theirs if k not in ours)]
        if theirs.get(key) != ours.get(key)
        and not key.startswith(("report", "name", "data.cache", "compare.reference", "compare.keep"))
    ]
    raise ValueError(
        f"folder '{folder}' holds a run of another recipe: {'; '.join(differing[:3]) or 'made by another version'}. "
        "Choose another output folder, or delete this one"
    )


def _check_same_data(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with other windows: folds would overlap, and subjects be tested that other folds trained on."""
    header = read_header(folder)
    theirs, ours = header.get("data", {}), facts.get("data", {})
    splits = [part.get("protocol", {}).get("file_sha256") for part in (header, facts)]
    if splits[0] != splits[1]:
        raise ValueError(
            f"folder '{folder}' holds a run on another split: the split file has changed since. Give the same file "
            "again, or choose another output folder"
        )
    if theirs.get("sha256") == ours.get("sha256"):
        return
    differing = [
        f"{key} = {theirs[key]} there, {ours[key]} here"
        for key in ("windows", "shape", "rate", "classes", "channels", "subjects", "steps")
        if key in theirs and to_plain(theirs[key]) != to_plain(ours.get(key))
    ]
    raise ValueError(
        f"folder '{folder}' holds a run on other data: {'; '.join(differing[:3]) or 'values of the windows differ'}. "
        "Give the same recordings again, or choose another output folder"
    )


def read_header(folder: Path | str) -> dict[str, Any]:
    """`run.json` of a run folder.

    Raises
    ------
    FileNotFoundError : no run folder.
    ArtifactError : damaged, or of another version.
    """
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise FileNotFoundError(f"'{folder}' is no run folder: it has no run.json. Make one with `trimcap run`")
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} was edited or damaged ({error}); start the run in a new folder") from error
    if header.get("format") != FORMAT:
        raise ArtifactError(
            f"{path} has format {header.get('format')!r}; this version reads {FORMAT!r}. Use a new folder"
        )
    return header


def versions() -> dict[str, str]:
    """Versions of Python, the machine and the packages that decide numbers."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def to_plain(value: Any) -> Any:
    """JSON-able copy: NumPy scalars and arrays become numbers and lists, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as CSV, atomically; columns in order of first appearance."""
    write_atomic(path, csv_text(pd.DataFrame(list(rows))))


def _read_csv(path: Path, types: Mapping[str, type]) -> pd.DataFrame:
    if not path.is_file() or path.stat().st_size < 2:
        raise FileNotFoundError(f"'{path.parent}' has no finished trial yet; run its recipe to the end first")
    # a subject may be called "NA" or "007"; an empty cell is a missing number
    numbers = {column: [""] for column in read_csv(path, nrows=0).columns if column not in _WORDS}
    return read_csv(path, dtype=dict(types), keep_default_na=False, na_values=numbers)


#: columns of text; all others are numbers
_WORDS = ("stage", "subject", "fold_name", "method", "verified", "sha256", "weakest_layer")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables and lists as `steps[1].sparsity` → value."""
    if isinstance(value, Mapping) and value:
        items = [(f"{prefix}.{k}" if prefix else str(k), v) for k, v in value.items()]
    elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
        items = [(f"{prefix}[{i}]", v) for i, v in enumerate(value)]
    else:
        return {prefix: value}
    return {key: leaf for name, item in items for key, leaf in _flat(item, name).items()}
