"""What EEG files lie in a place that is no published set, and in what state they are."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimcap.data.electrodes.names import unknown_electrodes
from trimcap.data.files.bids.read import bids_files, entity, is_bids, open_bids
from trimcap.data.files.bids.tables import read_tsv
from trimcap.data.files.channels import eeg_names
from trimcap.data.files.events import counts, events_of, is_bad
from trimcap.data.files.header import open_named
from trimcap.data.files.identity import common_root, identity
from trimcap.data.files.labels import Table, is_table, read_labels
from trimcap.data.files.names import SESSION, files_at, name_by, stem_of
from trimcap.data.files.raws import companions, samples, suffix_of
from trimcap.data.files.spans import local_spread
from trimcap.data.files.survey.copies import Sketch, sketch

if TYPE_CHECKING:
    import mne

Progress = Callable[[str, int, int], None]

_BLOCK = 60.0  # s that are in memory at once
_HEAD = 4096  # bytes of a table that tell whether it labels files
_PARTS = {".eeg": (".vhdr", ".ahdr"), ".vmrk": (".vhdr",), ".fdt": (".set",)}
_MANY = 30  # values of a column that is no class


@dataclass(frozen=True)
class FileFacts:
    """One file that can be read.

    Parameters
    ----------
    file : its path below the folder
    subject, session, trial : as `files_source` and `bids_source` call them
    seconds, rate : length (s) and Hz
    channels : EEG channels; `unknown` of them are no electrodes, `bad` are marked so, `dead` are constant or hold NaN
    onsets : event → when (s); of BIDS those of `*_events.tsv`, marks of bad stretches left out
    spread, swing : median over the channels of the standard deviation, µV: of all samples, and within a second
    odd : channels whose swing is a thousand times that of the others, or a thousandth -> it, µV
    sketch : what tells whether another file holds the same recording
    """

    file: str
    subject: str
    session: str
    trial: str
    seconds: float
    rate: float
    channels: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    onsets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    spread: float = 0.0
    swing: float = 0.0
    odd: Mapping[str, float] = field(default_factory=dict)
    sketch: Sketch | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Survey:
    """What `survey` finds.

    Parameters
    ----------
    kind : "bids" or "files"
    folder : the place
    files : those that can be read
    damaged : file → what is wrong with it
    lost : parts of recordings whose main file is missing
    table : the labels table that lies there, if one does
    problem : what is wrong with the table
    balance : class → trials, by the table
    unlabelled : rows of the table without a label
    participants : column of participants.tsv → value → subjects, if it can be a class
    notes : what readers warned of
    way, doubt : what names the subjects, and why that is not certain; see `identity`
    """

    kind: str
    folder: Path
    files: tuple[FileFacts, ...]
    damaged: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    table: Path | None = None
    problem: str = ""
    balance: Mapping[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    participants: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    way: str = "bids"
    doubt: str = ""

    @property
    def events(self) -> dict[str, int]:
        """Event → how often in all files."""
        total = Counter(name for one in self.files for name, times in one.onsets.items() for _ in times)
        return dict(sorted(total.items()))

    @property
    def channels(self) -> tuple[str, ...]:
        """EEG channels that all files have, in the order of the first."""
        usable = [set(one.channels) for one in self.files]
        return tuple(name for name in self.files[0].channels if all(name in own for own in usable)) if usable else ()


def survey(place: Path | str, *, progress: Progress | None = None) -> Survey:
    """Look at every EEG file in a folder, or at one file: a BIDS data set, or files of any format that MNE reads.

    Parameters
    ----------
    place : folder, file, or labels table
    progress : called with the file, how many are done and how many there are

    Returns
    -------
    Survey; a damaged file is in it and does not stop the others.

    Raises
    ------
    FileNotFoundError : no such place, or no EEG files in it. ImportError : BIDS, and MNE-BIDS is not installed.
    """
    root = Path(place)
    if root.is_dir() and is_bids(root):
        return _bids(root, progress)
    folder, files = (root.parent, []) if is_table(root) else files_at(root)
    table, problem = _table(root) if folder is not None else (None, "")
    if is_table(root) and isinstance(table, Table):
        files = list(table.rows)
    known = identity(files, folder or common_root(files))

    def look(file: Path) -> FileFacts:
        return _facts(open_named(file), file, folder, (name_by(known.way, file, folder, what="subject"), SESSION))

    found, damaged, notes = _all(files, folder, progress, look)
    lost = _lost(root) if root.is_dir() else ()
    if isinstance(table, Table):
        labels = Counter(row.label for rows in table.rows.values() for row in rows if row.label)
        balance = {name: labels[name] for name in table.classes}
        doubt = "" if all(row.subject for rows in table.rows.values() for row in rows) else known.doubt
        return Survey(
            "files", root, found, damaged, lost, table.path, "", balance, table.unlabelled(), notes=notes,
            way=known.way, doubt=doubt,
        )  # fmt: skip
    return Survey("files", root, found, damaged, lost, table, problem, notes=notes, way=known.way, doubt=known.doubt)


def _bids(root: Path, progress: Progress | None) -> Survey:
    def look(file: Path) -> FileFacts:
        return _facts(open_bids(file, root=root), file, root, (f"sub-{entity(file, 'sub')}", entity(file, "ses")))

    found, damaged, notes = _all(bids_files(root), root, progress, look)
    return Survey("bids", root, found, damaged, participants=_participants(root), notes=notes)


def _all(
    files: Sequence[Path], root: Path | None, progress: Progress | None, look: Callable[[Path], FileFacts]
) -> tuple[tuple[FileFacts, ...], dict[str, str], tuple[str, ...]]:
    found, damaged, notes = [], {}, []
    for done, file in enumerate(files):
        if progress is not None:
            progress(file.name, done, len(files))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                found.append(look(file))
            except (ValueError, FileNotFoundError, ImportError) as error:
                damaged[_inside(file, root)] = str(error)
        notes += [str(one.message) for one in caught if one.category is UserWarning]
    return tuple(found), damaged, tuple(dict.fromkeys(notes))


def _facts(raw: mne.io.BaseRaw, file: Path, root: Path | None, names: tuple[str, str]) -> FileFacts:
    channels = eeg_names(raw, file)
    rate = float(raw.info["sfreq"])
    subject, session = names
    dead, spread, swing, odd = _signal(raw, file, channels)
    events = [event for event in events_of(raw, file) if not is_bad(event)]
    return FileFacts(
        file=_inside(file, root),
        subject=subject,
        session=session or SESSION,
        trial=stem_of(file),
        seconds=raw.n_times / rate,
        rate=rate,
        channels=tuple(channels),
        unknown=unknown_electrodes(channels),
        bad=tuple(name for name in channels if name in raw.info["bads"]),
        dead=dead,
        onsets={name: tuple(e.onset for e in events if e.name == name) for name in counts(events)},
        spread=spread,
        swing=swing,
        odd=odd,
        sketch=sketch(raw, file, channels),
    )


def _signal(
    raw: mne.io.BaseRaw, file: Path, channels: Sequence[str]
) -> tuple[tuple[str, ...], float, float, dict[str, float]]:
    """Channels that are constant or not finite somewhere, and of the others spread, swing, and those that are odd.

    Reads the whole file, a minute at a time.
    """
    rows = [raw.ch_names.index(name) for name in channels]
    rate = float(raw.info["sfreq"])
    step = max(int(_BLOCK * rate), 2)
    low, high = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    finite = np.ones(len(rows), dtype=bool)
    n, mean, squares, fast = 0, np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    for first in range(0, raw.n_times, step):
        values = 1e6 * samples(raw, file, rows, first, min(first + step, raw.n_times))
        finite &= np.isfinite(values).all(axis=1)
        low, high = np.minimum(low, values.min(axis=1)), np.maximum(high, values.max(axis=1))
        with np.errstate(invalid="ignore", over="ignore"):
            k = values.shape[1]
            shift = values.mean(axis=1) - mean  # Chan et al. (1983), "Algorithms for computing the sample variance"
            squares += values.var(axis=1) * k + shift**2 * (n * k / (n + k))
            mean += shift * (k / (n + k))
            fast += local_spread(values, rate) ** 2 * k
        n += k
    alive = finite & (low < high)
    dead = tuple(name for name, ok in zip(channels, alive, strict=True) if not ok)
    spreads = [float(np.median(np.sqrt(total[alive] / n))) if alive.any() else 0.0 for total in (squares, fast)]
    own = dict(zip(channels, np.sqrt(fast / max(n, 1)).tolist(), strict=True))
    odd = {name: own[name] for name in channels if name not in dead and not 1e-3 < own[name] / spreads[1] < 1e3}
    return dead, spreads[0], spreads[1], odd


def _inside(file: Path, root: Path | None) -> str:
    return file.relative_to(root).as_posix() if root is not None and file.is_relative_to(root) else str(file)


def _lost(folder: Path) -> tuple[str, ...]:
    """Signals and markers without the header that would read them."""
    there = [p for p in folder.rglob("*") if p.suffix.lower() in _PARTS and not p.name.startswith(".")]
    named = {other for p in folder.rglob("*.?hdr") if suffix_of(p) for other in companions(p)}
    lost = [p for p in there if p not in named and not any(p.with_suffix(s).exists() for s in _PARTS[p.suffix.lower()])]
    return tuple(sorted(_inside(p, folder) for p in lost))


def _table(place: Path) -> tuple[Table | Path | None, str]:
    """The labels table of a folder, or itself, and what is wrong with it."""
    candidates = [place]
    if place.is_dir():
        candidates = sorted(p for p in place.iterdir() if p.is_file() and is_table(p) and _labels_files(p))
    if len(candidates) != 1:
        many = ", ".join(p.name for p in candidates)
        return None, f"{many} are all labels tables; say which by --labels" if candidates else ""
    try:
        return read_labels(candidates[0]), ""
    except (ValueError, FileNotFoundError) as error:
        return candidates[0], str(error)


def _labels_files(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8-sig", "replace").split("\n", 1)[0].lower()
    names = {name.strip().strip('"') for separator in ",;\t" for name in head.split(separator)}
    return {"file", "label"} <= names


def _participants(root: Path) -> dict[str, dict[str, int]]:
    path = root / "participants.tsv"
    try:
        rows = read_tsv(path) if path.is_file() else []
    except ValueError:
        return {}
    columns = {}
    for name in rows[0] if rows else ():
        values = Counter(row[name] for row in rows if row[name])
        if name != "participant_id" and 2 <= len(values) <= _MANY and len(values) < sum(values.values()):
            columns[name] = dict(sorted(values.items()))
    return columns
