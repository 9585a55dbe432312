"""Follow any `nn.Module` once and write it down as a Network (`torch.export`, ATen operations)."""

from __future__ import annotations

import copy
import inspect
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
from trimcap.data.door import aligned
from trimcap.data.expected import Expected
from trimcap.data.readers import eeg_picks
from trimcap.data.windows import Windows
from trimcap.graph.batches import merge
from trimcap.graph.canonical import nodes_of, simplify
from trimcap.graph.constraints import bake
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import INPUT_DIMENSIONS, Network
from trimcap.models.scaled import Scaled


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
    model : any module with one tensor output; traced in evaluation mode
    example : float array or tensor (n, *window shape) with n ≥ 1, or `Windows`; a tuple of arrays for a model that
        takes several, of which the first is the window and the others may be features of it
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
    example, expects = _known(model, example)
    channels = channels or (expects.channels if expects is not None and expects.raw else ())
    examples, channels = _examples(example, channels)
    if isinstance(model, NetworkModule):
        own = model.extract()
        return replace(own, channels=channels or own.channels, dimensions=dimensions or own.dimensions, expects=expects)
    twin = copy.deepcopy(model).cpu().eval()
    notes, constraints = bake(twin)
    known = {"constraints": constraints, "channels": channels, "origin": _origin(model), "expects": expects}
    return _written(twin, examples, dimensions, tolerance, {**known, "notes": notes})


def _written(
    model: nn.Module, examples: Examples, dimensions: tuple[str, ...] | None, tolerance: float, known: dict[str, Any]
) -> Network:
    """The network by the first way of writing it down that computes the same as the model.

    Raises
    ------
    TraceError : of the first way, with the layer that fails
    """
    first: Exception | None = None
    for way in (_any_batch, _without_assignments, _by_bytecode, _two_batches):
        # assignments into views are lost by the first way, which then differs; the others mend failures
        if first is not None and isinstance(first, _DifferentError) != (way is _without_assignments):
            continue
        try:
            # an export may leave the model changed
            parts, more = way(copy.deepcopy(model), examples)
            notes = (*known["notes"], *more)
            network = simplify(
                Network(**parts, dimensions=_dimensions(examples[0], dimensions), **{**known, "notes": notes})
            )
            _check_same(network, model, examples, tolerance)
        except (TraceError, _ExportError) as error:
            first = first or error
        else:
            return network
    assert first is not None
    raise _explained(first, model, examples) if isinstance(first, _ExportError) else first


class _DifferentError(TraceError):
    """The graph computes something else than the model."""


class _ExportError(Exception):
    """torch can't write the model down this way."""


#: two windows of every input of a model
Examples = tuple[Tensor, ...]
Written = tuple[dict[str, Any], tuple[str, ...]]


def _any_batch(model: nn.Module, examples: Examples) -> Written:
    """As torch writes a model down for batches of any size."""
    return _network(_export(model, examples, dynamic=True), model, examples), ()


def _without_assignments(model: nn.Module, examples: Examples) -> Written:
    """Assignments into parts of a tensor as operations with a result."""
    program = _export(model, examples, dynamic=True)
    with _quiet():
        program = program.run_decompositions({})
    note = "the model assigns into parts of tensors; written down without its dropout, which training lacks now"
    return _network(program, model, examples), (note,)


def _by_bytecode(model: nn.Module, examples: Examples) -> Written:
    """As torch reads the model's bytecode: follows constants that the other way loses."""
    return _network(_export(model, examples, dynamic=True, strict=True), model, examples), ()


def _two_batches(model: nn.Module, examples: Examples) -> Written:
    """From graphs for two and for three windows."""
    parts = _network(_export(model, examples, dynamic=False), model, examples)
    more = tuple(torch.cat([x, x[:1]]) for x in examples)
    other = _network(_export(model, more, dynamic=False), model, more)
    return {**parts, "nodes": merge(parts["nodes"], other["nodes"], next(iter(parts["inputs"])))}, ()


def _origin(model: nn.Module) -> str:
    """The class of the model; of one that was given its standardisation that of the model inside, the user's own."""
    if isinstance(model, Scaled):
        return _origin(model.model)
    cls = type(model)
    return cls.__name__ if cls.__module__ == "__main__" else f"{cls.__module__}.{cls.__name__}"


def _known(model: nn.Module, example: Any) -> tuple[Any, Expected | None]:
    """The example with its electrodes in the model's order, and what is known of the model's input."""
    first = example[0] if isinstance(example, tuple) and example else example
    expects = getattr(model, "expects", None)
    if isinstance(first, Windows) and isinstance(expects, Expected):
        first = aligned(first, expects, what=type(model).__name__, renew=True)
    elif isinstance(first, Windows):
        expects = Expected.of(first)
    elif hasattr(first, "get_data") and hasattr(first, "info"):  # their unit is known, that of the model is not
        channels = tuple(first.ch_names[i] for i in eeg_picks(first.info, "the example"))
        expects = expects or Expected(channels, float(first.info["sfreq"]), raw=True)
        first = first.get_data(picks=list(expects.channels or channels), copy=False)
    return (first, *example[1:]) if isinstance(example, tuple) and example else first, expects


def _examples(example: Any, channels: tuple[str, ...]) -> tuple[Examples, tuple[str, ...]]:
    """Two windows of every input, and the electrode names if the example knows them."""
    if isinstance(example, tuple):
        if not example:
            raise ValueError("the example is an empty tuple; expected one array for each input of the model")
        return tuple(_example(one, channels)[0] for one in example), channels
    tensor, channels = _example(example, channels)
    return (tensor,), channels


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


def _export(model: nn.Module, examples: Examples, *, dynamic: bool, strict: bool = False) -> ExportedProgram:
    shapes = _any_number(model, examples) if dynamic else None
    try:
        with _quiet():
            return torch.export.export(model, examples, dynamic_shapes=shapes, strict=strict)
    except Exception as error:
        raise _ExportError(_first_line(error)) from error


def _any_number(model: nn.Module, examples: Examples) -> tuple[Any, ...]:
    """Any number of windows, for each argument of the model; arguments under a star are one tuple."""
    batch = Dim("n")
    every: tuple[Any, ...] = tuple({0: batch} for _ in examples)
    kinds = [p.kind for p in inspect.signature(model.forward).parameters.values()]
    star = inspect.Parameter.VAR_POSITIONAL
    before = kinds.index(star) if star in kinds else len(every)
    return (*every[:before], every[before:]) if before < len(every) else every


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")


def _explained(error: Exception, model: nn.Module, examples: Examples) -> TraceError:
    where, runs = _failing_layer(model, examples)
    advice = (
        "Remove control flow that depends on values or on the batch size from that layer, or replace the layer."
        if runs
        else "The model does not run on this example either: is its shape what the model was built for?"
    )
    name = type(model).__name__
    shapes = ", ".join(str(tuple(x.shape)) for x in examples)
    return TraceError(f"cannot trace {name} at {where} (example {shapes}): {error}. {advice}")


def _failing_layer(model: nn.Module, examples: Examples) -> tuple[str, bool]:
    """The innermost layer whose own forward can't be exported, or that raises; and whether the model runs at all."""
    inputs: dict[str, tuple[Any, ...]] = {}
    hooks = []
    for path, module in model.named_modules():
        if path:
            hooks.append(module.register_forward_pre_hook(lambda _, a, p=path: _note(inputs, p, a)))
    try:
        with torch.no_grad():
            model(*examples)
    except Exception:  # the model itself fails on this input: the last module entered is the place
        return f"layer '{list(inputs)[-1]}'" if inputs else "its forward", False
    finally:
        for hook in hooks:
            hook.remove()
    alone = [p for p, args in inputs.items() if not _exports(model.get_submodule(p), args, len(examples[0]))]
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


def _network(program: ExportedProgram, model: nn.Module, examples: Examples) -> dict[str, Any]:
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
    return {
        "nodes": nodes,
        "tensors": tensors,
        "trainable": trainable,
        "inputs": {name: tuple(x.shape[1:]) for name, x in zip(inputs, examples, strict=True)},
        "output": outputs[0],
    }


def _dimensions(example: Tensor, names: tuple[str, ...] | None) -> tuple[str, ...]:
    shape = tuple(example.shape[1:])
    names = names or INPUT_DIMENSIONS.get(len(shape), tuple(f"dimension {i}" for i in range(len(shape))))
    if len(names) != len(shape):
        raise ValueError(f"dimensions {names} do not fit a window of shape {shape}")
    return tuple(names)


@torch.no_grad()
def _check_same(network: Network, model: nn.Module, examples: Examples, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3):
        x = [torch.randn(n, *e.shape[1:], generator=generator) * (e.std() + 1e-6) + e.mean() for e in examples]
        want, got = model(*x), network(*x)
        error = (want - got).abs().max().item() / max(want.abs().max().item(), 1e-12)
        if not error <= tolerance:
            raise _DifferentError(
                f"the traced graph of {network.origin} differs from the model by {error:.2g} (relative) on a "
                f"batch of {n}; is something random, stateful or dependent on the batch size in evaluation mode?"
            )
