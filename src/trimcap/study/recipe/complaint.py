"""What is wrong with a recipe, in words: where, why, and the nearest valid key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from trimcap._errors import unknown
from trimcap.study.steps.table import KINDS

_STEP = "[[steps]] number {number}{kind}"


def complaint(error: ValidationError, root: type[BaseModel], where: str) -> str:
    """All problems, one per line, each with its table and key.

    >>> from trimcap.study.recipe.recipe import Recipe
    >>> try:
    ...     Recipe.model_validate({"name": "x", "train": {"epoch": 3}})
    ... except ValidationError as error:
    ...     print(complaint(error, Recipe, "recipe.toml").partition(" Known:")[0])
    recipe.toml: [train] unknown key 'epoch'; did you mean 'epochs'?
    """
    return "\n".join(f"{where}: {problem}" for problem in problems(error, root))


def problems(error: ValidationError, root: type[BaseModel], *, step: str = _STEP) -> list[str]:
    """Every problem with its table and key, once.

    Parameters
    ----------
    error : of a recipe or a part of it
    root : the model that was to be made
    step : what a step is called, with its {number} and {kind}
    """
    details = error.errors(include_url=False)
    real = [one for one in details if not _follows(one, details) and not _another_type(one, details, root, step)]
    # a value that fits no member of a union is reported once per member
    return list(dict.fromkeys(line for detail in real for line in _lines(detail, root, step)))


def _follows(detail: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is said to be too short only because what is in it is wrong."""
    place = tuple(detail["loc"])
    places = [tuple(other["loc"]) for other in others]
    return detail["type"] == "too_short" and any(place != one and place == one[: len(place)] for one in places)


def _another_type(
    detail: Mapping[str, Any], others: Sequence[Mapping[str, Any]], root: type[BaseModel], step: str
) -> bool:
    """Whether a value is said to be of a wrong type, though another member of the union takes its type."""
    place = tuple(detail["loc"])
    alike = [o for o in others if tuple(o["loc"])[:-1] == place[:-1] and tuple(o["loc"]) != place]
    key = _place(place, root, step)[:2]
    return detail["type"].endswith("_type") and any(
        other["input"] is detail["input"]
        and not other["type"].endswith("_type")
        and _place(tuple(other["loc"]), root, step)[:2] == key
        for other in alike
    )


def _lines(detail: Mapping[str, Any], root: type[BaseModel], step: str) -> list[str]:
    """One line for each mistake."""
    table, key, model = _place(tuple(detail["loc"]), root, step)
    prefix = f"{table} " if table else ""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":  # of a table as a whole, which may have several
        return [prefix + line for line in message.splitlines()]
    if detail["type"].startswith("union_tag"):
        return [_of_a_kind(detail, step)]
    return [prefix + _of_a_key(detail, key, model, message)]


def _of_a_kind(detail: Mapping[str, Any], step: str) -> str:
    place = _step(tuple(detail["loc"]), step)
    if detail["type"] == "union_tag_not_found":
        return f"{place} lacks the key 'kind'; known kinds: {', '.join(KINDS)}"
    return f"{place} " + unknown("kind", str(detail["ctx"]["tag"]), KINDS)


def _of_a_key(detail: Mapping[str, Any], key: str, model: type[BaseModel], message: str) -> str:
    if detail["type"] == "extra_forbidden":
        return unknown("key", key, _keys(model))
    if detail["type"] == "missing":
        return f"lacks the key {key!r}"
    if detail["type"] == "literal_error":
        return f"{key}: " + unknown("value", str(detail["input"]), _literals(model, key))
    return f"{key} = {detail['input']!r}: {message[0].lower()}{message[1:]}"


def _place(location: tuple[Any, ...], root: type[BaseModel], step: str) -> tuple[str, str, type[BaseModel]]:
    """Table as it is written in the file, key within it, and the table's model."""
    if location[:1] == ("steps",) and len(location) >= 3:
        key = str(location[3]) if len(location) > 3 else ""
        return _step(location, step), key, KINDS[location[2]].options
    table, where, model, rest = "", "", root, list(location)
    while rest and (inner := _model_of(model, str(rest[0]))) is not None:
        table, model = f"{table}.{rest.pop(0)}".lstrip("."), inner
        of_several = bool(rest) and isinstance(rest[0], int)
        where = f"[[{table}]] number {int(rest.pop(0)) + 1}" if of_several else f"[{table}]"
    return where, (str(rest[0]) if rest else ""), model


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of a table, of an array of tables, or of a table that may be left out."""
    field = model.model_fields.get(key)
    kinds = [field.annotation, *get_args(field.annotation)] if field is not None else []
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _step(location: tuple[Any, ...], step: str) -> str:
    kind = f" ({location[2]})" if len(location) > 2 else ""
    return step.format(number=int(location[1]) + 1, kind=kind)


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name != "kind"]


def _literals(model: type[BaseModel], key: str) -> list[str]:
    values = get_args(model.model_fields[key].annotation)
    nested = [get_args(value) for value in values if get_args(value)]  # Literal[…] | None
    return [str(value) for value in (nested[0] if nested else values)]
