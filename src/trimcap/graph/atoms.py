"""The algebra under the axes: every dimension of every tensor is a product of atoms, and atoms are unified.

An `Atom` is a set of slices that can only be removed together. A dimension (`Dim`) is a product of atoms,
outermost first: flattening (filters, times) gives the product of both, a depth multiplier multiplies, a
concatenation is one atom made of `parts`. Two dimensions that must agree are unified atom by atom; where the
sizes don't line up, the larger atom is split into factors. What mixes positions freezes atoms and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


@dataclass(eq=False)
class Atom:
    """One indivisible group of slices while the graph is walked (the walk's only mutable state)."""

    size: int
    frozen: str = ""
    name: str = ""
    same: Atom | None = None  # union-find parent
    parts: tuple[Dim, ...] = ()  # concatenation of other dimensions
    factors: Dim | None = None  # product of other atoms

    def root(self) -> Atom:
        """The representative of all atoms unified with this one."""
        atom = self
        while atom.same is not None:
            atom = atom.same
        return atom


Dim = tuple[Atom, ...]


def fresh(size: int, frozen: str = "") -> Dim:
    """A new dimension of its own; size 1 has no atom."""
    return () if size == 1 else (Atom(size, frozen),)


def flat(dim: Dim) -> Dim:
    """The dimension as a product of representatives that are not products themselves."""
    found: list[Atom] = []
    for atom in dim:
        atom = atom.root()
        found.extend(flat(atom.factors) if atom.factors is not None else (atom,))
    return tuple(found)


def size_of(dim: Dim) -> int:
    """Number of slices."""
    return prod(atom.size for atom in flat(dim))


def freeze(dim: Dim, why: str) -> None:
    """Nothing of this dimension may be removed; the first reason given is kept."""
    for atom in flat(dim):
        already = bool(atom.frozen)
        atom.frozen = atom.frozen or why
        if not already:
            for part in atom.parts:
                freeze(part, why)


def concatenate(parts: Sequence[Dim]) -> Dim:
    """The dimension that holds `parts` one after the other."""
    if len(parts) == 1:  # an atom that is its own part could be unified with it, without end
        return parts[0]
    return (Atom(sum(size_of(p) for p in parts), parts=tuple(parts)),)


def unify(x: Dim, y: Dim, why: str) -> None:
    """Make two dimensions the same, atom by atom; freeze both with reason `why` if they can't be."""
    left, right = list(flat(x)), list(flat(y))
    while left and right:
        a, b = left.pop(0).root(), right.pop(0).root()
        if a.factors is not None or b.factors is not None:  # split meanwhile, by an earlier round
            left[:0], right[:0] = flat((a,)), flat((b,))
        elif a.size == b.size:
            _merge(a, b, why)
        elif a.size > b.size and a.size % b.size == 0:
            _split(a, b.size, why)
            left[:0], right[:0] = flat((a,)), [b]
        elif b.size > a.size and b.size % a.size == 0:
            _split(b, a.size, why)
            left[:0], right[:0] = [a], flat((b,))
        else:
            freeze((a, b, *left, *right), why)
            return
    freeze((*left, *right), why)


def regroup(dims: Sequence[Dim], sizes: Sequence[int], why: str) -> list[Dim] | None:
    """Distribute the atoms of `dims` over new dimensions of the given sizes (a reshape), splitting where needed.

    Returns None (after freezing everything) when the sizes can't be made from the atoms.
    """
    atoms = [atom for dim in dims for atom in flat(dim)]
    every = tuple(atoms)
    result: list[Dim] = []
    for size in sizes:
        taken: list[Atom] = []
        have = 1
        while have < size:
            if not atoms:
                break
            atom = atoms.pop(0).root()
            if atom.factors is not None:
                atoms[:0] = flat((atom,))
                continue
            missing = size // have
            if size % have == 0 and atom.size > missing and atom.size % missing == 0:
                _split(atom, missing, why)
                atoms[:0] = flat((atom,))
                continue
            taken.append(atom)
            have *= atom.size
        if have != size:
            freeze(every, why)
            return None
        result.append(tuple(taken))
    return result


def _split(atom: Atom, outer: int, why: str) -> None:
    """Write an atom as a product of `outer` and the rest."""
    if atom.parts:
        freeze((atom,), why)
    atom.factors = (Atom(outer, atom.frozen), Atom(atom.size // outer, atom.frozen))


def _merge(a: Atom, b: Atom, why: str) -> None:
    if a is b:
        return
    if a.parts and b.parts:
        if [size_of(p) for p in a.parts] == [size_of(p) for p in b.parts]:
            for p, q in zip(a.parts, b.parts, strict=True):
                unify(p, q, why)
        else:
            freeze((a, b), "two concatenations with parts of different sizes meet")
    if b.parts and not a.parts:
        a, b = b, a
    frozen = a.frozen or b.frozen
    b.same = a
    a.name = a.name or b.name
    if frozen:
        a.frozen = ""
        freeze((a,), frozen)
