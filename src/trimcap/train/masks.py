"""Masks: which single weights of a network are removed, kept as data of their own.

A weight that is zero by chance is not a removed one, and a removed one must not come back: momentum, Adam's moments and
weight decay move whatever has a gradient. So masks are explicit, and `fit(…, masks=…)` imposes them on the weights
(before the first step, after every step and after resuming) and on the gradients, before an optimizer sees them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trimcap._errors import ArtifactError, PlanError, unknown
from trimcap._sealed import Kind, seal_tensors, unseal_tensors
from trimcap.graph.network import Network, need_network

MASKS = Kind("masks", "trimcap masks 2", {"note": str, "order": [str]}, "make the masks again")


@dataclass(frozen=True, eq=False)
class Masks:
    """Tensor name → which of its weights stay.

    Parameters
    ----------
    kept : boolean tensors, of the shapes of the weights; True stays
    note : how they were made, for reports

    Raises
    ------
    TypeError : a mask is not boolean.
    """

    kept: Mapping[str, Tensor]
    note: str = ""

    def __post_init__(self) -> None:
        for name, mask in self.kept.items():
            if mask.dtype != torch.bool:
                raise TypeError(f"the mask of '{name}' has type {mask.dtype}; masks are boolean, True = stays")

    @property
    def n(self) -> int:
        """Weights under a mask."""
        return sum(mask.numel() for mask in self.kept.values())

    @property
    def removed(self) -> int:
        """Weights that are removed."""
        return self.n - sum(int(mask.sum()) for mask in self.kept.values())

    @property
    def sparsity(self) -> float:
        """Fraction removed, of the weights under a mask."""
        return self.removed / self.n if self.n else 0.0

    @cached_property
    def sha256(self) -> str:
        """Of names, shapes and values."""
        digest = hashlib.sha256()
        for name, mask in self.kept.items():
            digest.update(f"{name}{tuple(mask.shape)}".encode())
            digest.update(mask.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def table(self) -> list[dict[str, Any]]:
        """One row per tensor: weights before and after, sparsity."""
        rows = []
        for name, mask in self.kept.items():
            after = int(mask.sum())
            rows.append(
                {"tensor": name, "before": mask.numel(), "after": after, "achieved": 1 - after / max(mask.numel(), 1)}
            )
        return rows

    def apply(self, network: Network) -> Network:
        """The network with the removed weights at zero.

        Raises
        ------
        PlanError : the masks belong to another network.
        """
        need_network(network, "Masks.apply")
        for name, mask in self.kept.items():
            if name not in network.tensors:
                raise PlanError(f"masks: {unknown('tensor', name, network.tensors)}")
            _check_shape(name, mask, tuple(network.tensors[name].shape))
        changed = {name: network.tensors[name].masked_fill(~mask, 0.0) for name, mask in self.kept.items()}
        return network.with_tensors({**network.tensors, **changed})

    def save(self, path: Path | str) -> Path:
        """Write a sealed safetensors file, atomically."""
        from safetensors.torch import save

        tensors = {name: mask.cpu().contiguous() for name, mask in self.kept.items()}
        header = {"note": self.note, "order": list(tensors)}
        return seal_tensors(path, MASKS, lambda metadata: save(tensors, metadata=metadata), header)

    @classmethod
    def load(cls, path: Path | str) -> Masks:
        """Read masks that `save` wrote.

        Raises
        ------
        PlanError : the file does not hold masks, or was changed.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            header, blob = unseal_tensors(path, MASKS)
            found = load(blob)
            if sorted(found) != sorted(header["order"]):
                raise ArtifactError("its tensors are not those that it names")
            return cls({name: found[name] for name in header["order"]}, header["note"])
        except (ArtifactError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise PlanError(
                f"{path} does not hold masks: {error}. Masks are safetensors files written by Masks.save."
            ) from error


@dataclass(frozen=True, eq=False)
class Bound:
    """A parameter, and which of its weights are held at zero."""

    parameter: nn.Parameter
    dropped: Tensor

    @torch.no_grad()
    def impose(self) -> None:
        """Zero the weights."""
        self.parameter.masked_fill_(self.dropped, 0.0)

    @torch.no_grad()
    def impose_on_gradient(self) -> None:
        """Zero the gradient, so that nothing an optimizer remembers moves the weights."""
        if self.parameter.grad is not None:
            self.parameter.grad.masked_fill_(self.dropped, 0.0)


def bind(masks: Masks | None, model: nn.Module) -> tuple[Bound, ...]:
    """The parameters of a model that masks are about. Of a weight-normalised tensor it is the direction,
    and the magnitude of slices that are removed whole.

    Raises
    ------
    PlanError : the model has no such parameter, or one of another shape.
    """
    if masks is None:
        return ()
    parameters = dict(model.named_parameters())
    found = []
    for name, mask in masks.kept.items():
        owner, _, leaf = name.rpartition(".")
        place = f"{owner}.parametrizations.{leaf}." if owner else f"parametrizations.{leaf}."
        own = next((n for n in (name, f"{place}original1", f"{place}original") if n in parameters), None)
        if own is None:
            raise PlanError(f"masks: {unknown('parameter', name, parameters)}")
        parameter = parameters[own]
        _check_shape(name, mask, tuple(parameter.shape))
        dropped = ~mask.to(parameter.device)
        if own.endswith(".original1"):
            size = parameters[own.removesuffix("1") + "0"]
            whole = _whole_slices(dropped, tuple(size.shape))
            found.append(Bound(size, whole))
            dropped = dropped & ~whole
        found.append(Bound(parameter, dropped))
    return tuple(found)


def _whole_slices(dropped: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Slices of which nothing is left, with size 1 where `shape` has it: a length may be zero, a direction not."""
    for position, size in enumerate(shape):
        if size == 1:
            dropped = dropped.all(position, keepdim=True)
    return dropped


def _check_shape(name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(mask.shape) != shape:
        raise PlanError(
            f"masks: '{name}' has shape {shape} here, but the mask was made for {tuple(mask.shape)}; "
            "make masks for the network as it is now"
        )
