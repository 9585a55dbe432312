"""Split files: folds that others can use on the same windows, and are refused on other ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trimcap._errors import ArtifactError
from trimcap._files import write_json
from trimcap.data.join import join
from trimcap.data.ledger import hash_ids
from trimcap.data.split_files.data import check_data, describe_data, digest
from trimcap.data.splits.folds import Fold, make_fold, parts_of
from trimcap.data.splits.partition import sort_rows
from trimcap.data.splits.sealed import Subset
from trimcap.data.units import LEVELS, keys
from trimcap.data.windows import Windows

FORMAT = "trimcap splits 1"
_PARTS = ("train", "valid", "calibration", "test")
#: from coarse to fine; a part that is a union of whole groups is written as their names
_COARSE = ("subject", "session", "trial")


def write_splits(folds: Sequence[Fold], path: Path | str, *, options: Mapping[str, Any] | None = None) -> Path:
    """Write folds as JSON that `read_splits` gives back on the same windows, and on no others.

    The file holds no signal: protocol, unit, seed, and for every fold the windows of train, valid, calibration and
    test, as names of whole subjects, sessions or trials where these suffice, each list with its SHA-256. Of the data
    it holds every trial's number of windows, class and hash of window ids, so that a reader can say what differs.

    Parameters
    ----------
    folds : of `split`, all of one data set
    options : what made the folds, in plain values; kept for readers of the file

    Raises
    ------
    ValueError : no folds; folds of several data sets.
    OSError : the folder can't be written.
    """
    folds = list(folds)
    if not folds:
        raise ValueError("there are no folds to write")
    windows = source_of(folds)
    first = folds[0]
    content = {
        "format": FORMAT,
        "protocol": first.protocol,
        "unit": first.unit,
        "calibration_unit": first.calibration_unit,
        "seed": first.seed,
        "leaky": first.leaky,
        "options": dict(options or {}),
        "data": describe_data(windows),
        "folds": [_fold_facts(fold, windows) for fold in folds],
    }
    return write_json(path, {**content, "sha256": digest(content)})


def read_splits(path: Path | str, windows: Windows, *, labels: bool = True) -> list[Fold]:
    """The folds of a file, on the windows for which it was written (in any order of rows).

    Parameters
    ----------
    labels : whether labels must be the same; False for a control with random ones

    Raises
    ------
    FileNotFoundError : no such file.
    ArtifactError : damaged or edited, or of another version.
    ValueError : the windows have other ids or labels; says which trials, and how many.
    """
    path = Path(path)
    facts = load_splits(path)
    try:
        return _folds(facts, windows, path, labels=labels)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} is incomplete ({error!r}); write it with write_splits") from error


def _folds(facts: Mapping[str, Any], windows: Windows, path: Path, *, labels: bool) -> list[Fold]:
    windows = _with_stimulus(sort_rows(windows), facts)
    _check_folds(facts, path)
    check_data(windows, facts["data"], path, labels=labels)
    made = []
    for entry in facts["folds"]:
        parts = {part: _subset(entry[part], windows, path) for part in _PARTS if part in entry}
        made.append(
            make_fold(
                parts["train"],
                parts["valid"],
                parts["test"],
                calibration=parts.get("calibration"),
                name=entry["name"],
                protocol=facts["protocol"],
                unit=facts["unit"],
                seed=facts["seed"],
                leaky=facts["leaky"],
                calibration_unit=facts["calibration_unit"],
                valid_unit="trial",
                unused=len(windows) - sum(map(len, parts.values())),
            )
        )
    return made


def _check_folds(facts: Mapping[str, Any], path: Path) -> None:
    """Refuse what `write_splits` never writes."""
    names = [entry["name"] for entry in facts["folds"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        what = f"has the fold {twice[0]!r} several times" if twice else "has no folds"
        raise ArtifactError(f"{path} {what}; write it with write_splits")
    for key, kind in (("seed", int), ("leaky", bool), ("protocol", str)):
        if type(facts[key]) is not kind:
            raise ArtifactError(f"{path}: {key} is {facts[key]!r}, no {kind.__name__}; write it with write_splits")


def load_splits(path: Path | str) -> dict[str, Any]:
    """What a split file says, after its hash was checked; `read_splits` makes folds of it."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no split file '{path}'; make one with `trimcap split DATA --protocol NAME --out {path}`"
        )
    try:
        facts: Any = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} was edited or damaged ({error}); get it again") from error
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        known = isinstance(found, str) and found.startswith("trimcap splits")
        what = f"has format {found!r}; this version reads {FORMAT!r}" if known else "is no split file of trimcap"
        raise ArtifactError(f"{path} {what}")
    claimed = facts.pop("sha256", None)
    if claimed != digest(facts):
        raise ArtifactError(f"{path} was edited or damaged: its content does not have the hash it names; get it again")
    return {**facts, "sha256": claimed}


def is_splits(path: Path | str) -> bool:
    """Whether a file claims to be a split file of trimcap, of whatever version."""
    try:
        with Path(path).open("rb") as file:
            return b'"trimcap splits' in file.read(100)
    except OSError:
        return False


def source_of(folds: Iterable[Fold]) -> Windows:
    """The windows that folds were made of, sorted: the data set, or what their parts hold together."""
    sources = [subset.source for fold in folds for subset in parts_of(fold).values()]
    first = sources[0]
    if all(source is first for source in sources):
        return sort_rows(first)
    return sort_rows(_union(sources))


def _union(sources: Sequence[Windows]) -> Windows:
    """Every window of several sets once; refuses sets that disagree on a label."""
    kept: list[Windows] = []
    labels: dict[str, int] = {}
    for source in sources:
        fresh = [i for i, name in enumerate(source.ids.tolist()) if name not in labels]
        for name, label in zip(source.ids.tolist(), source.y.tolist(), strict=True):
            if labels.setdefault(name, label) != label:
                raise ValueError(f"window {name} has different labels in different folds; write folds of one data set")
        if fresh:
            kept.append(source.take(fresh))
    return join(kept)


def _fold_facts(fold: Fold, windows: Windows) -> dict[str, Any]:
    return {"name": fold.name} | {part: _part_facts(subset, windows) for part, subset in parts_of(fold).items()}


def _part_facts(subset: Subset, windows: Windows) -> dict[str, Any]:
    ids = subset.ids.tolist()
    member = np.isin(windows.ids, ids)
    for level in _COARSE:
        names = keys(windows, *LEVELS[level])
        inside = np.unique(names[member])
        if np.array_equal(np.isin(names, inside), member):
            return {"level": level, "groups": inside.tolist(), "windows": len(ids), "sha256": hash_ids(ids)}
    return {"level": "window", "groups": sorted(ids), "windows": len(ids), "sha256": hash_ids(ids)}


def _subset(entry: Mapping[str, Any], windows: Windows, path: Path) -> Subset:
    level = entry["level"]
    names = windows.ids if level == "window" else keys(windows, *LEVELS[level])
    rows = np.flatnonzero(np.isin(names, entry["groups"]))
    if len(rows) != entry["windows"] or hash_ids(windows.ids[rows].tolist()) != entry["sha256"]:
        raise ArtifactError(f"{path}: a list of {level}s does not have the hash it names; get the file again")
    return Subset(windows, rows)


def _with_stimulus(windows: Windows, facts: Mapping[str, Any]) -> Windows:
    """Folds that keep stimuli apart carry the names of the stimuli, trial by trial."""
    stimuli = facts["data"].get("stimuli")
    if not stimuli or "stimulus" in windows.metadata:
        return windows
    trials = keys(windows, *LEVELS["trial"])
    names = [stimuli.get(trial, "") for trial in trials.tolist()]
    return replace(windows, metadata=windows.metadata.assign(stimulus=names))
