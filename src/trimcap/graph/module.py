"""Run and train a Network: an `nn.Module` that executes its nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.parametrize import register_parametrization

from trimcap.data.seen import OUTSIDE, Seen, united
from trimcap.graph.max_norm import watch
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.allowed import DTYPES, operation
from trimcap.graph.ops.views import CREATED

if TYPE_CHECKING:
    from trimcap.graph.network import Network

_MARK = "_trimcap_seen"


def _dtype(name: str | None, like: Tensor) -> torch.dtype:
    """float32 in the graph means the precision the network runs in; other types stay."""
    return like.dtype if name in (None, "float32") else DTYPES[name]


def execute(
    node: Node, function: Callable[..., Any], values: Mapping[str, Any], like: Tensor, training: bool = False
) -> Any:
    """The result of one node on `values`; created tensors go where `like` is."""
    node = node.in_training() if training else node
    args = map_refs(node.args, values.__getitem__)
    kwargs = {k: map_refs(v, values.__getitem__) for k, v in node.kwargs.items()}
    if node.kind in CREATED:
        kwargs = {**kwargs, "dtype": _dtype(kwargs.get("dtype"), like), "device": like.device}
    elif "dtype" in kwargs:
        kwargs["dtype"] = _dtype(kwargs["dtype"], like)
    if node.kind == "batch_norm" and isinstance(node.arg(6), Ref):
        args = (*args[:6], _cumulated(args[6], counted=bool(args[5])), *args[7:])
    return function(*args, **kwargs)


class NetworkModule(nn.Module):
    """A Network as an ordinary module: `state_dict` has the names of the original model.

    `project()` re-imposes max-norm constraints. `fit` calls it after every step; in any other loop it is called after
    `step()` of an optimizer of torch (`trimcap.graph.max_norm`). Weight-normalised tensors are parametrized again, so
    that they train as magnitude and direction. Modules can be pickled and deep-copied.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.input_shape = network.input_shape  # `fit` and `predict` check windows against both
        self.expects = network.expects
        for name, tensor in network.tensors.items():
            owner, leaf = self._owner(name)
            copy = tensor.detach().clone()
            if name in network.trainable:
                owner.register_parameter(leaf, nn.Parameter(copy))
            else:
                owner.register_buffer(leaf, copy)
        for rule in network.constraints:
            if rule.kind == "weight_norm":
                owner, leaf = self._owner(rule.tensor)
                _normalise_weight(owner, leaf, rule.dim)
                _give_direction(owner, leaf)
        self._prepare()

    def _prepare(self) -> None:
        """What follows from the network: functions of torch, which can't be pickled, and who is to be watched."""
        self._steps = [(node, operation(node.op)) for node in self.network.nodes]
        self._last_use = _last_use(self.network)
        watch(self)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_steps"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._prepare()

    def _owner(self, name: str) -> tuple[nn.Module, str]:
        """The (nested, created on demand) module that holds tensor `name`, and its leaf name."""
        *path, leaf = name.split(".")
        owner: nn.Module = self
        for part in path:
            # not add_module: a layer may be called like an attribute of nn.Module ("train")
            owner = owner._modules.setdefault(part, nn.Module()) or owner
        return owner, leaf

    def tensor(self, name: str) -> Tensor:
        """The current value of tensor `name`."""
        owner, leaf = self._owner(name)
        value: Tensor = getattr(owner, leaf)
        return value

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), from one tensor for each input."""
        return self.run(x, *more)[self.network.output]  # type: ignore[no-any-return]

    def run(self, *inputs: Tensor, keep: bool = False) -> dict[str, Any]:
        """Execute all nodes; with `keep` every intermediate result is returned, else only what is alive."""
        env: dict[str, Any] = {name: self.tensor(name) for name in self.network.tensors}
        own = next((t.dtype for t in env.values() if t.is_floating_point()), torch.float32)
        # windows are float32; the network computes in its own precision
        inputs = tuple(x.to(own) if x.dtype == torch.float32 else x for x in inputs)
        env.update(zip(self.network.inputs, inputs, strict=True))
        for node, function in self._steps:
            env[node.name] = execute(node, function, env, inputs[0], self.training)
            if not keep:
                for name in self._last_use.get(node.name, ()):
                    del env[name]
        return env

    @torch.no_grad()
    def project(self) -> None:
        """Re-impose the max-norm constraints: w ← w · min(1, c / ‖w‖₂) per slice."""
        for rule in self.network.constraints:
            if rule.kind == "max_norm":
                weight = self.tensor(rule.tensor)
                weight.copy_(torch.renorm(weight, p=2, dim=rule.dim, maxnorm=rule.value))

    def extract(self) -> Network:
        """The Network with the current values of the tensors."""
        values = {name: self.tensor(name) for name in self.network.tensors}
        return replace(self.network.with_history(values, history(self) or OUTSIDE), expects=self.expects)


@torch.no_grad()
def _give_direction(owner: nn.Module, leaf: str) -> None:
    """A slice of zeros has magnitude 0 and no direction, and 0/0 is no number: it gets one, so that it can train."""
    parts: Any = owner.parametrizations
    parts[leaf].original1.masked_fill_(parts[leaf].original0 == 0, 1.0)


def _normalise_weight(owner: nn.Module, leaf: str, dim: int) -> None:
    """`weight_norm` of torch, but for what can't be pickled: its hook for old files, and the class of the layer."""
    register_parametrization(owner, leaf, _WeightNorm(dim), unsafe=True)

    def reduce(layer: nn.Module, protocol: Any) -> tuple[Any, ...]:
        del protocol
        return _weight_normed, tuple(layer.parametrizations), layer.__dict__  # type: ignore[arg-type]

    type(owner).__reduce_ex__ = reduce  # type: ignore[method-assign, assignment]


def _weight_normed(*leaves: str) -> nn.Module:
    """A layer with weight-normalised tensors of these names, that a pickle fills."""
    owner = nn.Module()
    for leaf in leaves:
        owner.register_parameter(leaf, nn.Parameter(torch.ones(1, 1)))
        _normalise_weight(owner, leaf, 0)
    return owner


@torch.no_grad()
def _cumulated(counter: Tensor, *, counted: bool) -> float:
    """The momentum of a batch norm that averages all batches alike: 1/n at the n-th."""
    if not counted:
        return 0.0
    counter.add_(1)
    return 1.0 / float(counter)


def _last_use(network: Network) -> dict[str, tuple[str, ...]]:
    """Results that nobody needs after a node: freed there, so that evaluation stays small."""
    last: dict[str, str] = {}
    results = set(network.node)
    for node in network.nodes:
        for name in node.inputs:
            if name in results:
                last[name] = node.name
    freed: dict[str, list[str]] = {}
    for name, user in last.items():
        if name != network.output:
            freed.setdefault(user, []).append(name)
    return {user: tuple(names) for user, names in freed.items()}


# ---- what a module has seen ----


def mark(model: nn.Module, seen: Seen) -> None:
    """Leave with a module what it has seen, and of which weights that is true."""
    if isinstance(model, NetworkModule):
        values = {name: model.tensor(name).detach().clone() for name in model.network.tensors}
        model.network = model.network.with_history(values, seen)
    object.__setattr__(model, _MARK, (seen, hash_state(model)))


def hash_state(model: nn.Module) -> str:
    """SHA-256 over names, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def has_history(model: nn.Module) -> bool:
    """Whether `history` knows anything of a module."""
    return isinstance(model, NetworkModule) or hasattr(model, _MARK)


def history(model: nn.Module) -> Seen | None:
    """The history of a module, unknown from where its weights are not those of then; None without one."""
    found, weights = getattr(model, _MARK, (None, ""))
    if isinstance(found, Seen) and weights == hash_state(model):
        return found
    if isinstance(model, NetworkModule):
        network = model.network
        same = all(torch.equal(model.tensor(n).detach().cpu(), t.detach().cpu()) for n, t in network.tensors.items())
        return network.seen if same else united([network.seen, OUTSIDE])
    return united([found, OUTSIDE]) if isinstance(found, Seen) else None
