"""The algebra under the axes: every dimension of every tensor is a product of atoms, and atoms are unified.

An `Atom` is a set of slices that can only be removed together. A dimension (`Dim`) is a product of atoms,
outermost first: flattening (filters, times) gives the product of both, a depth multiplier multiplies, a
concatenation is one atom made of `parts`. Two dimensions that must agree are unified atom by atom; where the
sizes don't line up, the larger atom is split into factors. What mixes positions freezes atoms and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
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
    return () if size == 1 else (Atom(size, frozen or ("" if size else "it is empty")),)


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


def cut(dim: Dim, sizes: Sequence[int], why: str) -> list[Dim] | None:
    """The dimension as consecutive pieces of the given sizes; its outermost atom becomes their concatenation.

    Returns None (after freezing the dimension) where a piece would end inside one slice of the outermost atom.
    """
    if len(sizes) == 1:
        return [dim]
    atoms = flat(dim)
    inner = size_of(atoms[1:])
    if atoms and all(size % inner == 0 for size in sizes):
        pieces = _cut_atom(atoms[0], [size // inner for size in sizes], why)
        if pieces is not None:
            return [(*piece, *atoms[1:]) for piece in pieces]
    freeze(atoms, why)
    return None


def _cut_atom(atom: Atom, sizes: Sequence[int], why: str) -> list[Dim] | None:
    """Pieces of one atom: new ones, or those it has, cut further where they don't end in the same places."""
    if not atom.parts:
        atom.parts = tuple(fresh(size, atom.frozen) for size in sizes)
        return list(atom.parts)
    have = list(atom.parts)
    pieces: list[Dim] = []
    for size in sizes:
        taken: list[Dim] = []
        missing = size
        while missing:
            part = have.pop(0)
            if size_of(part) > missing:
                halves = cut(part, [missing, size_of(part) - missing], why)
                if halves is None:
                    return None
                part = halves[0]
                have.insert(0, halves[1])
            taken.append(part)
            missing -= size_of(part)
        pieces.append(concatenate(taken))
    return pieces


def _split(atom: Atom, outer: int, why: str) -> None:
    """Write an atom as a product of `outer` and the rest."""
    if atom.parts:
        _split_parts(atom, atom.size // outer, why)
    if atom.factors is None:
        freeze((atom,), why if atom.parts else "")
        atom.factors = (Atom(outer, atom.frozen), Atom(atom.size // outer, atom.frozen))


def _split_parts(atom: Atom, inner: int, why: str) -> None:
    """Write a concatenation as a product: each part must be one too, and what is inside must be the same in all."""
    sizes = [size_of(part) for part in atom.parts]
    if all(size % inner == 0 for size in sizes):
        pairs = [regroup([part], [size // inner, inner], why) for part, size in zip(atom.parts, sizes, strict=True)]
        found = [pair for pair in pairs if pair is not None]
        if len(found) == len(pairs):
            for _, other in found[1:]:
                unify(found[0][1], other, why)
            atom.factors = (*concatenate([outer for outer, _ in found]), *found[0][1])
    elif len(set(sizes)) == 1 and inner % sizes[0] == 0:
        together = inner // sizes[0]
        first = atom.parts[:together]
        for number, part in enumerate(atom.parts[together:]):
            unify(first[number % together], part, why)
        atom.factors = (*concatenate([()] * (atom.size // inner)), *concatenate(first))


def _merge(a: Atom, b: Atom, why: str) -> None:
    if a is b:
        return
    if a.parts and b.parts:
        _merge_parts(a, b, why)
    if b.parts and not a.parts:
        a, b = b, a
    frozen = a.frozen or b.frozen
    b.same = a
    a.name = a.name or b.name
    if frozen:
        a.frozen = ""
        freeze((a,), frozen)


def _merge_parts(a: Atom, b: Atom, why: str) -> None:
    """Cut both where either is cut, and unify the pieces."""
    ends = sorted({*accumulate(map(size_of, a.parts)), *accumulate(map(size_of, b.parts))})
    sizes = [end - start for start, end in pairwise([0, *ends])]
    left, right = _cut_atom(a, sizes, why), _cut_atom(b, sizes, why)
    if left is None or right is None:
        freeze((a, b), "two concatenations meet whose parts can't be cut in the same places")
        return
    for x, y in zip(left, right, strict=True):
        unify(x, y, why)
