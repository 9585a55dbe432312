"""Recordings from the trials of one subject's file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimcap.data.check import check_signal
from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.recording import Recording

OnBad = Literal["raise", "drop", "keep"]


@dataclass(frozen=True)
class Trial:
    """One trial as the file has it: electrodes × samples in µV; label None when it has none, and why."""

    name: str
    signal: NDArray[Any]
    label: int | None
    session: str = "1"
    info: Mapping[str, object] = field(default_factory=dict)
    why: str = "its rating is NaN"


def recordings(
    trials: Iterable[Trial], *, path: Path, subject: str, channels: tuple[str, ...], rate: float,
    classes: tuple[str, ...], on_bad: OnBad = "raise",
) -> list[Recording]:  # fmt: skip
    """The trials of one file as recordings, float32.

    A trial without a label is left out; so is, with `on_bad="drop"`, one with a constant or non-finite channel
    ("keep" keeps it for `cut(…, on_bad="drop")`). What was left out, and why, is in each recording's
    `info["left_out"]` and in a warning.

    ValueError: a signal of another shape or type; a bad channel (`on_bad="raise"`). Names file and trial.
    """
    kept, left_out = [], {}
    for trial in trials:
        if trial.label is None:
            left_out[f"{trial.session}/{trial.name}"] = trial.why
            continue
        recording = Recording(
            signal=signal(trial.signal, channels, f"{path}: trial {trial.name}"),
            rate=rate,
            channels=channels,
            subject=subject,
            session=trial.session,
            trial=trial.name,
            label=trial.label,
            classes=classes,
            info={"file": path.name, **trial.info},
        )
        why = None if on_bad == "keep" else _bad(recording)
        if why and on_bad == "raise":
            raise ValueError(f"{path}: {why}; or pass on_bad='drop' to leave such trials out")
        if why:
            left_out[f"{trial.session}/{trial.name}"] = why
        else:
            kept.append(recording)
    if left_out:
        listed = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        warnings.warn(f"{path}: {len(left_out)} trials left out ({listed})", stacklevel=2)
    return [replace(r, info={**r.info, "left_out": dict(left_out)}) for r in kept] if left_out else kept


def signal(values: NDArray[Any], channels: tuple[str, ...], where: str) -> NDArray[np.float32]:
    """`values` as a contiguous float32 copy of shape (n_channels, n_times)."""
    if values.ndim != 2 or values.shape[0] != len(channels) or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{where} is an array of shape {values.shape} and type {values.dtype}; expected numbers, {len(channels)} "
            "channels × samples. Get the file again from its provider or leave the subject out"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is found by check_signal
        return np.array(values, dtype=np.float32, order="C")


def parted(eeg: NDArray[Any], n: int, rate: float, baseline: str) -> tuple[NDArray[Any], dict[str, object]]:
    """Signal and `info` of a trial whose first `n` samples are a baseline, which is dropped, kept or put apart."""
    info: dict[str, object] = {"baseline_seconds": n / rate if baseline == "keep" else 0.0}
    if baseline == "apart":
        info["baseline"] = np.array(eeg[:, :n], dtype=np.float32)
    return eeg[:, 0 if baseline == "keep" else n :], info


def mat_arrays(path: Path, shapes: Mapping[str, Sequence[int | None]]) -> dict[str, object]:
    """Those of the named arrays that a MATLAB file holds; one of another shape is refused before it is read."""
    there = mat_shapes(path)
    for name, shape in shapes.items():
        if name in there:
            require_shape(there[name], name, shape, str(path))
    return {name: read_numbers(path, name) for name in shapes if name in there}


def require(arrays: Mapping[str, object], name: str, shape: Sequence[int | None], where: str) -> NDArray[Any]:
    """The named array, if it has numbers in the given shape (None: any length).

    ValueError: it is missing or another; names file, array and what is expected.
    """
    value = arrays.get(name)
    wanted = " × ".join("n" if n is None else str(n) for n in shape)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        listed = ", ".join(map(str, list(arrays)[:8])) or "nothing"
        raise ValueError(f"{where} has no array of numbers {name!r} of shape {wanted}; it holds {listed}")
    require_shape(value.shape, name, shape, where)
    return value


def require_shape(actual: Sequence[int], name: str, shape: Sequence[int | None], where: str) -> None:
    """Refuse another shape (None: any length)."""
    wanted = " × ".join("n" if n is None else str(n) for n in shape)
    fits = len(actual) == len(shape) and all(want in (None, n) for n, want in zip(actual, shape, strict=False))
    if not fits:
        raise ValueError(f"{where}: {name} has the shape {' × '.join(map(str, actual))}; expected {wanted}")


def _bad(recording: Recording) -> str | None:
    try:
        check_signal(recording)
    except ValueError as error:
        return str(error)
    return None
