"""EEGNet: exact sizes, and the same function as the formula written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimcap.models import EEGNet


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# sizes printed in Lawhern et al. (2018), table 3, for the P300 data (64 × 128, kernel 64, 2 classes) and the SMR
# data (22 × 256, kernel 32, 4 classes)
@pytest.mark.parametrize(
    ("n_channels", "n_times", "n_classes", "options", "published"),
    [
        (64, 128, 2, {"F1": 4, "D": 2, "F2": 8}, 1066),
        (64, 128, 2, {}, 2258),
        (22, 256, 4, {"F1": 4, "D": 2, "F2": 8, "kernel": 32}, 796),
        (22, 256, 4, {"kernel": 32}, 1716),
        (19, 512, 2, {}, 1922),
        (32, 256, 2, {}, 1874),
    ],
)
def test_published_sizes(n_channels, n_times, n_classes, options, published):
    assert parameters(EEGNet(n_channels, n_times, n_classes, **options)) == published


@pytest.mark.parametrize("D", [1, 2, 3])
def test_size_formula(D):
    C, T, K, F1, F2, kernel, short, pool = 7, 101, 3, 5, 9, 20, 6, (3, 5)
    G, pooled = D * F1, T // pool[0] // pool[1]
    expected = F1 * kernel + 2 * F1 + G * C + 2 * G + G * short + G * F2 + 2 * F2 + (F2 * pooled + 1) * K
    model = EEGNet(C, T, K, F1=F1, D=D, F2=F2, kernel=kernel, separable_kernel=short, pool=pool)
    assert parameters(model) == expected
    assert model(torch.zeros(2, C, T)).shape == (2, K)


def replica(model, x, *, more_on_the_right=True):
    """EEGNet in evaluation mode, from its definition; x (n, C, T) float64."""
    w = {k: v.detach().double().numpy() for k, v in model.state_dict().items()}
    weight = lambda layer: getattr(model, layer).weight.detach().double().numpy()  # noqa: E731

    def norm(layer, z):
        shape = (1, -1) + (1,) * (z.ndim - 2)
        scale = w[f"{layer}.weight"] / np.sqrt(w[f"{layer}.running_var"] + 1e-5)
        return (z - w[f"{layer}.running_mean"].reshape(shape)) * scale.reshape(shape) + w[f"{layer}.bias"].reshape(
            shape
        )

    def same(z, kernel):
        before = (kernel.shape[-1] - more_on_the_right) // 2
        padded = np.pad(z, [(0, 0)] * (z.ndim - 1) + [(before, kernel.shape[-1] - 1 - before)])
        return np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[-1], axis=-1)

    def pool(z, k):
        z = z[..., : z.shape[-1] // k * k]
        return z.reshape(*z.shape[:-1], -1, k).mean(-1)

    elu = lambda z: np.where(z > 0, z, np.expm1(z))  # noqa: E731
    temporal, spatial = weight("temporal")[:, 0, 0], weight("spatial")[:, 0, :, 0]
    z = norm("temporal_norm", np.einsum("nctk,fk->nfct", same(x, temporal), temporal))
    z = np.einsum("nfct,fdc->nfdt", z, spatial.reshape(z.shape[1], -1, z.shape[2]))
    z = pool(elu(norm("spatial_norm", z.reshape(len(z), -1, z.shape[-1]))), 4)
    short = weight("separable_depth")[:, 0, 0]
    z = np.einsum("ngtk,gk->ngt", same(z, short), short)
    z = np.einsum("ngt,fg->nft", z, weight("separable_point")[:, :, 0, 0])
    z = pool(elu(norm("separable_norm", z)), 8)
    return z.reshape(len(z), -1) @ weight("dense").T + w["dense.bias"]


@pytest.fixture
def trained_like():
    torch.manual_seed(0)
    model = EEGNet(5, 96, 3, F1=3, D=2, F2=4, kernel=16, separable_kernel=8)
    for name, value in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 2.0)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.3 * torch.randn_like(value))
    return model.eval()


def test_function_is_the_definition(trained_like):
    x = torch.randn(4, 5, 96)
    expected = replica(trained_like, x.double().numpy())
    np.testing.assert_allclose(trained_like(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_padding_on_the_other_side_is_another_function(trained_like):
    x = torch.randn(4, 5, 96)
    other = replica(trained_like, x.double().numpy(), more_on_the_right=False)
    assert np.abs(trained_like(x).detach().numpy() - other).max() > 1e-3


def test_max_norm_bounds_filters_and_classes(trained_like):
    with torch.no_grad():
        for name in ("spatial", "dense"):
            getattr(trained_like, name).parametrizations.weight.original.mul_(100)
    assert float(trained_like.spatial.weight.detach().flatten(1).norm(dim=1).max()) == pytest.approx(1.0, abs=1e-5)
    assert float(trained_like.dense.weight.detach().norm(dim=1).max()) == pytest.approx(0.25, abs=1e-5)


def test_without_max_norm_weights_are_plain():
    model = EEGNet(5, 96, 3, max_norm_spatial=None, max_norm_dense=None)
    assert "spatial.weight" in dict(model.named_parameters())
    assert "dense.weight" in dict(model.named_parameters())


def test_short_windows_are_refused():
    with pytest.raises(ValueError, match=r"31 samples are too short .* at least 32 samples"):
        EEGNet(5, 31, 2)
