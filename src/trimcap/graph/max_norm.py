"""Max-norm constraints that hold in anybody's training loop: a hook after every step of every optimizer of torch.

A traced network keeps its max-norm as a rule, not in its weights. `fit` imposes the rule itself; another loop (skorch,
Lightning, three lines of one's own) would not know of it. So every module with such a rule is watched: after
`optimizer.step()` of an optimizer that owns one of its limited weights the rule is imposed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from torch.optim.optimizer import register_optimizer_step_post_hook

if TYPE_CHECKING:
    from trimcap.graph.module import NetworkModule

_BY_HAND: ContextVar[bool] = ContextVar("max-norm is imposed by hand", default=False)
_LOCK = Lock()


@cache
def _watched() -> WeakSet[NetworkModule]:
    """Modules with a max-norm; torch calls the hook from the first of them on."""
    register_optimizer_step_post_hook(_after_step)
    return WeakSet()


def watch(module: NetworkModule) -> None:
    """Impose the max-norm of a module after every step of an optimizer that moves its limited weights."""
    if any(rule.kind == "max_norm" for rule in module.network.constraints):
        with _LOCK:
            _watched().add(module)


@contextmanager
def imposed_by_hand() -> Iterator[None]:
    """Meanwhile steps of optimizers impose nothing: the loop calls `project()` itself, at its own place."""
    token = _BY_HAND.set(True)
    try:
        yield
    finally:
        _BY_HAND.reset(token)


def _after_step(optimizer: Any, args: Any, kwargs: Any) -> None:
    del args, kwargs
    if _BY_HAND.get():
        return
    with _LOCK:
        modules = list(_watched())
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for module in modules:
        limited = (rule.tensor for rule in module.network.constraints if rule.kind == "max_norm")
        if any(id(module.tensor(name)) in moved for name in limited):
            module.project()
