"""A training run on disk: one sealed safetensors file that is whole or absent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trimcap._errors import ArtifactError
from trimcap._sealed import Kind, seal_tensors, unseal_tensors

CHECKPOINT = Kind(
    "checkpoint",
    "trimcap checkpoint 2",
    {
        "identity": {str: Any},
        "history": [{str: (None, float)}],
        "best_epoch": int,
        "best_score": (None, float),
        "stopped": bool,
        "groups": [{str: (None, bool, float, str)}],
        "numbers": {str: float},
    },
    "delete it to start the training again",
)


@dataclass
class State:
    """What changes while a network is fitted; an epoch's randomness follows from its number, so it needs no place."""

    model: nn.Module
    optimizer: Optimizer
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_score: float = math.inf
    stopped: bool = False

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of the model, not copied."""
        return {k: v.detach() for k, v in self.model.state_dict().items() if isinstance(v, Tensor)}


def save_checkpoint(path: Path | str, state: State, identity: Mapping[str, Any]) -> None:
    """Write `state` to `path`, atomically, with the `identity` (JSON values) of the run that it belongs to."""
    from safetensors.torch import save

    tensors = {f"model/{k}": v for k, v in state.weights().items()}
    tensors |= {f"best/{k}": v for k, v in state.best.items()}
    numbers: dict[str, Any] = {}
    saved = state.optimizer.state_dict()
    for index, slots in saved["state"].items():
        for name, value in slots.items():
            (tensors if isinstance(value, Tensor) else numbers)[f"optimizer/{index}/{name}"] = value
    header = {
        "identity": dict(identity),
        "history": [{k: None if math.isnan(v) else v for k, v in row.items()} for row in state.history],
        "best_epoch": state.best_epoch,
        "best_score": state.best_score if math.isfinite(state.best_score) else None,
        "stopped": state.stopped,
        "groups": [{k: v for k, v in group.items() if _plain(v)} for group in saved["param_groups"]],
        "numbers": numbers,
    }
    # tensors that share memory, such as tied weights, are refused by the format unless each has its own
    own = {k: v.cpu().contiguous().clone() for k, v in tensors.items()}
    seal_tensors(path, CHECKPOINT, lambda metadata: save(own, metadata=metadata), header)


def load_checkpoint(path: Path | str, state: State, identity: Mapping[str, Any]) -> None:
    """Put the run at `path` into `state`.

    Raises
    ------
    ArtifactError : the file is not a readable checkpoint, was changed, or does not fit the model or optimizer.
    ValueError : it belongs to a run with other settings, data or initial weights; names them.
    """
    header, tensors = _read(Path(path))
    _check_identity(Path(path), header["identity"], json.loads(json.dumps(dict(identity))))
    try:
        state.model.load_state_dict(_part(tensors, "model"))
        now = state.model.state_dict()
        state.best = {k: torch.empty_like(now[k]).copy_(v) for k, v in _part(tensors, "best").items()}
        _load_optimizer(state.optimizer, header, _part(tensors, "optimizer"))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ArtifactError(f"checkpoint '{path}' does not fit this training ({error}); {CHECKPOINT.again}") from error
    state.history = [{k: math.nan if v is None else v for k, v in row.items()} for row in header["history"]]
    state.best_epoch, state.stopped = header["best_epoch"], header["stopped"]
    state.best_score = math.inf if header["best_score"] is None else header["best_score"]


def _load_optimizer(optimizer: Optimizer, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    saved = optimizer.state_dict()
    slots: dict[int, dict[str, Any]] = {}
    numbers = {k.removeprefix("optimizer/"): v for k, v in header["numbers"].items()}
    for key, value in (tensors | numbers).items():
        index, _, name = key.partition("/")
        slots.setdefault(int(index), {})[name] = value
    groups = [now | then for now, then in zip(saved["param_groups"], header["groups"], strict=True)]
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    # moments must lie in memory as their parameters do: fused kernels walk both in memory order
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        header, blob = unseal_tensors(path, CHECKPOINT)
        return header, load(blob)
    except (ArtifactError, SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"checkpoint '{path}' cannot be read ({error}); {CHECKPOINT.again}") from error


def _check_identity(path: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [
        f"{name} was {_short(saved.get(name))}, now {_short(now.get(name))}"
        for name in sorted({*saved, *now})
        if saved.get(name) != now.get(name)
    ]
    if changed:
        raise ValueError(
            f"checkpoint '{path}' belongs to another run: {'; '.join(changed)}. "
            "Use the same settings to go on, give another path, or delete the file to start again"
        )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix + "/"): v for k, v in tensors.items() if k.startswith(prefix + "/")}


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:13] + "…'"
