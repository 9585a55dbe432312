import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from trimcap.data.ledger import Ledger
from trimcap.data.preprocess.windows import scaling
from trimcap.data.rows import lazy as module
from trimcap.data.rows.lazy import LazyArray, in_file, lazy
from trimcap.data.splits.protocols.named import split
from trimcap.data.windows import Windows
from trimcap.models import build
from trimcap.train import fit, predict
from trimcap.train.settings import hash_state, hash_windows

N = 320


def data(n=N, n_times=64):
    rng = np.random.default_rng(0)
    y = np.arange(n) // 8 % 2
    X = rng.standard_normal((n, 8, n_times)).astype(np.float32) + 0.5 * y[:, None, None].astype(np.float32)
    table = pd.DataFrame(
        {
            "subject": [f"s{i // (n // 5)}" for i in range(n)],
            "session": "0",
            "trial": [f"t{i // 8:04d}" for i in range(n)],
            "start": np.arange(n) % 8 * 1.0,
        }
    )
    channels = ("Fz", "Cz", "Pz", "Oz", "C3", "C4", "O1", "O2")
    return Windows(X, y, table, channels, float(n_times), ("a", "b"), 1.0)


@pytest.fixture
def never_whole(monkeypatch):
    """More than one batch at a time may not be read."""
    monkeypatch.setattr(module, "AT_ONCE", 0)
    monkeypatch.setattr(module, "_PIECE", 50 * 8 * 64 * 4)
    fetch = LazyArray._fetch

    def watched(self, index):
        assert len(index) <= 64, f"{len(index)} rows were read at once"
        return fetch(self, index)

    def refuse(self, *_, **__):
        raise AssertionError("the whole array was read")

    monkeypatch.setattr(LazyArray, "_fetch", watched)
    monkeypatch.setattr(LazyArray, "__array__", refuse)


def mapped(windows, folder, mode):
    np.save(folder / "X.npy", windows.X)
    return replace(windows, X=np.load(folder / "X.npy", mmap_mode=mode))


@pytest.mark.parametrize("how", ["lazy", "r", "c"])
def test_training_and_prediction_give_the_same_bits(how, tmp_path, never_whole):
    windows = data()
    far = replace(windows, X=lazy(windows.X)) if how == "lazy" else mapped(windows, tmp_path, how)
    assert how == "lazy" or in_file(far.X)
    results = []
    for these in (windows, far):
        fold = split(these, "leave_one_subject_out")[0]
        assert isinstance(fold.train.X, LazyArray) == (these is far)
        ledger = Ledger()
        fitted = fit(
            build("eegnet", fold.train, seed=1),
            fold.train,
            fold.valid,
            epochs=2,
            batch_size=33,
            seed=3,
            class_weights="balanced",
            ledger=ledger,
        )
        test = fold.test.open("evaluate")
        results.append(
            (
                hash_state(fitted.model),
                fitted.history.drop(columns="seconds").to_csv(),
                predict(fitted.model, test, batch_size=50).tobytes(),
                predict(lambda x: x.mean(axis=2)[:, :2], test, batch_size=50).tobytes(),
                hash_windows(fold.train),
                ledger.to_rows(),
            )
        )
    assert results[0] == results[1]


def test_a_checkpoint_of_one_kind_resumes_the_other(tmp_path, never_whole):
    near = data()
    train, valid = np.arange(N // 2), np.arange(N // 2, N)
    model = build("eegnet", near.take([0, 1]), seed=0)
    options = {"seed": 0, "batch_size": 40, "checkpoint": tmp_path / "run.safetensors"}
    fit(model, near.take(train), near.take(valid), epochs=1, **options)
    with pytest.raises(ValueError, match="epochs was 1"):
        fit(model, near.take(train), near.take(valid), epochs=2, **options)
    far = replace(near, X=lazy(near.X))
    resumed = fit(model, far.take(train), far.take(valid), epochs=1, **options)
    assert len(resumed.history) == 1


def test_values_that_are_not_finite_are_named(never_whole):
    windows = data()
    windows.X[237, 2, 5] = np.nan
    far = replace(windows, X=lazy(windows.X))
    with pytest.raises(
        ValueError, match="1 of 320 training windows contain NaN or infinity, the first is s3/0/t0029@5"
    ):
        fit(build("eegnet", windows), far, epochs=1)


def test_small_files_are_read_at_once(tmp_path):
    from trimcap.train.batches import rows_of

    windows = mapped(data(), tmp_path, "r")
    assert isinstance(rows_of(windows, "cpu", role="training").X, torch.Tensor)
    assert isinstance(windows.take(np.arange(100)).X, np.ndarray)


def test_memory_stays_below_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 2**20)
    monkeypatch.setattr(module, "_PIECE", 2**20)
    monkeypatch.setattr(scaling, "_CHUNK", 64)
    windows = mapped(data(n=4000, n_times=512), tmp_path, "r")
    size = windows.X.size * 4
    tracemalloc.start()
    try:
        fold = split(windows, "leave_one_subject_out")[0].scaled()
        fitted = fit(build("eegnet", windows.take([0, 1]), seed=1), fold.train, fold.valid, epochs=1, batch_size=500)
        predict(fitted.model, fold.test.open("evaluate"))
        peak = tracemalloc.get_traced_memory()[1]
        # a twin that must fail: one copy of the training windows
        _ = np.array(fold.train.X)
        copied = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * size < copied
