"""The stages of a recipe and their names."""

from __future__ import annotations

from typing import Any

from trimcap.study.recipe import Recipe

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


def plan_of(recipe: Recipe) -> list[tuple[str, Any]]:
    """Stage names with their steps, "dense" first; a kind that comes again is numbered: "pruned 2".

    >>> from trimcap.study.steps import Rewrite
    >>> [name for name, _ in plan_of(Recipe(name="x", steps=(Rewrite(kind="rewrite"),) * 2))]
    ['dense', 'rewritten', 'rewritten 2']
    """
    stages: list[tuple[str, Any]] = [("dense", None)]
    for step in recipe.steps:
        name = NAMES[step.kind]
        before = sum(s is not None and s.kind == step.kind for _, s in stages)
        stages.append((f"{name} {before + 1}" if before else name, step))
    return stages
