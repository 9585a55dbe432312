"""The examples run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_epochs_to_c(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "epochs_to_c.py"), "net-c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    kept = next(line for line in done.stdout.splitlines() if line.startswith("kept electrodes:"))
    assert {"C3", "C4"} <= set(kept.removeprefix("kept electrodes: ").split(", "))
    assert "host       passed" in done.stdout
    assert float(done.stdout.split()[-1]) >= 0.9
