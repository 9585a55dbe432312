"""Small traced networks for the tests of rewriting, and what makes two of them the same."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from trimcap.graph.rewrite.proof import largest_difference
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet

C, T = 8, 32


def settled(model):
    """The model with batch-norm statistics and affine parameters that are not 0 and 1."""
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            if layer.running_mean is not None:
                layer.running_mean.normal_(0, 0.5)
                layer.running_var.uniform_(0.5, 2)
            if layer.weight is not None:
                layer.weight.data.uniform_(-1.5, 1.5)
                layer.bias.data.normal_(0, 0.5)
    return model.eval()


def network_of(*layers, shape=(C, T)):
    torch.manual_seed(0)
    model = settled(nn.Sequential(*layers) if len(layers) > 1 else layers[0])
    return trace(model, torch.randn(2, *shape))


def kinds(network):
    return [node.kind for node in network.nodes]


def assert_same(a, b):
    """The definition of exact: the original's output in float64, within the rounding of float32 weights."""
    error = largest_difference(a, b)
    assert error <= 1e-6, error


class Maps(nn.Module):
    """(n, C, T) as one map: (n, 1, C, T)."""

    def forward(self, x):
        return x.unsqueeze(1)


@cache
def eegnet(electrodes=32, times=256, depth=2):
    torch.manual_seed(0)
    model = settled(EEGNet(electrodes, times, 3, D=depth))
    return trace(model, torch.randn(2, electrodes, times))
