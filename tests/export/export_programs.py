"""Programs made by hand, with random constants, for the tests of the C exporter."""

from __future__ import annotations

from math import frexp, prod
from typing import Any

import numpy as np

from trimcap.program.kinds.norms import exponent_table, fraction_of
from trimcap.program.program import Op, Program, Value


class Maker:
    """Appends operations; every method returns the name of its output."""

    def __init__(self, shape: tuple[int, ...], *, integer: bool, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.integer = integer
        self.dtype = "int8" if integer else "float32"
        scale, zero = (0.37, -5) if integer else (1.0, 0)
        self.values = {"x": Value("x", shape, self.dtype, scale, zero)}
        self.ops: list[Op] = []
        self.constants: dict[str, np.ndarray] = {}

    def program(self, output: str, name: str = "net") -> Program:
        return Program(name, tuple(self.ops), self.values, self.constants, "x", output, ("rest", "task"))

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape

    def op(self, kind, inputs, shape, constants=None, *, dtype=None, same=False, **attrs: Any) -> str:
        name = f"{kind}{len(self.ops)}"
        v = self.values[inputs[0]]
        zero = v.zero_point if same or not self.integer else int(self.rng.integers(-20, 20))
        scale = v.scale if same or not self.integer else 0.5
        self.values[name] = Value(name, tuple(shape), dtype or (v.dtype if same else self.dtype), scale, zero)
        roles = {}
        for role, array in (constants or {}).items():
            self.constants[f"{name}.{role}"] = array
            roles[role] = f"{name}.{role}"
        self.ops.append(Op(f"op_{name}", kind, tuple(inputs), name, attrs, roles))
        return name

    def _requant(self, factors: np.ndarray) -> dict[str, np.ndarray]:
        """m / 2^s near each factor."""
        shifts = np.array([31 - frexp(f)[1] for f in factors], np.int32)
        m = np.minimum(np.round(factors * 2.0**shifts), 2**31 - 1).astype(np.int32)
        return {"multiplier": m, "shift": shifts}

    def _affine(self, shape: tuple[int, ...], wide: bool) -> dict[str, np.ndarray]:
        depth = prod(shape[1:])
        if not self.integer:
            weight = self.rng.standard_normal(shape) / np.sqrt(depth)
            return {"weight": weight.astype(np.float32), "bias": self.rng.standard_normal(shape[0]).astype(np.float32)}
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        bias = self.rng.integers(-2000, 2000, shape[0]).astype(np.int32)
        spread = (8000 if wide else 50) / (np.sqrt(depth) * 73 * 74) * self.rng.uniform(0.5, 1.5, shape[0])
        return {"weight": weight, "bias": bias, **self._requant(spread)}

    def conv(self, x, filters, kernel, *, stride=None, padding=None, dilation=None, groups=1,
             low=None, high=None, wide=False) -> str:  # fmt: skip
        c, *sizes = self.shape(x)
        ones = (1,) * len(sizes)
        stride, dilation, padding = stride or ones, dilation or ones, padding or (0,) * 2 * len(sizes)
        around = zip(sizes, padding[: len(sizes)], padding[len(sizes) :], kernel, stride, dilation, strict=True)
        out = [(n + p + q - (k - 1) * d - 1) // s + 1 for n, p, q, k, s, d in around]
        constants = self._affine((filters, c // groups, *kernel), wide)
        return self.op("conv", [x], (filters, *out), constants, dtype="int16" if wide else None, stride=stride,
                       padding=padding, dilation=dilation, groups=groups, low=low, high=high)  # fmt: skip

    def linear(self, x, filters, *, low=None, high=None, wide=False) -> str:
        shape = self.shape(x)
        constants = self._affine((filters, shape[-1]), wide)
        dtype = "int16" if wide else None
        return self.op("linear", [x], (*shape[:-1], filters), constants, dtype=dtype, low=low, high=high)

    def act(self, x, function="elu", parameters=(1.0, 1.0, 1.0)) -> str:
        if not self.integer:
            return self.op("map", [x], self.shape(x), function=function, parameters=parameters)
        return self.op("table", [x], self.shape(x), {"table": self.rng.integers(-128, 128, 256).astype(np.int8)})

    def avg_pool(self, x, kernel, *, stride=None, padding=(0, 0, 0, 0), divisor=None) -> str:
        """Divisor 0: the number of elements inside the image."""
        divisor = prod(kernel) if divisor is None else divisor
        counts = np.array([divisor]) if divisor else np.arange(1, prod(kernel) + 1)
        constants = self._requant(1.3 / counts) if self.integer else None
        return self.op("avg_pool", [x], self._pooled(x, kernel, stride or kernel, padding), constants, kernel=kernel,
                       stride=stride or kernel, padding=padding, divisor=divisor)  # fmt: skip

    def max_pool(self, x, kernel, *, stride=None, padding=(0, 0, 0, 0)) -> str:
        shape = self._pooled(x, kernel, stride or kernel, padding)
        return self.op("max_pool", [x], shape, same=True, kernel=kernel, stride=stride or kernel, padding=padding)

    def _pooled(self, x, kernel, stride, padding) -> tuple[int, ...]:
        c, h, w = self.shape(x)
        return (c, (h + padding[0] + padding[2] - kernel[0]) // stride[0] + 1,
                (w + padding[1] + padding[3] - kernel[1]) // stride[1] + 1)  # fmt: skip

    def mean(self, x, dim: int) -> str:
        shape = self.shape(x)
        outer, reduce, inner = prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])
        constants = self._requant(np.array([9.1 / reduce])) if self.integer else None
        shape = (*shape[:dim], *shape[dim + 1 :])
        return self.op("mean", [x], shape, constants, outer=outer, reduce=reduce, inner=inner)

    def add(self, a, b, **limits) -> str:
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        constants = None
        if self.integer:
            constants = {
                "multipliers": np.array([2**29 + 12345, 2**30 - 77], np.int32),
                "shift": np.array([30], np.int32),
            }
        steps = {"strides_a": self._steps(a, shape), "strides_b": self._steps(b, shape)}
        return self.op("add", [a, b], shape, constants, **steps, **limits)

    def mul(self, a, b) -> str:
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        constants = self._requant(np.array([0.02])) if self.integer else None
        return self.op(
            "mul", [a, b], shape, constants, strides_a=self._steps(a, shape), strides_b=self._steps(b, shape)
        )

    def matmul(self, a, b, *, turned=False) -> str:
        """a (batch, rows, depth) · b (batch, depth, columns); `turned`: b is (batch, columns, depth)."""
        (batch, rows, depth), other = self.shape(a), self.shape(b)
        columns = other[1] if turned else other[2]
        constants = self._requant(np.array([0.5 / depth**0.5 / 70])) if self.integer else None
        steps_b = (columns * depth, 1, depth) if turned else (columns * depth, columns, 1)
        return self.op("matmul", [a, b], (batch, rows, columns), constants, batch=batch, rows=rows, depth=depth,
                       columns=columns, steps_a=(rows * depth, depth, 1), steps_b=steps_b)  # fmt: skip

    def layer_norm(self, x, reduce, *, per_element=True, size=1.0) -> str:
        shape, count = self.shape(x), reduce if per_element else 1
        attrs = {"outer": prod(shape) // reduce, "reduce": reduce, "epsilon": 1e-5}
        if not self.integer:
            constants = {
                role: (size * self.rng.standard_normal(count)).astype(np.float32) for role in ("gain", "offset")
            }
            return self.op("layer_norm", [x], shape, constants, **attrs)
        constants = {
            "gain": self.rng.integers(-32767, 32768, count).astype(np.int16),
            "offset": self.rng.integers(-(2**26), 2**26, count).astype(np.int32),
            **self._requant(np.array([40 / 2.0 ** (15 + fraction_of(reduce))])),
        }
        attrs |= {"epsilon": 77, "fraction": fraction_of(reduce)}
        return self.op("layer_norm", [x], shape, constants, **attrs)

    def softmax(self, x, dim) -> str:
        shape, constants = self.shape(x), None
        if self.integer:
            constants = {"exponents": exponent_table(0.03), **self._requant(np.array([250 / 2.0**30]))}
        outer, inner = prod(shape[:dim]), prod(shape[dim + 1 :])
        return self.op("softmax", [x], shape, constants, outer=outer, reduce=shape[dim], inner=inner)

    def _steps(self, name, shape) -> tuple[int, ...]:
        own = (1,) * (len(shape) - len(self.shape(name))) + self.shape(name)
        return tuple(0 if n == 1 else prod(own[i + 1 :]) for i, n in enumerate(own))

    def concat(self, names, dim) -> str:
        shape = list(self.shape(names[0]))
        shape[dim] = sum(self.shape(n)[dim] for n in names)
        return self.op("concat", names, shape, same=True, dim=dim)

    def pad(self, x, padding) -> str:
        *rest, h, w = self.shape(x)
        shape = (*rest, h + padding[0] + padding[2], w + padding[1] + padding[3])
        return self.op("pad", [x], shape, same=True, padding=padding)

    def permute(self, x, order) -> str:
        return self.op("permute", [x], [self.shape(x)[d] for d in order], same=True, order=tuple(order))

    def slice(self, x, dim, start, stop, step) -> str:
        shape = list(self.shape(x))
        shape[dim] = len(range(start, stop, step))
        return self.op("slice", [x], shape, same=True, dim=dim, start=start, step=step)

    def reshape(self, x, *shape) -> str:
        return self.op("reshape", [x], shape, same=True)


def windows(program: Program, n: int, seed: int = 0) -> np.ndarray:
    """Input in its real unit that fills the whole integer range and beyond, with a NaN-free distribution."""
    v = program.values[program.input]
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, *v.shape)) * (60 * v.scale if program.integer else 1)).astype(np.float32)


def eegnet_like(*, integer: bool, wide: bool = True, seed: int = 1) -> Program:
    """Temporal, depthwise spatial, pooled, separable, linear: 8 channels × 64 samples."""
    m = Maker((1, 8, 64), integer=integer, seed=seed)
    h = m.conv("x", 4, (1, 16), padding=(0, 7, 0, 8))
    h = m.act(m.conv(h, 8, (8, 1), groups=4))
    h = m.avg_pool(h, (1, 4))
    h = m.conv(h, 8, (1, 8), padding=(0, 3, 0, 4), groups=8)
    h = m.act(m.conv(h, 8, (1, 1)))
    h = m.reshape(m.avg_pool(h, (1, 4)), 32)
    return m.program(m.linear(h, 2, wide=wide and integer), "eegnet like")


def ccnn_like(*, integer: bool, seed: int = 2) -> Program:
    """4×4 convolutions on a 9×9 map, flatten, two linear layers."""
    m = Maker((4, 9, 9), integer=integer, seed=seed)
    h = "x"
    for filters in (8, 12, 6):
        limit = {"low": m.values[h].zero_point} if integer else {"low": 0.0}
        h = m.conv(h, filters, (4, 4), padding=(1, 1, 2, 2), **(limit if h == "x" else {}))
    h = m.linear(m.reshape(h, 6 * 81), 16)
    return m.program(m.linear(m.act(h, "relu", ()), 3), "ccnn-like")


def every_kind(*, integer: bool, seed: int = 3) -> Program:
    """A network that uses every operation at least once, with branches and awkward sizes."""
    m = Maker((3, 7, 19), integer=integer, seed=seed)
    a = m.conv("x", 6, (3, 5), stride=(2, 3), padding=(1, 2, 0, 1), dilation=(1, 2), groups=3, low=-50, high=60)
    b = m.act(m.conv("x", 6, (3, 3), padding=(1, 1, 1, 1)))
    b = m.max_pool(b, (3, 3), stride=(2, 3), padding=(1, 1, 1, 0))
    b = m.slice(b, 2, 0, m.shape(a)[2], 1) if m.shape(b)[2] > m.shape(a)[2] else b
    b = m.slice(b, 1, 0, m.shape(a)[1], 1)
    c = m.add(a, b)
    gate = m.mean(m.mean(c, 2), 1)
    gate = m.act(m.linear(gate, 6), "sigmoid", ())
    d = m.mul(c, m.reshape(gate, 6, 1, 1))
    d = m.pad(d, (0, 1, 2, 0))
    e = m.permute(d, (2, 0, 1))
    e = m.permute(e, (1, 2, 0))
    f = m.concat([d, e], 0)
    f = m.avg_pool(f, (2, 2), stride=(1, 2), padding=(1, 0, 0, 1), divisor=4)
    f = m.slice(f, 0, 1, m.shape(f)[0], 2)
    f = m.add(f, f)
    f = m.avg_pool(f, (2, 3), stride=(1, 1), padding=(1, 0, 0, 2), divisor=0)
    f = m.conv(m.reshape(f, 2, 3, *m.shape(f)[1:]), 6, (2, 1, 2), padding=(1, 0, 1, 0, 0, 0), groups=2)
    f = m.reshape(f, 1, m.shape(f)[0], prod(m.shape(f)[1:]))
    # small: of larger numbers softmax and tanh are steps, which magnify rounding
    keys, small = (m.layer_norm(f, m.shape(f)[2], size=size) for size in (0.2, 0.05))
    f = m.matmul(m.softmax(m.matmul(f, keys, turned=True), 2), small)
    f = m.reshape(f, *m.shape(f)[1:])
    f = m.act(m.linear(f, 5), "tanh", ())
    return m.program(m.linear(m.reshape(f, prod(m.shape(f))), 3, wide=integer), "every-kind")
