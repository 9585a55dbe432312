"""Values typed on the command line: shapes, `key=value`, lists of names."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from trimcap.cli.io.answer import Misuse


def shape_of(text: str) -> tuple[int, ...]:
    """The shape of one window, "32x256" → (32, 256)."""
    parts = text.lower().replace("×", "x").split("x")
    if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise Misuse(f"cannot read the shape {text!r}; write sizes of one window with x between, such as 32x256")
    return tuple(int(part) for part in parts)


def names_of(text: str) -> tuple[str, ...]:
    """Names with commas between, "Fp1, Fp2" → ("Fp1", "Fp2")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def value_of(text: str) -> Any:
    """A TOML value (number, true, "text", [list]), or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def pairs_of(texts: Sequence[str], *, option: str) -> dict[str, Any]:
    """["F1=4", "dropout=0.5"] → {"F1": 4, "dropout": 0.5}."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise Misuse(f"cannot read {option} {text!r}; write name=value, such as F1=4")
        pairs[key.strip()] = value_of(value.strip())
    return pairs
