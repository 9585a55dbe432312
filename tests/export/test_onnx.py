import importlib.util

import numpy as np
import pytest
import torch

from trimcap._errors import VerifyError
from trimcap.export.onnx import export_onnx
from trimcap.graph.trace.trace import trace
from trimcap.models import EEGNet

NEEDS = all(importlib.util.find_spec(n) for n in ("onnx", "onnxscript", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not NEEDS, reason="the extra onnx is not installed")
quiet = pytest.mark.filterwarnings("ignore")


@quiet
@needs_onnx
def test_onnx_runtime_agrees_for_any_batch(tmp_path):
    import onnxruntime

    torch.manual_seed(0)
    model = EEGNet(8, 64, 2).eval()
    X = np.random.default_rng(0).standard_normal((5, 8, 64)).astype(np.float32)
    path = export_onnx(model, X[:1], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: X})
    with torch.no_grad():
        assert np.abs(got - model(torch.from_numpy(X)).numpy()).max() < 1e-5


@quiet
@needs_onnx
def test_a_difference_writes_nothing(tmp_path):
    model = EEGNet(8, 64, 2).eval()
    with pytest.raises(VerifyError, match="ONNX Runtime differs from the model"):
        export_onnx(model, np.ones((2, 8, 64)), tmp_path / "model.onnx", tolerance=-1.0)
    assert not list(tmp_path.iterdir())


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"ONNX needs onnx, onnxscript, onnxruntime: pip install 'trimcap\[onnx\]'"):
        export_onnx(torch.nn.Linear(2, 2), np.ones((1, 2)), tmp_path / "model.onnx")


@quiet
@needs_onnx
def test_a_traced_network(tmp_path):
    X = np.random.default_rng(0).standard_normal((3, 8, 64)).astype(np.float32)
    network = trace(EEGNet(8, 64, 2), X)
    assert export_onnx(network, X, tmp_path / "model.onnx").stat().st_size > 1000
