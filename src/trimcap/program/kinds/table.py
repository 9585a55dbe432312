"""All kinds of operation, by name."""

from __future__ import annotations

from trimcap.program.kinds.conv import CONV
from trimcap.program.kinds.copies import CONCAT, PAD, PERMUTE, RESHAPE, SLICE
from trimcap.program.kinds.kind import Kind
from trimcap.program.kinds.linear import LINEAR
from trimcap.program.kinds.maps import MAP, TABLE
from trimcap.program.kinds.norms import LAYER_NORM, SOFTMAX
from trimcap.program.kinds.pair import ADD, MUL
from trimcap.program.kinds.pool import AVG_POOL, MAX_POOL, MEAN
from trimcap.program.kinds.product import MATMUL

KINDS: dict[str, Kind] = {
    "conv": CONV,
    "linear": LINEAR,
    "map": MAP,
    "table": TABLE,
    "avg_pool": AVG_POOL,
    "max_pool": MAX_POOL,
    "mean": MEAN,
    "add": ADD,
    "mul": MUL,
    "matmul": MATMUL,
    "layer_norm": LAYER_NORM,
    "softmax": SOFTMAX,
    "concat": CONCAT,
    "pad": PAD,
    "permute": PERMUTE,
    "slice": SLICE,
    "reshape": RESHAPE,
}

#: kinds that only copy: their output has the scale and zero point of their inputs
SHARING = frozenset(name for name, kind in KINDS.items() if kind.shares_grid)
