"""What the tests of the cache have in common: a chain, its entry, and windows that are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step

CHAIN = Chain(
    (
        make_step("bandpass", low=1, high=45),
        make_step("windows", seconds=1, on_bad="drop"),
        make_step("differential_entropy"),
    )
)


def same(one, other):
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.y, other.y)
    pd.testing.assert_frame_equal(one.metadata, other.metadata)
    for what in ("channels", "rate", "classes", "duration", "unit", "steps"):
        assert getattr(one, what) == getattr(other, what), what


def entry(folder):
    (found,) = [path for path in folder.iterdir() if len(path.name) == 64]
    return found


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])
