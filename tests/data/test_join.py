"""Joining the windows of several subjects; what windows and recordings print."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_windows import toy

from trimcap.data import k_fold_subjects, make_synthetic
from trimcap.data.join import join


def test_parts_of_a_data_set_join_to_the_data_set() -> None:
    whole = toy(subjects=4)
    subjects = whole.metadata.subject.to_numpy()
    joined = join(whole.take(subjects == s) for s in np.unique(subjects))
    np.testing.assert_array_equal(joined.X, whole.X)
    np.testing.assert_array_equal(joined.y, whole.y)
    np.testing.assert_array_equal(joined.ids, whole.ids)
    assert joined.steps == whole.steps
    assert len(k_fold_subjects(joined, n_folds=4)) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": ("Fz", "Pz", "Cz")}, r"part 2 has channels \('Fz', 'Pz', 'Cz'\), part 1 has .*pick the same"),
        ({"rate": 256.0}, "part 2 has rate 256.0, part 1 has 128.0"),
        ({"classes": ("class1", "class0")}, "part 2 has classes"),
        ({"unit": "µV"}, "part 2 has unit µV, part 1 has nat"),
        ({"steps": ()}, "part 2 has steps"),
    ],
)
def test_parts_that_differ_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join([toy(subjects=1), replace(toy(subjects=1), **changes)])


def test_nothing_and_twice() -> None:
    with pytest.raises(ValueError, match="no windows"):
        join([])
    with pytest.raises(ValueError, match=r"window s00/d0/t00@0.0000 occurs 2 times; give every part its own subject"):
        join([toy(subjects=1), toy(subjects=1)])


def test_windows_and_recordings_print_one_line() -> None:
    expected = "Windows(40 of 3×2 nat, 2 s at 128 Hz, 3 electrodes, 2 subjects; class0 20, class1 20)"
    assert repr(toy(subjects=2)) == expected
    recording = make_synthetic(1, seconds=4, seed=0)[0]
    name = f"{recording.name}: 19 electrodes, 4 s at 128 Hz, {recording.classes[recording.label]}"
    assert repr(recording) == f"Recording({name})"
