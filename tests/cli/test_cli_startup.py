"""Help and version: fast, and the same for every verb."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trimcap import __version__

VERBS = (
    "demo", "run", "train", "inspect", "cost", "prune", "quantize", "export", "verify", "evaluate", "report",
    "split", "audit", "controls", "baselines", "criteria", "sensitivity", "electrodes", "mask",
)  # fmt: skip
DATA = ("prepare", "info", "fetch", "check", "sets", "cache")
HEAVY = ("torch", "mne", "pandas", "numpy", "scipy", "sklearn", "matplotlib")
ASK = """
import sys
from typer.testing import CliRunner
from trimcap.cli import app
for words in {commands!r}:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == {code}, (words, result.output)
print(*[m for m in {heavy!r} if m in sys.modules])
"""


def loaded(commands: list[list[str]], code: int = 0) -> list[str]:
    """Heavy modules that a fresh process has after these commands."""
    script = ASK.format(commands=commands, code=code, heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_help_and_version_import_nothing_heavy():
    helps = [["--help"], ["--version"], *([v, "--help"] for v in VERBS), *(["data", v, "--help"] for v in DATA)]
    assert loaded(helps) == []


def test_the_check_can_fail():
    assert {"torch", "numpy"} <= set(loaded([["inspect", "eegnt", "--shape", "2x64"]], code=2))


@pytest.mark.parametrize("words", [(v,) for v in VERBS] + [("data", v) for v in DATA])
def test_every_verb_has_json_and_debug(call, words):
    text = call(*words, "--help", ok=True).out
    assert "--json" in text
    assert "--debug" in text


def test_help_lists_every_verb(call):
    text = call("--help", ok=True).out
    assert all(verb in text for verb in (*VERBS, "data"))


def test_version(call):
    assert call("--version", ok=True).out.strip() == f"trimcap {__version__}"


def test_installed_command_answers():
    command = [sys.executable, "-c", "from trimcap.cli import app; app()", "cost", "--bits", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--bits" in done.stderr


def test_no_help_text_has_brackets_that_rich_would_swallow():
    """Rich takes "[data]" in a help text for a style and prints nothing for it."""
    import re

    import typer.main

    from trimcap.cli import app

    def texts(command):
        yield command.help or ""
        yield from (p.help or "" for p in command.params if hasattr(p, "help"))
        for child in getattr(command, "commands", {}).values():
            yield from texts(child)

    swallowed = [text for text in texts(typer.main.get_command(app)) if re.search(r"(?<!\\)\[[a-z#/@]", text)]
    assert not swallowed
