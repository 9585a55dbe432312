"""A small world made by the command line itself: windows, a trained network, a program, an artifact."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trimcap.cli import app

sys.path.append(str(Path(__file__).parents[1] / "data"))  # edf_files
sys.path.append(str(Path(__file__).parents[1] / "data" / "sets"))  # set_files


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Ended]


def call_(*words: object, ok: bool = False) -> Ended:
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="trimcap", env={"COLUMNS": "200"})
    ended = Ended(result.exit_code, result.stdout, result.stderr)
    assert not ok or ended.code == 0, ended.err
    return ended


@pytest.fixture(scope="session")
def call() -> Call:
    return call_


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """w.npz (S00 … S03), net (S03 held out), prog (int8) and art (its C)."""
    place = tmp_path_factory.mktemp("world")
    call_(
        "data", "prepare", "synthetic", "--window", 0.5, "--recording-seconds", 4, "--subjects", 4, "--rate", 128,
        "--option", 'channels=["Fp1", "C3", "C4", "O1", "O2"]', "--option", "trials_per_class=2",
        "--out", place / "w.npz", ok=True,
    )  # fmt: skip
    call_(
        "train", "eegnet", "--data", place / "w.npz", "--out", place / "net", "--epochs", 3, "--hold-out", "S03",
        "--option", "F1=4", "--option", "kernel=16", "--learning-rate", 0.01, "--valid", 0.34, ok=True,
    )  # fmt: skip
    call_(
        "quantize", place / "net", "--calibration", place / "w.npz", "--windows", 24, "--out", place / "prog", ok=True
    )
    call_("export", place / "prog", "--golden", place / "w.npz", "-n", 4, "--out", place / "art", ok=True)
    return place
