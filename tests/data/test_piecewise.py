from dataclasses import replace

import numpy as np
import pytest

from trimcap.data import piecewise as under_test
from trimcap.data.baselines.classifiers import linear_baseline
from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.piecewise import piecewise
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import band_power
from trimcap.data.rows import lazy as module
from trimcap.data.rows.lazy import lazy
from trimcap.data.splits.protocols.named import split


@pytest.fixture
def windows():
    return cut(make_synthetic(4, rate=128, seconds=8, seed=0), seconds=1)


def test_pieces_give_what_the_whole_gives(windows, monkeypatch):
    size = 5 * windows.X[0].nbytes
    monkeypatch.setattr(module, "AT_ONCE", size)
    monkeypatch.setattr(under_test, "AT_ONCE", size)
    seen = []

    def function(some):
        seen.append(len(some))
        assert isinstance(some.X, np.ndarray)
        return band_power(some, bands={"alpha": (8, 14)}, segment=1)

    far = piecewise(replace(windows, X=lazy(windows.X)), function)
    assert max(seen) == 5
    assert sum(seen) == len(windows)
    near = piecewise(windows, function)
    assert seen[-1] == len(windows)
    np.testing.assert_array_equal(far.X, near.X)
    assert (far.ids.tolist(), far.y.tolist(), far.unit, far.steps) == (
        near.ids.tolist(),
        near.y.tolist(),
        near.unit,
        near.steps,
    )


def test_the_linear_baseline_of_lazy_features_is_the_same(windows, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 0)
    power = band_power(windows, bands={"alpha": (8, 14)}, segment=1)
    far = replace(power, X=lazy(power.X))
    one, other = (linear_baseline(split(these, "leave_one_subject_out")[0]) for these in (power, far))
    np.testing.assert_array_equal(one, other)
