"""What each ATen operation does to the dimensions of its tensors.

A rule takes the dimensions of the inputs and returns those of the result; on the way it unifies what must stay
equal and freezes what it mixes. An operation without a rule freezes everything it touches and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trimcap.graph.atoms import Dim, concatenate, freeze, fresh, regroup, unify
from trimcap.graph.network import Network, Node, Ref, refs

Dims = tuple[Dim, ...]


class Walk:
    """The state of one walk over a network: dimensions by tensor or node name."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.dims: dict[str, Any] = {}

    def of(self, ref: Any) -> Dims:
        """Dimensions of an argument."""
        found: Dims = self.dims[ref.name]
        return found

    def shape(self, ref: Any) -> tuple[int, ...]:
        """Shape of an argument for a batch of one."""
        return self.network.shape_of(ref.name)


Rule = Callable[[Walk, Node], Any]


def follow(walk: Walk, node: Node) -> Any:
    """Dimensions of the result of `node`; a tuple of them for several results."""
    if node.kind in ELEMENTWISE:
        return walk.of(node.args[0])
    return RULES.get(node.kind, not_understood)(walk, node)


def not_understood(walk: Walk, node: Node) -> Any:
    """Freeze everything: nobody knows what this operation mixes."""
    why = f"operation '{node.kind}' is not understood at {node.where}"
    for ref in refs((node.args, tuple(node.kwargs.values()))):
        for dim in _each(walk.dims.get(ref.name, ())):
            freeze(dim, why)
    return _frozen(node.shape, why)


def _each(dims: Any) -> Sequence[Dim]:
    """The dimensions of one result, or of all results of an operation that has several."""
    if dims and isinstance(dims[0], tuple) and dims[0] and isinstance(dims[0][0], tuple):
        return [dim for result in dims for dim in result]
    return list(dims)


def _frozen(shape: Any, why: str) -> Any:
    if shape and isinstance(shape[0], tuple):
        return tuple(_frozen(s, why) for s in shape)
    return tuple(fresh(s, why) for s in shape)


def _many(value: Any, n: int, default: int) -> list[int]:
    if value is None:
        return [default] * n
    values = list(value) if isinstance(value, tuple | list) else [value]
    return (values * n)[:n] if len(values) == 1 else values


# ---- layers with weights ----


def convolution(walk: Walk, node: Node) -> Any:
    """Rows of the weight make channels; its inputs, split into groups, must be the channels of x."""
    x, weight, bias = walk.of(node.args[0]), walk.of(node.args[1]), node.arg(2)
    shape_x, shape_w = walk.shape(node.args[0]), walk.shape(node.args[1])
    if len(shape_x) != len(shape_w):
        return not_understood(walk, node)
    n = len(shape_w) - 2
    stride, padding = _many(node.arg(3), n, 1), node.arg(4)
    pad = [-1] * n if padding == "same" else [0] * n if padding == "valid" else _many(padding, n, 0)
    groups = int(node.arg(6, 1) or 1)
    _tie_channels(x[1], weight, shape_w, groups, node)
    if bias is not None:
        unify(walk.of(bias)[0], weight[0], f"bias of {node.where}")
    out: list[Dim] = [x[0], weight[0]]
    for i in range(n):
        size, kernel, result = shape_x[2 + i], shape_w[2 + i], node.shape[2 + i]
        if kernel == 1 and stride[i] == 1 and pad[i] in (0, -1):
            out.append(x[2 + i])
        elif kernel == size and result == 1 and pad[i] == 0:
            unify(x[2 + i], weight[2 + i], f"kernel of {node.where}")
            out.append(())
        else:
            why = f"convolved over by {node.where}"
            freeze(x[2 + i], why)
            freeze(weight[2 + i], f"kernel of {node.where}")
            out.append(fresh(result, why))
    return tuple(out)


def _tie_channels(channels: Dim, weight: Dims, shape_w: tuple[int, ...], groups: int, node: Node) -> None:
    if groups == 1:
        unify(channels, weight[1], f"inputs of {node.where}")
        return
    why = f"groups of {node.where}"
    group = fresh(groups)
    unify(channels, group + weight[1], why)
    unify(weight[0], group + fresh(shape_w[0] // groups), why)


def linear(walk: Walk, node: Node) -> Dims:
    """Y = x Wᵀ + b on the last dimension."""
    x, weight = walk.of(node.args[0]), walk.of(node.args[1])
    unify(weight[1], x[-1], f"inputs of {node.where}")
    if node.arg(2) is not None:
        unify(walk.of(node.args[2])[0], weight[0], f"bias of {node.where}")
    return (*x[:-1], weight[0])


def per_channel(walk: Walk, node: Node) -> Dims:
    """Batch or instance norm, PReLU: one parameter per channel."""
    x = walk.of(node.args[0])
    for ref in node.args[1:5]:
        if isinstance(ref, Ref) and walk.shape(ref) != (1,):
            unify(walk.of(ref)[0], x[1], f"parameters of {node.where}")
    return x


def layer_norm(walk: Walk, node: Node) -> Dims:
    """Mean and variance over the last dimensions mix them."""
    x = walk.of(node.args[0])
    last = x[-len(node.args[1]) :]
    for dim in last:
        freeze(dim, f"normalised over by {node.where}")
    for ref in node.args[2:4]:
        if ref is not None:
            for dim, own in zip(last, walk.of(ref), strict=True):
                unify(dim, own, f"parameters of {node.where}")
    return x


def group_norm(walk: Walk, node: Node) -> Dims:
    """Statistics over groups of channels mix them."""
    x = walk.of(node.args[0])
    freeze(x[1], f"normalised over by {node.where}")
    for ref in node.args[2:4]:
        if ref is not None:
            unify(walk.of(ref)[0], x[1], f"parameters of {node.where}")
    return x


def recurrent(walk: Walk, node: Node) -> Any:
    """GRU, LSTM, RNN: the input features are free, the hidden state is one."""
    lstm = node.kind == "lstm"
    x, weights = walk.of(node.args[0]), node.args[2]
    if len(walk.shape(node.args[0])) != 3 or not isinstance(weights, tuple):
        return not_understood(walk, node)
    why = f"hidden state of {node.where}"
    has_biases, layers, bidirectional, batch_first = node.args[3], node.args[4], node.args[7], node.args[8]
    per_direction = 4 if has_biases else 2
    directions = 2 if bidirectional else 1
    if len(weights) != per_direction * directions * layers:
        return not_understood(walk, node)
    first = [weights[d * per_direction] for d in range(directions)]
    for ref in refs(weights):
        dims = walk.of(ref)
        for position, dim in enumerate(dims):
            if not (ref in first and position == 1):
                freeze(dim, why)
    for ref in first:
        unify(walk.of(ref)[1], x[-1], f"inputs of {node.where}")
    for ref in refs(node.args[1]):
        for dim in walk.of(ref):
            freeze(dim, why)
    time = 1 if batch_first else 0
    freeze(x[time], f"time steps of {node.where}")
    shapes = node.shape
    out = tuple(x[i] if i != 2 else fresh(shapes[0][2], why) for i in range(3))
    states = tuple(tuple(fresh(s, why) for s in shape) for shape in shapes[1 : 3 if lstm else 2])
    return (out, *states)


# ---- what mixes or joins ----


def broadcast(walk: Walk, node: Node) -> Dims:
    """add, sub, mul, div, …: dimensions that are not broadcast must agree."""
    tensors = [walk.of(a) for a in node.args if isinstance(a, Ref)]
    shapes = [walk.shape(a) for a in node.args if isinstance(a, Ref)]
    rank = len(node.shape)
    out: list[Dim] = []
    for i in range(rank):
        dims = [t[i - rank] for t, s in zip(tensors, shapes, strict=True) if len(t) >= rank - i and s[i - rank] > 1]
        for other in dims[1:]:
            unify(dims[0], other, f"operands of {node.where}")
        out.append(dims[0] if dims else ())
    return tuple(out)


def pool(walk: Walk, node: Node) -> Dims:
    """Pooling mixes the positions it runs over; channels pass."""
    x = walk.of(node.args[0])
    n = len(node.args[1]) if isinstance(node.args[1], tuple) else len(x) - 2
    kernel = _many(node.args[1], n, 1)
    stride = _many(node.arg(2) or node.args[1], n, 1)
    out = list(x)
    for i in range(-n, 0):
        if kernel[i] != 1 or stride[i] != 1:
            why = f"pooled over by {node.where}"
            freeze(x[i], why)
            out[i] = fresh(node.shape[i], why)
    return tuple(out)


def adaptive_pool(walk: Walk, node: Node) -> Any:
    """Adaptive pooling: every dimension whose size changes, and every pooled one to a single value, is mixed."""
    shape = node.shape[0] if isinstance(node.shape[0], tuple) else node.shape
    x, before = walk.of(node.args[0]), walk.shape(node.args[0])
    why = f"pooled over by {node.where}"
    out = list(x)
    for i, (old, new) in enumerate(zip(before, shape, strict=True)):
        if old != new:
            freeze(x[i], why)
            out[i] = fresh(new, why)
    result = tuple(out)
    return (result, result) if isinstance(node.shape[0], tuple) else result


def pad(walk: Walk, node: Node) -> Dims:
    """Padding a dimension changes where things are."""
    x = walk.of(node.args[0])
    amounts = node.args[1]
    out = list(x)
    for i in range(len(amounts) // 2):
        if amounts[2 * i] or amounts[2 * i + 1]:
            why = f"padded by {node.where}"
            freeze(x[-1 - i], why)
            out[-1 - i] = fresh(node.shape[-1 - i], why)
    return tuple(out)


def reduction(walk: Walk, node: Node) -> Dims:
    """mean, sum, max, … over dimensions mix them."""
    x, rank = walk.of(node.args[0]), len(walk.of(node.args[0]))
    over = node.arg(1)
    if over is None or over == ():
        which = set(range(rank))
    else:
        which = {d % rank for d in (over if isinstance(over, tuple) else (over,))}
    keep = bool(node.kwargs.get("keepdim", node.arg(2, False)))
    for i in which:
        freeze(x[i], f"{node.kind} over it at {node.where}")
    return tuple(() if i in which else dim for i, dim in enumerate(x) if keep or i not in which)


def variance(walk: Walk, node: Node) -> Dims:
    """var, std: like a reduction, with `keepdim` as a keyword."""
    x = walk.of(node.args[0])
    over = node.arg(1)
    which = set(range(len(x))) if over is None else {d % len(x) for d in over}
    for i in which:
        freeze(x[i], f"{node.kind} over it at {node.where}")
    keep = len(node.shape) == len(x)
    return tuple(() if i in which else dim for i, dim in enumerate(x) if keep or i not in which)


def softmax(walk: Walk, node: Node) -> Dims:
    """Every output along the dimension depends on every input."""
    x = walk.of(node.args[0])
    freeze(x[node.args[1]], f"mixed by {node.where}")
    return x


def cat(walk: Walk, node: Node) -> Dims:
    """Concatenation adds dimensions along one and unifies the others."""
    tensors = [walk.of(ref) for ref in node.args[0]]
    along = node.arg(1, 0) % len(tensors[0])
    out: list[Dim] = []
    for i, first in enumerate(tensors[0]):
        if i == along:
            out.append(concatenate([t[i] for t in tensors]))
        else:
            for other in tensors[1:]:
                unify(first, other[i], f"operands of {node.where}")
            out.append(first)
    return tuple(out)


def matmul(walk: Walk, node: Node) -> Any:
    """Matrix product: the contracted dimension is mixed; the outer ones pass."""
    x, y = walk.of(node.args[0]), walk.of(node.args[1])
    if len(x) != len(y) or len(x) < 2:
        return not_understood(walk, node)
    freeze(x[-1], f"contracted by {node.where}")
    freeze(y[-2], f"contracted by {node.where}")
    for a, b in zip(x[:-2], y[:-2], strict=True):
        unify(a, b, f"operands of {node.where}")
    return (*x[:-1], y[-1])


def attention(walk: Walk, node: Node) -> Dims:
    """Scaled dot-product attention: time is mixed by softmax, query and key features are contracted."""
    q, k, v = (walk.of(a) for a in node.args[:3])
    why = f"mixed by attention at {node.where}"
    for dim in (q[-1], k[-1], q[-2], k[-2], v[-2], *q[:-2], *k[:-2], *v[:-2]):
        freeze(dim, why)
    return (*q[:-1], v[-1])


# ---- views ----


def reshape(walk: Walk, node: Node) -> Dims:
    """Flatten multiplies, unflatten splits; the batch of one has no atoms."""
    why = f"reshaped by {node.where}"
    result = regroup(walk.of(node.args[0]), node.shape, why)
    if result is None:
        return tuple(fresh(s, why) for s in node.shape)
    return tuple(result)


def permute(walk: Walk, node: Node) -> Dims:
    """A new order of the dimensions."""
    x = walk.of(node.args[0])
    return tuple(x[i] for i in node.args[1])


def transpose(walk: Walk, node: Node) -> Dims:
    """Swap two dimensions."""
    x = list(walk.of(node.args[0]))
    i, j = node.args[1:3]
    x[i], x[j] = x[j], x[i]
    return tuple(x)


def expand(walk: Walk, node: Node) -> Dims:
    """Broadcast copies: what is repeated may not be cut."""
    x = walk.of(node.args[0])
    before = walk.shape(node.args[0])
    x = ((),) * (len(node.shape) - len(x)) + x
    before = (1,) * (len(node.shape) - len(before)) + before
    why = f"expanded by {node.where}"
    return tuple(d if old == new else fresh(new, why) for d, old, new in zip(x, before, node.shape, strict=True))


def pick(walk: Walk, node: Node) -> Any:
    """slice, select, chunk, split, unbind: the dimension they cut stays whole."""
    x, along = walk.of(node.args[0]), _cut_dimension(node)
    along %= len(x)
    why = f"cut by {node.where}"
    freeze(x[along], why)
    drop = node.kind in ("select", "unbind")

    def result(shape: tuple[int, ...]) -> Dims:
        if drop:
            return (*x[:along], *x[along + 1 :])
        return tuple(fresh(shape[i], why) if i == along else dim for i, dim in enumerate(x))

    if node.shape and isinstance(node.shape[0], tuple):
        return tuple(result(shape) for shape in node.shape)
    return result(node.shape)


def _cut_dimension(node: Node) -> int:
    position = {
        "slice": 1,
        "select": 1,
        "unbind": 1,
        "chunk": 2,
        "split": 2,
        "split_with_sizes": 2,
        "narrow": 1,
    }
    return int(node.kwargs.get("dim", node.arg(position[node.kind], 0)))


def getitem(walk: Walk, node: Node) -> Dims:
    """One of several results."""
    found: Dims = walk.dims[node.args[0].name][node.args[1]]
    return found


def number(walk: Walk, node: Node) -> Dims:
    """A size: no dimensions."""
    del walk, node
    return ()


def created(walk: Walk, node: Node) -> Dims:
    """zeros, ones, …: a constant of fixed size."""
    del walk
    return tuple(fresh(s, f"constant made at {node.where}") for s in node.shape)


ELEMENTWISE = frozenset(
    [
        "abs",
        "alpha_dropout",
        "celu",
        "clamp",
        "clamp_max",
        "clamp_min",
        "cos",
        "dropout",
        "elu",
        "erf",
        "exp",
        "feature_alpha_dropout",
        "feature_dropout",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "log",
        "log1p",
        "log_sigmoid",
        "mish",
        "neg",
        "reciprocal",
        "relu",
        "relu6",
        "round",
        "rsqrt",
        "selu",
        "sigmoid",
        "sign",
        "silu",
        "sin",
        "softplus",
        "softsign",
        "sqrt",
        "square",
        "tanh",
        "tanhshrink",
    ]
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    **dict.fromkeys(("batch_norm", "instance_norm", "prelu"), per_channel),
    **dict.fromkeys(("gru", "lstm", "rnn_tanh", "rnn_relu"), recurrent),
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "maximum", "minimum", "rsub"), broadcast),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"), pool),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
        adaptive_pool,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "logsumexp"), reduction),
    **dict.fromkeys(("var", "std"), variance),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "cumsum"), softmax),
    **dict.fromkeys(("matmul", "bmm"), matmul),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    **dict.fromkeys(("slice", "select", "chunk", "split", "split_with_sizes", "unbind", "narrow"), pick),
    **dict.fromkeys(("zeros", "ones", "full", "arange"), created),
    "linear": linear,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "cat": cat,
    "scaled_dot_product_attention": attention,
    "reshape": reshape,
    "permute": permute,
    "transpose": transpose,
    "expand": expand,
    "getitem": getitem,
    "sym_size": number,
    **dict.fromkeys(("sym.mul", "sym.add", "sym.sub", "sym.floordiv"), number),
}
