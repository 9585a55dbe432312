"""A broken program is refused with the operation's name."""

from dataclasses import replace

import numpy as np
import pytest
from one_op import int8, one_op

from trimcap.program.check import check
from trimcap.program.kinds.kind import distance
from trimcap.program.kinds.table import KINDS


def constants(n_in: int, w: int = 1, **other):
    return {
        "weight": np.full((1, n_in), w, np.int8),
        "bias": np.array([5], np.int32),
        "multiplier": np.array([2**30], np.int32),
        "shift": np.array([40], np.int32),
        **other,
    }


def linear(n_in: int, **options):
    return one_op("linear", [int8("x", (n_in,))], int8("y", (1,)), constants=constants(n_in, **options))


def test_bound_is_reached_by_the_worst_input() -> None:
    p = linear(10, w=-100)
    # q = −128, z = 0: every product is +12,800
    assert KINDS[p.ops[0].kind].bound(p, p.ops[0]) == 10 * 100 * 128 + 5
    assert distance(int8("x", (1,), zero=-128)) == 255


def test_overflow_is_refused() -> None:
    fits = (2**31 - 1 - 5) // (127 * 128)
    assert linear(fits, w=127).ops
    with pytest.raises(ValueError, match=r"operation 'op'.*beyond int32"):
        linear(fits + 1, w=127)


@pytest.mark.parametrize(
    ("role", "array", "message"),
    [
        ("shift", np.array([0], np.int32), "outside 1…62"),
        ("shift", np.array([63], np.int32), "outside 1…62"),
        ("multiplier", np.array([-1], np.int32), "outside 0…"),
        ("weight", np.full((1, 3), -128, np.int8), "outside -127…127"),
        ("bias", np.array([5], np.int64), "is int64, must be int32"),
        ("bias", np.array([5, 6], np.int32), "disagree on the number of outputs"),
    ],
)
def test_constants_out_of_range(role: str, array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear(3, **{role: array})


def test_structure() -> None:
    p = linear(3)
    op = p.ops[0]
    for broken, message in (
        (replace(op, kind="convv"), "did you mean 'conv'"),
        (replace(op, inputs=("z",)), "value 'z' does not exist"),
        (replace(op, constants={}), "constant 'weight' is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            check(replace(p, ops=(broken,)))
    with pytest.raises(ValueError, match="no operation makes the output"):
        check(replace(p, ops=()))


def test_copies_must_share_the_grid() -> None:
    with pytest.raises(ValueError, match="must share scale and zero point"):
        one_op("reshape", [int8("x", (4,), 1.0, 0)], int8("y", (2, 2), 1.0, 1))


@pytest.mark.parametrize(
    ("padding", "entries", "message"),
    [((0, 3, 0, 0), 3, "lies outside the image altogether"), ((0, 1, 0, 0), 1, "one entry for each number")],
)
def test_averages_over_what_is_inside(padding, entries: int, message: str) -> None:
    factors = {"multiplier": np.full(entries, 2**30, np.int32), "shift": np.full(entries, 31, np.int32)}
    with pytest.raises(ValueError, match=message):
        one_op("avg_pool", [int8("x", (1, 1, 6))], int8("y", (1, 1, 4 + padding[1])), constants=factors, kernel=(1, 3),
               stride=(1, 1), padding=padding, divisor=0)  # fmt: skip
