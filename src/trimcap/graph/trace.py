"""Follow any `nn.Module` once and write it down as a Network (`torch.export`, ATen operations)."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from trimcap._errors import TraceError
from trimcap.graph.canonical import nodes_of, simplify
from trimcap.graph.constraints import bake
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import INPUT_DIMENSIONS, Network


def trace(
    model: nn.Module,
    example: Any,
    *,
    channels: tuple[str, ...] = (),
    dimensions: tuple[str, ...] | None = None,
    tolerance: float = 1e-5,
) -> Network:
    """Write a model down as one graph of ATen operations, and prove that the graph computes the same.

    Parametrizations (max-norm, weight norm) are baked into the weights first and kept as constraints for later
    training. The model itself is not changed.

    Parameters
    ----------
    model : any module with one tensor input and one tensor output; traced in evaluation mode
    example : float array or tensor (n, *window shape) with n ≥ 1, or `Windows`
    channels : electrode names of the input's first dimension
    dimensions : names of the input's dimensions; by default by their number, (electrodes, times) for two
    tolerance : largest difference to the model on random input, relative to the largest output

    Returns
    -------
    Network

    Raises
    ------
    TraceError : the model has data-dependent control flow, a fixed batch size, or differs; names the layer.
    """
    example, channels = _example(example, channels)
    if isinstance(model, NetworkModule):
        known = model.extract()
        return replace(known, channels=channels or known.channels, dimensions=dimensions or known.dimensions)
    twin = copy.deepcopy(model).cpu().eval()
    notes, constraints = bake(twin)
    program = _export(twin, example, type(model).__name__)
    parts = _network(program, example, twin, dimensions)
    network = simplify(Network(**parts, constraints=constraints, channels=channels, origin=_origin(model), notes=notes))
    _check_same(network, twin, example, tolerance)
    return network


def _origin(model: nn.Module) -> str:
    cls = type(model)
    return cls.__name__ if cls.__module__ == "__main__" else f"{cls.__module__}.{cls.__name__}"


def _example(example: Any, channels: tuple[str, ...]) -> tuple[Tensor, tuple[str, ...]]:
    if hasattr(example, "X") and hasattr(example, "channels"):
        channels = channels or (tuple(example.channels) if example.X.ndim == 3 else ())
        example = example.X[:2]
    tensor = torch.as_tensor(np.asarray(example) if not isinstance(example, Tensor) else example)
    if tensor.ndim < 2:
        raise ValueError(f"the example has shape {tuple(tensor.shape)}; expected (n, *window shape) with n ≥ 1")
    tensor = tensor[:2].detach().float().cpu()
    # torch.export would take a batch of one for a constant
    return (tensor if len(tensor) > 1 else tensor.repeat(2, *[1] * (tensor.ndim - 1))), channels


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings, and none of the graphs and logs that torch prints when an export fails."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _export(model: nn.Module, example: Tensor, name: str) -> ExportedProgram:
    try:
        with _quiet():
            return torch.export.export(model, (example,), dynamic_shapes=({0: Dim("n")},))
    except Exception as error:
        where, runs = _failing_layer(model, example)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        advice = (
            "Remove control flow that depends on values or on the batch size from that layer, or replace the layer."
            if runs
            else "The model does not run on this example either: is its shape what the model was built for?"
        )
        raise TraceError(
            f"cannot trace {name} at {where} (example {tuple(example.shape)}): {reason}. {advice}"
        ) from error


def _failing_layer(model: nn.Module, example: Tensor) -> tuple[str, bool]:
    """The innermost layer whose own forward can't be exported, or that raises; and whether the model runs at all."""
    inputs: dict[str, tuple[Any, ...]] = {}
    hooks = []
    for path, module in model.named_modules():
        if path:
            hooks.append(module.register_forward_pre_hook(lambda _, a, p=path: _note(inputs, p, a)))
    try:
        with torch.no_grad():
            model(example)
    except Exception:  # the model itself fails on this input: the last module entered is the place
        return f"layer '{list(inputs)[-1]}'" if inputs else "its forward", False
    finally:
        for hook in hooks:
            hook.remove()
    alone = [p for p, args in inputs.items() if not _exports(model.get_submodule(p), args, len(example))]
    return f"layer '{max(alone, key=len)}'" if alone else "its own forward (no single layer fails alone)", True


def _note(inputs: dict[str, tuple[Any, ...]], path: str, args: tuple[Any, ...]) -> None:
    inputs.setdefault(path, args)


def _exports(layer: nn.Module, args: tuple[Any, ...], n: int) -> bool:
    if not args or not all(isinstance(a, Tensor) for a in args):
        return True
    batched = tuple({0: Dim("n")} if a.ndim and len(a) == n else None for a in args)
    try:
        with _quiet():
            torch.export.export(layer, args, dynamic_shapes=batched)
    except Exception:  # any failure, of any kind, is the answer
        return False
    return True


def _network(
    program: ExportedProgram, example: Tensor, model: nn.Module, dimensions: tuple[str, ...] | None
) -> dict[str, Any]:
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    names.update(signature.inputs_to_lifted_tensor_constants)
    state = {**program.state_dict, **program.constants}
    tensors = {
        name: state[name].detach().clone()
        for name in names.values()
        if isinstance(state[name], Tensor) and not name.endswith("num_batches_tracked")
    }
    # a tensor that two layers share has both names; the export keeps either
    parameters = model.named_parameters(remove_duplicate=False)
    trainable = frozenset(n for n, p in parameters if p.requires_grad and n in tensors)
    nodes, inputs, outputs = nodes_of(program, names)
    if len(outputs) != 1:
        raise TraceError(
            f"the model returns {len(outputs)} tensors ({', '.join(outputs)}); trimcap needs one, the logits. "
            "Wrap the model so that it returns only them."
        )
    shape = tuple(example.shape[1:])
    names_of = dimensions or INPUT_DIMENSIONS.get(len(shape), tuple(f"dimension {i}" for i in range(len(shape))))
    if len(names_of) != len(shape):
        raise ValueError(f"dimensions {names_of} do not fit a window of shape {shape}")
    return {
        "nodes": nodes,
        "tensors": tensors,
        "trainable": trainable,
        "inputs": dict.fromkeys(inputs, shape),
        "output": outputs[0],
        "dimensions": tuple(names_of),
    }


@torch.no_grad()
def _check_same(network: Network, model: nn.Module, example: Tensor, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3):
        x = torch.randn(n, *example.shape[1:], generator=generator) * (example.std() + 1e-6) + example.mean()
        want, got = model(x), network(x)
        error = (want - got).abs().max().item() / max(want.abs().max().item(), 1e-12)
        if not error <= tolerance:
            raise TraceError(
                f"the traced graph of {network.origin} differs from the model by {error:.2g} (relative) on a "
                f"batch of {n}; is something random, stateful or dependent on the batch size in evaluation mode?"
            )
