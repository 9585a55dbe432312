"""`python -m trimcap`: the command line."""

from trimcap.cli import app

app()
