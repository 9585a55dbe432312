"""Public functions of pruning, recovery and `reproduce` say what they take, what they return and their source."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable

import pytest

from trimcap import prune, train
from trimcap.reproduce import counting, d_score, features, structured, unstructured

RECOVERY = (
    "attention_transfer", "distillation", "equal_epochs", "equal_flops", "fresh", "re_estimate_batch_norm", "slimming",
)  # fmt: skip
PUBLISHED = {
    name: value
    for module in (counting, d_score, features, structured, unstructured)
    for name, value in vars(module).items()
    if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
}
NAMED = {name: getattr(prune, name) for name in prune.__all__} | PUBLISHED
FUNCTIONS = {
    name: value
    for name, value in (NAMED | {name: getattr(train, name) for name in RECOVERY}).items()
    if inspect.isfunction(value)
}
CLASSES = {name: value for name, value in NAMED.items() if inspect.isclass(value)}


def sections(text: str) -> tuple[str, str]:
    """What a docstring says of parameters and of results, itself or in the room that it names for the rest."""
    _, _, rest = text.partition("\nParameters\n")
    parameters, returns = rest.partition("\nReturns\n")[0], text.partition("\nReturns\n-------\n")[2]
    named = re.search(r"^Shared parameters: `(trimcap[.\w]+)`\.$", text, re.MULTILINE)
    if named is not None:
        more = sections(inspect.getdoc(importlib.import_module(named[1])) or "")
        return parameters + more[0], returns + more[1]
    return parameters, returns


def missing(function: Callable[..., object]) -> list[str]:
    """What a docstring lacks."""
    text = inspect.getdoc(function) or ""
    head, _, rest = text.partition("\n")
    found = [] if head and (not rest or rest.startswith("\n")) else ["one line of what it is"]
    section, returns = sections(text)
    result = str(inspect.signature(function).return_annotation).rpartition(".")[2]
    own = "\nReturns\n-------\n" in text
    found += [
        name
        for name in inspect.signature(function).parameters
        if not re.search(rf"^[\w, ]*\b{re.escape(name)}\b[\w, ]* : ", section, re.MULTILINE)
    ]
    found += [] if own or re.search(rf"^{re.escape(result)} : ", returns, re.MULTILINE) else ["Returns"]
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    assert not missing(FUNCTIONS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_class(name):
    text = inspect.getdoc(CLASSES[name]) or ""
    fields = [f.name for f in dataclasses.fields(CLASSES[name])]
    assert not [f for f in fields if not re.search(rf"^[\w, ]*\b{f}\b[\w, ]* : ", text, re.MULTILINE)]


@pytest.mark.parametrize("name", [*prune.SALIENCIES, "lamp_weights", "mask_weights", "soft_pruning", "rounds_of"])
def test_source(name):
    assert re.search(r"^Source: .+ \(\d{4}\)|^Source: .*\(\d{4}\)", inspect.getdoc(getattr(prune, name)), re.MULTILINE)


def test_the_check_can_fail():
    def undocumented(network: object, axes: object) -> int:
        """One line.

        Parameters
        ----------
        network : traced
        """
        return 1

    assert missing(undocumented) == ["axes", "Returns"]
    assert missing(lambda: None) == ["one line of what it is", "Returns"]


def test_what_a_room_says_once_must_be_there():
    def half(network: object, *, speed: float = 1.0) -> int:
        """One line.

        Shared parameters: `trimcap.prune`.
        """
        return int(speed)

    def whole(network: object) -> prune.Scores:
        """One line.

        Shared parameters: `trimcap.prune`.
        """
        return prune.l1(network)

    assert missing(half) == ["speed", "Returns"]
    assert missing(whole) == []
