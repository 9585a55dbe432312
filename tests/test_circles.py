"""No two modules import each other, directly or in a ring; an import inside a function counts as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "trimcap"


def modules(folder: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, names: Mapping[str, Path]) -> Iterator[str]:
    """The modules of the package that a module imports anywhere, but for annotations only."""
    stack: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            stack += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in below if name in names)
            if node.module in names and not all(name in names for name in below):
                yield node.module
        stack += ast.iter_child_nodes(node)


def rings(graph: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Sets of modules of which each reaches every other (Tarjan 1972), and modules that import themselves."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            ring = stack[stack.index(name) :]
            del stack[-len(ring) :]
            if len(ring) > 1 or name in graph[name]:
                found.append(frozenset(ring))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def graph_of(folder: Path) -> dict[str, set[str]]:
    """Module → modules that it imports."""
    names = modules(folder)
    return {name: set(imports(path, names)) for name, path in names.items()}


def test_no_modules_import_each_other():
    assert [sorted(ring) for ring in rings(graph_of(SOURCE))] == []


@pytest.mark.parametrize(
    ("lazy", "expected"),
    [
        ("def f():\n    from package.a import x\n", [{"package.a", "package.b"}]),
        ("import package.a\n", [{"package.a", "package.b"}]),
        ("from package import a\n", [{"package.a", "package.b"}]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.a import x\n", []),
        ("import os\n", []),
    ],
)
def test_a_ring_is_seen(tmp_path: Path, lazy: str, expected: list[set[str]]):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from package.b import y\nx = 1\n")
    (package / "b.py").write_text(f"{lazy}y = 1\n")
    assert [set(ring) for ring in rings(graph_of(package))] == expected
