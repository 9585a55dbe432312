"""What a report consists of, before it is HTML or Markdown."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import isfinite
from typing import ParamSpec, TypeVar


@dataclass(frozen=True)
class Table:
    """A caption, column heads and rows of text; the first column names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure: inline SVG for HTML, a PNG file for Markdown, and what it shows in words."""

    name: str
    svg: str
    png: bytes
    caption: str


_P = ParamSpec("_P")
_R = TypeVar("_R")
#: one transparent pixel
_BLANK = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")


def attempted(draw: Callable[_P, _R]) -> Callable[_P, _R | Drawing]:
    """The figure that `draw` makes, or in its place a caption that says why there is none: no report fails for it."""

    @wraps(draw)
    def drawn(*args: _P.args, **options: _P.kwargs) -> _R | Drawing:
        try:
            return draw(*args, **options)
        except Exception as error:  # fonts, montages, empty data, memory: the numbers stand in the tables
            name = draw.__name__.removesuffix("_figure")
            why = f"{type(error).__name__}: {str(error)[:200]}"
            return Drawing(name, "", _BLANK, f"The figure '{name}' could not be drawn ({why}); the tables are whole.")

    return drawn


@dataclass(frozen=True)
class Section:
    """A heading, paragraphs, tables and figures, in that order."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Drawing, ...] = ()
    source: str = field(default="")


@dataclass(frozen=True)
class Tile:
    """One number at the top: "4.1 KiB", what it is, and what it was."""

    value: str
    label: str
    detail: str = ""
    good: bool | None = None


def number(value: object, digits: int = 3, *, sign: bool = False) -> str:
    """A number as text; "–" for None and NaN. The minus is a minus, and sums in another order give the same text.

    >>> number(0.81249), number(None), number(-0.5, 1, sign=True), number(12345.0, 0)
    ('0.812', '–', '−0.5', '12,345')
    """
    if not isinstance(value, int | float) or not isfinite(value):
        return "–"
    return f"{round(value, 12):{'+' if sign else ''},.{digits}f}".replace("-", "−")


def spread(mean: object, sd: object, digits: int = 3) -> str:
    """`0.812 ± 0.101`, without the spread where there is none."""
    plus = number(sd, digits)
    return number(mean, digits) + (f" ± {plus}" if plus != "–" else "")


def size(value: object) -> str:
    """Bytes as text, KiB = 1024 B.

    >>> size(100), size(70 * 1024), size(3 * 1024**2)
    ('100 B', '70.0 KiB', '3.00 MiB')
    """
    if not isinstance(value, int | float) or not isfinite(value):
        return "–"
    if value < 1024:
        return f"{value:.0f} B"
    return f"{value / 1024:.1f} KiB" if value < 1024**2 else f"{value / 1024**2:.2f} MiB"


def times(before: object, after: object) -> str:
    """How many times smaller: "7.6×"; "–" if unknown.

    >>> times(100, 20), times(100, 0)
    ('5.0×', '–')
    """
    if not isinstance(before, int | float) or not isinstance(after, int | float) or not after > 0 or not before > 0:
        return "–"
    ratio = before / after
    return f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.1f}×"


def probability(p: object) -> str:
    """`p = 0.013`, `p < 0.001`, or "–"."""
    if not isinstance(p, int | float) or not isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def listed(items: Sequence[object], most: int = 12) -> str:
    """`a, b, c`; long lists end in "… (26)"."""
    text = [str(i) for i in items]
    return ", ".join(text) if len(text) <= most else ", ".join(text[: most - 1]) + f", … ({len(text)})"


def points(fraction: float) -> str:
    """A difference of accuracies in points, with sign.

    >>> points(-0.0123)
    '−1.2'
    """
    return number(100 * fraction, 1, sign=True)


def interval(ends: tuple[float, float]) -> str:
    """A confidence interval of a difference of accuracies in points."""
    return f"{points(ends[0])} … {points(ends[1])}"


def count(value: object) -> str:
    """A whole number with separators."""
    return number(value, 0)
