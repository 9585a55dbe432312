"""Hyper-parameters that every fold chooses on its inner folds: `[choose]` of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from trimcap._errors import unknown
from trimcap.study.recipe.complaint import complaint
from trimcap.study.steps.section import Training

if TYPE_CHECKING:
    from trimcap.study.recipe.recipe import Recipe


def combinations(recipe: Recipe) -> tuple[dict[str, Any], ...]:
    """All combinations of the values in `[choose]`, in the order in which they are written."""
    return tuple(dict(zip(recipe.choose, values, strict=True)) for values in product(*recipe.choose.values()))


def with_choice(recipe: Recipe, choice: Mapping[str, Any]) -> Recipe:
    """The recipe with one combination of `[choose]` written into `[train]` and `[model.options]`, and no `[choose]`."""
    changed = recipe.model_dump(mode="json") | {"choose": {}}
    changed["protocol"]["inner"] = None
    for key, value in choice.items():
        place, _, option = key.rpartition(".")
        target = changed["model"]["options"] if place == "model.options" else changed["train"]
        target[option] = value
    return type(recipe).model_validate(changed)


def check_choices(recipe: Recipe) -> None:
    """Refuse keys of `[choose]` that are no option of training or model, repeated or illegal values."""
    if bool(recipe.choose) != (recipe.protocol.inner is not None):
        missing = "inner = 3 in [protocol]" if recipe.choose else "a table [choose] of values to choose from"
        raise ValueError(f"choosing needs both inner folds and something to choose; add {missing}")
    for key, values in recipe.choose.items():
        place, _, option = key.rpartition(".")
        if place != "model.options" and (place not in ("", "train") or option not in Training.model_fields):
            legal = [*Training.model_fields, "model.options.…"]
            raise ValueError(f"[choose] {unknown('key', key.removeprefix('train.'), legal)}")
        if any(value in values[:number] for number, value in enumerate(values)):
            raise ValueError(f"[choose] {key} = {list(values)} has a value twice")
    for choice in combinations(recipe) if recipe.choose else ():
        try:
            with_choice(recipe, choice)
        except ValidationError as error:
            raise ValueError(complaint(error, type(recipe), f"[choose] {choice}: then")) from error
