"""The table of saliencies in docs/pruning.md.

    python tests/docs/write_saliency_table.py

writes it from the docstrings of `trimcap.prune.SALIENCIES` and from docs/saliencies.json, which
`python benchmarks/saliencies.py --write docs/saliencies.json` measures.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from trimcap.prune import Description, describe

DOCS = Path(__file__).parents[2] / "docs"
PAGE, COSTS = DOCS / "pruning.md", DOCS / "saliencies.json"
BEGIN = "<!-- saliencies: written by tests/docs/write_saliency_table.py -->"
END = "<!-- end of saliencies -->"
GROUPS = {
    "weights": "Weights",
    "gradients": "Gradients of the loss, with labels",
    "flow": "Flow",
    "activations": "Activations, without labels",
    "control": "Controls",
    "loss": "The true loss",
}


def table(rows: list[Description], costs: dict[str, Any]) -> str:
    """One row per saliency, by what they look at."""
    networks = costs["networks"]
    axes = {title: max(cost["axes"] for cost in found.values()) for title, found in networks.items()}
    head = ["name", "formula", "needs", *(f"ms on {title}" for title in networks), "source"]
    lines = []
    for group, name in GROUPS.items():
        lines += [f"**{name}**", "", _row(head), _row(["---"] * len(head))]
        for row in (row for row in rows if row.group == group):
            times = [_time(found, row.name, axes[title]) for title, found in networks.items()]
            lines.append(_row([f"`{row.name}`", _plain(row.formula), row.needs or "–", *times, _plain(row.source)]))
        lines.append("")
    facts = f"{costs['windows']} windows, one thread, torch {costs['torch']}, {costs['machine']}"
    lines += [
        f"ms: CPU time of scoring all hidden axes, in brackets times ℓ1 ({facts};",
        "`benchmarks/saliencies.py`). n/m axes: it can be had on so many of them only; – : on none.",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Without a meaning for Markdown."""
    return re.sub(r"([|_*])", r"\\\1", text)


def _time(found: dict[str, Any], name: str, axes: int) -> str:
    cost = found[name]
    if cost["milliseconds"] is None:
        return "–"
    ratio = cost["milliseconds"] / found["l1"]["milliseconds"]
    some = "" if cost["axes"] == axes else f", {cost['axes']}/{axes} axes"
    return f"{_digits(cost['milliseconds'])} ({_digits(ratio)}×{some})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def page(text: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(describe(), json.loads(COSTS.read_text()))}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
