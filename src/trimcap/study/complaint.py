"""What is wrong with a recipe, in words: where, why, and the nearest valid key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from trimcap._errors import unknown


def complaint(error: ValidationError, root: type[BaseModel], where: str) -> str:
    """All problems, one per line, each with its table and key.

    >>> from trimcap.study.recipe import Recipe
    >>> try:
    ...     Recipe.model_validate({"name": "x", "train": {"epoch": 3}})
    ... except ValidationError as error:
    ...     print(complaint(error, Recipe, "recipe.toml").partition(" Known:")[0])
    recipe.toml: [train] unknown key 'epoch'; did you mean 'epochs'?
    """
    problems = [_one(detail, root) for detail in error.errors(include_url=False)]
    # a value that fits no member of a union is reported once per member
    return "\n".join(f"{where}: {problem}" for problem in dict.fromkeys(problems))


def _one(detail: Mapping[str, Any], root: type[BaseModel]) -> str:
    location = tuple(detail["loc"])
    table, key, model = _place(location, root)
    prefix = f"{table} " if table else ""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return prefix + unknown("key", str(key), _keys(model))
    if kind == "missing":
        return f"{prefix}lacks the key {key!r}"
    if kind == "union_tag_not_found":
        return f"{_step(location)} lacks the key 'kind'; known kinds: {', '.join(_kinds(root))}"
    if kind == "union_tag_invalid":
        return f"{_step(location)} " + unknown("kind", str(detail["ctx"]["tag"]), _kinds(root))
    if kind == "literal_error":
        return f"{prefix}{key}: " + unknown("value", str(detail["input"]), _literals(model, str(key)))
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{prefix}{message}"
    return f"{prefix}{key} = {detail['input']!r}: {message[0].lower()}{message[1:]}"


def _place(location: tuple[Any, ...], root: type[BaseModel]) -> tuple[str, str, type[BaseModel]]:
    """Table as it is written in the file, key within it, and the table's model."""
    if location[:1] == ("steps",) and len(location) >= 3:
        key = str(location[3]) if len(location) > 3 else ""
        return _step(location), key, _kinds(root)[location[2]]
    table, model, rest = "", root, list(location)
    while rest and (inner := _model_of(model, str(rest[0]))) is not None:
        table, model = f"{table}.{rest[0]}".lstrip("."), inner
        del rest[: 2 if len(rest) > 1 and isinstance(rest[1], int) else 1]  # one of an array of tables
    return (f"[{table}]" if table else ""), (str(rest[0]) if rest else ""), model


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of a table, of an array of tables, or of a table that may be left out."""
    field = model.model_fields.get(key)
    kinds = [field.annotation, *get_args(field.annotation)] if field is not None else []
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _step(location: tuple[Any, ...]) -> str:
    kind = f" ({location[2]})" if len(location) > 2 else ""
    return f"[[steps]] number {int(location[1]) + 1}{kind}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name != "kind"]


def _kinds(root: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Kind of a step -> its model."""
    union = get_args(get_args(root.model_fields["steps"].annotation)[0])[0]
    return {get_args(member.model_fields["kind"].annotation)[0]: member for member in get_args(union)}


def _literals(model: type[BaseModel], key: str) -> list[str]:
    values = get_args(model.model_fields[key].annotation)
    nested = [get_args(value) for value in values if get_args(value)]  # Literal[…] | None
    return [str(value) for value in (nested[0] if nested else values)]
