"""Axes: which slices of which tensors must be removed together.

Walk the graph once, give every dimension of every tensor a product of atoms and unify what operations tie
together (`graph.ops`). What is left unfrozen is an axis: to prune it, index-select every tensor dimension that
contains it. The approach generalises the dependency graph of Fang et al. (2023, "DepGraph", CVPR) from coupled
layers to products and sums of dimensions, which EEG networks need (depth multipliers, flattening, electrodes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimcap._errors import unknown
from trimcap.graph.node import Node
from trimcap.graph.ops.atoms import Atom, Dim, flat, freeze, fresh, size_of
from trimcap.graph.ops.table import operation_of
from trimcap.graph.ops.walk import Keep, Walk, not_understood

if TYPE_CHECKING:
    from trimcap.graph.network import Network


@dataclass(frozen=True)
class Axis:
    """Slices that are removed together.

    Parameters
    ----------
    name : the layer that makes them ("temporal", "spatial.depth", "electrodes", …)
    size : number of slices
    frozen : why nothing may be removed, or ""
    kind : "input" (electrodes, bands), or "hidden" (filters, neurons)
    members : every (tensor, dimension) that contains the axis
    """

    name: str
    size: int
    frozen: str
    kind: str
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Axes(Mapping[str, Axis]):
    """All axes of a network by name, prunable ones first; knows how to index tensors by kept slices."""

    axes: Mapping[str, Axis]
    tensor_dims: Mapping[str, tuple[Dim, ...]] = field(repr=False)
    node_dims: Mapping[str, Any] = field(repr=False)
    names: Mapping[Atom, str] = field(repr=False)

    def __getitem__(self, name: str) -> Axis:
        if name not in self.axes:
            raise KeyError(unknown("axis", name, self.axes))
        return self.axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.axes)

    def __len__(self) -> int:
        return len(self.axes)

    def __repr__(self) -> str:
        return f"Axes({len(self.prunable)} prunable, {len(self) - len(self.prunable)} frozen)"

    def __str__(self) -> str:
        width = max((len(name) for name in self), default=0)
        return "\n".join(
            f"{axis.name:<{width}}  {axis.size:>5}  {(axis.frozen and 'frozen: ' + axis.frozen) or axis.kind}"
            for axis in self.values()
        )

    @property
    def prunable(self) -> tuple[Axis, ...]:
        """Axes of which slices may be removed."""
        return tuple(axis for axis in self.axes.values() if not axis.frozen)

    @property
    def hidden(self) -> tuple[Axis, ...]:
        """Prunable axes inside the network: filters and neurons, not electrodes or bands."""
        return tuple(axis for axis in self.prunable if axis.kind == "hidden")

    def index(self, dim: Dim, keep: Keep) -> Tensor:
        """Rows of a (composite) dimension that survive, int64, given axis → kept slices."""
        rows = torch.zeros(1, dtype=torch.long)
        for atom in flat(dim):
            mine = self._atom_index(atom, keep)
            rows = (rows[:, None] * atom.size + mine[None]).reshape(-1)
        return rows

    def _atom_index(self, atom: Atom, keep: Keep) -> Tensor:
        name = self.names.get(atom, "")
        if atom.parts:
            offset, rows = 0, []
            for part in atom.parts:
                rows.append(offset + self.index(part, keep))
                offset += size_of(part)
            return torch.cat(rows)
        if name in keep and not atom.frozen:
            return torch.as_tensor(list(keep[name]), dtype=torch.long)
        return torch.arange(atom.size)

    def dims(self, name: str) -> tuple[Dim, ...]:
        """Dimensions of a result (one tensor), an input or a tensor."""
        found: tuple[Dim, ...] = self.node_dims[name]
        return found

    def labels(self, dim: Dim, axis: str) -> Tensor:
        """For every row of a dimension the slice of `axis` it belongs to, or −1; int64.

        Of a row that belongs to two slices (see `occurrences`) the inner one.
        """
        labels = torch.full((size_of(dim),), -1)
        for found in self.occurrences(dim, axis):
            labels = torch.where(found >= 0, found, labels)
        return labels

    def occurrences(self, dim: Dim, axis: str) -> list[Tensor]:
        """The labels of `axis` each time that a dimension contains it: twice in a flattened covariance of channels."""
        atoms = flat(dim)
        found = []
        for position, atom in enumerate(atoms):
            before, after = size_of(atoms[:position]), size_of(atoms[position + 1 :])
            found += [mine.repeat_interleave(after).repeat(before) for mine in self._atom_labels(atom, axis)]
        return found

    def _atom_labels(self, atom: Atom, axis: str) -> list[Tensor]:
        if not atom.parts:
            return [torch.arange(atom.size)] if self.names.get(atom) == axis else []
        parts = [(self.occurrences(part, axis), torch.full((size_of(part),), -1)) for part in atom.parts]
        most = max(len(found) for found, _ in parts)
        return [torch.cat([found[i] if i < len(found) else none for found, none in parts]) for i in range(most)]


def analyse(network: Network) -> Axes:
    """Find the axes of a network.

    Returns
    -------
    Axes : all axes with more than one slice that contain a parameter or an input dimension
    """
    walk = Walk(network)
    for name in network.tensors:
        walk.dims[name] = tuple(fresh(s) for s in network.shape_of(name))
    for name, shape in network.inputs.items():
        walk.dims[name] = ((), *(fresh(s) for s in shape))
        for dim, label in zip(walk.dims[name][1:], network.labels_of(name), strict=True):
            if label.rpartition(".")[2] not in ("electrodes", "bands", "features"):
                freeze(dim, f"{label} of the input")
    for node in network.nodes:
        walk.dims[node.name] = _follow(walk, node)
    for dim in walk.dims[network.output]:
        freeze(dim, "output of the network")
    return _collect(network, walk)


def _follow(walk: Walk, node: Node) -> Any:
    """Dimensions of the result of `node`; a tuple of them for several results.

    A rule whose result has other sizes than the operation's has met a form that it does not know: the operation
    is taken as not understood.
    """
    found = (operation_of(node.kind).axes or not_understood)(walk, node)
    return found if _fits(found, node.shape) else not_understood(walk, node)


def _fits(found: Any, shape: Any) -> bool:
    if shape and isinstance(shape[0], tuple):
        return len(found) == len(shape) and all(map(_fits, found, shape))
    return tuple(map(size_of, found)) == tuple(shape)


def _collect(network: Network, walk: Walk) -> Axes:
    """Name the atoms that are left and list their members."""
    members: dict[Atom, list[tuple[str, int]]] = {}
    for name in network.tensors:
        for position, dim in enumerate(walk.dims[name]):
            for atom in dict.fromkeys(_leaves(dim)):
                members.setdefault(atom, []).append((name, position))
    inputs: dict[Atom, str] = {}
    for name in network.inputs:
        for dim, label in zip(walk.dims[name][1:], network.labels_of(name), strict=True):
            for number, atom in enumerate(_leaves(dim)):
                inputs.setdefault(atom, label if number == 0 else f"{label}.{number}")
    names = _names(network, walk, inputs)
    axes = [
        Axis(
            name,
            atom.size,
            atom.frozen,
            "input" if atom in inputs else "hidden",
            tuple(members.get(atom, ())),
        )
        for atom, name in names.items()
    ]
    axes.sort(key=lambda a: (bool(a.frozen), a.kind != "input"))
    tensors = {name: walk.dims[name] for name in (*network.tensors, *network.inputs)}
    return Axes({a.name: a for a in axes}, tensors, dict(walk.dims), names)


def _leaves(dim: Dim) -> Iterator[Atom]:
    for atom in flat(dim):
        if atom.parts:
            for part in atom.parts:
                yield from _leaves(part)
        else:
            yield atom


def _names(network: Network, walk: Walk, inputs: Mapping[Atom, str]) -> dict[Atom, str]:
    """An axis is called after the layer that makes it: the first weight whose rows (dimension 0) are its slices."""
    names: dict[Atom, str] = {}
    used: set[str] = set()

    def give(atom: Atom, name: str) -> None:
        unique, number = name, 2
        while unique in used:
            unique, number = f"{name}.{number}", number + 1
        used.add(unique)
        names[atom] = unique

    for atom, label in inputs.items():
        give(atom, label)
    producers = [(n, 0) for n in network.tensors if len(network.shape_of(n)) >= 2]
    others = [(n, d) for n in network.tensors for d in range(len(network.shape_of(n)))]
    for tensor, position in (*producers, *others):
        dim = tuple(_leaves(walk.dims[tensor][position]))
        owner = tensor.rpartition(".")[0] if tensor.rpartition(".")[0] else tensor
        rows = position == 0
        for number, atom in enumerate(dim):
            if atom in names:
                continue
            inner = number > 0 and dim[0] in names and names[dim[0]] != owner
            suffix = "" if rows and not inner else ".depth" if rows else ".kernel" if position > 1 else ".inputs"
            give(atom, owner + suffix)
    return names
