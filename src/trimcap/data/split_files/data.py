"""What a split file knows of the data it belongs to, and what differs in other data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trimcap.data.ledger import hash_ids
from trimcap.data.splits.sealed import Subset
from trimcap.data.units import LEVELS, keys
from trimcap.data.windows import Windows

#: digits of the hash of one trial's window ids
_SHORT = 16


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the layout of the file."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def describe_data(windows: Windows) -> dict[str, Any]:
    """Hashes of all ids and all labels, and of every trial: its number of windows, a hash of their ids, its class.

    Parameters
    ----------
    windows : sorted as `sort_rows` does; content does not count, so that raw EEG and its features share a file
    """
    facts: dict[str, Any] = {
        "windows": len(windows),
        "ids_sha256": hash_ids(windows.ids.tolist()),
        "labels_sha256": _hash_labels(windows),
        "classes": list(windows.classes),
        "trials": {name: _trial(windows, rows) for name, rows in _trials(windows).items()},
    }
    stimuli = Subset(windows).stimuli
    return {**facts, "stimuli": stimuli} if stimuli else facts


def check_data(windows: Windows, facts: Mapping[str, Any], path: Path, *, labels: bool = True) -> None:
    """Refuse windows that are not the ones described; names what differs, and how many.

    Parameters
    ----------
    labels : whether these count
    """
    other = describe_data(windows)
    same = other["ids_sha256"] == facts["ids_sha256"] and _stimuli_agree(facts, other)
    if same and (not labels or other["labels_sha256"] == facts["labels_sha256"]):
        return
    theirs, ours = facts["trials"], other["trials"]
    missing = [name for name in theirs if name not in ours]
    extra = [name for name in ours if name not in theirs]
    both = [name for name in theirs if name in ours]
    cut = [name for name in both if theirs[name]["ids"] != ours[name]["ids"]]
    labelled = [name for name in both if name not in cut and theirs[name]["class"] != ours[name]["class"]]
    shown = [name for name in both if facts.get("stimuli", {}).get(name) != other.get("stimuli", {}).get(name)]
    found = [
        _some(missing, "trials of the file are missing here"),
        _some(extra, "trials here are not in the file"),
        _some(cut, "trials have other windows", lambda name: _number(theirs[name]["windows"], ours[name]["windows"])),
        _some(labelled, "trials have other labels", lambda name: f"{theirs[name]['class']} → {ours[name]['class']}"),
        _some(shown if _both_know_stimuli(facts, other) else [], "trials have other stimuli"),
        f"classes {facts['classes']} → {other['classes']}" if facts["classes"] != other["classes"] else "",
    ]
    raise ValueError(
        f"{path} belongs to other windows ({facts['windows']:,} there, {other['windows']:,} here): "
        + "; ".join(text for text in found if text)
        + ". Read the same recordings, cut and labelled in the same way, or make a new split"
    )


def _both_know_stimuli(facts: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(facts.get("stimuli")) and bool(other.get("stimuli"))


def _stimuli_agree(facts: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return not _both_know_stimuli(facts, other) or facts["stimuli"] == other["stimuli"]


def _some(names: Sequence[str], what: str, show: Any = None) -> str:
    if not names:
        return ""
    examples = ", ".join(name + (f": {show(name)}" if show else "") for name in names[:3])
    return f"{len(names)} {what} ({examples}{', …' if len(names) > 3 else ''})"


def _number(there: int, here: int) -> str:
    return f"{there} → {here}" if there != here else f"{there}, but they start at other times"


def _trials(windows: Windows) -> dict[str, Any]:
    names, start = np.unique(keys(windows, *LEVELS["trial"]), return_inverse=True)
    order = np.argsort(start, kind="stable")
    pieces = np.split(order, np.cumsum(np.bincount(start))[:-1]) if len(names) else []
    return dict(zip(names.tolist(), pieces, strict=True))


def _trial(windows: Windows, rows: Any) -> dict[str, Any]:
    labels = [windows.classes[label] for label in windows.y[rows].tolist()]
    return {
        "windows": len(rows),
        "ids": hash_ids(windows.ids[rows].tolist())[:_SHORT],
        "class": labels[0] if len(set(labels)) == 1 else labels,
    }


def _hash_labels(windows: Windows) -> str:
    lines = sorted(f"{name}\t{windows.classes[y]}" for name, y in zip(windows.ids.tolist(), windows.y, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
