"""Pages of docs/contributing, done to a copy of the source tree.

- A ```python block whose first line is `# src/….py` is a new file.
- A ```diff block names a file in its first line; runs of lines with " ", "-" and "+" follow, each run is found once in
  the file and replaced. An empty line separates runs.
- Other ```python blocks are the proof: they run in the changed copy, each in a process of its own, and fail without it.
  A fence without a language right behind one is what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pages import Block, blocks

ROOT = Path(__file__).parents[2]
NEW = re.compile(r"# ((?:src|tests|docs)/[\w/.-]+\.(?:py|in))\n")


def copy_of_source(folder: Path) -> Path:
    """The source tree, to be changed."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    return folder


def apply(page: str, folder: Path) -> list[str]:
    """Make the page's changes in a copy; returns the files that they touch."""
    touched = []
    for block in _in_order(page):
        if block.language == "diff":
            name, _, text = block.text.partition("\n")
            target = folder / name.strip()
            target.write_text(_patched(target.read_text(), text, name))
            touched.append(name.strip())
        elif found := NEW.match(block.text):
            target = folder / found[1]
            if target.exists():
                raise ValueError(f"{found[1]} exists; change it by a diff block")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text.partition("\n")[2])
            touched.append(found[1])
    return list(dict.fromkeys(touched))


def prove(page: str, folder: Path) -> list[str]:
    """Run the page's proofs with the sources of `folder`; what went wrong, in words."""
    wrong = []
    for block in blocks(page, "python"):
        if NEW.match(block.text):
            continue
        env = os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", block.text],
            cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            wrong.append(f"line {block.line}: {done.stderr[-2000:]}")
        elif block.prints is not None and done.stdout.rstrip() != block.prints.rstrip():
            wrong.append(f"line {block.line} prints\n{done.stdout}")
    return wrong


def _in_order(page: str) -> list[Block]:
    found = [*blocks(page, "python"), *blocks(page, "diff"), *blocks(page, "c")]
    return sorted(found, key=lambda block: block.line)


def _patched(text: str, diff: str, name: str) -> str:
    for run in re.split(r"\n\s*\n", diff.strip("\n")):
        lines = run.splitlines()
        if not all(line[:1] in " +-" for line in lines):
            raise ValueError(f"{name}: a line of a diff begins with a space, + or -: {run!r}")
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        if text.count(old) != 1 or not old:
            raise ValueError(f"{name}: found {text.count(old)} times, not once:\n{old}")
        text = text.replace(old, new)
    return text
