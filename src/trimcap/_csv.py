"""CSV that a spreadsheet may open: no cell of text is a formula."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: what a spreadsheet takes for a formula; `'` in front says that it is text
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV without its index; text that begins with = + - @ gets a `'` in front.

    Numbers stay as they are. `read_csv` takes the mark away again.
    """
    text = _of_text(table, _guarded).to_csv(index=False, lineterminator="\n")
    # a cell with "\r" is quoted only if that may end a line; unquoted, its rest would be a row of its own
    return text if "\r" not in text else _of_text(table, _guarded).to_csv(index=False, lineterminator="\r\n")


def read_csv(path: Path | str | IO[str], **options: Any) -> pd.DataFrame:
    """What `csv_text` wrote; options are those of `pandas.read_csv`."""
    import pandas as pd

    return _of_text(pd.read_csv(path, **options), _plain)


def _of_text(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    words = {name: table[name].map(change) for name in table.columns if table[name].dtype.kind not in "biuf"}
    return table.assign(**words).rename(columns=change)


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _plain(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value) else value
