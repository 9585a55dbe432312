"""The stages of a recipe, their names, and which goes on from which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from trimcap.study.recipe.names import slug
from trimcap.study.recipe.recipe import Recipe

NAMES = {
    "rewrite": "rewritten",
    "prune": "pruned",
    "mask": "masked",
    "soft": "soft-pruned",
    "published": "pruned as published",
    "recover": "recovered",
    "re_estimate": "re-estimated",
    "calibrate": "calibrated",
    "quantize": "int8",
    "export": "C",
    "verify": "verified",
}


@dataclass(frozen=True)
class Stage:
    """One step by name.

    Parameters
    ----------
    step : None for "dense"
    parent : the stage whose result it is given; None for "dense"
    method, sparsity : of `[compare]`; "" and None for the steps of the recipe
    """

    name: str
    step: Any
    parent: str | None = None
    method: str = ""
    sparsity: float | None = None

    @property
    def is_network(self) -> bool:
        """Whether it leaves something that can be evaluated."""
        return self.step is None or self.step.kind != "verify"


def plan_of(recipe: Recipe) -> tuple[Stage, ...]:
    """All stages, every one after its parent; a kind that comes again is numbered: "pruned 2".

    >>> from trimcap.study.recipe.steps import Rewrite
    >>> [stage.name for stage in plan_of(Recipe(name="x", steps=(Rewrite(kind="rewrite"),) * 2))]
    ['dense', 'rewritten', 'rewritten 2']
    """
    stages = [Stage("dense", None)]
    for name, step in _numbered(recipe.steps):
        stages.append(Stage(name, step, stages[-1].name))
    trunk = stages[-1].name
    for method, sparsity, steps in recipe.compare.runs() if recipe.compare else ():
        parent, title = trunk, title_of(method.name, sparsity)
        for name, step in _numbered(steps):
            stages.append(Stage(f"{title}: {name}", step, parent, method.name, sparsity))
            parent = stages[-1].name
    return tuple(stages)


def title_of(method: str, sparsity: float | None) -> str:
    """A method at a sparsity, in words.

    >>> title_of("LFP", 0.8), title_of("SFP", 0.125), title_of("small", None)
    ('LFP 80 %', 'SFP 12.5 %', 'small')
    """
    return method if sparsity is None else f"{method} {100 * sparsity:.4g} %"


def ancestors(recipe: Recipe, name: str) -> tuple[Stage, ...]:
    """The stages that a stage goes on from, "dense" first, without itself."""
    stages = {stage.name: stage for stage in plan_of(recipe)}
    found, parent = list[Stage](), stages[name].parent
    while parent is not None:
        found.append(stages[parent])
        parent = stages[parent].parent
    return tuple(reversed(found))


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


def _numbered(steps: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.kind] = number = counts.get(step.kind, 0) + 1
        yield (NAMES[step.kind] if number == 1 else f"{NAMES[step.kind]} {number}"), step
