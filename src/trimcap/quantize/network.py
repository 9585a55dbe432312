"""All of quantization in one call: rewrite, lower, observe, quantize, measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.network import Network
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.program.interpret import as_input
from trimcap.program.lower.lower import lower
from trimcap.program.program import Program
from trimcap.quantize.extremes import dominating
from trimcap.quantize.fidelity import Fidelity, fidelity
from trimcap.quantize.gains import Gains, absorb, channel_gains
from trimcap.quantize.observe import calibrated_on, observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import MEASURED, Estimator, Ranges

InputScales = Literal["measured", "one", "channels"]
INPUT_SCALES: tuple[InputScales, ...] = ("measured", "one", "channels")

#: spans of channels that differ less have one scale; and that differ more are said to
_ALIKE, _APART = 2.0, 10.0
#: every so many-th calibration window is held out, if there are so many
_FIFTH, _SPLIT = 5, 20


@dataclass(frozen=True, eq=False)
class Quantized:
    """What `quantize_network` made.

    Parameters
    ----------
    program : the network in integers; carries `fidelity` as `Program.measured` and its warnings as notes
    reference : the float program that it was made from
    ranges : calibrated ranges of the reference's values
    fidelity : agreement and signal-to-quantization-noise ratios against the reference, layer by layer
    rewrites : exact changes made before, in words
    """

    program: Program
    reference: Program
    ranges: Ranges = field(repr=False)
    fidelity: Fidelity = field(repr=False)
    rewrites: tuple[str, ...] = field(default=(), repr=False)


def quantize_network(
    network: Network,
    calibration: Any,
    *,
    held_out: Any = None,
    method: str | Estimator = MEASURED,
    percent: float = 99.9,
    bits: int = 8,
    name: str = "net",
    classes: Sequence[str] = (),
    exact_rewrites: bool = True,
    input_scales: InputScales = "measured",
    int16: Sequence[str] = (),
    ledger: Any = None,
) -> Quantized:
    """Turn a traced network into a program in integers only.

    Parameters
    ----------
    network : from `trace` or `shrink`
    calibration : `Windows`, MNE `Epochs` or array (n, *input shape) in the model's unit; training data only, 64 to 512
        windows
    held_out : training windows that set no range, to measure on, never test windows; by default every fifth of the
        calibration windows, if there are 20
    method : "measured", "minmax", "percentile", "mse", or a function (sample, minimum, maximum) → (low, high)
    percent : share of values that "percentile" covers
    bits : bits of the weights, 2 to 8; activations have 8
    name : name of the program
    classes : names of the outputs; by default those of the calibration windows
    exact_rewrites : fold batch norm, filter electrodes first, … where it pays (`graph.rewrite`), before quantizing
    input_scales : "one" for all channels (slices of the input's first dimension), one for each of the "channels", or
        "measured": one for each where channels differ at least 2-fold, the layers that read the input can absorb
        them, and the logits are nearer to float with them
    int16 : layers, or values, that get sixteen bits instead of eight, as warnings advise; what shares their grids too
    ledger : if given, `ledger.record("calibration", calibration)` is called for the audit

    Returns
    -------
    Quantized : integer program, float reference, ranges, and how faithful the integers are

    Raises
    ------
    ValueError : an operation cannot be lowered (names it), or the calibration windows are unusable, or scales
        of channels were asked for and a layer (named) cannot absorb them.
    """
    done: tuple[str, ...] = ()
    if exact_rewrites:
        rewritten = rewrite(network)
        network, done = rewritten.network, rewritten.applied
    names = tuple(classes) or tuple(getattr(calibration, "classes", ()))
    reference = lower(network, name=name, classes=names)
    if ledger is not None:
        ledger.record("calibration", calibration)
        if held_out is not None:
            ledger.record("calibration", held_out, "held out: measured on only")
    X = as_input(reference, calibration, finite=True)
    rows = _Rows(X, [str(i) for i in getattr(calibration, "ids", range(len(X)))])
    if held_out is None and len(rows.X) >= _SPLIT:
        last = np.arange(len(rows.X)) % _FIFTH == _FIFTH - 1
        rows, held_out = rows.take(~last), rows.take(last)

    def made(gains: Gains) -> Quantized:
        ranges = observe(reference, rows, method=method, percent=percent, gains=gains, int16=int16)
        ranges = replace(ranges, seen=calibrated_on(calibration))
        program = quantize(reference, ranges, bits=bits)
        return Quantized(program, reference, ranges, fidelity(reference, program, rows, held_out), done)

    gains, notes = _gains(reference, rows.X, input_scales)
    notes = (*notes, *_noticed(reference, held_out))
    found = made(gains)
    if gains and input_scales == "measured":
        found = max(made(()), found, key=_least)
    measured, warnings = found.fidelity.to_json(), found.fidelity.warnings
    return replace(
        found, program=replace(found.program, measured=measured, notes=(*found.program.notes, *notes, *warnings))
    )


def _gains(reference: Program, X: NDArray[np.float32], input_scales: InputScales) -> tuple[Gains, tuple[str, ...]]:
    """Gains of the input's channels, if it may have one scale for each and they differ; and what to say if not."""
    if input_scales == "one":
        return (), ()
    gains = channel_gains(X)
    spread = max(gains) / min(gains)
    if input_scales == "measured" and spread < _ALIKE:
        return (), ()
    try:
        absorb(reference, gains)
    except ValueError as error:
        if input_scales == "channels":
            raise ValueError(f"the input's channels cannot have a scale each: {error}") from error
        small = int(np.argmax(gains))
        return (), (
            f"the input has one scale for all channels, whose spans differ {spread:.0f}-fold: channel {small} has "
            f"{max(256 / spread, 1):.0f} of 256 levels. A scale for each is not possible: {error}. Scale the channels "
            "before the network, or let it be rewritten so that electrodes are filtered first",
        ) * (spread >= _APART)
    return gains, ()


def _noticed(reference: Program, held_out: Any) -> tuple[str, ...]:
    """A note that names held-out windows which dominate the input: those of the calibration are named by `observe`."""
    if held_out is None or not len(held_out):
        return ()
    X = as_input(reference, held_out)
    rows = np.flatnonzero(dominating(np.abs(X).reshape(len(X), -1).max(axis=1)))
    names = [str(name) for name in getattr(held_out, "ids", range(len(X)))]
    listed = ", ".join(names[row] for row in rows[:3]) + (", …" if len(rows) > 3 else "")
    return (f"held-out window {listed} dominates at the input; look for a rail or a lost electrode",) * bool(len(rows))


def _least(found: Quantized) -> float:
    """Signal-to-noise ratio of the logits, on the kind of windows where it is worse."""
    return min(a.sqnr for a in (found.fidelity.calibration, found.fidelity.held_out) if a is not None)


@dataclass(frozen=True)
class _Rows:
    """Windows with the names that they had where they came from."""

    X: NDArray[np.float32]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.X[rows], [name for name, kept in zip(self.ids, rows, strict=True) if kept])
