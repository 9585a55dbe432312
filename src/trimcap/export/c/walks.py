"""Strided walks over at most four nested loops."""

from __future__ import annotations

from collections.abc import Sequence

from trimcap.export.c.text import ExportError

Walk = tuple[list[int], list[list[int]]]


def merged(shape: Sequence[int], steps: Sequence[Sequence[int]], *, what: str) -> Walk:
    """Loops with neighbours merged where every operand walks straight on, filled up to four.

    Raises
    ------
    ExportError : more than four loops remain; `what` names the operation.
    """
    sizes: list[int] = []
    walks: list[list[int]] = [[] for _ in steps]
    for dim, size in enumerate(shape):
        if size == 1:
            continue
        here = [s[dim] for s in steps]
        if sizes and all(w[-1] == h * size for w, h in zip(walks, here, strict=True)):
            sizes[-1] *= size
            for w, h in zip(walks, here, strict=True):
                w[-1] = h
        else:
            sizes.append(size)
            for w, h in zip(walks, here, strict=True):
                w.append(h)
    if len(sizes) > 4:
        raise ExportError(f"{what} needs {len(sizes)} nested loops over shape {tuple(shape)}; C kernels have 4")
    fill = 4 - len(sizes)
    return [1] * fill + sizes, [[0] * fill + w for w in walks]


def walk_text(name: str, walk: Walk) -> str:
    """Declaration of a walk with two operands."""
    sizes, steps = walk
    rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in (sizes, *steps))
    return f"static const walk {name} = {{{rows}}};\n"
