"""What the sides of folds share by content, looked for before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trimcap._errors import AuditError, counted
from trimcap.data.splits.findings import Finding
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.sealed import rows_of
from trimcap.data.splits.shared import copies_between
from trimcap.data.splits.sides import Content
from trimcap.data.windows import Windows
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.run.windows import signals_of


def look(recipe: Recipe, folds: Sequence[Fold], chosen: Iterable[int]) -> dict[int, tuple[Finding, ...]]:
    """Number of a fold → what its sides share.

    Where networks get features, the signals that these were made of are read and looked through as well: only there
    shifted, re-referenced, resampled or noisy copies can be seen.

    Raises
    ------
    AuditError : the sides of a fold share windows, samples or a normalisation.
    """
    chosen = sorted(set(chosen))
    if not chosen:
        return {}
    source = folds[0].train_set.source
    signals = None if source.raw else signals_of(recipe.data)
    places = {} if signals is None else {name: row for row, name in enumerate(signals.ids.tolist())}
    found = {}
    for number in chosen:
        fold = folds[number]
        below = None if signals is None else _below(fold, signals, places)
        told = [f for f in fold.shared if below is None or "were not looked for" not in f.text]
        found[number] = tuple(dict.fromkeys((*told, *(below or ()))))
    _refuse({folds[number].name: findings for number, findings in found.items()})
    return found


def _below(fold: Fold, signals: Windows, places: Mapping[str, int]) -> tuple[Finding, ...] | None:
    """What the signals behind a fold's features share; None if the steps after them made other windows."""
    parts = [fold.train_set.ids, fold.valid_set.ids, rows_of(fold.test).ids]
    if not all(name in places for part in parts for name in part.tolist()):
        return None
    train, valid, test = (np.asarray([places[name] for name in part.tolist()]) for part in parts)
    found = copies_between(Content(signals, np.union1d(train, valid), test))
    return tuple(_declared(f) for f in found) if fold.leaky else tuple(found)


def _declared(finding: Finding) -> Finding:
    return Finding("leaky", finding.stage, finding.text, finding.check) if finding.severity == "error" else finding


def _refuse(shared: Mapping[str, Sequence[Finding]]) -> None:
    wrong = {name: [f.text for f in found if f.severity == "error"] for name, found in shared.items()}
    lines = [f"fold {name.removeprefix('fold ')}: {'; '.join(texts)}" for name, texts in wrong.items() if texts]
    if lines:
        raise AuditError(
            f"audit failed before training: {counted(len(lines), 'fold')} of {len(shared)} would test on what they "
            "train on. Leave out the copies (`trimcap data check` names whole recordings), or choose a protocol that "
            "keeps them on one side:\n" + "\n".join(lines)
        )
