"""Code blocks of documentation pages, and what is done with each kind.

- ```python runs, all blocks of a page one after the other in one namespace and one empty folder. A fence without a
  language right behind it is what the block prints. A block whose first line is `# name.py` is written to that file.
- ```toml is a recipe, or the end of one.
- ```sh holds commands; those of trimcap must be understood.
"""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, and what it prints if the page shows that."""

    language: str
    text: str
    line: int
    prints: str | None = None


def blocks(markdown: str, language: str) -> list[Block]:
    """The blocks of one language, in order."""
    found: list[Block] = []
    end = -1
    for fence in _FENCE.finditer(markdown):
        line = markdown.count("\n", 0, fence.start()) + 2
        if not fence[1] and found and found[-1].language == "python" and not markdown[end : fence.start()].strip():
            last = found[-1]
            found[-1] = Block(last.language, last.text, last.line, fence[2])
        else:
            found.append(Block(fence[1], fence[2], line))
        end = fence.end()
    return [block for block in found if block.language == language]


def run_python(page: Path, folder: Path) -> list[str]:
    """Run a page's Python in `folder`; returns where it prints something else than the page says."""
    namespace: dict[str, object] = {"__name__": page.stem}
    wrong = []
    for block in blocks(page.read_text(), "python"):
        file = re.match(r"# (\w+\.py)\n", block.text)
        if file:
            (folder / file[1]).write_text(block.text)
            continue
        # so that a traceback names the line of the page
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(code, namespace)
        if block.prints is not None and printed.getvalue().rstrip() != block.prints.rstrip():
            wrong.append(f"{page.name}, line {block.line}: prints\n{printed.getvalue()}")
    return wrong


def commands(page: Path) -> list[list[str]]:
    """The arguments of every `trimcap` command on a page."""
    lines = [line for block in blocks(page.read_text(), "sh") for line in block.text.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line and line[0] == "trimcap"]


def parse_command(arguments: list[str]) -> None:
    """Let the command line understand a command without running it; click's errors say what is wrong."""
    import typer

    from trimcap.cli import app

    command = typer.main.get_command(app)
    context = command.make_context("trimcap", list(arguments), resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def recipes(page: Path) -> list[str]:
    """The recipes of a page, with a name where they have none."""
    texts = [block.text for block in blocks(page.read_text(), "toml")]
    return [text if re.match(r"name\s*=", text, re.MULTILINE) else f'name = "page"\n{text}' for text in texts]
