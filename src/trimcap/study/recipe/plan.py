"""The stages of a recipe, their names, and which goes on from which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from trimcap.study.steps.kind import Kind, Stage, slug
from trimcap.study.steps.table import KINDS

if TYPE_CHECKING:
    from trimcap.study.recipe.recipe import Recipe


def plan_of(recipe: Recipe) -> tuple[Stage, ...]:
    """All stages, every one after its parent; a kind that comes again is numbered: "pruned 2".

    >>> from trimcap.study.recipe.recipe import Recipe
    >>> [stage.name for stage in plan_of(Recipe(name="x", steps=({"kind": "rewrite"},) * 2))]
    ['dense', 'rewritten', 'rewritten 2']
    """
    stages = [Stage("dense", None)]
    for name, step, kind in _numbered(recipe.steps):
        stages.append(Stage(name, step, stages[-1].name, kind=kind))
    trunk = stages[-1].name
    for method, sparsity, steps in recipe.compare.runs() if recipe.compare else ():
        parent, title = trunk, title_of(method.name, sparsity)
        for name, step, kind in _numbered(steps):
            stages.append(Stage(f"{title}: {name}", step, parent, method.name, sparsity, kind))
            parent = stages[-1].name
    return tuple(stages)


def title_of(method: str, sparsity: float | None) -> str:
    """A method at a sparsity, in words.

    >>> title_of("LFP", 0.8), title_of("SFP", 0.125), title_of("small", None)
    ('LFP 80 %', 'SFP 12.5 %', 'small')
    """
    return method if sparsity is None else f"{method} {100 * sparsity:.4g} %"


def check_files(recipe: Recipe) -> None:
    """Refuse stages that would share their files.

    Raises
    ------
    ValueError : names both, such as "LFP 30" that runs once and "LFP" at 30 %.
    """
    known: dict[str, str] = {}
    for stage in plan_of(recipe):
        file = slug(stage.name).lower()
        if file in known:
            raise ValueError(
                f"[compare] stages {known[file]!r} and {stage.name!r} would share the files '{file}'; give one method "
                "another name, or sparsities that differ in four digits"
            )
        known[file] = stage.name


def _numbered(steps: Iterable[Any]) -> Iterator[tuple[str, Any, Kind]]:
    counts: dict[str, int] = {}
    for step in steps:
        kind = KINDS[step.kind]
        counts[step.kind] = number = counts.get(step.kind, 0) + 1
        yield (kind.title if number == 1 else f"{kind.title} {number}"), step, kind
