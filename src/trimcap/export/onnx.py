"""A network as ONNX, checked against ONNX Runtime."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trimcap._errors import VerifyError
from trimcap._files import write_atomic
from trimcap.data.libraries.door import to_input


def export_onnx(model: Any, example: Any, path: Path | str, *, tolerance: float = 1e-5) -> Path:
    """Write a model as one `.onnx` file with any batch size, and run it in ONNX Runtime on the example.

    Parameters
    ----------
    model : `nn.Module`, or a `Network` (anything with `module()` that gives one)
    example : `Windows`, MNE `Epochs`, or array or tensor (n, *input shape)
    path : file to write
    tolerance : accepted max|difference| relative to the largest |output|

    Returns
    -------
    path

    Raises
    ------
    ImportError : the extra `onnx` is not installed. VerifyError : ONNX Runtime computes something else; nothing is
    written.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"ONNX needs {', '.join(missing)}: pip install 'trimcap[onnx]'")
    module = (model if isinstance(model, nn.Module) else model.module()).eval()
    given = to_input(example, getattr(model, "expects", None), shape=None, what="the network")
    x = torch.as_tensor(np.asarray(given, np.float32))
    with tempfile.TemporaryDirectory() as work:
        draft = Path(work) / "model.onnx"
        batch = torch.export.Dim("n", min=1)
        # an example of one window would fix the batch size
        wide = x if len(x) > 1 else torch.cat([x, x])
        torch.onnx.export(module, (wide,), draft, dynamo=True, dynamic_shapes=[{0: batch}], external_data=False,
                          verbose=False)  # fmt: skip
        _check(module, x, draft, tolerance)
        return write_atomic(path, draft.read_bytes())


def _check(module: nn.Module, x: Tensor, draft: Path, tolerance: float) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        wanted = module(x).numpy()
    difference = float(np.abs(got - wanted).max() / max(float(np.abs(wanted).max()), 1e-30))
    if not difference <= tolerance:
        raise VerifyError(
            f"ONNX Runtime differs from the model by {difference:.3g} of the largest output, tolerance {tolerance:g}; "
            "nothing was written"
        )
