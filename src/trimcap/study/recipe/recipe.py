"""A recipe: what to measure, written down completely, as TOML."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from trimcap.study.recipe.choose import check_choices
from trimcap.study.recipe.compare import CompareSection, check_methods, no_reference
from trimcap.study.recipe.complaint import complaint
from trimcap.study.recipe.extends import inherited, merged, read_toml
from trimcap.study.recipe.plan import check_files, plan_of
from trimcap.study.recipe.sections import BaselineSection, DataSection, ModelSection, ProtocolSection, ReportSection
from trimcap.study.steps.section import Section, Training
from trimcap.study.steps.table import Step, check_order, needing

#: raised when a default, or what a value does, changes: a run must not go on with both
FORMAT = 2


class Recipe(Section):
    """Data, protocol, model, baselines, seeds, steps and report of one study.

    `[compare]` lets several methods go on from the network that the steps left; see `CompareSection`.

    `[choose]` names values of which every fold takes the best on its inner folds: keys of `[train]`, or
    "model.options.F1", each with a list; see `trimcap.study.recipe.choose`.
    """

    name: Annotated[str, Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    data: DataSection = DataSection()
    protocol: ProtocolSection = ProtocolSection()
    model: ModelSection = ModelSection()
    train: Training = Training()
    baselines: BaselineSection = BaselineSection()
    choose: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    compare: CompareSection | None = None
    report: ReportSection = ReportSection()

    @model_validator(mode="after")
    def _checked(self) -> Recipe:
        wrong = list[str]()
        for check in (_check_seeds, _check_steps, _check_compare, _check_calibration):
            try:
                check(self)
            except ValueError as error:
                wrong += str(error).splitlines()
        if wrong:
            raise ValueError("\n".join(dict.fromkeys(wrong)))
        check_choices(self)  # makes recipes of its own, which would repeat all that
        return self

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what decides the numbers: values that are no defaults, without name and report."""
        without: Any = {"report": True, "name": True, "data": {"cache": True}, "compare": True}
        content = self.model_dump(mode="json", exclude=without, exclude_defaults=True) | {"format": FORMAT}
        if self.compare is not None:
            content["compare"] = self.compare.content()
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_recipe(path: Path | str) -> Recipe:
    """Read and check a recipe; with `extends = "other.toml"` the other one, with what this one says instead.

    Raises
    ------
    FileNotFoundError : no such file; names the recipes beside it.
    ValueError : not TOML, an unknown key (names the nearest), a wrong type or value (says where); recipes that extend
        each other in a circle.
    """
    table = merged(path)
    return _checked(table, Path(path).name, foreign=_foreign_reference(path, table))


def parse_recipe(text: str, *, where: str = "recipe") -> Recipe:
    """A recipe from TOML text that extends no other; `where` names it in messages."""
    return _checked(read_toml(text, where), where)


def _checked(table: dict[str, Any], where: str, *, foreign: str = "") -> Recipe:
    """The recipe of a table; `foreign` is a mistake that it inherited, and is said with its own."""
    if foreign:
        table = table | {"compare": {k: v for k, v in table["compare"].items() if k != "reference"}}
    lines = [f"{where}: [compare] {foreign}"] if foreign else []
    try:
        # strict JSON mode: lists become tuples, but "3" is no number and 1 is no boolean
        recipe = Recipe.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise ValueError("\n".join([*lines, complaint(error, Recipe, where)])) from error
    if lines:
        raise ValueError(lines[0])
    return recipe


def _foreign_reference(path: Path | str, table: dict[str, Any]) -> str:
    """What is wrong with a reference of methods that comes from another recipe; "" if nothing is."""
    compare = table.get("compare")
    if not isinstance(compare, dict) or not isinstance(methods := compare.get("methods"), list):
        return ""
    names = [str(method["name"]) for method in methods if isinstance(method, dict) and "name" in method]
    reference, source = compare.get("reference"), inherited(path, "compare", "reference")
    if not source or not isinstance(reference, str) or reference in (*names, "dense"):
        return ""
    return no_reference(reference, names, inherited=source)


def _check_seeds(recipe: Recipe) -> None:
    if len(set(recipe.seeds)) != len(recipe.seeds):
        raise ValueError(f"seeds {list(recipe.seeds)} are not distinct; every seed is one repetition")
    twin = recipe.report.leaky_twin
    if not isinstance(twin, bool) and (alone := [seed for seed in twin if seed not in recipe.seeds]):
        raise ValueError(f"[report] leaky_twin: seeds {alone} are not among the recipe's seeds {list(recipe.seeds)}")


def _check_steps(recipe: Recipe) -> None:
    check_order([step.kind for step in recipe.steps])


def _check_compare(recipe: Recipe) -> None:
    if recipe.compare is None:
        return
    kinds: list[str] = [step.kind for step in recipe.steps]
    try:
        check_order(kinds)
    except ValueError:
        kinds = []  # said already, not once more for every method
    check_methods(recipe.compare, kinds)
    check_files(recipe)


def _check_calibration(recipe: Recipe) -> None:
    kinds = [stage.step.kind for stage in plan_of(recipe)[1:]]
    if (asking := needing(kinds, "calibration")) and not _may_calibrate(recipe.protocol):
        raise ValueError(
            f"steps: {asking[0]!r} needs calibration trials, which the protocol {recipe.protocol.name!r} does not set "
            'aside; write name = "few_shot" in [protocol], or remove the step'
        )


def _may_calibrate(protocol: ProtocolSection) -> bool:
    """Split files and functions of one's own may set trials aside; whether they do is seen when they are read."""
    return protocol.name == "few_shot" or ":" in protocol.name or protocol.file is not None
