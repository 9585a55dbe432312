"""What SEED, SEED-IV and SEED-V share: their cap, and MATLAB files with one numbered variable per trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.sets.folders import Found
from trimcap.data.sets.record import check_choices
from trimcap.data.sets.trials import OnBad, Trial, require_shape

#: 62 electrodes of a Neuroscan cap, in the order of the files of SEED, SEED-IV and SEED-V
CHANNELS = (
    "Fp1", "Fpz", "Fp2", "AF3", "AF4", "F7", "F5", "F3", "F1", "Fz", "F2", "F4",
    "F6", "F8", "FT7", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "FT8", "T7",
    "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8", "TP7", "CP5", "CP3", "CP1",
    "CPz", "CP2", "CP4", "CP6", "TP8", "P7", "P5", "P3", "P1", "Pz", "P2", "P4",
    "P6", "P8", "PO7", "PO5", "PO3", "POz", "PO4", "PO6", "PO8", "CB1", "O1", "Oz",
    "O2", "CB2",
)  # fmt: skip
#: how to get the three of them
ACCESS = "Apply on the homepage; a person with a permanent position signs the licence, the answer comes by e-mail"
LICENCE = "Academic use only, by signed agreement; no redistribution"
_TRIAL = r".*_eeg([0-9]+)"
#: how much the lengths of trials may differ from a common multiple
_SAME = 0.005


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen: `on_bad` as in `Rated`."""

    on_bad: OnBad = "raise"

    def __post_init__(self) -> None:
        check_choices(self)


def holds_features(found: Found) -> bool:
    """Whether the files are of features, which are called like those of signals: by the names of their variables."""
    return any(re.fullmatch(r"(de|psd)_.*[0-9]+", name) for name in _variables(found))


def holds_signals(found: Found) -> bool:
    """Whether the files are of signals; also if all are damaged: reading says so."""
    return not holds_features(found)


def refuse_session(found: Found) -> None:
    """Refuse a session of SEED-IV, whose files are called like those of SEED but hold more trials."""
    if any((n := re.fullmatch(r".*_[A-Za-z]+([0-9]+)", name)) and int(n[1]) > 15 for name in _variables(found)):
        raise ValueError(
            f"{found.folder} is one session of SEED-IV: its files hold 24 trials, those of SEED 15. Pass the "
            "folder above, which holds the sessions 1, 2 and 3"
        )


def _variables(found: Found) -> list[str]:
    """Names of what the first file holds that is not damaged."""
    for path in (path for paths in found.files.values() for path in paths):
        with suppress(ValueError, OSError):
            if names := list(mat_shapes(path)):
                return names
    return []


def raw_trials(path: Path, labels: Sequence[int], *, session: str, stimulus: str) -> Iterator[Trial]:
    """The trials of a raw file, one in memory at a time; variables `<initials>_eeg1`, `<initials>_eeg2`, …

    Parameters
    ----------
    path : the file
    labels : one per trial
    session : name of the session
    stimulus : format of the clip's name from its number

    Raises
    ------
    ValueError : trials missing, too many or of another shape; names the file.
    """
    shapes = mat_shapes(path)
    names = numbered(shapes, _TRIAL, len(labels), path)
    for name in names.values():
        require_shape(shapes[name], name, (62, None), str(path))
    for trial, name in names.items():
        yield Trial(
            name=f"{trial:02d}",
            signal=read_numbers(path, name),
            label=labels[trial - 1],
            session=session,
            info={"date": path.stem.split("_")[-1], "stimulus": stimulus.format(trial)},
        )


def check_lengths(path: Path, published: Sequence[int], rate: float) -> None:
    """Refuse trials that all are the same multiple of the published length: the file is of another rate.

    Trials that were cut shorter differ in that multiple.
    """
    shapes = mat_shapes(path)
    found = [shapes[name] for name in numbered(shapes, _TRIAL, len(published), path).values()]
    if any(len(shape) != 2 for shape in found):  # refused when it is read
        return
    ratios = [shape[1] / n for shape, n in zip(found, published, strict=True)]
    middle = float(np.median(ratios))
    if abs(middle - 1) > _SAME and max(ratios) - min(ratios) < _SAME * middle:
        raise ValueError(
            f"{path}: all trials have {middle:.4g} times as many samples as published, so it has about "
            f"{middle * rate:.4g} Hz instead of {rate:g} Hz. Take the published file, or read it with MNE at its rate"
        )


def numbered(names: Mapping[str, object], pattern: str, count: int, path: Path) -> dict[int, str]:
    """Trial -> variable, trials 1 … `count` in order.

    ValueError: a trial is missing, there twice or beyond `count`; names the file.
    """
    pairs = [(int(match[1]), name) for name in names if (match := re.fullmatch(pattern, name))]
    if not pairs:
        listed = ", ".join(list(names)[:6])
        raise ValueError(f"{path}: no variable is like {pattern}; it holds {listed or 'nothing'}. Is it another file?")
    found = dict(pairs)
    missing = [str(n) for n in range(1, count + 1) if n not in found]
    extra = sorted(n for n in found if not 1 <= n <= count)
    if missing or extra or len(found) != len(pairs):
        what = f"trials {', '.join(missing)} are missing" if missing else f"trials {extra or 'twice'} are too many"
        raise ValueError(f"{path}: {what}; expected {count} variables like {pattern}, 1 to {count}")
    return {n: found[n] for n in range(1, count + 1)}
