"""What a module was trained on, also one whose history nobody wrote down, and what the teachers of a loss were."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import sqrt
from typing import Any

from torch import Tensor, nn

from trimcap.data.seen import NOTHING, OUTSIDE, Seen, united
from trimcap.graph.module import has_history, history
from trimcap.graph.network import Network

_DEEP = 3


def seen_of(model: object) -> Seen:
    """What a module, network, program or predictor has seen; `OUTSIDE` if it is not known.

    A module without a history counts as untrained if it shows that it is: batch norms that have counted no batch or,
    where there are none, weights that fill the range of their initialisation. Weights that were changed after `fit`,
    by somebody else's training, are unknown.
    """
    if not isinstance(model, nn.Module):
        found = getattr(model, "seen", getattr(getattr(model, "__self__", None), "seen", OUTSIDE))
        return found if isinstance(found, Seen) else OUTSIDE
    own = history(model)
    if own is not None:
        return own
    parts = [(path, part) for path, part in model.named_modules() if path and has_history(part)]
    outer = [(p, m) for p, m in parts if not any(p.startswith(f"{q}.") for q, _ in parts)]
    rest = {id(module) for _, part in outer for module in part.modules()}
    alone = [module for module in model.modules() if id(module) not in rest]
    return united([*(history(part) or OUTSIDE for _, part in outer), NOTHING if untrained(alone) else OUTSIDE])


def followed(loss: object, *, deep: int = _DEEP) -> Seen:
    """What the teachers of a loss have seen: the networks and modules that a function holds on to."""
    return united(seen_of(one) for one in _held(loss, deep) if isinstance(one, nn.Module | Network))


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
