"""Unstructured masks: exact counts, ties, what is spared; bytes that an encoder really needs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoded import decode_bitmap, decode_csr, encode_bitmap, encode_csr

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, TSCeption
from trimcap.prune.plan import removed_count
from trimcap.prune.weights.compressed import (
    bitmap_bytes,
    csr_bytes,
    dense_bytes,
    storage,
)
from trimcap.prune.weights.unstructured import mask_weights, weights_of
from trimcap.train.masks import Masks
from zoo import build


@pytest.fixture(scope="module")
def ccnn():
    torch.manual_seed(0)
    return trace(CCNN(4, 5, 5, 2, widths=(6, 8, 10, 4), hidden=12), torch.randn(2, 4, 5, 5))


@pytest.mark.parametrize("score", ["magnitude", "lamp"])
@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("percent", [0, 1, 10, 29, 58, 80, 95])
def test_exactly_the_floor_is_removed(ccnn, percent, scope, score):
    masks = mask_weights(ccnn, percent / 100, scope=scope, score=score)
    counts = [ccnn.tensors[name].numel() for name in masks.kept]
    want = [percent * n // 100 for n in counts] if scope == "layer" else [percent * sum(counts) // 100]
    got = [row["before"] - row["after"] for row in masks.table()]
    assert (got if scope == "layer" else [sum(got)]) == want
    assert masks.removed == sum(want)


def test_global_magnitude_is_the_sorted_list_of_all_weights(ccnn):
    masks = mask_weights(ccnn, 0.37, layers=("conv",))
    names = [name for name in ccnn.tensors if ccnn.tensors[name].ndim == 4]
    assert list(masks.kept) == names
    pooled = torch.cat([ccnn.tensors[n].abs().flatten() for n in names])
    threshold = pooled.sort().values[removed_count(0.37, len(pooled))]
    assert all(torch.equal(masks.kept[n], ccnn.tensors[n].abs() >= threshold) for n in names)


def test_lamp_keeps_a_weight_everywhere_and_magnitude_needs_at_least(ccnn):
    small = {n: t * (1e-6 if n.endswith("0.weight") and t.ndim == 4 else 1.0) for n, t in ccnn.tensors.items()}
    network = ccnn.with_tensors(small)
    first = weights_of(network)[0]
    small[first] = small[first] * 1e-6
    network = network.with_tensors(small)
    assert not mask_weights(network, 0.9, at_least=0).kept[first].any()
    assert mask_weights(network, 0.9, at_least=5).kept[first].sum() == 5
    assert mask_weights(network, 0.9, at_least=0, score="lamp").kept[first].any()
    # others go in their place: the count stays
    assert mask_weights(network, 0.9, at_least=5).removed == mask_weights(network, 0.9, at_least=0).removed


def test_lower_index_of_a_tie_goes_first(ccnn):
    equal = ccnn.with_tensors({n: torch.ones_like(t) for n, t in ccnn.tensors.items()})
    masks = mask_weights(equal, 0.3)
    stays = torch.cat([m.flatten() for m in masks.kept.values()])
    spared = [int((~m).sum()) for m in masks.kept.values()]
    assert int((~stays).sum()) == removed_count(0.3, len(stays))
    first = masks.kept[next(iter(masks.kept))].flatten()
    assert not first[: spared[0]].any()
    assert first[spared[0] :].all()


def test_rounds_only_grow(ccnn):
    first = mask_weights(ccnn, 0.4)
    generator = torch.Generator().manual_seed(1)
    moved = {n: torch.randn(t.shape, generator=generator) for n, t in ccnn.tensors.items()}
    second = mask_weights(ccnn.with_tensors(moved), 0.7, within=first)
    assert second.removed == removed_count(0.7, second.n)
    assert all(not (second.kept[n] & ~first.kept[n]).any() for n in first.kept)
    assert any((mask_weights(ccnn.with_tensors(moved), 0.7).kept[n] & ~first.kept[n]).any() for n in first.kept)


def test_nothing_removed_is_the_identity_and_a_mask_is_what_zeros_do(ccnn):
    x = torch.randn(4, *ccnn.input_shape)
    assert torch.equal(mask_weights(ccnn, 0).apply(ccnn)(x), ccnn(x))
    masks = mask_weights(ccnn, 0.5)
    masked = masks.apply(ccnn)
    want = {n: t * masks.kept[n] if n in masks.kept else t for n, t in ccnn.tensors.items()}
    assert all(torch.equal(masked.tensors[n], want[n]) for n in want)
    assert not torch.allclose(masked(x), ccnn(x))


def test_recurrent_weights():
    model, x = build("GRU")
    network = trace(model, x)
    assert all("weight" in name for name in weights_of(network, ("recurrent",)))
    assert mask_weights(network, 0.5, layers=("recurrent",)).removed > 0


def test_masks_are_saved(ccnn, tmp_path):
    masks = mask_weights(ccnn, 0.5)
    again = Masks.load(masks.save(tmp_path / "m.safetensors"))
    assert again.note == masks.note == "magnitude, sparsity 0.5, global"
    assert list(again.kept) == list(masks.kept)
    assert again.sha256 == masks.sha256 != mask_weights(ccnn, 0.4).sha256
    (tmp_path / "bad").write_bytes(b"{}")
    with pytest.raises(PlanError, match=r"bad does not hold masks.*Masks\.save"):
        Masks.load(tmp_path / "bad")


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda n: mask_weights(n, 1.0), ValueError, "0 ≤ sparsity < 1, got 1.0"),
        (lambda n: mask_weights(n, 0.5, layers=("convs",)), ValueError, "did you mean 'conv'"),
        (lambda n: mask_weights(n, 0.5, score="lamb"), ValueError, "did you mean 'lamp'"),
        (lambda n: mask_weights(n, 0.5, scope="layers"), ValueError, "did you mean 'layer'"),
        (lambda n: mask_weights(n, 0.5, tensors=["nope.weight"]), PlanError, "unknown tensor 'nope.weight'"),
        (lambda n: mask_weights(n, 0.5, layers=("recurrent",)), PlanError, "no weights of layers recurrent"),
        (lambda n: mask_weights(n, 0.5, score=lambda w: w / 0), PlanError, "not finite"),
        (lambda n: Masks({"nope": torch.ones(2, dtype=torch.bool)}).apply(n), PlanError, "unknown tensor 'nope'"),
        (lambda n: Masks({weights_of(n)[0]: torch.ones(2, dtype=torch.bool)}).apply(n), PlanError, "has shape"),
        (lambda n: Masks({"a": torch.ones(2)}), TypeError, "masks are boolean"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_what_is_wrong_is_said(ccnn, call, error, says):
    with pytest.raises(error, match=says):
        call(ccnn)


# ---- bytes ----


def sparse(shape, share, dtype, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 100, shape).astype(dtype)
    weight[rng.random(shape) < share] = 0
    return weight


@pytest.mark.parametrize("shape", [(3, 5), (64, 4, 4, 4), (7, 300), (2, 70_000), (1, 1)])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("dtype", ["<f4", "i1"])
def test_formulas_count_the_bytes_that_are_written_and_they_read_back(shape, share, dtype):
    weight = sparse(shape, share, dtype)
    bits, nonzero = 8 * weight.dtype.itemsize, int(np.count_nonzero(weight))
    bitmap, csr = encode_bitmap(weight), encode_csr(weight)
    assert len(weight.tobytes()) == dense_bytes(shape, bits)
    assert len(bitmap) == bitmap_bytes(shape, nonzero, bits)
    assert len(csr) == csr_bytes(shape, nonzero, bits)
    assert np.array_equal(decode_bitmap(bitmap, shape, bits), weight)
    assert np.array_equal(decode_csr(csr, shape, nonzero, bits), weight)


@pytest.mark.parametrize("index", [8, 16, 32])
def test_every_width_of_an_index(index):
    weight = sparse((20, 200), 0.8, "<f4")
    content, nonzero = encode_csr(weight, index=index), int(np.count_nonzero(weight))
    assert len(content) == csr_bytes(weight.shape, nonzero, 32, index=index) == 4 * nonzero + nonzero * index // 8 + 42
    assert np.array_equal(decode_csr(content, weight.shape, nonzero, 32, index=index), weight)
    with pytest.raises(ValueError, match="8 bits cannot hold 300 columns; use 16"):
        encode_csr(sparse((2, 300), 0.5, "<f4"), index=8)


def test_storage_of_a_network_says_what_a_device_sees():
    torch.manual_seed(0)
    network = trace(TSCeption(8, 128, 2, sfreq=64), torch.randn(2, 8, 128))
    masked = mask_weights(network, 0.9).apply(network)
    full, found = storage(network), storage(masked)
    assert found.on_device == found.dense == full.dense == full.compressed == 4 * full.nonzero
    assert found.compressed == sum(
        min(len(w.tobytes()), len(encode_bitmap(w)), len(encode_csr(w)))
        for w in (masked.tensors[name].numpy() for name in weights_of(masked))
    )
    assert found.compressed < 0.2 * found.dense
    assert storage(masked, bits=8).dense == full.dense // 4
    assert "A device sees the dense bytes" in str(found)
    with pytest.raises(ValueError, match="bits=4"):
        storage(network, bits=4)
