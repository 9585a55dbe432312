"""Pictures as windows: the digits, groups in place of subjects, one split."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from toy_windows import toy

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.sources import open_windows
from trimcap.data.splits.protocols.hold_out import hold_out
from trimcap.data.splits.protocols.named import split
from trimcap.reproduce.pictures import enlarged, first_of_each, group_names, image_windows

HOLD_OUT = "trimcap.data.splits.protocols.hold_out:hold_out"


@pytest.fixture(scope="module")
def digits():
    return open_windows("digits")


def test_digits_are_those_of_scikit_learn_enlarged_as_pytorch_does(digits):
    found = load_digits()
    assert digits.shape == (3, 32, 32)
    assert digits.y.tolist() == found.target.tolist()
    assert digits.classes == tuple("0123456789")
    small = torch.from_numpy(found.images[:, None] / 8 - 1)
    wanted = torch.nn.functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(digits.X, wanted.expand(-1, 3, -1, -1).numpy(), atol=1e-6)
    assert (digits.X.min(), digits.X.max()) == (-1, 1)
    assert digits.X.dtype == np.float32
    assert digits.unit == "intensity"
    assert "bilinear" in digits.steps[0]


def test_bilinear_of_any_size_and_the_nearest_is_another(digits):
    grey = open_windows("digits", channels=1, size=19)
    small = torch.from_numpy(load_digits().images[:, None] / 8 - 1)
    for mode, same in (("bilinear", True), ("nearest", False)):
        options = {"align_corners": False} if mode == "bilinear" else {}
        wanted = torch.nn.functional.interpolate(small, size=(19, 19), mode=mode, **options).numpy()
        assert np.allclose(grey.X, wanted, atol=1e-6) == same
    same_size = open_windows("digits", channels=1, size=8)
    np.testing.assert_allclose(same_size.X, small.numpy(), atol=1e-7)
    assert open_windows("digits").X.tobytes() == digits.X.tobytes()


def test_groups_stand_for_subjects_and_say_so(digits):
    assert digits.metadata.subject.nunique() == 20
    assert digits.metadata.trial.is_unique
    assert "in place of subjects" in digits.steps[-1]
    name = digits.metadata.trial[7]
    number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % 20
    assert digits.metadata.subject[7] == f"group {number:02d}"
    sizes = digits.metadata.subject.value_counts()
    assert sizes.min() > 60
    assert set(open_windows("digits", groups=1).metadata.subject) == {"group 00"}
    assert {len(n) for n in group_names(list("abcdef"), 200)} == {len("group 000")}


def test_digits_go_through_protocols_and_files(digits, tmp_path):
    few = digits.take(np.arange(0, 1797, 9))
    for fold in split(few, "leave_trials_out", n_folds=3, valid=0.2):
        assert set(fold.test.open("evaluate").y) == set(range(10))
    again = read_npz(write_npz(few, tmp_path / "digits.npz"))
    assert again.X.tobytes() == few.X.tobytes()
    assert again.ids.tolist() == few.ids.tolist()
    assert (again.unit, again.classes, again.channels) == (few.unit, few.classes, few.channels)


def test_first_of_each_class_in_each_part():
    y, parts = np.array([0, 1, 0, 0, 1, 0]), ["a", "a", "a", "b", "b", "b"]
    assert first_of_each(y, parts, 1).tolist() == [0, 1, 3, 4]
    assert first_of_each(y, parts, 2).tolist() == [0, 1, 2, 3, 4, 5]
    assert first_of_each(y, parts, None).tolist() == list(range(6))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "digits"}, "come with scikit-learn; leave out the path"),
        ({"subjects": 3}, "no subjects to choose"),
        ({"channels": 2}, "1 plane .grey. or 3"),
        ({"size": 4}, "only enlarged"),
        ({"groups": 0}, "1 or more groups"),
        ({"chanels": 1}, "did you mean 'channels'"),
    ],
)
def test_impossible_options_of_digits(options, words):
    with pytest.raises(ValueError, match=words):
        open_windows("digits", **options)


def test_impossible_pictures():
    with pytest.raises(ValueError, match="per_class is 0"):
        first_of_each(np.array([0]), ["a"], 0)
    with pytest.raises(ValueError, match="there are no pictures"):
        image_windows(np.zeros((0, 1, 8, 8), np.float32), np.zeros(0, np.int64), [], parts=[], classes=["a"])
    with pytest.raises(ValueError, match="only enlarged"):
        enlarged(np.zeros((1, 1, 8, 8), np.float32), 7)


# ---- one split ----


def test_hold_out_of_a_share_is_stratified_and_apart():
    windows = toy(subjects=6, sessions=2, trials=10, per_trial=3)
    (fold,) = split(windows, HOLD_OUT, one_in=4, valid=0.25, seed=2)
    test = fold.test.open("evaluate")
    assert len(test) == pytest.approx(len(windows) / 4, rel=0.1)
    assert fold.protocol == "one trial in 4 held out"
    sides = [set(part.groups("trial")) for part in (fold.train_set, fold.valid_set, fold.test)]
    assert len(set.union(*sides)) == sum(map(len, sides)) == 6 * 2 * 10
    assert all(sides)
    share = np.bincount(test.y) / len(test)
    np.testing.assert_allclose(share, np.bincount(windows.y) / len(windows), atol=0.05)
    assert fold.unused == 0
    fold.ledger.record("fit", fold.train)
    assert fold.audit().passed


def test_hold_out_of_a_session():
    windows = toy(subjects=3, sessions=2, trials=8)
    (fold,) = hold_out(windows, session="d1", valid=0.25)
    test = fold.test.open("evaluate")
    assert set(test.metadata.session) == {"d1"}
    assert len(test) == len(windows) // 2
    assert set(fold.train.metadata.session) | set(fold.valid.metadata.session) == {"d0"}
    assert fold.name == "session d1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"session": "d3"}, "unknown session 'd3'; did you mean 'd[01]'"),
        ({"one_in": 1}, "one_in is 1: one trial in so many is tested, at least 2"),
        ({"one_in": 1000}, "one_in is 1000"),
        ({"valid": 0.999}, "validation would take all"),
        ({"sesion": "d1"}, "did you mean 'session'"),
    ],
)
def test_impossible_hold_outs(options, words):
    with pytest.raises(ValueError, match=words):
        split(toy(), HOLD_OUT, **options)
