"""The EEGMAT data set: rest against mental arithmetic, 19 electrodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimcap.data.check import check_signal
from trimcap.data.files.edf.head import EdfHead, edf_head
from trimcap.data.marked import marked_in
from trimcap.data.preprocess.recordings.crop import crop
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.recording import Recording
from trimcap.data.sets.eegmat_files import ENDINGS, facts, fetched, find_eegmat
from trimcap.data.sets.folders import Found, Subjects
from trimcap.data.sets.record import Facts, PublishedSet

#: the electrodes in the order of the files, with their old 10-20 names
CHANNELS = (
    "Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4",
    "T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz",
)  # fmt: skip
CLASSES = ("rest", "arithmetic")
RATE = 500.0
_DIGITAL = (-32768, 32767)
_FLAT = 0.4


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen.

    Parameters
    ----------
    rate : Hz to resample to by polyphase filtering; None keeps 500 Hz
    seconds : keep the last `seconds` of rest and the first `seconds` of arithmetic, which balances the classes; None
        keeps all
    download : fetch missing files from PhysioNet and check their SHA-256
    """

    rate: float | None = 128.0
    seconds: float | None = None
    download: bool = True


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The recording of one file, SubjectNN_1.edf (rest) or SubjectNN_2.edf (arithmetic)."""
    label = [path.name.lower().endswith(ending) for ending in ENDINGS].index(True)
    subject = path.name[: -len(ENDINGS[label])].title()
    recording = _read(path, subject, label, facts(path.parent).get(subject, {}))
    if options.rate is not None:
        recording = resample(recording, options.rate)
    if options.seconds is not None:
        recording = crop(recording, *((-options.seconds, None) if label == 0 else (0.0, options.seconds)))
    return [recording]


def signal_end(signal: NDArray[np.floating], rate: float, *, flat: float = _FLAT) -> int:
    """Where the padding begins: the first run of more than `flat` s in which no channel changes.

    Parameters
    ----------
    signal : shape (n_channels, n_times)
    rate : Hz
    flat : s

    Returns
    -------
    Index of the run's first sample; n_times if there is no such run.
    """
    still = (np.diff(signal, axis=1) == 0).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], still.view(np.int8), [0]))))
    starts, stops = edges[::2], edges[1::2]
    # k equal differences are k + 1 equal samples
    long = starts[(stops - starts + 1) > flat * rate]
    return int(long[0]) if len(long) else signal.shape[1]


def _read(path: Path, subject: str, label: int, facts_of: Mapping[str, object]) -> Recording:
    signal, rate, marks = _read_edf(path)
    signal = signal[:, : signal_end(signal, rate)]
    recording = Recording(
        signal=np.ascontiguousarray(signal, dtype=np.float32),
        rate=rate,
        channels=CHANNELS,
        subject=subject,
        session="1",
        trial=CLASSES[label],
        label=label,
        classes=CLASSES,
        info={"file": path.name, **marks, **facts_of},
    )
    try:
        return check_signal(recording)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_edf(path: Path) -> tuple[NDArray[np.float64], float, dict[str, object]]:
    """The 19 electrodes in µV, the rate, and what is marked bad."""
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # MNE reads a truncated file as a shorter one and only warns
        warnings.filterwarnings("error", message="Number of records from the header")
        try:
            head = edf_head(path)
            raw = mne.io.read_raw_edf(path, verbose="warning")
            names = {name.removeprefix("EEG ").strip(): name for name in raw.ch_names}
            missing = [c for c in CHANNELS if c not in names]
            volts = None if missing else raw.get_data(picks=[names[c] for c in CHANNELS], verbose="error")
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(_broken(path, error)) from error
    if volts is None:
        raise ValueError(
            f"{path}: channel{'s' * (len(missing) > 1)} {', '.join(missing)} missing; the file has "
            f"{', '.join(names)}. Is it an EEGMAT recording? Fetch it again from PhysioNet or leave the "
            "subject out"
        )
    _check_head(path, head)
    return volts * 1e6, RATE, {**marked_in(raw)}


def _check_head(path: Path, head: EdfHead) -> None:
    """Rate, unit and range of the electrodes must be those of all published files."""
    for label, rate, unit, digital in zip(head.labels, head.rates, head.units, head.digital, strict=True):
        if label.removeprefix("EEG ").strip() in CHANNELS and (rate, unit, digital) != (RATE, "uV", _DIGITAL):
            raise ValueError(
                f"{path}: {label} has {rate:g} Hz, {unit!r} and counts from {digital[0]} to {digital[1]}; EEGMAT has "
                f"{RATE:g} Hz, 'uV' and {_DIGITAL[0]} to {_DIGITAL[1]}. Is it another file? Delete it so that it is "
                "downloaded again, or leave the subject out"
            )


def _broken(path: Path, error: Exception) -> str:
    size = path.stat().st_size if path.is_file() else 0
    if size == 0:
        what = "is empty"
    elif "Number of records" in str(error) or "it is truncated" in str(error):
        what = f"is truncated: its {size} bytes hold fewer records than its header says"
    else:
        what = f"is not a readable EDF file ({type(error).__name__}: {error})"
    return f"{path} {what}. Delete it so that it is downloaded again, or leave the subject out"


def _fetch(path: Path | str | None, subjects: Subjects, options: Options) -> Found:
    return fetched(path, subjects, download=options.download)


def _table(found: Found) -> tuple[Path, ...]:
    table = found.folder / "subject-info.csv"
    return (table,) if table.is_file() else ()


#: Each subject has one recording of rest (label 0, trial "rest") and one of arithmetic (label 1, trial "arithmetic"),
#: session "1", so only a split by subject is honest; float32 µV. `info`: file, age, sex, subtractions and quality.
#: A2-A1 and the ECG are dropped. Every file ends in about 2 s of padding: the signal ends where the first run of more
#: than 0.4 s begins in which no electrode changes. Without a folder: `$TRIMCAP_DATA/eegmat` where it exists, else the
#: user's cache, to which the 26 subjects are downloaded whose files are pinned.
EEGMAT = PublishedSet(
    name="eegmat",
    facts=Facts(
        title="EEG during mental arithmetic: rest against serial subtraction (workload, not emotion)",
        licence="Open Data Commons Attribution 1.0 (ODC-By 1.0)",
        size="0.2 GB",
        access="Open; fetched by the reader",
        homepage="https://physionet.org/content/eegmat/1.0.0/",
        subjects=36,
        trials=2,
        rate=RATE,
        channels=CHANNELS,
        labels=("rest / arithmetic",),
        citation="Zyma et al., Data 2019;4(1):14, doi:10.3390/data4010014",
        download=True,
    ),
    options=Options,
    find=lambda folder, _: find_eegmat(folder),
    read=read_file,
    parts=1,
    also=_table,
    fetch=_fetch,
    survey={"rate": None, "download": False},
    counted="condition",
)
