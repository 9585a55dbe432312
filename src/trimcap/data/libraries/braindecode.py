"""Recordings from braindecode's continuous datasets, from folders it saved, and from EEGDash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._errors import unknown
from trimcap._named import check_options, takes
from trimcap.data.classes import Classes, to_classes
from trimcap.data.files.header import like_first
from trimcap.data.files.raws import companions, open_raw
from trimcap.data.files.spans import Reading, Span, read_spans
from trimcap.data.libraries.braindecode_parts import Keys, Origin, description_of, origins, parts_of, refuse_transforms
from trimcap.data.recording import Recording
from trimcap.data.source import Source, Wanted, choose_subjects

if TYPE_CHECKING:
    import mne

# a description has a few lines
_LARGEST_JSON = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen of continuous datasets; one recording each.

    Parameters
    ----------
    target : entry of the description that is to be predicted; default: the datasets' `target_name`
    classes, threshold, side : as in `from_triple`
    unit : "V" as MNE has it, or "uV" after `preprocess` multiplied by 1e6
    channels, rate, on_bad, any_names : as in `files_source`; without `channels` all datasets must have the same
    subject, session, run : entries of the description with these names; without a run, datasets are numbered
    stimulus : entry of the description that names the stimulus
    """

    target: str | None = None
    classes: Classes | None = None
    threshold: float | None = None
    side: str | None = None
    unit: str = "V"
    channels: Sequence[str] | None = None
    rate: float | None = None
    subject: str = "subject"
    session: str = "session"
    run: str = "run"
    stimulus: str | None = None
    on_bad: str = "raise"
    any_names: bool = False

    def reading(self, classes: Sequence[str], **like: Any) -> Reading:
        """How the datasets are read; `like`: what the first of them decides."""
        channels = None if self.channels is None else tuple(self.channels)
        return Reading(
            **{"channels": channels, **like}, classes=tuple(classes), rate=self.rate, any_names=self.any_names,
            unit=self.unit, on_bad=self.on_bad,
        )  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """One dataset that has a label: its number, where it comes from, class and stimulus."""

    number: int
    origin: Origin
    label: int
    shown: str


@takes(Options)
def recordings_from_braindecode(dataset: Any, *, subjects: Wanted = None, **options: Any) -> Iterator[Recording]:
    """Recordings from a `BaseConcatDataset` of continuous datasets, read one after the other.

    Parameters
    ----------
    dataset : concatenation of RawDataset (or one), as EEGDash makes it too; preloaded or not. Only EEG channels are
        taken
    subjects : which, or how many; default all
    options : `Options` of this module

    Raises
    ------
    ValueError : windowed datasets; no subject or target in a description; a target without class; other channels or
        rates in one dataset; transforms.

    Warns
    -----
    UserWarning : datasets without a target were left out: how many.
    """
    check_options("recordings_from_braindecode", recordings_from_braindecode, options, given=("dataset", "subjects"))
    chosen = Options(**options)
    parts = parts_of(dataset, windowed=False)
    refuse_transforms(dataset, parts)
    described = [description_of(part) for part in parts]
    rows, classes = _rows(described, getattr(parts[0], "target_name", None), subjects, chosen, what="dataset")
    return _recordings(parts, rows, chosen.reading(classes))


@takes(Options)
def braindecode_recordings(path: Path | str | None = None, *, subjects: Wanted = None, **options: Any) -> Source:
    """Continuous datasets in a folder that `BaseConcatDataset.save` of braindecode wrote.

    braindecode need not be there. Its own loader is not used, because that runs pickles which lie beside the signals;
    here FIF and JSON are read and `.pkl` files are left alone.

    Parameters
    ----------
    path : the folder, with 0/0-raw.fif, 0/description.json, 1/1-raw.fif, …
    subjects, options : as in `recordings_from_braindecode`; the default of `target` is in target_name.json

    Raises
    ------
    FileNotFoundError : no such folder, or nothing saved in it.
    ValueError : windows were saved, not recordings (says how to read them); a damaged file; as
        `recordings_from_braindecode`.
    """
    check_options("source braindecode", braindecode_recordings, options, given=("path", "subjects"))
    chosen = Options(**options)
    folders = _folders(path)
    described = [_json(folder / "description.json") for folder in folders]
    saved = folders[0] / "target_name.json"
    target = _json(saved).get("target_name") if saved.is_file() else None
    found, classes = _rows(described, target, subjects, chosen, what=f"{path}, dataset")
    rows = {folders[row.number].name: [*astuple(row.origin), row.label, row.shown] for row in found}
    files = tuple(folder / f"{folder.name}-raw.fif" for folder in folders if folder.name in rows)
    first = like_first(chosen.reading(classes), open_raw(files[0]), files[0])
    like = {"channels": first.channels, "like": first.like, "like_rate": first.like_rate}
    told = replace(chosen, target=None, classes=None, threshold=None, side=None)  # by now they are labels
    read = partial(read_saved, rows=rows, classes=classes, options=told, like=like)
    return Source("braindecode", files, read, tuple(other for file in files for other in companions(file)))


def read_saved(
    path: Path, *, rows: Mapping[str, Sequence[Any]], classes: Sequence[str], options: Options, like: Mapping[str, Any]
) -> list[Recording]:
    """One file of `braindecode_recordings`, which fills in the options."""
    subject, session, run, label, shown = rows[path.parent.name]
    row = _Row(0, Origin(subject, session, run), label, shown)
    return _read(open_raw(path), path, row, options.reading(classes, **like))


@takes(Options)
def eegdash_recordings(
    path: Path | str | None = None,
    *,
    subjects: Wanted = None,
    dataset: str,
    task: str | None = None,
    query: Mapping[str, Any] | None = None,
    download: bool = True,
    **options: Any,
) -> Iterator[Recording]:
    """Recordings of a data set of EEGDash (BIDS data sets of OpenNeuro and others, by query).

    Parameters
    ----------
    path : folder of EEGDash's downloads; default: its own
    subjects : names as EEGDash has them, or how many; default all
    dataset : its identifier, e.g. "ds002718"
    task, query : which recordings, e.g. "RestingState", {"run": "1"}
    download : fetch what is not in `path`
    options : as in `recordings_from_braindecode`, with a `target`: "sex", "age" or a column of participants.tsv

    Raises
    ------
    ImportError : EEGDash is not installed.
    ValueError : no target; nothing found; as `recordings_from_braindecode`.
    """
    if "target" not in options:
        raise ValueError('source eegdash needs the option target, such as target="sex"')
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
    place = None if path is None else str(path)
    found = EEGDashDataset(cache_dir=place, query=wanted, target_name=options["target"], download=download)
    return recordings_from_braindecode(found, subjects=subjects, **options)


def _rows(
    described: Sequence[Mapping[str, Any]], saved: Any, subjects: Wanted, options: Options, *, what: str
) -> tuple[list[_Row], tuple[str, ...]]:
    """Datasets with a label of the subjects asked for, and the classes."""
    name = _target(options.target, saved, described)
    labels = to_classes(
        [description.get(name) for description in described], what="braindecode dataset", name=name,
        classes=options.classes, threshold=options.threshold, side=options.side,
    )  # fmt: skip
    whence = origins(described, Keys(options.subject, options.session, options.run), what=what)
    names = list(dict.fromkeys(origin.subject for origin in whence))
    wanted = subjects if subjects is None or isinstance(subjects, int) else [str(name) for name in subjects]
    chosen = set(choose_subjects(names, wanted, what="dataset"))
    shown = [_shown(description, options.stimulus) for description in described]
    numbers = zip(labels.rows.tolist(), labels.y.tolist(), strict=True)
    return [_Row(i, whence[i], y, shown[i]) for i, y in numbers if whence[i].subject in chosen], labels.classes


def _recordings(parts: Sequence[Any], rows: Sequence[_Row], reading: Reading) -> Iterator[Recording]:
    for row in rows:
        where, raw = Path(f"dataset {row.number}"), parts[row.number].raw
        if raw is None:
            raise ValueError(
                f"{where} (subject {row.origin.subject}) has no signal; it could not be downloaded or opened"
            )
        reading = like_first(reading, raw, where)
        yield from _read(raw, where, row, reading)


def _read(raw: mne.io.BaseRaw, where: Path, row: _Row, reading: Reading) -> list[Recording]:
    span = Span(row.origin.run, row.label, info={"stimulus": row.shown} if row.shown else {})
    return read_spans(raw, where, [span], reading, subject=row.origin.subject, session=row.origin.session)


def _target(asked: str | None, saved: Any, described: Sequence[Mapping[str, Any]]) -> str:
    known = sorted({key for description in described for key in description})
    if asked is None and not isinstance(saved, str):
        why = "no target" if saved is None else f"the targets {saved}"
        raise ValueError(f"the datasets have {why}; name one entry of the description with target=: {', '.join(known)}")
    name = str(saved) if asked is None else asked
    if name not in known:
        raise ValueError(unknown("target", name, known))
    return name


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
