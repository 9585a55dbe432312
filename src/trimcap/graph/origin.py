"""What a module was trained on: `fit` leaves it with the module, and what changes it elsewhere is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from trimcap.data.seen import NOTHING, OUTSIDE, Seen, united
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network

_MARK = "_trimcap_seen"
_DEEP = 3


def mark(model: nn.Module, seen: Seen) -> None:
    """Leave with a module what it has seen, and of which weights that is true."""
    if isinstance(model, NetworkModule):
        values = {name: model.tensor(name).detach().clone() for name in model.network.tensors}
        model.network = model.network.with_history(values, seen)
    object.__setattr__(model, _MARK, (seen, hash_state(model)))


def seen_of(model: object) -> Seen:
    """What a module, network, program or predictor has seen; `OUTSIDE` if it is not known.

    A module without a history counts as untrained if it shows that it is: batch norms that have counted no batch or,
    where there are none, weights that fill the range of their initialisation. Weights that were changed after `fit`,
    by somebody else's training, are unknown.
    """
    if not isinstance(model, nn.Module):
        found = getattr(model, "seen", getattr(getattr(model, "__self__", None), "seen", OUTSIDE))
        return found if isinstance(found, Seen) else OUTSIDE
    own = _marked(model)
    if own is not None:
        return own
    parts = [(path, part) for path, part in model.named_modules() if path and _has_mark(part)]
    outer = [(p, m) for p, m in parts if not any(p.startswith(f"{q}.") for q, _ in parts)]
    rest = {id(module) for _, part in outer for module in part.modules()}
    alone = [module for module in model.modules() if id(module) not in rest]
    return united([*(_marked(part) or OUTSIDE for _, part in outer), NOTHING if untrained(alone) else OUTSIDE])


def followed(loss: object, *, deep: int = _DEEP) -> Seen:
    """What the teachers of a loss have seen: the networks and modules that a function holds on to."""
    return united(seen_of(one) for one in _held(loss, deep) if isinstance(one, nn.Module | Network))


def hash_state(model: nn.Module) -> str:
    """SHA-256 over names, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _has_mark(model: nn.Module) -> bool:
    return isinstance(model, NetworkModule) or hasattr(model, _MARK)


def _marked(model: nn.Module) -> Seen | None:
    """The history of a module, unknown from where its weights are not those of then; None without one."""
    found, weights = getattr(model, _MARK, (None, ""))
    if isinstance(found, Seen) and weights == hash_state(model):
        return found
    if isinstance(model, NetworkModule):
        network = model.network
        same = all(torch.equal(model.tensor(n).detach().cpu(), t.detach().cpu()) for n, t in network.tensors.items())
        return network.seen if same else united([network.seen, OUTSIDE])
    return united([found, OUTSIDE]) if isinstance(found, Seen) else None


def untrained(modules: list[nn.Module]) -> bool:
    """Whether modules (without those inside them) show that they were never trained; without parameters they can't be.

    Source: initialisations of PyTorch, Glorot and He: U(−b, b) with b = 1/√fan_in, √(3/fan_in), √(6/fan_in),
    √(6/(fan_in + fan_out)) or 1/√hidden; N(0, σ²) with σ = 1, 0.02, √(1/fan_in), √(2/fan_in) or
    √(2/(fan_in + fan_out)).
    """
    counters = [int(c) for m in modules if isinstance(c := getattr(m, "num_batches_tracked", None), Tensor)]
    if counters:
        return not any(counters)
    return all(
        _drawn(weight.detach().float(), getattr(module, "hidden_size", 0))
        for module in modules
        for weight in module.parameters(recurse=False)
        if weight.ndim > 1
    )


def _drawn(weight: Tensor, hidden: int) -> bool:
    """Whether weights fill ±b up to its rim and no further, or have σ, more closely than training would leave them."""
    n = weight.numel()
    if n == 0 or not bool(weight.any()):
        return True
    fan_in = weight[0].numel()
    both = fan_in + n // weight.shape[1]
    largest, spread = float(weight.abs().max()), float(weight.square().mean().sqrt())
    bounds = [sqrt(1 / fan_in), sqrt(3 / fan_in), sqrt(6 / fan_in), sqrt(6 / both), *([hidden**-0.5] if hidden else [])]
    rim = 1 - min(0.5, 20 / n)
    spreads = (1.0, 0.02, sqrt(1 / fan_in), sqrt(2 / fan_in), sqrt(2 / both))
    uniform = any(rim * b <= largest <= b * (1 + 1e-6) for b in bounds)
    return uniform or any(abs(spread / s - 1) < 3 / sqrt(2 * n) for s in spreads)


def _held(value: object, deep: int) -> Iterator[object]:
    """What a function holds: its closure, the arguments of a partial, the object of a method."""
    yield value
    if not deep or isinstance(value, nn.Module | Network | Tensor | str):
        return
    inside: list[Any] = []
    if isinstance(value, partial):
        inside += [value.func, *value.args, *value.keywords.values()]
    for cell in getattr(value, "__closure__", None) or ():
        try:
            inside.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    inside += [*(getattr(value, "__defaults__", None) or ()), *(getattr(value, "__kwdefaults__", None) or {}).values()]
    if (owner := getattr(value, "__self__", None)) is not None:
        inside.append(owner)
    inside += list(getattr(value, "__dict__", {}).values())
    for one in inside:
        yield from _held(one, deep - 1)
