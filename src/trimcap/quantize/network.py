"""All of quantization in one call: rewrite, lower, observe, quantize, measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.network import Network
from trimcap.graph.rewrite import rewrite
from trimcap.program.interpret import as_input
from trimcap.program.lower import lower
from trimcap.program.program import Program
from trimcap.quantize.fidelity import Fidelity, fidelity
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import MEASURED, Estimator, Ranges

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
    ledger: Any = None,
) -> Quantized:
    """Turn a traced network into a program in integers only.

    Parameters
    ----------
    network : from `trace` or `shrink`
    calibration : `Windows` or array (n, *input shape) in the model's unit; training data only, 64 to 512 windows
    held_out : training windows that set no range, to measure on, never test windows; by default every fifth of the
        calibration windows, if there are 20
    method : "measured", "minmax", "percentile", "mse", or a function (sample, minimum, maximum) → (low, high)
    percent : share of values that "percentile" covers
    bits : bits of the weights, 2 to 8; activations have 8
    name : name of the program
    classes : names of the outputs; by default those of the calibration windows
    exact_rewrites : fold batch norm, filter electrodes first, … where it pays (`graph.rewrite`), before quantizing
    ledger : if given, `ledger.record("calibration", calibration)` is called for the audit

    Returns
    -------
    Quantized : integer program, float reference, ranges, and how faithful the integers are

    Raises
    ------
    ValueError : an operation cannot be lowered (names it), or the calibration windows are unusable.
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
    ids = [str(i) for i in getattr(calibration, "ids", range(len(calibration)))]
    rows = _Rows(as_input(reference, calibration), ids)
    if held_out is None and len(rows.X) >= _SPLIT:
        last = np.arange(len(rows.X)) % _FIFTH == _FIFTH - 1
        rows, held_out = rows.take(~last), rows.take(last)
    ranges = observe(reference, rows, method=method, percent=percent)
    program = quantize(reference, ranges, bits=bits)
    found = fidelity(reference, program, rows, held_out)
    program = replace(program, measured=found.to_json(), notes=(*program.notes, *found.warnings))
    return Quantized(program, reference, ranges, found, done)


@dataclass(frozen=True)
class _Rows:
    """Windows with the names that they had where they came from."""

    X: NDArray[np.float32]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.X[rows], [name for name, kept in zip(self.ids, rows, strict=True) if kept])
