"""Follow any `nn.Module` once and write it down as a Network (`torch.export`, ATen operations)."""

from __future__ import annotations

import copy
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.parameter import is_lazy

from trimcap._errors import TraceError
from trimcap.data.expected import Expected
from trimcap.data.libraries.door import aligned
from trimcap.data.libraries.objects import eeg_picks
from trimcap.data.windows import Windows
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import INPUT_DIMENSIONS, Constraint, Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.origin import seen_of
from trimcap.graph.trace.batches import merge
from trimcap.graph.trace.canonical import nodes_of, simplify
from trimcap.graph.trace.constraints import bake
from trimcap.graph.trace.functional import functionalise
from trimcap.graph.trace.inline import inline
from trimcap.graph.trace.probes import DifferentError, check_same
from trimcap.graph.trace.refusals import (
    Examples,
    check_electrodes,
    check_output,
    check_weights,
    missing_inputs,
    need_arrays,
    own_copy,
    precision,
)
from trimcap.graph.trace.training import follow_training
from trimcap.graph.trace.weight_statistics import fold_statistics
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
    need_arrays(example)
    example, expects = _known(model, example)
    channels = channels or (expects.channels if expects is not None and expects.raw else ())
    if isinstance(model, NetworkModule):
        own = model.extract()
        channels = _example(example, channels)[1] or own.channels
        named = check_electrodes(channels, own.input_shape, dimensions or own.dimensions)
        return replace(own, channels=named, dimensions=dimensions or own.dimensions, expects=expects)
    twin = own_copy(model)
    examples, channels = _examples(example, channels, precision(twin))
    if any(is_lazy(p) for p in (*twin.parameters(), *twin.buffers())):
        _check_runs(twin, examples)  # layers that learn their sizes from the first window
    run = copy.deepcopy(twin)  # a model may keep what it computed for this number of windows
    _check_runs(run, examples)
    check_weights(twin)
    changed = _settle(twin, run)
    dimensions = _dimensions(examples[0], dimensions)
    original = copy.deepcopy(twin)
    notes, constraints = bake(twin)
    known: dict[str, Any] = {
        "notes": (*notes, *_without_rule(changed, constraints)),
        "constraints": constraints,
        "channels": check_electrodes(channels, tuple(examples[0].shape[1:]), dimensions),
        "dimensions": dimensions,
        "origin": _origin(model),
        "expects": expects,
        "seen": seen_of(model),
    }
    network, way = _written(twin, examples, tolerance, known)
    network = follow_training(
        network,
        twin,
        examples,
        write=lambda trained: simplify(Network(**way(trained, examples), **known)),
        check=lambda other: check_same(other, twin, examples, tolerance),
    )
    network = fold_statistics(network)
    check_same(network, original, examples, max(tolerance, _BAKED), quick=True)
    return network


def _check_runs(model: nn.Module, examples: Examples) -> None:
    """Run the model on the example: it must give one tensor."""
    try:
        with torch.no_grad(), _quiet():
            check_output(model, model(*(x.clone() for x in examples)))
    except TraceError:
        raise
    except Exception as error:
        raise _explained(_ExportError(_first_line(error)), model, examples) from error


@torch.no_grad()
def _settle(model: nn.Module, run: nn.Module) -> list[str]:
    """Give the model the weights that it gave itself by running (`w.data = renorm(w)`); return their names."""
    before = dict(model.named_parameters())
    changed = [name for name, after in run.named_parameters() if not torch.equal(before[name], after)]
    for name in changed:
        before[name].copy_(run.get_parameter(name))
    return changed


def _without_rule(changed: list[str], constraints: tuple[Constraint, ...]) -> tuple[str, ...]:
    """A note on weights that a model changes by itself and that training has no rule for."""
    left = [name for name in changed if name not in {rule.tensor for rule in constraints}]
    said = f"the model changes {', '.join(left)} whenever it runs; the network holds what it made of them"
    return (f"{said}, and training does not re-impose it",) if left else ()


def _written(model: nn.Module, examples: Examples, tolerance: float, known: dict[str, Any]) -> tuple[Network, Way]:
    """The network by the first way of writing it down that computes the same as the model, and the way.

    Raises
    ------
    TraceError : of the first way, with the layer that fails
    """
    first: Exception | None = None
    for way in (_any_batch, _by_bytecode, _two_batches, _without_gradients):
        try:
            # an export may leave the model changed
            network = simplify(Network(**way(copy.deepcopy(model), examples), **known))
            check_same(network, model, examples, tolerance)
        except Exception as error:  # what torch writes down may not run
            first = first or (
                error if isinstance(error, TraceError | _ExportError) else _ExportError(_first_line(error))
            )
            if isinstance(error, DifferentError):
                break  # the other ways mend failures, not differences
        else:
            return network, way
    assert first is not None
    raise _explained(first, model, examples) if isinstance(first, _ExportError) else first


class _ExportError(Exception):
    """torch can't write the model down this way."""


#: from a model and two windows of every input of it to the parts of a network
Way = Callable[[nn.Module, Examples], dict[str, Any]]
#: what rounding may change between a model and its copy with plain weights
_BAKED = 1e-4


def _any_batch(model: nn.Module, examples: Examples) -> dict[str, Any]:
    """As torch writes a model down for batches of any size."""
    return _network(_export(model, examples, dynamic=True), model, examples)


def _by_bytecode(model: nn.Module, examples: Examples) -> dict[str, Any]:
    """As torch reads the model's bytecode: follows constants that the other way loses."""
    return _network(_export(model, examples, dynamic=True, strict=True), model, examples)


def _without_gradients(model: nn.Module, examples: Examples) -> dict[str, Any]:
    """For models that write into tensors where torch could give no gradients."""
    with torch.no_grad():
        return _any_batch(model, examples)


def _two_batches(model: nn.Module, examples: Examples) -> dict[str, Any]:
    """From graphs for two and for three windows."""
    parts = _network(_export(model, examples, dynamic=False), model, examples)
    more = tuple(torch.cat([x, x[:1]]) for x in examples)
    other = _network(_export(model, more, dynamic=False), model, more)
    return {**parts, "nodes": merge(parts["nodes"], other["nodes"], next(iter(parts["inputs"])))}


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


def _examples(example: Any, channels: tuple[str, ...], dtype: torch.dtype) -> tuple[Examples, tuple[str, ...]]:
    """Two windows of every input, and the electrode names if the example knows them."""
    if isinstance(example, tuple):
        if not example:
            raise ValueError("the example is an empty tuple; expected one array for each input of the model")
        return tuple(_example(one, channels)[0].to(dtype) for one in example), channels
    tensor, channels = _example(example, channels)
    return (tensor.to(dtype),), channels


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
        + missing_inputs(model, len(examples))
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
    tensors = {name: state[name].detach().clone() for name in names.values() if isinstance(state[name], Tensor)}
    # a tensor that two layers share has both names; the export keeps either
    parameters = model.named_parameters(remove_duplicate=False)
    trainable = frozenset(n for n, p in parameters if p.requires_grad and n in tensors)
    inline(program.graph_module)
    functionalise(program.graph)
    nodes, inputs, outputs = nodes_of(program, names)
    return {
        "nodes": tuple(_with_counter(node, model) for node in nodes),
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


def _with_counter(node: Node, model: nn.Module) -> Node:
    """A batch norm without momentum averages all batches alike: its counter takes the momentum's place."""
    if node.kind != "batch_norm" or not isinstance(node.args[3], Ref):
        return node
    owner = node.args[3].name.rpartition(".")[0]
    layer = model.get_submodule(owner)
    if getattr(layer, "momentum", 0.0) is not None or getattr(layer, "num_batches_tracked", None) is None:
        return node
    counter = f"{owner}.num_batches_tracked" if owner else "num_batches_tracked"
    return replace(node, args=(*node.args[:6], Ref(counter), *node.args[7:]))
