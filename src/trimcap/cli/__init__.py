"""The command line: `trimcap VERB …`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from trimcap import __version__
from trimcap.cli.io.answer import verb
from trimcap.cli.verbs.auditing import audit
from trimcap.cli.verbs.controls import controls
from trimcap.cli.verbs.criteria import criteria
from trimcap.cli.verbs.electrodes import electrodes
from trimcap.cli.verbs.evaluation import evaluate
from trimcap.cli.verbs.exporting import export, verify
from trimcap.cli.verbs.inspection import cost, inspect
from trimcap.cli.verbs.masking import mask
from trimcap.cli.verbs.pruning import prune
from trimcap.cli.verbs.quantizing import quantize
from trimcap.cli.verbs.recordings import app as data
from trimcap.cli.verbs.sensitivity import sensitivity
from trimcap.cli.verbs.splitting import split
from trimcap.cli.verbs.studies import baselines, demo, report, run
from trimcap.cli.verbs.training import train

app = typer.Typer(
    name="trimcap",
    help="Make EEG networks small enough for the headset, and prove they still work.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a check failed or the data are bad, 2 the command is wrong.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trimcap {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def main(version: Version = False) -> None:  # noqa: ARG001 - its callback answers
    """Make EEG networks small enough for the headset, and prove they still work."""
    # torch's own remarks, such as how it pads, tell nothing to who trains a network by name
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


for resumed in (demo, run):
    app.command()(verb(resumed, interrupted="Nothing finished is lost: the same command goes on from here."))
app.command()(
    verb(
        train, interrupted="Epochs that were finished are kept: the same command, without --force, goes on from there."
    )
)
for function in (
    inspect, cost, prune, mask, quantize, export, verify, evaluate, report, split, audit, controls, baselines,
    criteria, sensitivity, electrodes,
):  # fmt: skip
    app.command()(verb(function))
app.add_typer(data, name="data")

__all__ = ["app"]
