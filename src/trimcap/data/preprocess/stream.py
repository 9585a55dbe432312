"""A chain that takes samples as they come."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from trimcap.data.preprocess.assemble import assembler, make_batch
from trimcap.data.preprocess.effects import unit_after
from trimcap.data.preprocess.online import Block, Online
from trimcap.data.preprocess.run import Order, reference_of, through, usable
from trimcap.data.preprocess.step import SignalStep, Step
from trimcap.data.preprocess.steps import Own
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


class Stream:
    """State of a chain between blocks of samples; made by `Chain.stream`.

    Any partition of a recording into blocks gives the windows that `Chain.apply` gives.

    Parameters
    ----------
    order : sorted steps of the chain
    rate : of the device, Hz
    channels : its electrodes

    Attributes
    ----------
    rate, channels : of the device
    delay : how long after its last sample a window is complete, s; more than 0 with resampling
    total, dropped : windows so far, and how many of them were dropped for which reason
    """

    def __init__(self, order: Order, rate: float, channels: tuple[str, ...]) -> None:
        self.rate, self.channels = float(rate), channels
        _origin(self.rate, channels)
        for late in (*order.rejects, *order.after, *order.subject):
            _refuse_sets(late)
        self._order = order
        self._steps = _online(order.before, self.rate, channels)
        last = self._steps[-1] if self._steps else Online(lambda block: block, self.rate, channels)
        unit = "µV"
        for step in order.before:
            unit = unit_after(step.effect, unit, step.name)
        self._origin = replace(_origin(last.rate, last.channels), unit=unit)
        self._cutting = order.cut_at(last.rate)
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
        batch = make_batch(X, starts, baseline, self._origin, self._cutting, self._order.words)
        batch, dropped = usable(self._order, batch)
        self.dropped += dropped
        if not len(batch.windows):
            return None
        if self._reference is None:
            self._reference = reference_of(self._order.after, batch.baseline)
        return through(self._order.after, batch.windows, self._reference)


def _origin(rate: float, channels: tuple[str, ...]) -> Recording:
    """A recording without samples: names and checks what the windows come from."""
    return Recording(np.empty((len(channels), 0), dtype=np.float32), rate, channels, "stream")


def _online(steps: tuple[Step, ...], rate: float, channels: tuple[str, ...]) -> list[Online]:
    made: list[Online] = []
    for number, step in enumerate(steps, start=1):
        assert isinstance(step, SignalStep | Own)  # the order was checked
        try:
            made.append(step.online(rate, channels))
        except ValueError as error:
            raise ValueError(f"step {number} ({step.name}) can't stream: {error}") from error
        rate, channels = made[-1].rate, made[-1].channels
    return made


def _refuse_sets(step: Step) -> None:
    if step.level == "subject":
        raise ValueError(
            f"step {step.name} can't stream: it is transductive, it needs all windows of the wearer before the first; "
            "use running_z_score before 'windows', or fold.scaled() with its scaler"
        )
    if not step.per_window:
        raise ValueError(
            f"step {step.name} can't stream: it may mix windows; if it treats each row of X for itself, say so with "
            f"`{step.name.rpartition(':')[2]}.per_window = True`"
        )
