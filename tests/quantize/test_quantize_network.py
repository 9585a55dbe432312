"""The one-call way, and what it keeps of a trained network's accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.program.interpret import dequantize, interpret
from trimcap.quantize.network import quantize_network
from trimcap.quantize.report import agreement
from zoo import build


def windows(X: np.ndarray, y: np.ndarray) -> Windows:
    n = len(X)
    metadata = pd.DataFrame({"subject": "s", "session": "0", "trial": [str(i) for i in range(n)], "start": 0.0})
    names = tuple(f"E{i}" for i in range(X.shape[1]))
    return Windows(X, y, metadata, names, 128.0, ("rest", "task"), X.shape[2] / 128)


def task(n: int, seed: int, *, channels: int = 8, times: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Windows in µV: noise, and a 10-Hz rhythm over three electrodes whose size tells the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    noise = np.cumsum(rng.standard_normal((n, channels, times)), -1) * 1.5 + 6 * rng.standard_normal(
        (n, channels, times)
    )
    phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    size = np.where(y == 1, 11.0, 5.0)[:, None, None] * rng.uniform(0.6, 1.4, (n, 1, 1))
    noise[:, :3] += size * np.sin(2 * np.pi * 10 * np.arange(times) / 128 + phase)
    return noise.astype(np.float32), y.astype(np.int64)


def trained_eegnet(X: np.ndarray, y: np.ndarray, *, epochs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = EEGNet(X.shape[1], X.shape[2], 2, F1=4, F2=8, kernel=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    inputs, labels = torch.from_numpy(X / 10), torch.from_numpy(y)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    return model.eval()


def test_one_call() -> None:
    model, example = build("depth multiplier 2")
    network = trace(model, example)
    data = windows(*task(40, 0, channels=8, times=64))
    ledger = Ledger()
    result = quantize_network(network, data, name="small", ledger=ledger)
    assert [e.stage for e in ledger.entries] == ["calibration"]
    assert len(ledger.entries[0].ids) == 40
    assert result.program.name == "small"
    assert result.program.classes == ("rest", "task")
    assert result.program.integer
    assert not result.reference.integer
    assert result.rewrites
    assert len(result.reference.ops) < len(quantize_network(network, data, exact_rewrites=False).reference.ops)
    with torch.no_grad():
        want = model(torch.from_numpy(data.X)).numpy()
    got = interpret(result.reference, data)
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()
    assert agreement(result.reference, result.program, data).sqnr > 20


@pytest.mark.slow
@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_int8_keeps_the_accuracy_of_a_trained_eegnet(method: str) -> None:
    X, y = task(600, 1)
    model = trained_eegnet(X, y, epochs=12)
    X_test, y_test = task(1500, 2)
    with torch.no_grad():
        dense = (model(torch.from_numpy(X_test / 10)).argmax(1).numpy() == y_test).mean()
    network = trace(model, X[:2] / 10)
    result = quantize_network(network, X[:128] / 10, method=method)
    logits = dequantize(result.program, interpret(result.program, X_test / 10))
    integer = (logits.argmax(1) == y_test).mean()
    assert 0.75 < dense < 0.999
    assert abs(integer - dense) <= 0.01
