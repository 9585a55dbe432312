import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from trimcap.export.c.text import ExportError
from trimcap.export.c.walks import merged
from trimcap.program.kernels import row_major


@pytest.mark.parametrize(
    ("shape", "order"),
    [((2, 3, 4), (0, 1, 2)), ((2, 3, 4), (2, 0, 1)), ((5, 1, 4), (1, 2, 0)), ((2, 3, 4, 5), (0, 2, 1, 3))],
)
def test_merged_loops_visit_the_same_elements(shape, order):
    data = np.arange(np.prod(shape))
    steps = [row_major(shape)[d] for d in order]
    out = [shape[d] for d in order]
    sizes, (walk, _) = merged(out, (steps, row_major(out)), what="test")
    assert len(sizes) == 4
    view = as_strided(data, sizes, [s * data.itemsize for s in walk])
    assert (view.ravel() == data.reshape(shape).transpose(order).ravel()).all()


def test_neighbours_merge():
    assert merged((2, 3, 4), ([12, 4, 1], [12, 4, 1]), what="test")[0] == [1, 1, 1, 24]
    assert merged((2, 3, 4), ([12, 4, 1], [0, 0, 1]), what="test")[0] == [1, 1, 6, 4]


def test_five_loops_are_refused_by_name():
    shape = (2, 2, 2, 2, 2)
    with pytest.raises(ExportError, match=r"operation 'p' needs 5 nested loops"):
        merged(shape, (row_major(shape)[::-1], row_major(shape)), what="operation 'p'")
