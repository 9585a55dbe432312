"""A run folder: every finished piece is one whole, sealed file, so that a killed run goes on where it stopped.

The tables are copies for other programs; nothing reads them back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._files import make_folder, write_json
from trimcap._sealed import Kind, seal, unseal
from trimcap.data.baselines.classifiers import COVARIANCE, EVOKED, LINEAR, MAJORITY, NEIGHBOURS
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.results.plain import as_csv, read_table, to_plain, write_csv
from trimcap.study.results.provenance import versions
from trimcap.study.results.trial_folder import TrialFolder

if TYPE_CHECKING:
    import pandas as pd

RUN = Kind(
    "run folder",
    "trimcap run 2",
    {"name": str, "hash": str, "recipe": {str: Any}, "text": str, "versions": {str: str}, str: Any},
    "start the run in a new folder",
)
#: stages that are no networks; the report draws them as lines
BASELINES = (MAJORITY, LINEAR, NEIGHBOURS, COVARIANCE, EVOKED)


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
        return read_table(as_csv(rows))


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


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables and lists as `steps[1].sparsity` → value."""
    if isinstance(value, Mapping) and value:
        items = [(f"{prefix}.{k}" if prefix else str(k), v) for k, v in value.items()]
    elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
        items = [(f"{prefix}[{i}]", v) for i, v in enumerate(value)]
    else:
        return {prefix: value}
    return {key: leaf for name, item in items for key, leaf in _flat(item, name).items()}
