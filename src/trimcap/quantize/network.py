"""All of quantization in one call: rewrite, lower, observe, quantize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trimcap.graph.network import Network
from trimcap.graph.rewrite import rewrite
from trimcap.program.lower import lower
from trimcap.program.program import Program
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import Estimator, Ranges


@dataclass(frozen=True, eq=False)
class Quantized:
    """What `quantize_network` made.

    Parameters
    ----------
    program : the network in integers
    reference : the float program that it was made from
    ranges : calibrated ranges of the reference's values
    rewrites : exact changes made before, in words
    """

    program: Program
    reference: Program
    ranges: Ranges = field(repr=False)
    rewrites: tuple[str, ...] = field(default=(), repr=False)


def quantize_network(
    network: Network,
    calibration: Any,
    *,
    method: str | Estimator = "mse",
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
    method : "mse", "minmax", "percentile", or a function (sample, minimum, maximum) → (low, high)
    bits : bits of the weights, 2 to 8; activations have 8
    name : name of the program
    classes : names of the outputs; by default those of the calibration windows
    exact_rewrites : fold batch norm, filter electrodes first, … where it pays (`graph.rewrite`), before quantizing
    ledger : if given, `ledger.record("calibration", calibration)` is called for the audit

    Returns
    -------
    Quantized : integer program, float reference, ranges

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
    ranges = observe(reference, calibration, method=method, ledger=ledger)
    return Quantized(quantize(reference, ranges, bits=bits), reference, ranges, done)
