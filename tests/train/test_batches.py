"""Batches: every row once, in an order that only seed and epoch decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimcap.train import fit
from trimcap.train.batches import batches, epoch_seeds, loss_weights


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 4, [3]), (1, 4, [1]), (3, 1, [1, 1, 1])],
)
def test_every_row_once_and_no_single_row(n, size, sizes):
    parts = batches(n, size, 0)
    assert [len(p) for p in parts] == sizes
    assert sorted(torch.cat(parts).tolist()) == list(range(n))


def test_batch_norm_trains_with_one_row_left_over(eegnet, make_windows):
    assert len(fit(eegnet, make_windows(17), epochs=2, batch_size=16).history) == 2


def test_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        return torch.cat(batches(50, 8, epoch_seeds(seed, epoch)[0])).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(s, e)) for s in range(4) for e in range(1, 5)}) == 16
    shuffle, network = epoch_seeds(1, 2)
    assert shuffle != network


def test_balanced_weights(make_windows):
    w = make_windows(30, k=3).take([0, 3, 6, 9, 1, 4, 2])
    np.testing.assert_allclose(loss_weights("balanced", w), [7 / (3 * 4), 7 / (3 * 2), 7 / (3 * 1)], rtol=1e-6)
    assert loss_weights([1, 2, 3], w).tolist() == [1, 2, 3]
    assert loss_weights(None, w) is None
