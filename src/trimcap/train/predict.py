"""What a model says about windows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from trimcap.data.folds import Sealed
from trimcap.data.lazy import as_lazy, pieces
from trimcap.data.windows import Windows

#: a network, or anything that maps a float32 array (n, …) to logits (n, n_classes)
Predictor = nn.Module | Callable[[NDArray[np.float32]], ArrayLike]


def predict(
    model: Predictor, windows: Windows | ArrayLike, *, batch_size: int = 256, device: str = "cpu"
) -> NDArray[np.float32]:
    """Logits of every window, in evaluation mode.

    Parameters
    ----------
    model : `nn.Module`; its mode and device are left as they were. Or a function of a float32 array (b, …), such as
        a loaded artifact or `program.run`
    windows : Windows, or an array (n, …) of model inputs
    batch_size : windows per call of the model
    device : where an `nn.Module` runs

    Returns
    -------
    float32 array, shape (n, n_classes)

    Raises
    ------
    ValueError : the windows do not have the shape that the model takes, or the result is not (n, n_classes).
    """
    if isinstance(windows, Sealed):
        raise TypeError('the test set is sealed; predict on fold.test.open("evaluate", "what is evaluated")')
    given = windows.X if isinstance(windows, Windows) else windows
    X = cast("NDArray[np.float32]", given) if as_lazy(given) is not None else np.asarray(given, dtype=np.float32)
    check_shape(model, X.shape)
    if not len(X):
        raise ValueError("predict: there are no windows; check the split or the selection that made them")
    parts = pieces(X, rows=batch_size)
    if isinstance(model, nn.Module):
        with evaluating(model), torch.no_grad():
            module = _on(model, device)
            return _joined((_module_logits(module, part, device), part) for part in parts)
    return _joined((np.asarray(model(part), dtype=np.float32), part) for part in parts)


def probabilities(
    model: Predictor, windows: Windows | ArrayLike, *, batch_size: int = 256, device: str = "cpu"
) -> NDArray[np.float32]:
    """softmax(logits) of every window, shape (n, n_classes), float32; parameters as for `predict`."""
    return softmax(predict(model, windows, batch_size=batch_size, device=device)).astype(np.float32)


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """exp(z_k − max z) / Σ_j exp(z_j − max z) along the last dimension, in float64."""
    z = np.asarray(logits, dtype=np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def check_shape(model: object, shape: tuple[int, ...]) -> None:
    """Refuse windows `(n, …)` that a model which says its `input_shape` does not take."""
    expected = _window_shape(model)
    if expected is not None and expected != tuple(shape[1:]):
        raise ValueError(
            f"{type(model).__name__} takes windows of shape {_times(expected)}, got {_times(shape[1:])}; "
            "give windows made by the same steps as those it was built for, or build a model for these"
        )


def _window_shape(model: object) -> tuple[int, ...] | None:
    """The shape of one window, where a model says it."""
    if not isinstance(getattr(type(model), "n_chans", None), property):
        shape = getattr(model, "input_shape", None)
        return None if shape is None else tuple(shape)
    try:  # braindecode's networks put a batch of one in front, and raise if they were not told their sizes
        return tuple(model.input_shape[1:])  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return None


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


@torch.no_grad()
def forward(model: nn.Module, parts: Iterable[Tensor]) -> Tensor:
    """Logits of the rows of all parts, on their device; the model's mode is not touched."""
    return torch.cat([model(part) for part in parts])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, the mode of every layer as it was afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _on(model: nn.Module, device: str) -> nn.Module:
    tensors = [*model.parameters(), *model.buffers()]
    if all(t.device.type == torch.device(device).type for t in tensors):
        return model
    return copy.deepcopy(model).to(device)


def _module_logits(model: nn.Module, part: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    try:
        return np.asarray(model(torch.tensor(part, device=device)).cpu(), dtype=np.float32)
    except RuntimeError as error:
        raise ValueError(
            f"{type(model).__name__} cannot take windows of shape {('n', *part.shape[1:])}: {error}"
        ) from error


def _joined(results: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> NDArray[np.float32]:
    """The logits of all parts, after a look at their shapes."""
    logits = []
    for result, part in results:
        if result.ndim != 2 or len(result) != len(part):
            raise ValueError(
                f"the model turned {len(part)} windows of shape {part.shape[1:]} into {result.shape}; "
                f"expected ({len(part)}, n_classes)"
            )
        logits.append(result)
    return np.concatenate(logits)
