"""Recordings become windows, without further steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from trimcap.data.marked import OnMarked
from trimcap.data.preprocess.assemble import CutWindows, OnBad
from trimcap.data.preprocess.run import Order, gather, run
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


def cut(
    recordings: Iterable[Recording],
    *,
    seconds: float,
    step: float | None = None,
    start: float | None = None,
    on_bad: OnBad = "raise",
    marked: OnMarked = "drop",
) -> Windows:
    """Cut every recording into windows that start at 0, `step`, 2·`step`, … seconds: the step "windows" alone.

    A rest at the end that is shorter than a window is left out.

    Parameters
    ----------
    recordings : continuous EEG in µV; rate, channels and classes must agree
    seconds, step, start, on_bad, marked : as of `CutWindows`

    Returns
    -------
    Windows with X of shape (n, n_channels, n_times), float32, µV; rows in the order of `recordings`, then
    in time. Their metadata have the columns of `trimcap.data.places`, and stimulus if a recording's `info` names one.

    Raises
    ------
    ValueError : no recordings; recordings disagree or have the same name; a window longer than a recording;
        a bad channel (`on_bad="raise"`); nothing left (`on_bad="drop"`). Names the recording.
    """
    recordings = list(recordings)
    _check_agreement(recordings)
    cutting = CutWindows(seconds=seconds, step=step, start=start, on_bad=on_bad, marked=marked)
    return gather(run(Order.of([cutting]), recordings))


def _check_agreement(recordings: Sequence[Recording]) -> None:
    """Name the recording that is unlike most, whichever comes first."""
    if not recordings:
        raise ValueError("no recordings to cut; check the folder and the chosen subjects")
    for what in ("rate", "channels", "classes", "unit"):
        values = [getattr(r, what) for r in recordings]
        usual, votes = Counter(values).most_common(1)[0]
        for recording, value in zip(recordings, values, strict=True):
            if value != usual:
                raise ValueError(
                    f"recording {recording.name} has {what} {value}, but {votes} of {len(values)} recordings "
                    f"have {usual}; resample, pick the same channels, or leave this recording out"
                )
