"""The README tells the truth: its Python runs and prints what it shows, its commands and files exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CODE = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
OUTPUT = re.search(r"```python.*?```\n\n```\n(.*?)```", README, re.DOTALL).group(1)


def test_nine_lines():
    assert len([line for line in CODE.splitlines() if line.strip() and not line.startswith("import")]) <= 9


@pytest.mark.slow
def test_the_python_runs_and_prints_what_the_readme_shows(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0] == OUTPUT.splitlines()[0]
    for target in ("host", "sanitize"):
        assert any(line.split()[:2] == [target, "passed:"] for line in printed), done.stdout
    if shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc"):
        assert [line.split()[:2] for line in printed] == [line.split()[:2] for line in OUTPUT.splitlines()]


def test_shell_commands_name_real_verbs_and_files():
    from trimcap.cli import app

    verbs = {c.name or c.callback.__name__ for c in app.registered_commands} | {g.name for g in app.registered_groups}
    used = re.findall(r"^trimcap (\w+)", README, re.MULTILINE)
    assert used
    assert set(used) <= verbs
    for recipe in re.findall(r"recipes/[\w-]+\.toml", README):
        assert (ROOT / recipe).exists()
