"""What braindecode's datasets hold, told by their attributes, so that braindecode need not be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimcap._errors import unknown


@dataclass(frozen=True)
class Origin:
    """Where one dataset of a concatenation comes from; `run` tells those of one session apart."""

    subject: str
    session: str
    run: str


@dataclass(frozen=True)
class Keys:
    """Names of the description's entries that say where a dataset comes from."""

    subject: str = "subject"
    session: str = "session"
    run: str = "run"


def parts_of(dataset: Any, *, windowed: bool) -> list[Any]:
    """The datasets of a `BaseConcatDataset` (or of one dataset), all windowed or all continuous.

    ValueError: not a dataset of braindecode, or of the other kind (says which function takes it).
    """
    parts = list(dataset.datasets) if hasattr(dataset, "datasets") else [dataset]
    if not parts:
        raise ValueError("the braindecode dataset is empty")
    for i, part in enumerate(parts):
        if not (hasattr(part, "raw") or hasattr(part, "windows")):
            raise ValueError(
                f"dataset {i} is a {type(part).__name__}; expected braindecode's RawDataset, EEGWindowsDataset or "
                "WindowsDataset"
            )
        if hasattr(part, "crop_inds") != windowed:
            kind, other = (
                ("continuous", "recordings_from_braindecode") if windowed else ("windowed", "from_braindecode")
            )
            raise ValueError(f"dataset {i} ({type(part).__name__}) is {kind}; use {other}")
    return parts


def refuse_transforms(dataset: Any, parts: Sequence[Any]) -> None:
    """Refuse what changes signals or targets while they are fetched: it would be lost, silently."""
    transforms = [getattr(part, "transform", None) for part in parts]
    transforms.append(getattr(dataset, "target_transform", None))
    found = next((t for t in transforms if t is not None), None)
    if found is not None:
        raise ValueError(
            f"the dataset transforms what it gives ({getattr(found, '__name__', type(found).__name__)}); set transform "
            "and target_transform to None, and do the same to the windows afterwards"
        )


def origins(descriptions: Sequence[Mapping[str, Any]], keys: Keys, *, what: str) -> list[Origin]:
    """Subject, session and run of each dataset.

    Without a session there is one, "0". Datasets without a run, or with one that another of the session has too, are
    numbered.

    ValueError: a description without subject (lists what it has); a key asked for that is not there.
    """
    found = [Origin(*(_entry(d, keys, name, f"{what} {i}") for name in _NAMES)) for i, d in enumerate(descriptions)]
    total, seen = Counter(found), Counter[Origin]()
    result = []
    for origin in found:
        seen[origin] += 1
        number = f"{seen[origin]}" if total[origin] > 1 or not origin.run else ""
        run = ".".join(part for part in (origin.run, number) if part)
        result.append(Origin(origin.subject, origin.session, run))
    return result


_NAMES = ("subject", "session", "run")
_ABSENT = {"session": "0", "run": ""}


def _entry(description: Mapping[str, Any], keys: Keys, name: str, where: str) -> str:
    key = getattr(keys, name)
    value = description.get(key)
    if value is not None and value == value:  # NaN is unequal to itself
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if name in _ABSENT and key == getattr(Keys(), name):
        return _ABSENT[name]
    why = unknown("entry of the description", key, map(str, description)) if description else "it has no description"
    raise ValueError(f"{where}: {why}; say which entry is the {name} ({name}='…'), or add it with set_description")


def description_of(part: Any) -> dict[str, Any]:
    """A dataset's description as a dict; empty if it has none."""
    description = getattr(part, "description", None)
    return {} if description is None else {str(key): value for key, value in dict(description).items()}
