"""SEED-V: 16 subjects in three sessions of 15 film clips, 62 electrodes, five emotions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimcap.data.marked import KEY, annotated, between
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.recording import Recording
from trimcap.data.sets import seed_files
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.seed_files import ACCESS, CHANNELS, LICENCE
from trimcap.data.sets.trials import Trial, recordings

if TYPE_CHECKING:
    import mne

RATE = 1000.0
CLASSES = ("disgust", "fear", "sad", "neutral", "happy")
#: classes of the 15 clips of each session
LABELS = {
    "1": (4, 1, 3, 2, 0, 4, 1, 3, 2, 0, 4, 1, 3, 2, 0),
    "2": (2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0),
    "3": (2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0),
}
#: where the 15 clips of each session start and end in the recording, s
STARTS = {
    "1": (30, 132, 287, 555, 773, 982, 1271, 1628, 1730, 2025, 2227, 2435, 2667, 2932, 3204),
    "2": (30, 299, 548, 646, 836, 1000, 1091, 1392, 1657, 1809, 1966, 2186, 2333, 2490, 2741),
    "3": (30, 353, 478, 674, 825, 908, 1200, 1346, 1451, 1711, 2055, 2307, 2457, 2726, 2888),
}
ENDS = {
    "1": (102, 228, 524, 742, 920, 1240, 1568, 1697, 1994, 2166, 2401, 2607, 2901, 3172, 3359),
    "2": (267, 488, 614, 773, 967, 1059, 1331, 1622, 1777, 1908, 2153, 2302, 2428, 2709, 2817),
    "3": (321, 418, 643, 764, 877, 1147, 1284, 1418, 1679, 1996, 2275, 2425, 2664, 2857, 3066),
}
# what the resampling filter needs around a trial, s; cut off again afterwards
_MARGIN = 1


@dataclass(frozen=True, kw_only=True)
class Options(seed_files.Options):
    """What may be chosen.

    Parameters
    ----------
    rate : Hz to resample to by polyphase filtering; None keeps 1000 Hz
    on_bad : as in `Rated`
    """

    rate: float | None = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"rate is {self.rate} Hz; it must be positive, or None to keep {RATE:g} Hz")


def find_seed_v(folder: Path, _: Options) -> Found:
    """Files 1_1_20180804.cnt … (subject_session_date), those of a subject by session."""
    found = find(
        "SEED-V", folder, places=("EEG_raw", "SEED-V/EEG_raw", "SEED_V/EEG_raw"),
        pattern=r"([0-9]{1,2})_([1-3])_([0-9]{8})\.cnt", name="{:02d}", published=range(1, 17), parts=3,
    )  # fmt: skip
    return replace(found, files={subject: _by_session(paths) for subject, paths in found.files.items()})


def _by_session(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    found = {path.stem.split("_")[1]: path for path in paths}
    if len(found) != len(paths):
        raise ValueError(f"SEED-V: two of {', '.join(p.name for p in paths)} are one session; keep one")
    return tuple(found[session] for session in sorted(found))


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The 15 trials of one file."""
    subject, session, _ = path.stem.split("_")
    raw = _open(path)
    length = raw.n_times / RATE
    if length < ENDS[session][-1]:
        raise ValueError(
            f"{path} lasts {length:.1f} s, but the last trial of session {session} ends at {ENDS[session][-1]} s; it "
            "is truncated or of another session. Get it again from its provider or leave the subject out"
        )
    margin = 0 if options.rate is None else _MARGIN
    cut = recordings(
        (_trial(raw, path, session, trial, margin) for trial in range(15)),
        path=path, subject=f"{int(subject):02d}", channels=CHANNELS, rate=RATE, classes=CLASSES, on_bad=options.on_bad,
    )  # fmt: skip
    return cut if options.rate is None else [_resampled(recording, options.rate) for recording in cut]


def _trial(raw: mne.io.BaseRaw, path: Path, session: str, trial: int, margin: int) -> Trial:
    start, end = STARTS[session][trial], ENDS[session][trial]
    first = int(max(0, start - margin) * RATE)
    last = min(raw.n_times, int((end + margin) * RATE))
    try:
        volts = raw.get_data(picks=list(range(len(CHANNELS))), start=first, stop=last, verbose="error")
    except Exception as error:  # MNE raises whatever its parser stumbled over
        raise ValueError(_broken(path, error)) from error
    info: dict[str, Any] = {"date": path.stem.split("_")[-1], "stimulus": f"{session}-{trial + 1:02d}"}
    info |= {"start": float(start), "end": float(end)}
    if marks := between(annotated(raw), float(start), float(end)):
        info[KEY] = marks
    if margin:
        info["margin"] = start - first / RATE
    return Trial(f"{trial + 1:02d}", volts * 1e6, LABELS[session][trial], session, info)


def _resampled(recording: Recording, rate: float) -> Recording:
    """Resampled with its margins, which are then cut off."""
    info = dict(recording.info)
    margin, start, end = (float(str(info[key])) for key in ("margin", "start", "end"))
    del info["margin"]
    low = resample(recording, rate)
    first = round(margin * rate)
    signal = np.ascontiguousarray(low.signal[:, first : first + round((end - start) * rate)])
    return replace(low, signal=signal, info=info)


def _open(path: Path) -> mne.io.BaseRaw:
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = mne.io.read_raw_cnt(path, data_format="auto", verbose="error")
            rate, names = float(raw.info["sfreq"]), {name.upper(): name for name in raw.ch_names}
            missing = [c for c in CHANNELS if c.upper() not in names]
            if not missing:
                raw.pick([names[c.upper()] for c in CHANNELS])  # pick keeps the file's order
                raw.reorder_channels([names[c.upper()] for c in CHANNELS])
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(_broken(path, error)) from error
    if missing:
        raise ValueError(f"{path}: channels {', '.join(missing)} are missing; the file has {', '.join(names.values())}")
    if rate != RATE:
        raise ValueError(f"{path} has {rate:g} Hz; SEED-V was recorded at {RATE:g} Hz. Is it another file?")
    return raw


def _broken(path: Path, error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (
        f"{path} is not a readable Neuroscan CNT file ({type(error).__name__}: {text[0] if text else ''}). Get it "
        "again from its provider or leave the subject out"
    )


#: Subject "01" … "16"; session "1" … "3"; trial "01" … "15"; float32 µV. `info`: file, date, stimulus ("1-01": the
#: sessions have their own clips), start and end in the file (s). Raw Neuroscan CNT; M1, M2, VEO and HEO are dropped.
#: Nothing is filtered but for the low-pass of resampling; taking every fifth sample without one, as is often done,
#: would fold 100-500 Hz into the EEG.
SEED_V = PublishedSet(
    name="seed-v",
    facts=Facts(
        title="Film clips: disgust, fear, sad, neutral, happy",
        licence=LICENCE,
        size="30 GB (EEG_raw)",
        access=ACCESS,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/seed-v.html",
        subjects=16,
        sessions=3,
        trials=15,
        rate=RATE,
        channels=CHANNELS,
        labels=("emotion (5)",),
        citation="Liu et al., IEEE Trans. Cognitive and Developmental Systems 2022;14(2):715-729, "
        "doi:10.1109/TCDS.2021.3071170",
    ),
    options=Options,
    find=find_seed_v,
    read=read_file,
    parts=1,
    survey={"rate": None, "on_bad": "drop"},
)
