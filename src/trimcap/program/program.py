# ruff: noqa: E501  (the table of the arithmetic is one row per kind)
"""Program: a network as plain operations on buffers, in float or in integers only.

This file *is* the definition of the arithmetic. `interpret` (NumPy) is the reference, every exporter must agree
with it: exactly for integers, within a stated tolerance for float.

Activations have no batch dimension. Images are (channels, height, width); a 1-D signal has height 1. Volumes are
(channels, depth, height, width).

**Quantized values.**  real = scale · (q − zero_point), q stored as int8 (−128…127) or int16 (zero point 0;
the last linear or convolution, so that logits keep their resolution, and values that were asked to be). Weights: int8 in −127…127, zero point 0, one scale per
output channel.  bias_q[o] = round(bias[o] / (scale_x · scale_w[o])), int32.

**Input.**  The integer input may have `scales`, one per slice of its first dimension (per channel); then real =
scales[c] · (q − zero_point), and the weights that read it have absorbed scales[c] / scale, so that to every operation
it is a value of one `scale`.

**Requantization.**  requant(a, m, s) = floor((a·m + 2^(s−1)) / 2^s), a·m in int64, 0 ≤ m < 2^31, 1 ≤ s ≤ 62.
Every accumulator fits int32 (`check` proves it when the program is made).

**Limits.** `low`, `high` of conv, linear and add: float programs clamp the real result where they are given (None or
absent: no limit); integer programs clamp q to them (absent: the range of the storage type).

| kind | attrs | constants | float | integer |
|---|---|---|---|---|
| `quantize_input` is not an operation: see `quantize_input` in `interpret` | | | | |
| conv | stride, dilation (one per spatial dimension: 2 of an image, 3 of a volume), padding (before each, then after each: top, left, bottom, right), groups, low, high | weight (O, I/groups, *kernel), bias (O); int: multiplier (O) int32, shift (O) int32 | Σ w·x + b; padding is 0 | clamp(z_y + requant(b_q + Σ w·(q−z_x), m, s), low, high); padding contributes 0 |
| linear | low, high | weight (O, I), bias (O); int: multiplier, shift | on the last dimension | as conv |
| map | function (name), parameters (floats), see `functions` | – | y = f(x) | never: becomes `table` |
| table | – | table, of the output's type; 256, of an int16 input 1,280 | never | y = table[q + 128], of an int16 input table[i(q)], see `table_index` |
| avg_pool | kernel (2), stride (2), padding (4), divisor (int; 0: n, the number of elements of the window inside the image) | int: multiplier, shift (1; with divisor 0 kh·kw, that of n at n−1) | Σ x / divisor | clamp(z_y + requant(Σ (q−z_x), m, s), range of the storage type) |
| max_pool | kernel, stride, padding (4) | – | max over valid positions | the same; same scale and zero point in and out |
| mean | outer, reduce, inner (ints; x seen as (outer, reduce, inner)) | int: multiplier (1), shift (1) | mean over reduce | as avg_pool |
| add | strides_a, strides_b (per output dimension, in elements, 0 = broadcast), low, high | int: multipliers (2) int32, shift (1) | a + b | clamp(z_y + floor(((a−z_a)·m_a + (b−z_b)·m_b + 2^(s−1)) / 2^s), low, high) |
| mul | strides_a, strides_b | int: multiplier (1), shift (1) | a · b | clamp(z_y + requant((a−z_a)(b−z_b), m, s), range of the storage type) |
| matmul | batch, rows, depth, columns (ints), steps_a (of batch, rows, depth), steps_b (of batch, depth, columns; in elements, 0 = broadcast) | int: multiplier (1), shift (1) | y[b,r,c] = Σ_d a[b,r,d] · b[b,d,c] | clamp(z_y + requant(Σ (a−z_a)(b−z_b), m, s), −128, 127) |
| layer_norm | outer, reduce (ints; x seen as (outer, reduce)), epsilon; int: epsilon (int), fraction (int) | gain, offset (reduce or 1); int: gain int16, offset int32, multiplier (1), shift (1) | gain · (x − µ)/√(σ² + ε) + offset, µ and σ² (of n, not n − 1) over reduce | see below |
| softmax | outer, reduce, inner (ints; x seen as (outer, reduce, inner)) | int: exponents int16 (256), multiplier (1), shift (1) | exp(x) / Σ exp(x) over reduce | see below |
| concat | dim | – | copies | the same scale and zero point for all inputs and the output |
| pad | padding (4: top, left, bottom, right; of the last two dimensions) | – | zeros around | zero point around |
| permute | order | – | copies | copies |
| slice | dim, start, step | – | copies | copies |
| reshape | – | – | the output shares the input's memory | the same |

**Layer norm in integers.** For each row of n = reduce numbers, n ≤ 2^16 (the zero point cancels): S = Σ q,
V = n·Σ q² − S² ≥ 0, D = V + E with E = max(1, round(ε·n²/s_x²)) ≤ 2^60. e is the integer with 2^30 ≤ D·4^−e < 2^32;
M = ⌊D·4^−e⌋; R = max{r < 2^16 : r²·M ≤ 2^62}, so R·2^−(31+e) = 1/√D to 2^−15. t = requant(n·q − S, R, 31 + e − f) is
the normalised number times 2^f, f the largest ≤ 14 with (n − 1)·4^f < 2^30. |t| ≤ 2^15, because (n·q − S)² ≤ (n − 1)·V.
y = clamp(z_y + requant(t·gain + offset, m, s), −128, 127), with |gain| < 2^15 and |offset| ≤ 2^30.

**Softmax in integers.** exponents[k] = round(32767·exp(−s_x·k)). For each sum over n = reduce ≤ 2^16 numbers:
T = exponents[max q − q], Z = Σ T (2^15 − 1 ≤ Z < 2^31), P = ⌊2^46/Z⌋ < 2^32, u = ⌊T·P/2^16⌋ ≤ 2^30 is the probability
times 2^30; y = clamp(z_y + requant(u, m, s), −128, 127).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # at run time it would bring pandas to whoever only runs an artifact
    from trimcap.data.expected import Expected
    from trimcap.data.seen import Seen

DTYPE_BYTES = {"float32": 4, "int8": 1, "int16": 2}


@dataclass(frozen=True)
class Value:
    """One activation tensor: shape without batch, storage type, and what an integer means."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: float = 1.0
    zero_point: int = 0
    scales: tuple[float, ...] = ()  # of an integer input only: one per channel

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of SRAM."""
        return self.size * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class Op:
    """One operation: reads `inputs`, writes `output`; `constants` maps a role to a name in `Program.constants`."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  # the layer of the original model, for messages


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in execution order, their values and constants; one input, one output."""

    name: str
    ops: tuple[Op, ...]
    values: Mapping[str, Value]
    constants: Mapping[str, NDArray[Any]]
    input: str
    output: str
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of its results must know, in words
    measured: Mapping[str, Any] = field(default_factory=dict)  # integers against float: `quantize.fidelity`
    expects: Expected | None = None  # what is known of the windows it was made for
    seen: Seen | None = field(default=None, repr=False)  # windows that weights and ranges were made with

    def __repr__(self) -> str:
        x, y = self.values[self.input], self.values[self.output]
        shapes = " → ".join("×".join(map(str, v.shape)) + f" {v.dtype}" for v in (x, y))
        return f"Program({self.name}: {len(self.ops)} operations, {shapes}, {self.flash_bytes:,} bytes of constants)"

    @property
    def integer(self) -> bool:
        """Whether all arithmetic is on integers."""
        return self.values[self.input].dtype != "float32"

    def constant(self, op: Op, role: str) -> NDArray[Any]:
        """The constant that plays `role` in `op`."""
        return self.constants[op.constants[role]]

    @property
    def flash_bytes(self) -> int:
        """Bytes of constant data (weights, biases, multipliers, tables)."""
        used = {name for op in self.ops for name in op.constants.values()}
        return int(sum(self.constants[name].nbytes for name in used))

    def with_name(self, name: str) -> Program:
        """The same program under another name."""
        return replace(self, name=name)


def requantize(accumulator: NDArray[Any], multiplier: Any, shift: Any) -> NDArray[np.int64]:
    """floor((a·m + 2^(s−1)) / 2^s) in int64; broadcasting.

    Parameters
    ----------
    accumulator : integer array (values fit int32)
    multiplier : int32, 0 ≤ m < 2^31
    shift : int32, 1 ≤ s ≤ 62
    """
    a = accumulator.astype(np.int64)
    m, s = np.asarray(multiplier, np.int64), np.asarray(shift, np.int64)
    result: NDArray[np.int64] = (a * m + (np.int64(1) << (s - 1))) >> s
    return result


#: entries of a table for int16: one for each of 0…127, then 64 for every doubling, for either sign
WIDE_TABLE = 1280


def table_index(q: NDArray[np.int16]) -> NDArray[np.int64]:
    """Where an int16 is found in a table of 1,280 entries: with six bits after the leading one.

    i = 64·k + ⌊u / 2^k⌋ + 640·[q < 0],  u = min(|q|, 32767),  k the smallest with ⌊u / 2^k⌋ < 128.
    """
    u = np.minimum(np.abs(q.astype(np.int64)), 32767)
    k = np.maximum(np.frexp(u.astype(np.float64))[1] - 7, 0).astype(np.int64)
    index: NDArray[np.int64] = 64 * k + (u >> k) + (WIDE_TABLE // 2) * (q < 0)
    return index
