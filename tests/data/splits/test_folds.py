from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from toy_windows import toy

from trimcap.data.preprocess.windows.scaling import fit_scaler, subject_z_score
from trimcap.data.splits.folds import make_fold
from trimcap.data.splits.protocols.subjects import leave_one_subject_out


def parts(windows=None):
    windows = toy() if windows is None else windows
    subject = windows.metadata.subject.to_numpy()
    test, valid = subject == "s05", subject == "s04"
    return windows.take(~test & ~valid), windows.take(valid), windows.take(test)


def fold(windows=None, **options):
    return make_fold(*parts(windows), **({"name": "mine", "protocol": "by hand", "unit": "subject"} | options))


def test_sealed_can_be_counted_and_named_but_opening_is_recorded():
    one = fold()
    assert len(one.test) == 20
    assert len(one.test.ids) == 20
    assert len(one.test.ids_hash) == 64
    assert "20 windows" in repr(one.test)
    assert not one.ledger.entries
    opened = one.test.open("evaluate", "dense")
    np.testing.assert_array_equal(opened.X, parts()[2].X)
    (entry,) = one.ledger.entries
    assert (entry.stage, entry.note, set(entry.ids)) == ("evaluate", "dense", set(one.test.ids))


def test_sealed_has_no_public_way_in():
    sealed = fold().test
    public = [getattr(sealed, name) for name in dir(sealed) if not name.startswith("_")]
    assert not any(hasattr(value, "X") for value in public)


def test_a_closed_test_set_says_how_it_is_opened():
    with pytest.raises(AttributeError, match=r"sealed: fold.test.open\('evaluate'"):
        _ = fold().test.X


def test_opening_needs_a_known_stage_and_the_audit_tells():
    one = fold()
    with pytest.raises(ValueError, match="unknown stage 'peek'"):
        one.test.open("peek")
    assert not one.ledger.entries
    one.ledger.record("fit", one.train)
    one.test.open("evaluate", "dense")
    assert one.audit().passed
    one.test.open("early stopping")
    assert one.audit().verdict == "failed"


def test_map_transforms_all_three_and_does_not_open():
    one = fold().map(lambda w: w.with_X(2 * w.X, step="doubled"))
    train, valid, test = parts()
    for out, source in ((one.train, train), (one.valid, valid)):
        np.testing.assert_array_equal(out.X, 2 * source.X)
        np.testing.assert_array_equal(out.y, source.y)
    assert not one.ledger.entries
    assert one.test.steps[-1] == "doubled"
    opened = one.test.open("evaluate")
    np.testing.assert_array_equal(opened.X, 2 * test.X)
    np.testing.assert_array_equal(opened.y, test.y)


def test_map_hides_test_labels():
    seen = []

    def spy(windows):
        seen.append(windows.y.copy())
        return windows.with_X(windows.X + windows.y[:, None, None], step="uses labels")

    one = fold().map(spy)
    assert seen[0].any()
    assert not seen[2].any()
    test = one.test.open("evaluate")
    np.testing.assert_array_equal(test.X, parts()[2].X)
    assert test.y.any()


@pytest.mark.parametrize("change", ["drop", "reorder"])
def test_map_must_keep_the_windows(change):
    def transform(windows):
        n = len(windows)
        return windows.take(range(1, n) if change == "drop" else range(n)[::-1])

    with pytest.raises(ValueError, match="must keep its windows and their order, but transform made"):
        fold().map(transform)


def test_scaled_fits_on_train_only():
    windows = toy()
    outlier = (windows.metadata.subject.to_numpy() == "s05")[:, None, None]
    one = fold(windows).scaled()
    shifted = fold(windows.with_X(windows.X + 1000 * outlier, step="test subject shifted")).scaled()
    assert one.scaler is not None
    assert shifted.scaler is not None
    np.testing.assert_array_equal(one.scaler.mean, shifted.scaler.mean)
    np.testing.assert_array_equal(one.train.X, shifted.train.X)
    np.testing.assert_array_equal(one.scaler.mean, fit_scaler(parts()[0]).mean)
    expected = (parts()[2].X - one.scaler.mean) / one.scaler.std
    np.testing.assert_allclose(one.test.open("evaluate").X, expected, atol=1e-6)
    assert [e.stage for e in one.ledger.entries] == ["scale", "evaluate"]
    assert set(one.ledger.entries[0].ids) == set(one.train.ids)


def test_transductive_scaling_is_noted_by_the_audit():
    one = fold(subject_z_score(toy()))
    one.ledger.record("fit", one.train)
    assert any("transductive" in f.text for f in one.audit().findings)
    assert str(one.audit()).startswith("audit: passed\nnote: ")
    assert "min-max" in str(one.audit())


def by_the_whole_set(windows):
    return windows.with_X(windows.X - windows.X.mean(), step="centred")


def by_each_window(windows):
    return windows.with_X(windows.X - windows.X.mean(axis=(1, 2), keepdims=True), step="centred")


def by_all_or_nothing(windows):
    if len(windows) < 20:
        raise ValueError("too few")
    return windows


@pytest.mark.parametrize("function", [by_the_whole_set, by_each_window, by_all_or_nothing])
def test_a_transform_that_mixes_test_windows_is_noted_by_the_audit(function):
    one = fold().map(function)
    said = [f.text for f in one.audit().findings if "transductive" in f.text]
    wanted = [f"{function.__name__} mixes windows (transductive): uses test inputs, never labels"]
    assert said == ([] if function is by_each_window else wanted)


def test_groups_and_description():
    one = fold(seed=7)
    assert one.groups == {"train": ("s00", "s01", "s02", "s03"), "valid": ("s04",), "test": ("s05",)}
    assert (one.name, one.protocol, one.unit, one.seed, one.leaky) == ("mine", "by hand", "subject", 7, False)


def test_a_shared_group_is_refused_and_named():
    train, valid, test = parts()
    rest = test.take(range(10, 20))
    with pytest.raises(ValueError, match="fold mine: subject s05 is in both train and test"):
        make_fold(rest, valid, test.take(range(10)), name="mine", protocol="p", unit="subject")
    # trials 0 and 1 against 2 and 3: honest if trials are the unit
    assert len(make_fold(rest, valid, test.take(range(10)), name="mine", protocol="p", unit="trial").train) == 10
    with pytest.raises(ValueError, match=r"window s05/d0/t00@0.0000 is in both valid and test"):
        make_fold(train, test, test, name="mine", protocol="p", unit="trial", leaky=True)


def test_empty_part_and_unknown_unit():
    train, valid, test = parts()
    with pytest.raises(ValueError, match="fold mine: valid has no windows"):
        make_fold(train, valid.take(np.array([], dtype=int)), test, name="mine", protocol="p", unit="subject")
    with pytest.raises(ValueError, match="unknown unit 'sujbect'; did you mean 'subject'"):
        fold(unit="sujbect")


def test_folds_share_one_data_set_in_memory():
    windows = toy()
    folds = leave_one_subject_out(windows)
    assert all(f.train_set.source is windows for f in folds)
    assert folds[0].ledger is not folds[1].ledger


def test_a_fold_travels_to_another_process():
    one = fold().scaled()
    copy = pickle.loads(pickle.dumps(one))
    copy.test.open("evaluate")
    assert [e.stage for e in copy.ledger.entries] == ["scale", "evaluate"]
    assert len(one.ledger) == 1
    assert copy.test.ids_hash == one.test.ids_hash


def test_immutable():
    with pytest.raises(AttributeError):
        fold().seed = 3  # type: ignore[misc]
    assert replace(fold(), seed=3).seed == 3
