"""Targets become classes; none is invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from trimcap.data.classes import to_classes


def labels(values, **options):
    return to_classes(values, what="set", name="valence", **options)


@pytest.mark.parametrize(
    ("values", "y", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([10, 9, 10], [1, 0, 1], ("9", "10")),
        (np.array([2.0, 0.0]), [1, 0], ("0", "2")),
        ([True, False], [1, 0], ("0", "1")),
        (np.array(["x", "y"]), [0, 1], ("x", "y")),
        ([torch.tensor(1), torch.tensor([0.0])], [1, 0], ("0", "1")),
    ],
)
def test_classes_are_what_occurs_in_order(values, y, names):
    found = labels(values)
    assert found.y.tolist() == y
    assert found.classes == names
    assert found.y.dtype == np.int64


def test_named_classes_keep_their_order_even_if_one_does_not_occur():
    assert labels(["c", "a"], classes=["c", "b", "a"]).y.tolist() == [0, 2]
    assert labels([2, 0], classes=["c", "b", "a"]).y.tolist() == [2, 0]
    found = labels([7, 3, 5], classes={3: "low", 5: "high", 7: "high"})
    assert found.y.tolist() == [1, 0, 1]
    assert found.classes == ("low", "high")


@pytest.mark.parametrize(("side", "y"), [(">", [0, 0, 1]), (">=", [0, 1, 1])])
def test_the_side_of_the_threshold_is_what_was_said(side, y):
    found = labels([4.5, 5.0, 9], threshold=5, side=side)
    assert found.y.tolist() == y
    assert found.classes == ("low valence", "high valence")


@pytest.mark.parametrize("hole", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_missing_targets_are_dropped_and_counted(hole):
    with pytest.warns(UserWarning, match="set: 2 of 4 rows have no valence"):
        found = labels([hole, 9, hole, 1], threshold=5, side=">")
    assert found.rows.tolist() == [1, 3]
    assert found.y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([None, None], {}, "none of its 2 rows has a valence"),
        ([1.5, 2, 7.2], {}, r"ratings \(1.5, 7.2, …\), not classes; say where to split"),
        ([1, 9], {"threshold": 5}, "threshold and side together"),
        ([1, 9], {"side": ">"}, "threshold and side together"),
        ([1, 9], {"threshold": 5, "side": "above"}, "unknown side 'above'"),
        ([6, 9], {"threshold": 5, "side": ">"}, "puts all ratings from 6 to 9 into one class"),
        (["low", "high"], {"threshold": 5, "side": ">"}, "'low' is no number"),
        ([1, 9], {"threshold": 5, "side": ">", "classes": ["a", "b", "c"]}, "two classes"),
        (["left", "rigth"], {"classes": ["left", "right"]}, "unknown valence 'rigth'; did you mean 'right'"),
        ([0, 2], {"classes": ["a", "b"]}, "unknown valence '2'"),
        ([0, 2], {"classes": {0: "a", 1: "b"}}, "unknown valence '2'"),
        ([1, "1"], {}, "as numbers and as text"),
        ([[1], [2]], {}, "a valence is a list"),
    ],
)
def test_bad_targets_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        labels(values, **options)


@pytest.mark.parametrize(
    "values", [np.array(["x", "y", "nan"]), ["x", "y", ""], ["x", "y", " NaN "], ["x", "y", "<NA>"]]
)
def test_missing_text_is_no_class(values):
    with pytest.warns(UserWarning, match="1 of 3 rows have no label"):
        labels = to_classes(values, what="triple")
    assert (labels.classes, labels.y.tolist(), labels.rows.tolist()) == (("x", "y"), [0, 1], [0, 1])
    assert labels.steps == ("1 of 3 rows without a label left out",)
    assert to_classes(["x", "none", "na"], what="triple").classes == ("na", "none", "x")  # names that somebody chose


def test_an_infinite_rating_is_no_class():
    with pytest.raises(ValueError, match="a valence is inf, which is no rating"):
        to_classes([1.0, float("inf"), 9.0], what="t", name="valence", threshold=5, side=">")


def test_the_rule_is_told():
    assert to_classes([1, 5, 9], what="t", name="valence", threshold=5, side=">=").steps == ("classes by valence >= 5",)
    assert to_classes(["a", "b"], what="t").steps == ()
