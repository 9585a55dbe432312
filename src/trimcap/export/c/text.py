"""Text of C: identifiers, literals, constant arrays, kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEYWORDS = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum"),
        *("extern", "float", "for", "goto", "if", "inline", "int", "long", "main", "register", "restrict"),
        *("return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union"),
        *("unsigned", "void", "volatile", "while"),
    )
)
_PER_LINE = {"float": 6, "int8_t": 20, "uint8_t": 20, "int16_t": 14, "int32_t": 8, "uint32_t": 8}
C_TYPES = {"float32": "float", "int8": "int8_t", "int16": "int16_t"}


class ExportError(ValueError):
    """A program can't be written as C; names the operation and the reason."""


def identifier(name: str) -> str:
    """`name` as a C identifier of at most 48 characters: others become `_`; a keyword or a digit in front gets `net_`.

    >>> identifier("eegnet 50%")
    'eegnet_50'
    """
    clean = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z]", "_", name)).lower().strip("_")[:44].strip("_")
    return clean if re.match(r"[a-z]", clean) and clean not in _KEYWORDS else f"net_{clean}".rstrip("_")


#: what a name may hold inside a comment: nothing that ends one, goes on over a line, or is a word of a template
_COMMENT = re.compile(r"[^0-9A-Za-z .,:;+=()\[\]<>/%_-]")


def comment(text: str) -> str:
    """`text` made safe inside a C comment on one line: every character that is not on a short list becomes `_`.

    >>> comment("µV */ int main(void){} /*")
    'uV _/ int main(void)__ /_'
    """
    return _COMMENT.sub("_", text.replace("µ", "u").replace("²", "2"))


def float_literal(value: Any) -> str:
    """A float32 as a C99 hexadecimal literal: exactly that number; infinity and NaN through `math.h`.

    >>> float_literal(0.1)
    '0x1.99999ap-4f'
    """
    number = float(np.float32(value))
    if number != number:
        return "NAN"
    if number in (float("inf"), float("-inf")):
        return "HUGE_VALF" if number > 0 else "-HUGE_VALF"
    digits, power = number.hex().split("p")
    return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}p{int(power)}f"


def int_literal(value: Any) -> str:
    """An integer; the most negative int32 has no literal of its own.

    >>> int_literal(-(2**31))
    '(-2147483647 - 1)'
    """
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(int(value))


def array(ctype: str, name: str, values: NDArray[Any]) -> str:
    """A constant array, a fixed number of elements a line."""
    flat = np.asarray(values).ravel().tolist()
    literal = {"float": float_literal, "uint32_t": lambda v: f"{v}u"}.get(ctype, int_literal)
    words = list(map(literal, flat))
    count = _PER_LINE[ctype]
    lines = [", ".join(words[i : i + count]) for i in range(0, len(words), count)]
    return f"static const {ctype} {name}[{max(1, len(words))}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"


@dataclass(frozen=True, eq=False)
class Array:
    """A constant array whose text is made when it is asked for: who counts bytes needs none."""

    ctype: str
    name: str
    values: NDArray[Any]

    def __str__(self) -> str:
        return array(self.ctype, self.name, self.values)


def struct(ctype: str, name: str, values: Sequence[int]) -> str:
    """A constant structure of integers."""
    return f"static const {ctype} {name} = {{{', '.join(map(str, values))}}};\n"


@cache
def _template(name: str) -> str:
    return (files("trimcap.export") / "kernels" / f"{name}.c.in").read_text(encoding="ascii")


def kernel(name: str, **words: str) -> str:
    """The text of a kernel with `@WORD@` replaced."""
    return fill_in(_template(name), words)


def fill_in(text: str, words: Mapping[str, str]) -> str:
    """`text` with every `@WORD@` replaced; a word left over is an error."""
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    left = re.search(r"@[A-Z_]+@", text)
    if left:
        raise ExportError(f"template word {left.group()} has no value")
    return text
