"""An operation is whole: its record, its C, its words. What is forgotten is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from trimcap.export.c.maps import EXPRESSIONS
from trimcap.export.c.source import EMITTERS
from trimcap.program import program
from trimcap.program.functions import FUNCTIONS
from trimcap.program.kinds.kind import Kind
from trimcap.program.kinds.table import KINDS
from trimcap.program.lower import arith, maps

LOWER = Path(maps.__file__).parent


def missing(kinds: Mapping[str, Kind], emitters: Mapping[str, Callable], table: str, lowering: str) -> list[str]:
    """What operations lack, in words."""
    found = [f"{name} has C and is no kind" for name in sorted(set(emitters) - set(kinds))]
    made = set(re.findall(r'"(\w+)"', lowering)) | {kind.becomes for kind in kinds.values()}
    for name, kind in kinds.items():
        wrong = {
            "no C: add it to export.c.source.EMITTERS": name not in emitters,
            "no row in the table of program.program": f"\n| {name} |" not in table,
            "nothing that makes it: lower an ATen operation to it": name not in made,
            "no meaning: real or integer": kind.real is None and kind.integer is None,
            "no integer meaning, and becomes no kind that has one": kind.integer is None and not kind.becomes,
            "no quantization, and is no copy": not (kind.quantize or kind.shares_grid or kind.real is None),
            "integer constants that quantize does not make": bool(kind.integer_roles)
            and not (kind.quantize or kind.real is None),
        }
        found += [f"{name} has {words}" for words, lacks in wrong.items() if lacks]
    return found


def test_every_kind_is_whole():
    assert missing(KINDS, EMITTERS, program.__doc__ or "", lowered()) == []


def lowered() -> str:
    return "".join(path.read_text() for path in LOWER.glob("*.py"))


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        ({"real": None, "integer": None}, "has no meaning: real or integer"),
        ({"quantize": None}, "has no quantization, and is no copy"),
        ({"integer": None}, "has no integer meaning, and becomes no kind that has one"),
    ],
)
def test_what_is_forgotten_of_a_record_is_said(forget, message):
    broken = {**KINDS, "mean": replace(KINDS["mean"], **forget)}
    assert any(message in words for words in missing(broken, EMITTERS, program.__doc__ or "", lowered()))


def test_a_new_kind_without_c_words_or_lowering_is_said():
    words = missing({**KINDS, "fourier": KINDS["mean"]}, EMITTERS, program.__doc__ or "", lowered())
    assert len(words) == 3
    assert all(line.startswith("fourier has no") for line in words)
    assert missing(KINDS, {**EMITTERS, "old": EMITTERS["mean"]}, program.__doc__ or "", lowered()) == [
        "old has C and is no kind"
    ]


def test_every_function_has_c_and_is_made_by_an_operation():
    made = set(re.findall(r'"(\w+)"', Path(maps.__file__).read_text() + Path(arith.__file__).read_text()))
    assert set(FUNCTIONS) == set(EXPRESSIONS)
    assert set(FUNCTIONS) <= made  # nothing that no network can reach


def test_no_working_memory_is_said_by_the_c_alone():
    """The C names pointers to scratch, `Kind.scratch` their bytes: both for the same pieces."""
    from export_programs import ccnn_like, eegnet_like, every_kind

    for make in (eegnet_like, ccnn_like, every_kind):
        for integer in (True, False):
            made = make(integer=integer)
            for index, op in enumerate(made.ops):
                step = EMITTERS[op.kind](made, index, op)
                assert len(step.scratch) == len(KINDS[op.kind].scratch(made, op)), op.kind
