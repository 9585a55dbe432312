"""Recordings from braindecode's continuous datasets, from folders it saved, and from EEGDash."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._errors import unknown
from trimcap.data.classes import Classes, Labels, to_classes
from trimcap.data.files.alike import like_first
from trimcap.data.files.raws import companions, open_raw
from trimcap.data.files.spans import Reading, Span, read_spans
from trimcap.data.libraries.braindecode_parts import Keys, Origin, description_of, origins, parts_of, refuse_transforms
from trimcap.data.recording import Recording
from trimcap.data.source import Source, Wanted, choose_subjects

if TYPE_CHECKING:
    import mne

# a description has a few lines
_LARGEST_JSON = 1 << 20


def recordings_from_braindecode(
    dataset: Any,
    *,
    subjects: Wanted = None,
    target: str | None = None,
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
    unit: str = "V",
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    subject: str = "subject",
    session: str = "session",
    run: str = "run",
    stimulus: str | None = None,
    on_bad: str = "raise",
    any_names: bool = False,
) -> Iterator[Recording]:
    """Recordings from a `BaseConcatDataset` of continuous datasets; one each, read one after the other.

    Parameters
    ----------
    dataset : concatenation of RawDataset (or one), as EEGDash makes it too; preloaded or not. Only EEG channels are
        taken
    subjects : which, or how many; default all
    target : entry of the description that is to be predicted; default: the datasets' `target_name`
    classes, threshold, side : as in `from_triple`
    unit : "V" as MNE has it, or "uV" after `preprocess` multiplied by 1e6
    channels, rate, on_bad, any_names : as in `files_source`; without `channels` all datasets must have the same
    subject, session, run : entries of the description with these names; without a run, datasets are numbered
    stimulus : entry of the description that names the stimulus

    Raises
    ------
    ValueError : windowed datasets; no subject or target in a description; a target without class; other channels or
        rates in one dataset; transforms.

    Warns
    -----
    UserWarning : datasets without a target were left out: how many.
    """
    parts = parts_of(dataset, windowed=False)
    refuse_transforms(dataset, parts)
    described = [description_of(part) for part in parts]
    keys = Keys(subject, session, run)
    name = _target(target, getattr(parts[0], "target_name", None), described)
    labels = _labels(described, name, classes, threshold, side)
    whence = origins(described, keys, what="dataset")
    chosen = _chosen(whence, subjects)
    reading = Reading(
        classes=labels.classes, channels=None if channels is None else tuple(channels), rate=rate, any_names=any_names,
        unit=unit, on_bad=on_bad,
    )  # fmt: skip
    wanted = [(int(i), int(y)) for i, y in zip(labels.rows, labels.y, strict=True) if whence[i].subject in chosen]
    shown = [_shown(d, stimulus) for d in described]
    return _recordings(((i, parts[i], whence[i], y, shown[i]) for i, y in wanted), reading)


def braindecode_recordings(
    path: Path | str | None = None,
    *,
    subjects: Wanted = None,
    target: str | None = None,
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
    unit: str = "V",
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    subject: str = "subject",
    session: str = "session",
    run: str = "run",
    stimulus: str | None = None,
    on_bad: str = "raise",
    any_names: bool = False,
) -> Source:
    """Continuous datasets in a folder that `BaseConcatDataset.save` of braindecode wrote; one recording each.

    braindecode need not be there. Its own loader is not used, because that runs pickles which lie beside the signals;
    here FIF and JSON are read and `.pkl` files are left alone.

    Parameters
    ----------
    path : the folder, with 0/0-raw.fif, 0/description.json, 1/1-raw.fif, …
    others : as in `recordings_from_braindecode`; the default of `target` is in target_name.json

    Raises
    ------
    FileNotFoundError : no such folder, or nothing saved in it.
    ValueError : windows were saved, not recordings (says how to read them); a damaged file; as
        `recordings_from_braindecode`.
    """
    folders = _folders(path)
    described = [_json(folder / "description.json") for folder in folders]
    saved = folders[0] / "target_name.json"
    name = _target(target, _json(saved).get("target_name") if saved.is_file() else None, described)
    labels = _labels(described, name, classes, threshold, side)
    whence = origins(described, Keys(subject, session, run), what=f"{path}, dataset")
    chosen = _chosen(whence, subjects)
    rows = {
        folders[i].name: [whence[i].subject, whence[i].session, whence[i].run, int(y), _shown(described[i], stimulus)]
        for i, y in zip(labels.rows.tolist(), labels.y, strict=True)
        if whence[i].subject in chosen
    }
    items = [folder for folder in folders if folder.name in rows]
    like = _first_header(items[0], channels)
    read = partial(
        read_saved, rows=rows, classes=list(labels.classes), unit=unit, rate=rate, on_bad=on_bad, any_names=any_names,
        **like,
    )  # fmt: skip
    files = tuple(folder / f"{folder.name}-raw.fif" for folder in items)
    return Source("braindecode", files, read, tuple(other for file in files for other in companions(file)))


def read_saved(
    path: Path,
    *,
    rows: Mapping[str, Sequence[Any]],
    classes: Sequence[str],
    channels: Sequence[str],
    like: Sequence[str],
    like_rate: float,
    unit: str = "V",
    rate: float | None = None,
    on_bad: str = "raise",
    any_names: bool = False,
) -> list[Recording]:
    """One file of `braindecode_recordings`, which fills in the options."""
    raw = open_raw(path)
    subject, session, run, label, shown = rows[path.parent.name]
    reading = Reading(
        classes=tuple(classes), channels=tuple(channels), like=tuple(like), like_rate=like_rate, unit=unit, rate=rate,
        on_bad=on_bad, any_names=any_names,
    )  # fmt: skip
    return _read(raw, path, Origin(subject, session, run), label, shown, reading)


def eegdash_recordings(
    path: Path | str | None = None,
    *,
    subjects: Wanted = None,
    dataset: str,
    target: str,
    task: str | None = None,
    query: Mapping[str, Any] | None = None,
    download: bool = True,
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    stimulus: str | None = None,
    on_bad: str = "raise",
    any_names: bool = False,
) -> Iterator[Recording]:
    """Recordings of a data set of EEGDash (BIDS data sets of OpenNeuro and others, by query).

    Parameters
    ----------
    path : folder of EEGDash's downloads; default: its own
    subjects : names as EEGDash has them, or how many; default all
    dataset : its identifier, e.g. "ds002718"
    target : entry of the description that is to be predicted, e.g. "sex", "age" or a column of participants.tsv
    task, query : which recordings, e.g. "RestingState", {"run": "1"}
    download : fetch what is not in `path`
    others : as in `recordings_from_braindecode`

    Raises
    ------
    ImportError : EEGDash is not installed.
    ValueError : nothing found; as `recordings_from_braindecode`.
    """
    try:
        from eegdash import EEGDashDataset  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ImportError(
            f"EEGDash can't be imported ({error}); install it (pip install eegdash; it needs braindecode, and that a "
            "torchaudio which fits your torch)"
        ) from error
    wanted = {**(query or {}), "dataset": dataset, **({} if task is None else {"task": task})}
    if subjects is not None and not isinstance(subjects, int):
        wanted["subject"] = [str(name) for name in subjects]
    found = EEGDashDataset(
        cache_dir=None if path is None else str(path), query=wanted, target_name=target, download=download
    )
    return recordings_from_braindecode(
        found, subjects=subjects, target=target, classes=classes, threshold=threshold, side=side, channels=channels,
        rate=rate, stimulus=stimulus, on_bad=on_bad, any_names=any_names,
    )  # fmt: skip


def _recordings(wanted: Iterable[tuple[int, Any, Origin, int, str]], reading: Reading) -> Iterator[Recording]:
    for i, part, origin, label, shown in wanted:
        where = Path(f"dataset {i}")
        raw = part.raw
        if raw is None:
            raise ValueError(f"{where} (subject {origin.subject}) has no signal; it could not be downloaded or opened")
        reading = like_first(reading, raw, where)
        yield from _read(raw, where, origin, label, shown, reading)


def _read(
    raw: mne.io.BaseRaw, where: Path, origin: Origin, label: int, shown: str, reading: Reading
) -> list[Recording]:
    span = Span(origin.run, label, info={"stimulus": shown} if shown else {})
    return read_spans(raw, where, [span], reading, subject=origin.subject, session=origin.session)


def _target(asked: str | None, saved: Any, described: Sequence[Mapping[str, Any]]) -> str:
    known = sorted({key for description in described for key in description})
    if asked is None and not isinstance(saved, str):
        why = "no target" if saved is None else f"the targets {saved}"
        raise ValueError(f"the datasets have {why}; name one entry of the description with target=: {', '.join(known)}")
    name = str(saved) if asked is None else asked
    if name not in known:
        raise ValueError(unknown("target", name, known))
    return name


def _labels(
    described: Sequence[Mapping[str, Any]], name: str, classes: Classes | None, threshold: float | None,
    side: str | None,
) -> Labels:  # fmt: skip
    return to_classes(
        [description.get(name) for description in described],
        what="braindecode dataset", name=name, classes=classes, threshold=threshold, side=side,
    )  # fmt: skip


def _chosen(whence: Sequence[Origin], subjects: Wanted) -> set[str]:
    names = list(dict.fromkeys(origin.subject for origin in whence))
    wanted = subjects if subjects is None or isinstance(subjects, int) else [str(name) for name in subjects]
    return set(choose_subjects(names, wanted, what="dataset"))


def _shown(description: Mapping[str, Any], stimulus: str | None) -> str:
    if stimulus is None:
        return ""
    if stimulus not in description:
        raise ValueError(unknown("stimulus", stimulus, description))
    return str(description[stimulus])


def _folders(path: Path | str | None) -> list[Path]:
    """Subfolders in the order of their numbers, each with a continuous signal."""
    if path is None:
        raise ValueError("a folder that braindecode saved has no default place; give its path")
    place = Path(path)
    found = sorted((p for p in place.glob("*/") if p.name.isdecimal()), key=lambda p: int(p.name))
    if not found:
        raise FileNotFoundError(
            f"'{place}' holds no datasets saved by braindecode (0/0-raw.fif, 0/description.json, …); check the path"
        )
    for folder in found:
        if (folder / f"{folder.name}-epo.fif").exists() or (folder / "metadata_df.pkl").exists():
            raise ValueError(
                f"{folder} holds windows, not recordings. If you trust the folder, whose pickles can run code, load it "
                f"with braindecode's load_concat_dataset('{place}', preload=False) and pass that to from_braindecode"
            )
        if not (folder / f"{folder.name}-raw.fif").is_file():
            raise FileNotFoundError(f"{folder} lacks {folder.name}-raw.fif; save the dataset again")
    return found


def _first_header(folder: Path, channels: Sequence[str] | None) -> dict[str, Any]:
    path = folder / f"{folder.name}-raw.fif"
    header = like_first(Reading(channels=None if channels is None else tuple(channels)), open_raw(path), path)
    return {"channels": list(header.channels or ()), "like": list(header.like), "like_rate": header.like_rate}


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; save the dataset again")
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than a description may have")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); save the dataset again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}; expected an object with subject and so on")
    return content
