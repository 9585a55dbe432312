"""A run folder: every finished piece is one whole, sealed file, so that a killed run goes on where it stopped.

A piece says which recipe, data, fold and seed it belongs to, and when, where and with which versions it was made,
inside its seal: a copy of another fold's piece is refused. The tables are copies for other programs; nothing reads
them back.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import platform
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._csv import csv_text, read_csv
from trimcap._errors import ArtifactError
from trimcap._files import make_folder, write_atomic, write_json
from trimcap._sealed import Kind, listed, seal, unseal
from trimcap.data.baselines.classifiers import COVARIANCE, EVOKED, LINEAR, MAJORITY, NEIGHBOURS
from trimcap.study.recipe.names import slug as slug
from trimcap.study.recipe.recipe import Recipe

RUN = Kind(
    "run folder",
    "trimcap run 2",
    {"name": str, "hash": str, "recipe": {str: Any}, "text": str, "versions": {str: str}, str: Any},
    "start the run in a new folder",
)
PIECE = Kind(
    "piece of a run",
    "trimcap piece 1",
    {
        "of": {"run": str, "fold": int, "seed": int, "piece": str},
        "made": {str: str},
        "facts": {str: Any},
    },
    "delete the folder of its trial, and run again",
    below=True,
)
#: what a trial no longer needs when it is finished
_PASSING = "checkpoints"
#: where its pieces are; their arrays have their names
_PIECES = ("built/", "evaluated/", "evidence/", "logits/", "trial.json")
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
        return TrialFolder(self.path / "trials" / f"fold-{fold:02d}_seed-{seed}", fold, seed, self.identity)

    @cached_property
    def identity(self) -> str:
        """What its pieces belong to: recipe and data."""
        header = self.header
        data = header.get("data")
        words = (header["hash"], data.get("sha256") if isinstance(data, dict) else None)
        return hashlib.sha256(repr(words).encode()).hexdigest()

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
            found.append(self.trial(int(fold), int(seed)))
        return tuple(sorted(found, key=lambda t: (t.fold, t.seed)))

    def gather(self) -> None:
        """Write the tables of all finished trials anew."""
        write_json(self.path / "results.json", self._rows("rows"))
        for name, rows in (("results", "rows"), ("subjects", "subjects")):
            write_csv(self.path / f"{name}.csv", self._rows(rows))

    def results(self) -> pd.DataFrame:
        """One row per fold, seed and stage, from the trials themselves."""
        return self._table("rows")

    def subjects(self) -> pd.DataFrame:
        """One row per fold, seed, stage and test subject, from the trials themselves."""
        return self._table("subjects")

    def _rows(self, kind: str) -> list[dict[str, Any]]:
        done = [t.read("trial") for t in self.trials if t.has("trial")]
        return [row for trial in done for row in trial[kind]]

    def _table(self, kind: str) -> pd.DataFrame:
        rows = self._rows(kind)
        if not rows:
            raise FileNotFoundError(f"'{self.path}' has no finished trial yet; run its recipe to the end first")
        return read_table(_as_csv(rows))


@dataclass(frozen=True)
class TrialFolder:
    """Files of one fold and seed; a JSON file is written last and says that the rest of its piece is whole."""

    path: Path
    fold: int
    seed: int
    run: str = ""

    @property
    def name(self) -> str:
        """`fold 3, seed 0`."""
        return f"fold {self.fold}, seed {self.seed}"

    def has(self, piece: str) -> bool:
        """Whether `piece` is finished."""
        return (self.path / f"{piece}.json").is_file()

    def read(self, piece: str) -> dict[str, Any]:
        """The facts of a finished piece."""
        facts: dict[str, Any] = self._content(piece)["facts"]
        return facts

    def made(self, piece: str) -> dict[str, str]:
        """When, where and with which versions a piece was made."""
        made: dict[str, str] = self._content(piece)["made"]
        return made

    def makers(self) -> tuple[dict[str, str], ...]:
        """When, where and with which versions each sealed piece of a finished trial was made."""
        names = [*self._content("trial")["files"], "trial.json"]
        pieces = [name.removesuffix(".json") for name in names if name.startswith(_PIECES)]
        return tuple(self.made(piece) for piece in pieces if self.has(piece))

    def write(self, piece: str, facts: Mapping[str, Any], *, files: Iterable[str] = ()) -> dict[str, Any]:
        """Mark `piece` as finished; its arrays and `files`, beside or below it, are sealed with it."""
        path, plain = self.path / f"{piece}.json", to_plain(facts)
        arrays = [f"{path.stem}.npz"] if path.with_suffix(".npz").is_file() else []
        every = dict.fromkeys([*arrays, *files])
        seal(path, PIECE, {"of": self._of(piece), "made": provenance(), "facts": plain}, files=every)
        return dict(plain)

    def finish(self, facts: Mapping[str, Any], *, without: Collection[Path] = ()) -> dict[str, Any]:
        """Mark the trial as finished, and seal every file of it with its facts.

        Parameters
        ----------
        without : files and folders that are removed now that it is finished
        """
        gone = {self.path / _PASSING, self.path / "trial.json", *without}
        there = (p for p in sorted(self.path.rglob("*")) if p.is_file() and gone.isdisjoint((p, *p.parents)))
        names = (path.relative_to(self.path) for path in there)
        return self.write("trial", facts, files=(n.as_posix() for n in names if not _hidden(n)))

    def check(self) -> frozenset[str]:
        """The files of a finished trial, all of them there and unchanged.

        Raises
        ------
        ArtifactError : one is missing, edited, or a link; names it and says what to do.
        """
        path, content = self.path / "trial.json", self._content("trial")
        scored = (f"evaluated/{slug(row['stage'])}.json" for row in content["facts"].get("rows", ()))
        for name in dict.fromkeys((*scored, *content["files"])):
            listed(path, content, name, PIECE)
        return frozenset(content["files"])

    def _of(self, piece: str) -> dict[str, Any]:
        return {"run": self.run, "fold": self.fold, "seed": self.seed, "piece": piece}

    def _content(self, piece: str) -> dict[str, Any]:
        path = self.path / f"{piece}.json"
        content = unseal(path, PIECE)
        if content["of"] != self._of(piece):
            of = content["of"]
            raise ArtifactError(
                f"{path} is a copy: it belongs to piece '{of['piece']}' of fold {of['fold']}, seed {of['seed']}"
                f"{'' if of['run'] == self.run else ' of another run'}; {PIECE.again}"
            )
        return content

    def write_arrays(self, piece: str, **arrays: NDArray[Any]) -> None:
        """Arrays that belong to `piece`; write them before its facts."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(self.path / f"{piece}.npz", buffer.getvalue())

    def read_arrays(self, piece: str) -> dict[str, NDArray[Any]]:
        """Arrays of a finished piece; empty if it has none."""
        path = self.path / f"{piece}.json"
        content = self._content(piece) if path.is_file() else {"files": {}}
        if not content["files"]:
            return {}
        blob = listed(path, content, f"{path.stem}.npz", PIECE)
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            return dict(archive)


def _hidden(name: Path) -> bool:
    """Locks, and what killed processes left."""
    return any(part.startswith(".") for part in name.parts)


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
    folder, first = Path(folder), versions()
    if began(folder):
        check_same(folder, recipe)
        _check_same_data(folder, facts)
        first = read_header(folder)["versions"]  # what a resumed trial was made with stands in its own pieces
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / "run.json").exists():
        raise ValueError(f"folder '{folder}' is not empty and is no run folder; choose another output folder")
    make_folder(folder)
    header = {
        "name": recipe.name,
        "hash": recipe.hash,
        "recipe": recipe.model_dump(mode="json"),
        "text": text,
        "versions": first,
        **to_plain(facts),
    }
    seal(folder / "run.json", RUN, header)
    return RunFolder(folder)


def began(folder: Path | str) -> bool:
    """Whether a folder holds a run of which at least one trial has begun; an empty one belongs to nobody."""
    folder = Path(folder)
    return (folder / "run.json").exists() and any((folder / "trials").glob("fold-*_seed-*"))


def check_same(folder: Path | str, recipe: Recipe) -> None:
    """Refuse a run folder of another recipe in which a trial has begun, and name the first value that differs."""
    header = read_header(folder)
    if header["hash"] == recipe.hash or not began(folder):
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
    try:
        return unseal(Path(folder) / "run.json", RUN)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"'{folder}' is no run folder: it has no run.json. Make one with `trimcap run`"
        ) from None


@cache
def versions() -> dict[str, str]:
    """Versions of Python, the machine and the packages that decide numbers."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def provenance() -> dict[str, str]:
    """What belongs to a piece of work: versions, processor, threads, host, and the time (UTC)."""
    return {
        **versions(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "host": platform.node(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


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
    write_atomic(path, _as_csv(rows))


def read_table(text: str) -> pd.DataFrame:
    """Results or subjects from the text of their CSV: words stay words, an empty cell is a missing number."""
    numbers = {c: [""] for c in read_csv(io.StringIO(text), nrows=0).columns if c not in _WORDS}
    # a subject may be called "NA" or "007"
    words = {"stage": str, "subject": str}
    return read_csv(io.StringIO(text), dtype=words, keep_default_na=False, na_values=numbers)


def _as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; columns in order of first appearance."""
    return csv_text(pd.DataFrame(list(rows)))


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
