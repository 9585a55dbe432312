"""The frameworks that other tests compare with load and compute, through the stand-ins of `stubs`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import stubs


def test_braindecode_builds_and_runs_eegnet():
    models = stubs.framework("braindecode", "models").models
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.EEGNet(n_chans=8, n_outputs=3, n_times=128).eval()
        logits = model(torch.zeros(2, 8, 128))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


def test_torchaudio_computes_without_its_binary_part():
    stubs.framework("braindecode", "models")
    import torchaudio

    x = torch.zeros(1, 64)
    x[0, 3] = 1
    # y[t] = x[t] + 0.5 y[t-1]: the impulse decays by halves
    y = torchaudio.functional.lfilter(x, torch.tensor([1.0, -0.5]), torch.tensor([1.0, 0.0]), clamp=False)
    assert torch.allclose(y[0, 3:8], 0.5 ** torch.arange(5.0))


def test_torcheeg_builds_and_runs_ccnn():
    models = stubs.framework("torcheeg", "models").models
    logits = models.CCNN(in_channels=4, grid_size=(9, 9), num_classes=2).eval()(torch.zeros(3, 4, 9, 9))
    assert logits.shape == (3, 2)


def test_torcheeg_computes_differential_entropy():
    transforms = stubs.framework("torcheeg", "transforms").transforms
    signal = np.random.default_rng(0).normal(size=(4, 256)).astype(np.float32)
    entropy = transforms.BandDifferentialEntropy(sampling_rate=128, band_dict={"alpha": [8, 14]})(eeg=signal)["eeg"]
    assert entropy.shape == (4, 1)
    assert np.isfinite(entropy).all()


@pytest.mark.parametrize("dim", [0, 1])
def test_scatter_add_sums_slices_with_one_index(dim):
    src, index = torch.arange(12.0).view(3, 4), torch.tensor([0, 2, 0, 0])[: 3 + dim]
    wanted = torch.zeros(5, 4) if dim == 0 else torch.zeros(3, 5)
    for place, to in enumerate(index.tolist()):
        wanted.select(dim, to).add_(src.select(dim, place))
    assert torch.equal(stubs.scatter_add(src, index, dim=dim, dim_size=5), wanted)


def test_a_missing_framework_skips_with_the_reason():
    with pytest.raises(pytest.skip.Exception, match="no_such_framework is not installed: pip install"):
        stubs.framework("no_such_framework")
