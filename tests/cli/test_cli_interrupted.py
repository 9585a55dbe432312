"""`kill` and the time limit of a cluster end a verb as Ctrl-C does."""

from __future__ import annotations

import os
import signal

import pytest
import typer
from typer.testing import CliRunner

from trimcap.cli.io.answer import INTERRUPTED, Answer, verb


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_interrupted(kind):
    def work() -> Answer:
        """Work."""
        os.kill(os.getpid(), kind)
        signal.pause()
        return Answer({}, [])

    app, before = typer.Typer(), signal.getsignal(signal.SIGTERM)
    app.command()(verb(work, interrupted="It goes on from there."))
    ended = CliRunner().invoke(app, [])
    assert ended.exit_code == INTERRUPTED
    assert "interrupted. It goes on from there." in ended.stderr
    assert signal.getsignal(signal.SIGTERM) == before
