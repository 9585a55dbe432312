"""Windows and networks for tests of saliencies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models.build import build as build_model

MODELS = {
    "ccnn": ((4, 9, 9), {"widths": (6, 8, 8, 6), "hidden": 12}),
    "fbccnn": ((4, 9, 9), {"widths": (6, 8, 6), "hidden": (10, 8)}),
    "tsception": ((8, 128), {}),
    "conformer": ((8, 256), {"depth": 1, "embedding": 20, "heads": 2, "hidden": (12, 8)}),
    "recurrent": ((8, 128), {"hidden": 10}),
    "eegnet3d": ((16, 9, 9), {}),
    "frame_cnn": ((4, 9, 9), {"widths": (6, 8, 8, 8), "hidden": (10, 8), "reduction": 4}),
    "grid_cnn": ((4, 9, 9), {}),
    "deep": ((8, 500), {"widths": (5, 6, 7, 8)}),
    "shallow": ((8, 256), {"filters": 10}),
    "eegnet": ((8, 128), {}),
}


def windows_for(shape, n_classes=3, n=12, seed=0, subject="s1"):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"subject": subject, "session": "0", "trial": [str(i // 4) for i in range(n)], "start": np.arange(float(n))}
    )
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    channels = tuple(f"E{i}" for i in range(shape[0]))
    return Windows(X, np.arange(n) % n_classes, table, channels, 128.0, tuple("abcdefghij"[:n_classes]), 0.5)


def model_network(name):
    """A small form of a shipped model, traced, with batch-norm statistics that are not 0 and 1."""
    shape, options = MODELS[name]
    model = build_model(name, windows_for(shape), seed=0, **options)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.copy_(0.3 * torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
            module.weight.data.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
    return trace(model.eval(), torch.randn(2, *shape))
