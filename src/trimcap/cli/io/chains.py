"""Chains of preprocessing on the command line."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimcap.cli.io.answer import Misuse
from trimcap.cli.io.values import pairs_of


def declared(file: Path | None, steps: Sequence[str]) -> list[Any] | None:
    """The steps of a .toml file, or those that were typed one by one; None if there are neither.

    Raises
    ------
    Misuse : both; no such file, or one without a list `chain`; a step that can't be read.
    """
    if file is not None and steps:
        raise Misuse("--chain names a file of steps and --do single ones; give one of them")
    if file is not None:
        return read_chain(file)
    return [_step(text) for text in steps] or None


def read_chain(file: Path) -> list[Any]:
    """The list `chain` of a .toml file: at its top, or in the table [data] of a recipe."""
    table = _read(file)
    found = table.get("chain", table.get("data", {}).get("chain") if isinstance(table.get("data"), dict) else None)
    if not isinstance(found, list):
        raise Misuse(f"'{file}' has no list `chain`; it has {', '.join(table) or 'nothing'}")
    return found


def is_recipe(file: Path) -> bool:
    """Whether a .toml file is a whole recipe, whose chain may be that of a recipe which it extends, or of its keys."""
    table = _read(file)
    return "chain" not in table and "name" in table and ("data" in table or "extends" in table)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise Misuse(
            f"no file '{file}'; write chain = [...] into it, such as chain = [{{name = \"windows\", seconds = 1}}]"
        )
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misuse(f"'{file}' is not valid TOML: {error}") from error


def _step(text: str) -> dict[str, Any]:
    """'bandpass low=4 high=45' → {"name": "bandpass", "low": 4, "high": 45}."""
    try:
        name, *options = shlex.split(text)
    except ValueError as error:
        raise Misuse(
            f"cannot read --do {text!r} ({error}); write a step and its options: 'windows seconds=1'"
        ) from error
    if "=" in name:
        raise Misuse(f"--do {text!r} begins with an option; write the step first: 'windows seconds=1'")
    return {"name": name, **pairs_of(options, option=f"--do {name}")}
