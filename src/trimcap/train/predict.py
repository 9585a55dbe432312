"""What a model says about windows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from trimcap.data.expected import Expected
from trimcap.data.libraries.door import aligned, check_finite, need_shape, to_input
from trimcap.data.rows.lazy import as_lazy, pieces
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.graph.origin import seen_of

#: a model or a network, or anything that maps a float32 array (n, …) to logits (n, n_classes)
Predictor = nn.Module | Network | Callable[[NDArray[np.float32]], ArrayLike]


def predict(
    model: Predictor, windows: Windows | ArrayLike, *, batch_size: int = 256, device: str = "cpu"
) -> NDArray[np.float32]:
    """Logits of every window, in evaluation mode.

    Parameters
    ----------
    model : `nn.Module`, its mode and device are left as they were; or a traced or loaded `Network`; or a
        function of a float32 array (b, …), such as a loaded artifact or `program.run`
    windows : Windows; MNE Epochs (volts become µV, electrodes are found by name); or an array or tensor (n, …) of model
        inputs
    batch_size : windows per call of the model
    device : where an `nn.Module` runs

    Returns
    -------
    float32 array, shape (n, n_classes)

    Raises
    ------
    ValueError : the windows are not what the model was made for (see `trimcap.data.libraries.door.to_input`), or the
        result is not (n, n_classes).
    """
    if isinstance(model, Network):
        model = replace(model, constraints=()).module()
    X = taken_by(model, windows)
    if not len(X):
        raise ValueError("predict: there are no windows; check the split or the selection that made them")
    if isinstance(windows, Windows) and windows.ledger is not None:
        windows.ledger.meet(getattr(model, "__name__", type(model).__name__), seen_of(model))
    parts = _finite(X, batch_size, model)
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


def taken_by(model: object, given: Any) -> NDArray[np.float32]:
    """Windows, Epochs or an array as the input of a model, through the one door (`data.libraries.door`).

    What a model knows of its input, `fit` and `trace` have left in its attribute `expects`.
    """
    expects = _expects(model)
    shape = _window_shape(model) or (None if expects is None else expects.shape)
    return to_input(
        given, expects, shape=shape, what=type(model).__name__ if hasattr(model, "forward") else "the network"
    )


def trained_on(model: object, windows: Windows) -> Windows:
    """Training windows with the electrodes in the order of the model, whose record will be made anew of them.

    Raises
    ------
    ValueError : windows of another shape, or electrodes that are missing.
    """
    name = type(model).__name__
    own = aligned(windows, _expects(model), what=name, renew=True)
    need_shape(own.X, _window_shape(model), name)
    return own


def _expects(model: object) -> Expected | None:
    known = getattr(model, "expects", None)
    return known if isinstance(known, Expected) else None


def _finite(X: NDArray[np.float32], rows: int, model: object) -> Iterator[NDArray[np.float32]]:
    """The windows piece by piece; those that were not in memory are looked at now."""
    first = 0
    for part in pieces(X, rows=rows):
        if as_lazy(X) is not None:
            check_finite(part, _expects(model), what=type(model).__name__, first=first)
        first += len(part)
        yield part


def _window_shape(model: object) -> tuple[int, ...] | None:
    """The shape of one window, where a model says it."""
    if not isinstance(getattr(type(model), "n_chans", None), property):
        shape = getattr(model, "input_shape", None)
        return None if shape is None else tuple(shape)
    try:  # braindecode's networks put a batch of one in front, and raise if they were not told their sizes
        return tuple(model.input_shape[1:])  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return None


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
