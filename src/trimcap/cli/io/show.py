"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from trimcap.program.cost import Cost


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A rich table; a column whose cells are all numbers (or empty) is set to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    cells = [[_text(cell) for cell in row] for row in rows]
    raw = [[_is_number(cell) for cell in row] for row in cells]
    made = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for number, name in enumerate(columns):
        right = bool(raw) and all(row[number] for row in raw)
        made.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        made.add_row(*row)
    return made


def times(shape: Sequence[int]) -> str:
    """A shape as text: 32×256."""
    return "×".join(map(str, shape))


def share(value: float | None) -> str:
    """A fraction as text: 50.0 %; empty for None and NaN."""
    return "" if value is None or value != value else f"{100 * value:.1f} %"


#: attribute of `Cost` → what it is called
COSTS: Mapping[str, str] = {
    "parameters": "parameters",
    "macs": "MACs",
    "flash_bytes": "flash (constants), B",
    "sram_bytes": "SRAM, B",
}


#: how costs are counted that budgets and artifacts are held to
EXPORTED = "as exported: after exact rewrites, scratch included"


def cost_facts(cost: Cost) -> dict[str, Any]:
    """The totals of a cost by name; None and the reason for what is unknown."""
    found = {"bits": cost.bits} | {name: getattr(cost, name) for name in COSTS}
    return found | ({"unknown": cost.unknown} if cost.unknown else {})


def cost_change(before: Cost, after: Cost, *, how: str = EXPORTED) -> Table:
    """Totals before and after, and how many times smaller; `how` they were counted."""
    rows = []
    for name, title in COSTS.items():
        a, b = getattr(before, name), getattr(after, name)
        rows.append((title, a, b, f"{a / b:.2f}×" if a and b else "–"))
    title = f"{how}; flash and SRAM unknown: {after.unknown}" if after.unknown else how
    return table((f"cost at {after.bits} bits", "before", "after", "smaller"), rows, title=title)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return "" if cell != cell else f"{cell:.3f}"
    return str(cell)


def _is_number(text: str) -> bool:
    stripped = text.replace(",", "").removesuffix("×").removesuffix("%").strip()
    try:
        float(stripped or "0")
    except ValueError:
        return stripped == "–"
    return True
