"""What can't be traced, said before torch says it: which object was given, what it returns, and what to do instead."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trimcap._errors import TraceError, counted
from trimcap.data.electrodes.names import canonical, unknown_electrodes
from trimcap.graph.network import Network

Examples = tuple[Tensor, ...]


def own_copy(model: Any) -> nn.Module:
    """A copy of the model on the CPU in evaluation mode, whatever it is wrapped in.

    Raises
    ------
    TraceError : it is no module of torch, or a compiled one that can't be followed; says what to pass
    """
    module = _module(model)
    held = {id(v): v.detach().clone() for m in module.modules() for v in vars(m).values() if _is_computed(v)}
    # weights that a hook computes are results, which torch does not copy; the hook computes them anew
    return copy.deepcopy(module, memo=dict(held)).cpu().eval()


def _is_computed(value: Any) -> bool:
    return isinstance(value, Tensor) and value.grad_fn is not None


def _module(model: Any) -> nn.Module:
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise TraceError(f"{name} is a ScriptModule, compiled already; pass the Python module that it was made from")
    if isinstance(model, nn.DataParallel):
        return _module(model.module)
    if isinstance(model, nn.Module):
        original = getattr(model, "_orig_mod", model)  # of torch.compile
        return original if isinstance(original, nn.Module) else model
    if isinstance(model, type):
        raise TraceError(f"{model.__name__} is a class; pass a model made from it: {model.__name__}(…)")
    if isinstance(getattr(model, "module_", None), nn.Module):
        raise TraceError(f"{name} trains a network but is none; pass its `.module_`")
    if hasattr(model, "module") and hasattr(model, "initialize"):
        raise TraceError(f"{name} has no network yet; call its fit(…) or initialize(), then pass its `.module_`")
    if isinstance(model, Network):
        raise TraceError("this is a Network: it is traced already")
    raise TraceError(f"trace takes an nn.Module of torch, got {name}")


def check_weights(model: nn.Module) -> None:
    """Refuse weights that are no numbers.

    Raises
    ------
    TraceError : names them
    """
    broken = [n for n, p in model.named_parameters() if p.is_floating_point() and not bool(p.isfinite().all())]
    broken += [n for n, b in model.named_buffers() if b.is_floating_point() and bool(b.isnan().any())]
    if broken:
        raise TraceError(
            f"{type(model).__name__} has weights that are not finite: {', '.join(broken[:5])}"
            f"{' …' if len(broken) > 5 else ''}. Its training diverged; train it again with a smaller learning rate, "
            "or take weights from before"
        )


def precision(model: nn.Module) -> torch.dtype:
    """The type of the model's weights: that of its first floating parameter, float32 if it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def need_arrays(example: Any) -> None:
    """Refuse inputs by name.

    Raises
    ------
    TraceError : says how to wrap the model
    """
    if isinstance(example, Mapping) and not hasattr(example, "X"):
        first = next(iter(example), "eeg")
        raise TraceError(
            "the example is a dict; a traced network takes arrays by position. Wrap the model and give a tuple of "
            f"arrays:\n{_wrapper('x', '{' + repr(first) + ': x}', '')}"
        )


def check_output(model: nn.Module, output: Any) -> None:
    """Refuse what is no single tensor.

    Raises
    ------
    TraceError : says how to wrap the model
    """
    if isinstance(output, Tensor):
        return
    name = type(model).__name__
    if isinstance(output, Mapping):
        keys = ", ".join(map(repr, output))
        what, pick = f"a {type(output).__name__} with the keys {keys}", f"[{next(iter(output), 'logits')!r}]"
    elif isinstance(output, Sequence):
        tensors = counted(sum(isinstance(each, Tensor) for each in output), "tensor")
        what, pick = f"{tensors} in a {type(output).__name__}", "[0]"
    else:
        what, pick = f"a {type(output).__name__}", ".logits"
    raise TraceError(
        f"{name} returns {what}; trimcap needs one tensor, the logits. Wrap the model:\n{_wrapper('x', 'x', pick)}"
    )


def _wrapper(takes: str, gives: str, pick: str) -> str:
    return (
        "class Logits(torch.nn.Module):\n"
        "    def __init__(self, model):\n"
        "        super().__init__()\n"
        "        self.model = model\n"
        f"    def forward(self, {takes}):\n"
        f"        return self.model({gives}){pick}"
    )


def missing_inputs(model: nn.Module, n: int) -> str:
    """What to say if the model needs more arrays than the example has, or ""."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [p for p in inspect.signature(model.forward).parameters.values() if p.kind in kinds]
    needed = [p.name for p in known if p.default is inspect.Parameter.empty]
    if len(needed) <= n:
        return ""
    return f" It takes {len(needed)} inputs ({', '.join(needed)}): give a tuple of arrays, one for each."


def check_electrodes(channels: Sequence[str], shape: Sequence[int], dimensions: Sequence[str]) -> tuple[str, ...]:
    """The electrode names of a network's input.

    Parameters
    ----------
    channels : names, or none
    shape : of one window
    dimensions : names of its dimensions

    Raises
    ------
    TraceError : not one name for each electrode, or two names of one electrode
    """
    if isinstance(channels, str):
        raise TraceError(f"channels is one text, {channels!r}; give a tuple of electrode names")
    names = tuple(channels)
    if names and tuple(dimensions[:1]) == ("electrodes",) and len(names) != shape[0]:
        raise TraceError(
            f"{len(names)} electrode names for an input of {shape[0]} electrodes; give one for each, in the order of "
            "the windows' rows, or none"
        )
    sites: dict[str, list[str]] = {}
    for name in names:
        sites.setdefault(_site(name), []).append(name)
    twice = [own for own in sites.values() if len(own) > 1]
    if twice:
        raise TraceError(
            f"the names {'; '.join(', '.join(map(repr, own)) for own in twice)} mean one electrode; "
            "drop or rename one of each, so that electrodes can be told apart"
        )
    return names


def _site(name: str) -> str:
    """What an electrode is called after all customs of naming are taken away."""
    if not isinstance(name, str) or not name.strip():
        raise TraceError(f"an electrode is called {name!r}; names are texts such as 'Fp1'")
    known = not unknown_electrodes([name])
    return canonical(name) if known else name.strip().casefold()
