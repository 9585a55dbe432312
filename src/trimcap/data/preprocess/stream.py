"""A chain that takes samples as they come."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from trimcap.data.preprocess.assemble import assembler, make_batch, plan_cutting
from trimcap.data.preprocess.effects import unit_after
from trimcap.data.preprocess.online import Block, Online
from trimcap.data.preprocess.run import Declared, Plan, reference_of, through, usable
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


class Stream:
    """State of a chain between blocks of samples; made by `Chain.stream`.

    Any partition of a recording into blocks gives the windows that `Chain.apply` gives.

    Parameters
    ----------
    plan : sorted steps of the chain
    rate : of the device, Hz
    channels : its electrodes

    Attributes
    ----------
    rate, channels : of the device
    delay : how long after its last sample a window is complete, s; more than 0 with resampling
    total, dropped : windows so far, and how many of them were dropped for which reason
    """

    def __init__(self, plan: Plan, rate: float, channels: tuple[str, ...]) -> None:
        self.rate, self.channels = float(rate), channels
        _origin(self.rate, channels)
        for step in (*plan.rejects, *plan.after, *plan.subject):
            _refuse_sets(step)
        self._plan = plan
        self._steps = _online(plan.before, self.rate, channels)
        last = self._steps[-1] if self._steps else Online(lambda block: block, self.rate, channels)
        self._origin = replace(_origin(last.rate, last.channels), unit=_unit(plan, self._steps))
        self._cutting = plan_cutting(last.rate, averaged=plan.averaged, **plan.options)
        self._assemble = assembler(len(last.channels), self._cutting)
        self._reference: Windows | None = None
        self._ended = False
        self.delay = sum(step.delay for step in self._steps)
        self.total = 0
        self.dropped: Counter[str] = Counter()

    def push(self, block: ArrayLike) -> Windows | None:
        """The windows that the next samples complete, or None.

        Parameters
        ----------
        block : shape (n_channels, n), µV; any n, also 0

        Returns
        -------
        Windows with label 0 of subject "stream"; `start` counts from the first sample of the stream. A window
        that is dropped (reject, on_bad="drop") is only counted.

        Raises
        ------
        ValueError : wrong shape; NaN or infinity before a filter (the stream goes on with the next block); a
            dead channel in a window, with on_bad="raise"; the stream has ended.
        """
        x = np.asarray(block, dtype=np.float32)
        if self._ended:
            raise ValueError("the stream has ended; start a new one with chain.stream(…)")
        if x.ndim != 2 or x.shape[0] != len(self.channels):
            raise ValueError(f"a block must have shape ({len(self.channels)}, n), one row per electrode, got {x.shape}")
        for step in self._steps:
            x = step.push(x)
        return self._windows(x)

    def finish(self) -> Windows | None:
        """The windows that are complete once the recording ends, or None: those that resampling held back."""
        if self._ended:
            raise ValueError("the stream has already ended")
        self._ended = True
        tail = np.empty((len(self.channels), 0), dtype=np.float32)
        for step in self._steps:
            parts = [step.push(tail), *([] if step.finish is None else [step.finish()])]
            tail = np.concatenate(parts, axis=1)
        return self._windows(tail)

    def _windows(self, block: Block) -> Windows | None:
        X, number, baseline = self._assemble(block)
        if not len(X):
            return None
        self.total += len(X)
        starts = self._cutting.starts(number, len(X))
        batch = make_batch(X, starts, baseline, self._origin, self._cutting, self._plan.words)
        batch, dropped = usable(self._plan, batch)
        self.dropped += dropped
        if not len(batch.windows):
            return None
        if self._reference is None:
            self._reference = reference_of(self._plan.after, batch.baseline)
        return through(self._plan.after, batch.windows, self._reference)


def _origin(rate: float, channels: tuple[str, ...]) -> Recording:
    """A recording without samples: names and checks what the windows come from."""
    return Recording(np.empty((len(channels), 0), dtype=np.float32), rate, channels, "stream")


def _online(steps: tuple[Declared, ...], rate: float, channels: tuple[str, ...]) -> list[Online]:
    made: list[Online] = []
    for number, step in enumerate(steps, start=1):
        where = f"step {number} ({step.name}) can't stream"
        if step.kind.online is None:
            raise ValueError(
                f"{where}: a function on whole recordings; give it an attribute `online`, a function "
                "(rate, channels, **options) → trimcap.data.preprocess.online.Online, or leave it out"
            )
        try:
            made.append(step.kind.online(rate, channels, **step.options))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        rate, channels = made[-1].rate, made[-1].channels
    return made


def _unit(plan: Plan, steps: list[Online]) -> str:
    """The unit of the signal behind the steps on recordings."""
    unit = "µV"
    for step, online in zip(plan.before, steps, strict=True):
        unit = unit_after(step.kind.effect, online.unit or unit, step.name)
    return unit


def _refuse_sets(step: Declared) -> None:
    if step.kind.level == "subject":
        raise ValueError(
            f"step {step.name} can't stream: it is transductive, it needs all windows of the wearer before the first; "
            "use running_z_score before 'windows', or fold.scaled() with its scaler"
        )
    if not step.kind.per_window:
        raise ValueError(
            f"step {step.name} can't stream: it may mix windows; if it treats each row of X for itself, say so with "
            f"`{step.name.rpartition(':')[2]}.per_window = True`"
        )
