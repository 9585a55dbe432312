"""docs/formats.md shows the bytes that are written, and names every format and field."""

from __future__ import annotations

from format_examples import PAGE, written

from trimcap.export.artifact import ARTIFACT
from trimcap.graph.save import NETWORK
from trimcap.program.kinds.table import KINDS
from trimcap.program.save import PROGRAM
from trimcap.study.results.store import RUN
from trimcap.study.results.trial_folder import PIECE
from trimcap.train.checkpoint import CHECKPOINT
from trimcap.train.masks import MASKS


def test_examples_are_what_is_written():
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run `python tests/docs/format_examples.py` if a format changed on purpose"


def test_every_format_and_field_is_named():
    page = PAGE.read_text(encoding="utf-8")
    for kind in (NETWORK, PROGRAM, ARTIFACT, RUN, PIECE, CHECKPOINT, MASKS):
        assert f'"{kind.format}"' in page or f"`{kind.format}`" in page, kind.format
        missing = [name for name in kind.pattern if isinstance(name, str) and f"`{name}`" not in page]
        assert not missing, (kind.name, missing)
    assert len(KINDS) == len(set(KINDS))
