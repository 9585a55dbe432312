"""Text tables of headsets' programs: encodings, separators, decimal commas, cells that are no numbers."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_HEAD = 65536
# dates since 1970 are so large in ns, µs and ms
_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_MISSING = ("", "nan", "n/a", "na", "null", "none")


@dataclass(frozen=True, eq=False)
class Cells:
    """A table of text.

    Parameters
    ----------
    names : of the columns, as they are in the file; two may be equal
    frame : columns 0, 1, …
    decimal : "." or ","
    first : line of the file in which the first row is
    """

    names: tuple[str, ...]
    frame: pd.DataFrame
    decimal: str
    first: int

    def __len__(self) -> int:
        return len(self.frame)

    def text(self, column: int) -> NDArray[np.str_]:
        """A column as text without spaces around."""
        return np.char.strip(self.frame[column].to_numpy().astype(str))

    def numbers(self, column: int, path: Path, *, strict: bool = True) -> NDArray[np.float64]:
        """A column as numbers, NaN where a cell is empty.

        ValueError: a cell is no number, if `strict`; names its line.
        """
        text = self.frame[column].str.strip()
        plain = text.str.replace(",", ".", regex=False) if self.decimal == "," else text
        values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.isnan(values) & ~text.str.lower().isin(_MISSING).to_numpy()
        if strict and wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{path}, line {self.first + row}: {self.names[column] or f'column {column + 1}'} is "
                f"{str(text.iloc[row])[:40]!r}, which is no number; correct or delete the line"
            )
        return values


def head_of(path: Path) -> str:
    """The first lines of a text file, "" if it is none."""
    with path.open("rb") as file:
        content = file.read(_HEAD)
    try:
        return _decoded(content, path)
    except ValueError:
        return ""


def text_of(path: Path) -> str:
    """A text file: UTF-8 or UTF-16 with a byte order mark, else UTF-8 or Latin-1. ValueError: no text."""
    return _decoded(path.read_bytes(), path)


def columns_in(line: str) -> list[str]:
    """Names in the first line of a table, whatever separates them."""
    separator = separator_of(line)
    return [name.strip().strip('"').strip() for name in line.split(separator)]


def separator_of(line: str) -> str:
    """Tab, semicolon or comma: what there is most of, tabs and semicolons first."""
    return max("\t;,", key=line.count)


def cells(text: str, path: Path, *, names: Sequence[str], skip: int, separator: str, comment: str = "") -> Cells:
    """The rows of a table behind its `skip` first lines; a last line that is cut off is left out.

    ValueError: no rows; a row with more cells than the table has columns; names the file.
    """
    lines = text.splitlines()
    body = [line for line in lines[skip:] if line.strip() and not (comment and line.lstrip().startswith(comment))]
    if not body:
        raise ValueError(f"{path} has a header and no samples; record again, or leave it out")
    if len(body) > 1 and body[-1].count(separator) < min(body[0].count(separator), body[-2].count(separator)):
        body.pop()
    width = max(len(names), 1)
    if body[0].count(separator) == width and body[0].rstrip().endswith(separator):
        width += 1  # every line ends with a separator
    for number, line in enumerate(body):
        if (
            line.count(separator) >= width
            and '"' not in line
            and line.rstrip(f" {separator}").count(separator) >= width
        ):
            raise ValueError(f"{path}: row {number + 1} has more cells than the {width} columns; correct or delete it")
    try:
        frame = pd.read_csv(
            io.StringIO("\n".join(body)), sep=separator, header=None, names=list(range(width)), dtype=str,
            keep_default_na=False, index_col=False, engine="c", quotechar='"', on_bad_lines="error",
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is no table of {width} columns: {error}; correct the line") from error
    frame = frame.fillna("")
    commas = any(re.search(r"(?<![0-9])-?[0-9]+,[0-9]+(?![0-9])", line) for line in body[:20])
    decimal = "," if separator != "," and commas else "."
    return Cells((*names, *[""] * (width - len(names))), frame, decimal, skip + 1)


def seconds(cells: Cells, column: int, path: Path) -> NDArray[np.float64]:
    """Times of a column, s: numbers of s, ms, µs or ns, or dates such as `2024-01-01 12:00:00.004`; NaN where empty."""
    text = cells.text(column)
    values = cells.numbers(column, path, strict=False)
    if np.isfinite(values).mean() > 0.5:
        typical = float(np.nanmedian(np.abs(values)))
        return values / next((scale for limit, scale in _SCALES if typical > limit), 1.0)
    return np.asarray([_clock(one) for one in text])


_CLOCK = re.compile(r"(?:(.*?)[T ])?\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d+))?)?")


def _clock(text: str) -> float:
    """Seconds since some midnight long ago; milliseconds may be 1000, as some programs write them."""
    found = _CLOCK.match(text)
    if found is None:
        return float("nan")
    day, hours, minutes, whole, part = found.groups()
    try:
        days = np.datetime64(day.strip().replace("/", "-"), "D").astype(int) if day else 0
    except ValueError:  # days written in another order: only the time of day counts
        days = 0
    fraction = 0.0
    if part:
        fraction = int(part) / 1000 if len(part) == 4 and part.startswith("1") else int(part) / 10 ** len(part)
    return float(days) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(whole or 0) + fraction


def _decoded(content: bytes, path: Path) -> str:
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    for mark, encoding in marks.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if b"\0" in content[:_HEAD]:
        raise ValueError(f"{path} is no text")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
