"""The pictures in docs/architecture.md: the path of a window, and the rooms of the source.

    python tests/docs/write_architecture.py

draws both from the code: the path from the annotations of the functions named here, the rooms from their first lines.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trimcap as tc
from trimcap import runtime
from trimcap.program.lower.lower import lower
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trimcap"
PAGE = ROOT / "docs" / "architecture.md"
MARKS = ("<!-- {}: drawn by tests/docs/write_architecture.py -->", "<!-- end of {} -->")
#: what a window goes through, in order: a function, and the parameter that holds what came before
PATH: tuple[tuple[Callable[..., Any], str], ...] = (
    (tc.read_set, "path"), (tc.cut, "recordings"), (tc.k_fold_subjects, "windows"), (tc.fit, "train"),
    (tc.trace, "module"), (tc.rewrite, "network"), (tc.l1, "network"), (tc.keep_top, "scores"), (tc.shrink, "plan"),
    (lower, "network"), (observe, "program"), (quantize, "ranges"), (tc.export_c, "program"), (tc.verify, "artifact"),
    (runtime.load, "artifact"),
)  # fmt: skip


def path() -> str:
    """What a window goes through: value, function, value, file."""
    rows = []
    for function, parameter in PATH:
        given = inspect.signature(function).parameters
        taken = given.get(parameter) or next(iter(given.values()))
        made = inspect.signature(function).return_annotation
        file = Path(inspect.getsourcefile(function) or "").relative_to(SOURCE)
        rows.append((_short(taken.annotation), f"─ {function.__name__} ─▶", _short(made), str(file)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join("  ".join([c.ljust(w) for c, w in zip(row, widths, strict=False)] + [row[3]]) for row in rows)


def _short(annotation: object) -> str:
    """`Sequence[Recording]` and the like as people say it."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    names = re.findall(r"(?:list|Sequence|Iterable)\[(\w+)\]", text)
    return f"{names[0]}s" if names else text.split(" | ")[0].replace("nn.", "")


def rooms() -> str:
    """Every package, with the first line of what it says of itself and the number of its modules."""
    lines = []
    for package in sorted({file.parent for file in SOURCE.rglob("*.py")}):
        modules = [file for file in package.glob("*.py") if file.name != "__init__.py"]
        depth = len(package.relative_to(SOURCE).parts)
        said = (ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or "").partition("\n")[0]
        lines.append((f"{'  ' * depth}{package.name}/", str(len(modules)), said))
    width = max(len(name) for name, _, _ in lines)
    return "\n".join(f"{name.ljust(width)}  {count.rjust(2)}  {said}" for name, count, said in lines)


def page(text: str) -> str:
    """The page with both pictures as they should be."""
    for name, picture in (("path", path()), ("rooms", rooms())):
        begin, end = (mark.format(name) for mark in MARKS)
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n```\n{picture}\n```\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
