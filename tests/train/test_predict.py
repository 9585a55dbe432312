"""predict: logits of any model, which stays as it was."""

from __future__ import annotations

import warnings

import mne
import numpy as np
import pytest
import torch
from torch import nn

from stubs import framework
from trimcap.data import cut, k_fold_subjects, make_synthetic
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.train import predict, probabilities


def test_logits_are_the_models_in_evaluation_mode(eegnet, make_windows):
    w = make_windows(23)
    logits = predict(eegnet, w, batch_size=10)
    with torch.no_grad():
        expected = eegnet.eval()(torch.from_numpy(w.X)).numpy()
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predict(eegnet, w.X), expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert np.abs(eegnet.train()(torch.from_numpy(w.X)).numpy() - expected).max() > 1e-3


def test_modes_of_all_layers_stay(eegnet, make_windows):
    eegnet.train()
    eegnet.temporal_norm.eval()
    before = {name: (m.training, [b.clone() for b in m.buffers()]) for name, m in eegnet.named_modules()}
    predict(eegnet, make_windows(10))
    for name, module in eegnet.named_modules():
        training, buffers = before[name]
        assert module.training == training
        assert all(torch.equal(a, b) for a, b in zip(buffers, module.buffers(), strict=True))


def test_a_function_of_an_array(make_windows):
    w, calls = make_windows(23), []

    def runtime(x):
        calls.append(x.shape)
        assert isinstance(x, np.ndarray)
        assert x.dtype == np.float32
        return x[:, :2, 0]

    assert np.array_equal(predict(runtime, w, batch_size=10), w.X[:, :2, 0])
    assert calls == [(10, 4, 64), (10, 4, 64), (3, 4, 64)]


def test_a_network_as_it_was_traced_or_loaded(eegnet, make_windows, tmp_path):
    w = make_windows(23)
    network = trace(eegnet, w)
    save(network, tmp_path / "n")
    found = predict(network, w, batch_size=10)
    assert np.array_equal(found, predict(network.module(), w, batch_size=10))
    assert np.array_equal(found, predict(load(tmp_path / "n"), w, batch_size=10))
    np.testing.assert_allclose(found, predict(eegnet, w, batch_size=10), atol=1e-5)
    np.testing.assert_allclose(probabilities(network, w).sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match=r"takes windows of shape \(4, 64\)"):
        predict(network, make_windows(5, (4, 63)))


def test_an_average_is_no_window(eegnet, make_windows):
    evoked = mne.EvokedArray(make_windows(1).X[0] * 1e-6, mne.create_info(["Fz", "Cz", "Pz", "Oz"], 64.0, "eeg"))
    with pytest.raises(TypeError, match="takes single windows, got a EvokedArray, an average: pass the Epochs"):
        predict(eegnet, evoked)


def test_probabilities_are_softmax(make_windows):
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0], [-1000.0, -1000.0]], dtype=np.float32)
    p = probabilities(lambda x: logits, np.zeros((3, 1)))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, [[0.25, 0.75], [1, 0], [0.5, 0.5]], rtol=1e-6)


def test_shape_of_a_model_that_says_it(eegnet, make_windows):
    with pytest.raises(ValueError, match=r"EEGNet takes windows of shape \(4, 64\): .* got \(\d+, 4, 63\)"):
        predict(eegnet, make_windows(5, (4, 63)))


def test_braindecode_counts_a_batch_in_front(make_windows):
    models = framework("braindecode", "models").models
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.ShallowFBCSPNet(n_chans=4, n_outputs=2, n_times=200)
    assert tuple(model.input_shape) == (1, 4, 200)
    assert predict(model, make_windows(5, (4, 200))).shape == (5, 2)
    with pytest.raises(ValueError, match=r"ShallowFBCSPNet takes windows of shape \(4, 200\): .* got \(\d+, 4, 100\)"):
        predict(model, make_windows(5, (4, 100)))


def test_a_braindecode_model_that_was_not_told_its_sizes(make_windows):
    class Silent(nn.Linear):
        @property
        def n_chans(self):
            raise ValueError("n_chans not specified.")

        @property
        def input_shape(self):
            return (1, self.n_chans, 64)

    with pytest.raises(ValueError, match=r"turned 5 windows of shape \(4, 64\) into \(5, 4, 2\)"):
        predict(Silent(64, 2), make_windows(5))


def test_shape_of_a_model_that_does_not(make_windows):
    with pytest.raises(ValueError, match=r"Linear cannot take windows of shape \('n', 4, 64\): mat1 and mat2"):
        predict(nn.Linear(63, 2), make_windows(5))
    with pytest.raises(ValueError, match=r"turned 5 windows of shape \(4, 64\) into \(5, 4, 2\); expected \(5, n_cl"):
        predict(nn.Linear(64, 2), make_windows(5))
    with pytest.raises(ValueError, match=r"into \(3, 2\); expected \(5, n_classes\)"):
        predict(lambda x: np.zeros((3, 2)), make_windows(5))


def test_no_windows(eegnet, make_windows):
    with pytest.raises(ValueError, match="there are no windows"):
        predict(eegnet, make_windows(5).take(np.arange(0)))


def test_a_sealed_test_set_says_how_it_is_opened():
    fold = k_fold_subjects(cut(make_synthetic(4, seed=0), seconds=2), n_folds=4)[0]
    with pytest.raises(TypeError, match=r'sealed; predict on fold.test.open\("evaluate"'):
        predict(lambda x: x, fold.test)
