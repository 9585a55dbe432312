"""Names of classes, operations, electrodes and units come from strangers: in C they are words in a comment."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from export_builds import needs_compiler
from export_programs import eegnet_like, windows

from trimcap.export.artifact import check_artifact, export
from trimcap.export.c.text import comment, identifier

HOSTILE = (
    "*/ int evil(void) { return 1; } /*",
    "*\\",
    "*\\\n/ int evil(void) { return 1; }",
    "line\nint evil(void) { return 1; }",
    "carriage\rint evil;",
    "??/\nint evil;",
    "*??/\n/ int evil;",
    "@DIGEST@ @NAME@ @BODY@",
    '"; system("touch canary"); "',
    "$(shell touch canary) `touch canary`",
    "%s%n{y}{x0}",
    "\u2028int evil;\u2029\x0bint evil;\x0c\x85",
    "µV² — naïve 中文 😀",
    "",
    "a" * 5000,
)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_comment_ends_where_it_was_meant_to(name):
    text = comment(name)
    assert text.isascii()
    assert not re.search(r"\*|\\|@|[\r\n\v\f]|\?\?", text)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_an_identifier_is_one_and_short_enough_for_a_file(name):
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", identifier(name))


@needs_compiler
@pytest.mark.parametrize("integer", [False, True], ids=["float", "int8"])
def test_an_artifact_full_of_hostile_names_builds_and_does_nothing_else(integer, tmp_path):
    program = eegnet_like(integer=integer)
    ops = tuple(replace(op, source=HOSTILE[i % len(HOSTILE)]) for i, op in enumerate(program.ops))
    renamed = {op.name: f"{op.name} {HOSTILE[i % len(HOSTILE)]}" for i, op in enumerate(program.ops)}
    program = replace(
        program,
        name=HOSTILE[0],
        ops=tuple(replace(op, name=renamed[op.name]) for op in ops),
        classes=HOSTILE,
        notes=HOSTILE,
    )
    folder = export(
        program, tmp_path / "net", golden=windows(program, 2), ids=HOSTILE[:2], unit=HOSTILE[2], channels=HOSTILE
    )
    name = check_artifact(folder).name
    subprocess.run(["make", "-s", "test"], cwd=folder, check=True, capture_output=True)
    assert not list(tmp_path.rglob("canary*"))
    symbols = subprocess.run(["nm", f"{name}_test"], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\bevil\b", symbols)
    assert "evil" in (folder / f"{name}.c").read_text()  # in a comment: the names were really written
    np.testing.assert_equal(tuple(check_artifact(folder).program.classes), HOSTILE)
