"""Recipes that say only what is different in them: `extends = "other.toml"`."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trimcap.study.recipe.shipped import shipped


def merged(path: Path | str, *, before: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The table of a recipe file, over that of the file it extends.

    Tables are merged key by key; every other value, lists and arrays of tables too, replaces that of the extended
    recipe. The other one is a file in the folder of the one that names it, or a shipped recipe.

    Raises
    ------
    FileNotFoundError : no such file; names the nearest, the recipes beside it and the shipped ones.
    ValueError : not TOML; recipes that extend each other in a circle.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(_missing(path, before))
    if path.resolve() in (p.resolve() for p in before):
        circle = " → ".join(p.name for p in (*before, path))
        raise ValueError(f"recipes extend each other in a circle: {circle}; remove `extends` from one of them")
    table = read_toml(_text(path), path.name)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise ValueError(f"{path.name}: extends = {base!r}: it is the name of one recipe, in quotes")
    return _over(merged(_place(path, base), before=(*before, path)), table)


def inherited(path: Path | str, table: str, key: str) -> str:
    """The file from which a recipe has a key of a table; "" if it says the key itself, or nobody does.

    Parameters
    ----------
    path : of a recipe that `merged` can read
    table, key : such as "compare" and "reference"
    """
    own, place = Path(path), Path(path)
    while True:
        content = read_toml(_text(place), place.name)
        part = content.get(table)
        if isinstance(part, dict) and key in part:
            return "" if place == own else place.name
        if not isinstance(content.get("extends"), str):
            return ""
        place = _place(place, content["extends"])


def read_toml(text: str, where: str) -> dict[str, Any]:
    """TOML as a table; `where` names it in the message."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where} is not valid TOML: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is no recipe: byte {error.start} is not UTF-8 text; give a .toml file saved as UTF-8"
        ) from error


def full_text(path: Path | str) -> str:
    """The recipe as it was written; what it extends follows in comments."""
    path = Path(path)
    text = _text(path)
    base = read_toml(text, path.name).get("extends")
    if base is None:
        return text
    other = full_text(_place(path, base))
    lines = "".join(f"# {line}".rstrip() + "\n" for line in other.splitlines())
    return f"{text.rstrip()}\n\n# ---- {base} ----\n{lines}"


def _place(path: Path, base: str) -> Path:
    beside = path.parent / base
    own = shipped()
    return own[base.removesuffix(".toml")] if not beside.is_file() and base.removesuffix(".toml") in own else beside


def _missing(path: Path, before: tuple[Path, ...]) -> str:
    """What is said about a recipe that is nowhere: the nearest name beside it and among the shipped ones."""
    beside = sorted(p.name for p in path.parent.glob("*.toml") if p.resolve() not in {b.resolve() for b in before})
    if not before:
        return f"no recipe '{path}'. " + (f"Found there: {', '.join(beside)}" if beside else "")
    own = shipped()
    name = path.stem if path.suffix == ".toml" else path.name
    near = get_close_matches(name.lower(), [*(Path(b).stem.lower() for b in beside), *own], n=1, cutoff=0.5)
    known = {Path(b).stem.lower(): b for b in beside} | {n: n for n in own}
    hint = f"; did you mean {known[near[0]]!r}?" if near else "."
    found = f" Beside it: {', '.join(beside)}." if beside else ""
    return f"no recipe '{path}', which '{before[-1].name}' extends{hint}{found} trimcap's own: {', '.join(own)}"


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _over(found[key], value) if both else value
    return found
