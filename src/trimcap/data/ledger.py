"""Which stage saw which windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import AuditError, unknown
from trimcap.data.seen import Seen
from trimcap.data.windows import Windows

#: every stage that consumes data, and what it takes from them
STAGES = {
    "scale": "fits the normalisation",
    "fit": "trains weights",
    "early stopping": "chooses the epoch",
    "recovery": "trains weights after a step",
    "evidence": "computes attribution maps for a loss",
    "saliency": "scores slices of the network",
    "sensitivity": "measures the loss of each layer's removal",
    "plan": "chooses what is removed",
    "calibration": "fits quantizer ranges",
    "calibrate": "fine-tunes on a new subject's calibration trials",
    "search": "chooses hyper-parameters",
    "choose": "chooses hyper-parameters on inner folds",
    "verify": "replays windows through an artifact",
    "evaluate": "reports the final numbers",
}


@dataclass(frozen=True)
class Entry:
    """One use of data: `stage` saw the windows `ids` (sorted); `note` says on behalf of what."""

    stage: str
    ids: tuple[str, ...]
    sha256: str
    note: str = ""


class Ledger:
    """Append-only list of which stage saw which windows; the one mutable object of the data layer."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._met: list[tuple[str, Seen]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Ledger({', '.join(f'{e.stage}: {len(e.ids)}' for e in self._entries)})"

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order in which they were made."""
        return tuple(self._entries)

    def record(self, stage: str, windows: Windows | Iterable[str], note: str = "") -> None:
        """Append that `stage` (a key of `STAGES`) saw these windows, given as such or by their ids.

        Raises
        ------
        ValueError : the stage is unknown. TypeError : something else than windows or ids, such as an array of signals.
        """
        if stage not in STAGES:
            raise ValueError(unknown("stage", stage, STAGES))
        ids = sorted_ids(windows.ids if isinstance(windows, Windows) else _names(windows, stage))
        self._entries.append(Entry(stage, ids, hash_ids(ids), note))

    @property
    def met(self) -> tuple[tuple[str, Seen], ...]:
        """Networks that a training started from or followed, or that predicted the test windows: name and history."""
        return tuple(self._met)

    def meet(self, name: str, seen: Seen) -> None:
        """Append that a network came into play which had seen this before; it is not among `to_rows`."""
        self._met.append((name, seen))

    def since(self, n: int) -> Ledger:
        """The entries after the first `n`, as a ledger of their own: what a piece of work saw."""
        new = Ledger()
        new._entries = self._entries[n:]
        return new

    def merge(self, other: Ledger) -> None:
        """Append all entries of another ledger, e.g. one that came back from a worker process."""
        self._entries.extend(other.entries)
        self._met.extend(other.met)

    def to_rows(self) -> list[dict[str, Any]]:
        """JSON-able rows: stage, n, sha256, note, ids; ids stand only where their hash occurs first."""
        rows: list[dict[str, Any]] = []
        written: set[str] = set()
        for e in self._entries:
            row: dict[str, Any] = {"stage": e.stage, "n": len(e.ids), "sha256": e.sha256, "note": e.note}
            if e.sha256 not in written:
                row["ids"] = list(e.ids)
                written.add(e.sha256)
            rows.append(row)
        return rows

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> Ledger:
        """The ledger that `to_rows` wrote.

        Raises
        ------
        AuditError : the ids do not have the recorded hash, so the rows were edited or are incomplete.
        """
        ledger = cls()
        known: dict[str, list[str]] = {}
        for number, row in enumerate(rows):
            ids = row.get("ids", known.get(row["sha256"]))
            if ids is None or hash_ids(sorted_ids(ids)) != row["sha256"] or len(ids) != row["n"]:
                raise AuditError(
                    f"ledger row {number} (stage {row['stage']!r}): the window ids do not match their hash; "
                    "the file was edited or is incomplete: run the stage again"
                )
            known[row["sha256"]] = ids
            ledger.record(row["stage"], ids, row.get("note", ""))
        return ledger


def _names(ids: Iterable[str], stage: str) -> list[str]:
    found = [] if isinstance(ids, str) else list(ids)
    if isinstance(ids, str) or not all(isinstance(i, str) for i in found):
        raise TypeError(
            f"stage {stage!r} can't be recorded: a ledger takes Windows or their ids, got {type(ids).__name__}; "
            "an array does not say which windows it is from"
        )
    return found


def hash_ids(ids: Sequence[str]) -> str:
    """SHA-256 of the sorted ids, one per line, as 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def sorted_ids(ids: Iterable[str] | NDArray[np.str_]) -> tuple[str, ...]:
    """Ids as plain strings in ascending order."""
    return tuple(sorted(str(i) for i in ids))
