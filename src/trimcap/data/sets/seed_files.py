"""The MATLAB files of SEED and SEED-IV: one numbered variable per trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.sets.trials import Trial, require_shape

#: bands of the published features, Hz
BANDS = ("delta", "theta", "alpha", "beta", "gamma")
_ROWS = {"de": 62, "psd": 62, "dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
_SMOOTHING = ("movingAve", "LDS")
_TRIAL = r".*_eeg([0-9]+)"
#: how much the lengths of trials may differ from a common multiple
_SAME = 0.005


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

    Raises
    ------
    ValueError : a trial is missing, there twice or beyond `count`; names the file.
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


def check_feature(feature: str, kinds: Sequence[str], what: str) -> tuple[str, int]:
    """Kind of a feature (`de` of `de_LDS`) and how many rows it has.

    Raises
    ------
    ValueError : unknown feature.
    """
    known = [f"{kind}_{smoothing}" for kind in kinds for smoothing in _SMOOTHING]
    if feature not in known:
        raise ValueError(unknown(f"{what} feature", feature, known))
    kind = feature.split("_")[0]
    return kind, _ROWS[kind]


def feature_trials(path: Path, feature: str, rows: int, count: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Trial number and features of shape (n_windows, rows, 5).

    Raises
    ------
    ValueError : trials missing or too many; another shape; values that are not finite. Names file and variable.
    """
    shapes = mat_shapes(path)
    names = numbered(shapes, rf"{feature}([0-9]+)", count, path)
    for name in names.values():
        require_shape(shapes[name], name, (rows, None, 5), str(path))
    for trial, name in names.items():
        yield trial, finite(read_numbers(path, name).transpose(1, 0, 2), f"{path}: {name}")


def finite(values: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """`values` as contiguous float32, if all are finite.

    Raises
    ------
    ValueError : NaN, infinity or values beyond float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.array(values, dtype=np.float32, order="C")
    if not np.isfinite(single).all():
        raise ValueError(f"{where} holds NaN or infinity; leave the subject out or get the file again")
    return single
