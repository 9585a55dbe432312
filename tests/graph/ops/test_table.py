"""The table of operations is whole: no kind in it is one that nothing can reach, or half of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import nn

from trimcap import trace
from trimcap.graph.ops import mix
from trimcap.graph.ops.table import NUMBERS, OPERATIONS, Operation
from trimcap.program.lower.lower import SUPPORTED
from trimcap.prune.absent import ABSENT
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink

#: arguments, as torch names them, that hold sizes or numbers of slices and so must follow when slices go
SIZES = {"size", "shape", "normalized_shape", "output_size", "groups", "num_groups", "split_sizes"}
#: kinds whose sizes are of dimensions that are frozen, so that they never change
FROZEN = {"eye", "unfold", *(kind for kind in OPERATIONS if kind.startswith("upsample_"))}


def schemas(kind: str) -> list[torch.FunctionSchema]:
    """Of every form of an operation that a network may hold."""
    packet = getattr(torch.ops.aten, kind, None)
    found = [getattr(packet, form)._schema for form in packet.overloads()] if packet is not None else []
    return [schema for schema in found if not schema.is_mutable]


def missing(table: Mapping[str, Operation]) -> list[str]:
    """What is half there, in words."""
    found = []
    for kind, own in table.items():
        made_up = kind == "getitem" or kind in {f"sym.{name}" for name in NUMBERS}
        if not made_up and not schemas(kind):
            found.append(f"{kind}: torch has no such operation, so nothing can reach it")
        if own.axes is None and (own.reads or own.over or own.sizes):
            found.append(f"{kind}: it says what it reads or resizes, but no axis ever gets through it")
        if own.macs and own.axes and not own.reads:
            found.append(f"{kind}: it sums products, but does not say what the masked twin sets to zero")
        if own.reads and own.over:
            found.append(f"{kind}: it both sums and runs over an axis; slices of it are zero or absent, not both")
        if (own.over is not None) != (kind in ABSENT):
            found.append(f"{kind}: a statistic needs `over` here and its form with a mask in prune/absent.py")
        if ("elementwise" in own.traits) != (own.axes is mix.broadcast):
            found.append(f"{kind}: 'elementwise' and the rule `broadcast` go together")
        if "elementwise" in own.traits and "slicewise" not in own.traits:
            found.append(f"{kind}: what is done element by element is done slice by slice")
        if "view" in own.traits and "slicewise" not in own.traits:
            found.append(f"{kind}: a view holds slices of its input")
        if "dropout" in own.traits and own.training is None:
            found.append(f"{kind}: a dropout needs the position of its training argument")
        told = {a.name for schema in schemas(kind) for a in schema.arguments} & SIZES
        if own.axes is not None and told and own.sizes is None and kind not in FROZEN:
            found.append(f"{kind}: its arguments {sorted(told)} hold sizes, and nothing lets them follow")
        trains = [
            a.name
            for schema in schemas(kind)
            for a in schema.arguments
            if a.name in ("train", "training", "use_input_stats")
        ]
        if own.axes is not None and bool(trains) != (own.training is not None):
            found.append(f"{kind}: it has an argument {trains[:1]} and `training` says {own.training}")
    return found


def test_no_kind_is_half_there():
    assert missing(OPERATIONS) == []


def test_what_can_be_lowered_has_a_rule_for_its_axes():
    ruled = {kind for kind, own in OPERATIONS.items() if own.axes is not None}
    assert set(SUPPORTED) <= ruled


@pytest.mark.parametrize(
    ("kind", "entry", "words"),
    [
        ("softsign", OPERATIONS["relu"], "nothing can reach it"),
        ("linear", replace(OPERATIONS["linear"], reads=None), "does not say what the masked twin sets to zero"),
        ("linear", replace(OPERATIONS["linear"], axes=None), "no axis ever gets through it"),
        ("mean", replace(OPERATIONS["mean"], over=None), "a statistic needs"),
        ("amax", replace(OPERATIONS["amax"], reads=mix.reads_reduced), "zero or absent, not both"),
        ("variance", replace(OPERATIONS["var"], over=mix.reduced), "its form with a mask"),
        ("group_norm", replace(OPERATIONS["group_norm"], sizes=None), "num_groups.* nothing lets them follow"),
        ("reshape", replace(OPERATIONS["reshape"], sizes=None), "shape.* nothing lets them follow"),
        ("relu", replace(OPERATIONS["relu"], traits=frozenset()), "'elementwise' and the rule"),
        ("dropout", replace(OPERATIONS["dropout"], training=None), "position of its training argument"),
        ("gru", replace(OPERATIONS["gru"], training=None), "`training` says None"),
    ],
)
def test_a_kind_that_is_half_there_is_named(kind: str, entry: Operation, words: str):
    found = missing({**OPERATIONS, kind: entry})
    assert found
    assert all(line.startswith(f"{kind}: ") for line in found)
    assert any(re.search(words, line) for line in found)


def test_repeats_that_are_told_their_size_follow_the_plan():
    class Repeated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 4), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(torch.repeat_interleave(self.first(x), 2, dim=1, output_size=8))

    network = trace(Repeated(), torch.randn(2, 6))
    assert shrink(network, make_plan(network, {"first": [0, 2, 3]})).shape_of("repeat_interleave") == (1, 6)


def test_a_view_like_another_tensor_is_a_reshape():
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.first(x)
            return self.second(hidden.view_as(hidden.reshape(-1, 4)))

    network = trace(Viewed(), torch.randn(2, 6))
    assert [node.kind for node in network.nodes] == ["linear", "reshape", "linear"]
    assert not network.axes["first"].frozen
