"""Which memory layout a model trains in, and whether it takes the windows at all."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trimcap.train.predict import evaluating


def check_model(model: nn.Module, X: Tensor, classes: tuple[str, ...]) -> None:
    """Run two windows through `model`.

    Raises
    ------
    ValueError : the model does not take such windows, or does not give one logit per class.
    """
    with evaluating(model), torch.no_grad():
        try:
            logits = model(X[:2])
        except RuntimeError as error:
            raise ValueError(
                f"fit: {type(model).__name__} cannot take windows of shape {('n', *X.shape[1:])}: {error}"
            ) from error
    if logits.shape != (2, len(classes)):
        raise ValueError(
            f"fit: {type(model).__name__} turns 2 windows into {tuple(logits.shape)}, but the windows have "
            f"{len(classes)} classes {classes}; expected (2, {len(classes)})"
        )


def prefers_channels_last(model: nn.Module, X: Tensor) -> bool:
    """Whether 2-D convolutions of `model` can run with channels innermost, which is faster on a CPU.

    Yes for models on the CPU with 4-D weights which, on two windows, give the same logits and a gradient in that
    layout; a model that reshapes with `view` does not, and stays as it is. Masks of dropout on 4-D tensors are
    drawn in memory order, so the two layouts train to different (equally valid) weights from one seed.
    """
    if X.device.type != "cpu" or not any(p.ndim == 4 for p in model.parameters()):
        return False
    twin = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with evaluating(model), evaluating(twin):
        try:
            ours = twin(X[:2])
            ours.sum().backward()
        except RuntimeError:
            return False
        with torch.no_grad():
            theirs = model(X[:2])
    scale = float(theirs.abs().max())
    return bool(torch.allclose(ours.detach(), theirs, rtol=1e-3, atol=1e-4 * scale))


def to_layout(model: nn.Module, channels_last: bool) -> nn.Module:
    """`model` itself, its 4-D tensors in the given layout."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return model.to(memory_format=layout)  # type: ignore[no-any-return,call-overload]
