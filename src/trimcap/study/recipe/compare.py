"""Methods side by side: `[compare]` of a recipe, in which every method goes on from the same network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from trimcap.study.recipe.complaint import problems
from trimcap.study.steps.kind import slug
from trimcap.study.steps.section import Fraction, Section
from trimcap.study.steps.table import KINDS, Step, check_order

#: a sparsity to check steps with that are not given one yet
_ANY = 0.5


class Steps(Section):
    """Steps alone, for a check."""

    steps: tuple[Step, ...]


class Method(Section):
    """`[[compare.methods]]`: a name for tables and figures, and steps that follow those of the recipe.

    Parameters
    ----------
    name : letters, digits, spaces and any of , . + - ( )
    steps : as in `[[steps]]`; one that prunes without saying how much is given each sparsity in turn
    sparsities : instead of those of `[compare]`
    """

    name: Annotated[str, Field(pattern=r"^\w[\w ,.+()-]*$", max_length=60)]
    steps: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    sparsities: tuple[Fraction, ...] | None = None

    @property
    def asks(self) -> bool:
        """Whether a step of it is to be given a sparsity."""
        return any(_asks(step) for step in self.steps)

    def at(self, sparsity: float | None) -> tuple[Any, ...]:
        """The steps with a sparsity filled in.

        Raises
        ------
        ValueError : unknown kinds or keys, wrong values; a line for each, with its step.
        """
        steps = [step | {"sparsity": sparsity} if _asks(step) else step for step in self.steps]
        try:
            return Steps.model_validate_json(json.dumps({"steps": steps}), strict=True).steps
        except ValidationError as error:
            lines = problems(error, Steps, step="step {number}{kind}:")
            raise ValueError("\n".join(f"method {self.name!r}, {line}" for line in lines)) from error


class CompareSection(Section):
    """`[compare]`: every method at every sparsity, each from the network that the steps of the recipe left.

    Parameters
    ----------
    sparsities : fractions in [0, 1)
    methods : see `Method`; one none of whose steps asks for a sparsity is run once
    reference : a method that all others are compared with at the same sparsity, e.g. random pruning; the report only.
        All are compared with the dense network; "dense" is that alone, for recipes that extend one with a reference
    keep_networks : leave the networks of all methods on the disk, which may be gigabytes; without it their scores,
        costs, plans and predictions stay, and the networks of `[[steps]]`
    """

    sparsities: tuple[Fraction, ...] = ()
    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    reference: str | None = None
    keep_networks: bool = False

    @field_validator("reference")
    @classmethod
    def _none_beside_dense(cls, reference: str | None) -> str | None:
        return None if reference == "dense" else reference

    @model_validator(mode="after")
    def _checked(self) -> CompareSection:
        names = [method.name for method in self.methods]
        files = [slug(name).lower() for name in names]
        wrong = list[str]()
        if twice := [name for name, file in zip(names, files, strict=True) if files.count(file) > 1]:
            wrong.append(f"two methods are called {twice[0]!r}, or as good as; give each a name of its own")
        if self.reference is not None and self.reference not in names:
            wrong.append(no_reference(self.reference, names))
        for method in self.methods:
            wrong += self._mistakes(method)
        if wrong:
            raise ValueError("\n".join(dict.fromkeys(wrong)))
        return self

    def _mistakes(self, method: Method) -> list[str]:
        try:
            method.at(_ANY if method.asks else None)  # a misspelt step is said first
            self.sparsities_of(method)
        except ValueError as error:
            return str(error).splitlines()
        return []

    def sparsities_of(self, method: Method) -> tuple[float | None, ...]:
        """At which sparsities a method is run; (None,) if no step of it asks for one."""
        if not method.asks:
            if method.sparsities is not None:
                raise ValueError(
                    f"method {method.name!r} has sparsities, but each of its steps says itself how much goes, or "
                    "removes nothing; leave them out, or the sparsity in its steps"
                )
            return (None,)
        found = self.sparsities if method.sparsities is None else method.sparsities
        if not found:
            raise ValueError(
                f"method {method.name!r} prunes, but nothing says how much; write sparsities = [0.5, 0.8] "
                "in [compare], or a sparsity into its steps"
            )
        if len(set(found)) != len(found):
            raise ValueError(f"sparsities {list(found)} are not distinct; each is run once")
        return found

    def runs(self) -> tuple[tuple[Method, float | None, tuple[Any, ...]], ...]:
        """Every method at every sparsity, with its steps."""
        return tuple((m, sparsity, m.at(sparsity)) for m in self.methods for sparsity in self.sparsities_of(m))

    def content(self) -> list[Any]:
        """What decides the numbers, for a recipe's hash."""
        return [
            [m.name, sparsity, [step.model_dump(mode="json", exclude_defaults=True) for step in steps]]
            for m, sparsity, steps in self.runs()
        ]


def no_reference(reference: str, names: Iterable[str], *, inherited: str = "") -> str:
    """What is said about a reference that is none of the methods; `inherited` names the recipe that says it."""
    said = f", inherited from '{inherited}'," if inherited else ""
    where = " in [compare]" if inherited else ""
    return (
        f"reference = {reference!r}{said} is no method; methods: {', '.join(names)}. Name one of them, or write "
        f'reference = "dense"{where}'
    )


def check_methods(compare: CompareSection, trunk: Sequence[str]) -> None:
    """Refuse methods whose steps can't follow those of the recipe, of the given kinds; says each once."""
    wrong = []
    for method, _, steps in compare.runs():
        try:
            check_order([*trunk, *(step.kind for step in steps)])
        except ValueError as error:
            wrong.append(f"[compare] method {method.name!r}: {error}")
    if wrong:
        raise ValueError("\n".join(dict.fromkeys(wrong)))


def _asks(step: dict[str, Any]) -> bool:
    kind = KINDS.get(str(step.get("kind")))
    return kind is not None and bool(kind.removes) and not any(key in step for key in kind.removes)
