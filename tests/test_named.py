"""Names and options are resolved by one function, with one text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from trimcap._named import check_options, first_parameter, named

NUMBER = 3


def needs(windows: object, *, low: float, high: float = 2.0) -> None: ...


def free(windows: object, **options: Any) -> None: ...


def test_a_name_is_short_or_whole_or_held_as_text() -> None:
    assert named("thing", "mine", {"mine": needs}) is needs
    assert named("thing", "test_named:needs", {}) is needs
    assert named("thing", "mine", {"mine": "test_named:needs"}) is needs
    assert named("thing", "collections:OrderedDict.fromkeys", {})("a") == {"a": None}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mien", "unknown thing 'mien'; did you mean 'mine'? Known: mine; or write \"package.module:name\""),
        ("no_such_module:x", "thing 'no_such_module:x': cannot import 'no_such_module' ("),
        (":x", "thing ':x': cannot import '' (Empty module name)"),
        ("..x:y", "thing '..x:y': cannot import '..x' ("),
        ("test_named:need", "thing 'test_named:need': module 'test_named' has no 'need'; did you mean 'needs'?"),
        ("test_named:", "thing 'test_named:': module 'test_named' has no ''"),
        ("test_named:NUMBER", "thing 'test_named:NUMBER' is a int, not a function"),
    ],
)
def test_what_no_name_finds_is_said(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        named("thing", name, {"mine": needs})


def test_options_are_those_of_the_signature() -> None:
    given = (first_parameter(needs),)
    assert given == ("windows",)
    assert check_options("thing mine", needs, {"low": 1}, given=given) == {"high": 2.0}
    assert check_options("thing mine", needs, [], given=given, partial=True) == {"high": 2.0}
    assert check_options("thing mine", free, ["whatever"], given=given) == {}
    for options, words in (
        (["lwo"], "thing mine: unknown option 'lwo'; did you mean 'low'? Known: high, low"),
        (["windows", "low"], "thing mine: unknown option 'windows'"),
        (["high"], "thing mine needs the option low"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
            check_options("thing mine", needs, options, given=given)
    with pytest.raises(ValueError, match=r"^thing mine has no options$"):
        check_options("thing mine", needs, ["x"], given=("windows", "low", "high"))
