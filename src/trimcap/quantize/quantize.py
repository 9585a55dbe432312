"""From a float Program and ranges to a Program in integers only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trimcap.data.seen import OUTSIDE, united
from trimcap.program.check import check
from trimcap.program.integers import to_integers
from trimcap.program.program import Program
from trimcap.quantize.gains import absorb
from trimcap.quantize.observe import observe
from trimcap.quantize.ranges import MEASURED, Estimator, Ranges


def quantize(
    program: Program,
    calibration: Ranges | Any,
    *,
    bits: int = 8,
    method: str | Estimator = MEASURED,
    ledger: Any = None,
) -> Program:
    """Post-training quantization: int8 activations and weights, int32 sums, no float after the input.

    Weights are symmetric with one scale per output channel, w_q = round(w / s_w), s_w = max|w| / (2^(b−1) − 1);
    activations asymmetric with one scale per tensor; bias_q = round(b / (s_x·s_w)); every change of scale is
    multiplier and shift (`fixed_point`); functions of one element become tables. The exact arithmetic is the table in
    `program`.

    Parameters
    ----------
    program : float program from `lower`
    calibration : `Ranges` from `observe`, or windows to observe: `Windows` or array (n, *input shape), training
        data only
    bits : bits of the weights, 2 to 8 (stored as int8); activations always have 8
    method : range method when windows are given: "measured", "minmax", "percentile", "mse" or a function
    ledger : if given, `ledger.record("calibration", windows)` is called for the audit

    Returns
    -------
    Program in integers; its output is int16 after a last conv or linear, else int8

    Raises
    ------
    ValueError : calibration is unusable, an accumulator could overflow int32, or bits is outside 2…8.

    References
    ----------
    Jacob et al. (2018), Quantization and training of neural networks for efficient integer-arithmetic-only
    inference, §2.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits is {bits}; weights can have 2 to 8 bits")
    ranges = calibration
    if not isinstance(calibration, Ranges):
        ranges = observe(program, calibration, method=method, ledger=ledger)
    elif ledger is not None:
        raise ValueError("ranges do not say which windows they are from; give the ledger to observe() instead")
    if ranges.gains:
        program = absorb(program, ranges.gains)
    made = to_integers(program, ranges.bounds, bits=bits, int16=ranges.int16)
    if ranges.gains:
        x = made.values[made.input]
        scales = tuple(float(np.float32(x.scale / g)) for g in ranges.gains)
        made = replace(made, values={**made.values, made.input: replace(x, scales=scales)})
    notes = (*program.notes, *ranges.notes)
    return check(replace(made, notes=notes, seen=united([program.seen or OUTSIDE, ranges.seen])))
