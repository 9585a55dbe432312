from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from toy_windows import toy

from trimcap.data.splits.protocols.named import PROTOCOLS, split

LEAKY = ("leaky_windows", "leaky_within_trial")
HONEST = tuple(sorted(set(PROTOCOLS) - set(LEAKY)))
#: every window of the data is in one part of every fold
WHOLE = ("leave_one_subject_out", "k_fold_subjects", "leave_trials_out", "leave_sessions_out", "leave_stimuli_out")


def data(**changes):
    return toy(**({"subjects": 6, "sessions": 2, "trials": 10, "per_trial": 10} | changes))


def content(folds):
    def own(f):
        return None if f.calibration is None else f.calibration.ids.tolist()

    return [(f.name, f.train.ids.tolist(), f.valid.ids.tolist(), f.test.ids, own(f)) for f in folds]


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_window_is_tested_once_and_parts_are_disjoint(protocol):
    windows = data()
    folds = split(windows, protocol)
    aside = {i for f in folds if f.calibration_set is not None for i in f.calibration_set.ids.tolist()}
    tested = Counter(i for f in folds for i in f.test.ids)
    assert tested == Counter(set(windows.ids.tolist()) - aside)
    for f in folds:
        own = [] if f.calibration is None else f.calibration.ids.tolist()
        parts = [set(f.train.ids), set(f.valid.ids), set(f.test.ids), set(own)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(windows) - f.unused
        assert all(parts[:3])
        assert (f.unused == 0) == (protocol in (*WHOLE, *LEAKY, "few_shot"))


@pytest.mark.parametrize("protocol", HONEST)
def test_honest_protocols_keep_their_groups_apart_and_pass_the_audit(protocol):
    for f in split(data(), protocol):
        groups = {part: set(names) for part, names in f.groups.items()}
        assert not groups["test"] & groups["train"]
        assert not groups["test"] & groups["valid"]
        # sessions are few: within one subject, trials of the training sessions validate
        assert not groups["train"] & groups["valid"] or protocol == "within_subject_sessions"
        assert not set(f.train_set.groups("trial")) & set(f.valid_set.groups("trial"))
        f.ledger.record("fit", f.train)
        f.ledger.record("early stopping", f.valid)
        f.test.open("evaluate")
        assert f.audit().passed
        assert not f.leaky
        assert "LEAKY" not in f.protocol


@pytest.mark.parametrize("protocol", LEAKY)
def test_leaky_protocols_say_so_and_do_not_pass(protocol):
    for f in split(data(), protocol):
        assert f.leaky
        assert f.protocol.startswith("LEAKY")
        f.ledger.record("fit", f.train)
        f.test.open("evaluate")
        assert f.audit().verdict == "LEAKY"
        assert set(f.groups["test"]) & set(f.groups["train"])
        # without the declaration the checker finds the leak by itself
        assert replace(f, leaky=False).audit().verdict == "failed"


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_order_of_rows_does_not_change_folds(protocol):
    windows = data()
    shuffled = windows.take(np.random.default_rng(1).permutation(len(windows)))
    assert content(split(windows, protocol, seed=3)) == content(split(shuffled, protocol, seed=3))


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_content_of_windows_does_not_change_folds(protocol):
    windows = data()
    other = windows.with_X(windows.X[::-1].copy(), step="other content")
    assert content(split(windows, protocol)) == content(split(other, protocol))


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_seed_changes_folds(protocol):
    assert content(split(data(), protocol, seed=0)) != content(split(data(), protocol, seed=1))


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_labels_travel_with_their_windows(protocol):
    windows = data()
    label = dict(zip(windows.ids.tolist(), windows.y.tolist(), strict=True))
    f = split(windows, protocol)[0]
    for part in (f.train, f.valid, f.test.open("evaluate")):
        assert [label[i] for i in part.ids.tolist()] == part.y.tolist()


def test_loso_has_one_fold_per_subject_and_valid_is_a_fraction_of_the_others():
    folds = split(data(), "leave_one_subject_out", valid=0.4)
    assert [f.name for f in folds] == [f"subject s{s:02d}" for s in range(6)]
    assert all(len(f.groups["valid"]) == 2 for f in folds)
    assert all(len(f.groups["valid"]) == 1 for f in split(data(), "leave_one_subject_out", valid=0.01))
    assert len({f.groups["valid"] for f in folds}) > 1  # drawn anew in every fold


def test_k_fold_subjects():
    folds = split(data(), "k_fold_subjects", n_folds=3)
    assert [len(f.groups["test"]) for f in folds] == [2, 2, 2]
    assert folds[0].name == "fold 1 of 3"
    assert folds[0].protocol == "subject-grouped 3-fold"


def test_leave_trials_out_is_stratified():
    for f in split(data(), "leave_trials_out"):
        test = f.test.open("evaluate")
        assert np.bincount(test.y).min() >= 0.4 * len(test)
        assert set(test.metadata.subject) <= set(f.train.metadata.subject)


def test_validation_is_stratified_where_groups_have_one_class():
    """10 trials of class 0, 2 of class 1: drawing 20 % of them blindly would often miss class 1."""
    windows = toy(subjects=1, trials=60)
    rare = np.char.endswith(windows.metadata.trial.to_numpy(dtype=str), "5")
    windows = replace(windows, y=rare.astype(np.int64))
    for seed in range(10):
        for f in split(windows, "leave_trials_out", n_folds=3, seed=seed):
            assert f.valid.y.any()
            assert not f.valid.y.all()


def test_leave_sessions_out():
    folds = split(data(), "leave_sessions_out")
    assert [f.name for f in folds] == ["session d0", "session d1"]
    f = folds[0]
    assert set(f.test.groups("session")) == {f"s{s:02d}/d0" for s in range(6)}
    assert set(f.train.metadata.session) == {"d1"}


def test_within_trial_folds_are_contiguous_tenths():
    windows = data()
    f = split(windows, "leaky_within_trial")[3]
    assert set(f.test.open("evaluate").metadata.start) == {6.0}


def test_sorting_is_by_time_not_by_text():
    windows = toy(subjects=3, per_trial=12)
    train = split(windows, "leave_one_subject_out")[0].train
    assert train.metadata.start[:12].tolist() == [2.0 * k for k in range(12)]


@pytest.mark.parametrize("protocol", ["leave_one_subject_out", "k_fold_subjects"])
def test_one_subject_only_says_what_to_do(protocol):
    with pytest.raises(
        ValueError, match=rf"{protocol} needs at least 3 subjects, .*hold 1 \(s00\).*'leave_trials_out'"
    ):
        split(toy(subjects=1), protocol)


def test_one_session_and_too_few_trials():
    with pytest.raises(ValueError, match="leave_sessions_out needs at least 2 sessions"):
        split(toy(), "leave_sessions_out")
    with pytest.raises(ValueError, match="leave_trials_out needs at least 3 trials"):
        split(toy(subjects=1, trials=2), "leave_trials_out")


@pytest.mark.parametrize(
    ("protocol", "n_folds", "text"),
    [
        ("k_fold_subjects", 7, "n_folds=7 is impossible with 6 subjects; choose 2 to 6"),
        ("k_fold_subjects", 1, "n_folds=1 is impossible"),
        ("leave_trials_out", 25, "n_folds=25 is impossible with 24 trials"),
        ("leaky_within_trial", 6, "6 is impossible with 5 windows in the shortest trial"),
        ("leaky_windows", 1000, "n_folds=1000 is impossible with 120 windows"),
    ],
)
def test_fewer_groups_than_folds(protocol, n_folds, text):
    with pytest.raises(ValueError, match=text):
        split(toy(), protocol, n_folds=n_folds)


def test_validation_is_drawn_again_until_it_holds_every_class():
    """Subjects s00 to s04 have class 0 only, so most draws of one validation subject would lack class 1."""
    windows = toy(subjects=8)
    y = np.where(windows.metadata.subject >= "s05", windows.y, 0)
    for f in split(replace(windows, y=y), "leave_one_subject_out", valid=0.1, missing_classes="allow"):
        assert set(f.valid.y) == set(f.train.y) == {0, 1}


def one_sided():
    """Subject s02 has class 0 only."""
    windows = toy()
    y = np.where(windows.metadata.subject == "s02", 0, windows.y)
    return replace(windows, y=y)


def test_class_absent_from_test_names_fold_and_class():
    text = r"fold 'subject s02' \(leave one subject out\): class 'class1' is absent from test.*missing_classes='allow'"
    with pytest.raises(ValueError, match=text):
        split(one_sided(), "leave_one_subject_out", seed=1)
    assert len(split(one_sided(), "leave_one_subject_out", seed=1, missing_classes="allow")) == 6


def test_class_absent_from_train_is_never_allowed():
    windows = toy(subjects=3)
    y = np.where(windows.metadata.subject == "s00", windows.y, 0)
    with pytest.raises(ValueError, match=r"fold 'subject s00' .*'class1' is absent from train, .*larger `valid`$"):
        split(replace(windows, y=y), "leave_one_subject_out", missing_classes="allow")


def test_class_in_too_few_groups():
    windows = toy(subjects=6)
    y = np.where(windows.metadata.subject < "s02", windows.y, 0)
    with pytest.raises(ValueError, match=r"class 'class1' occurs in 2 of 6 subjects only.*use n_folds=2 or fewer"):
        split(replace(windows, y=y), "k_fold_subjects", n_folds=3)


def test_class_in_one_group_is_not_answered_with_the_folds_that_failed():
    windows = toy(subjects=6)
    y = np.where(windows.metadata.subject < "s01", windows.y, 0)
    with pytest.raises(ValueError, match=r"in 1 of 6 subjects only.* of the 2 folds; load more subjects that have it"):
        split(replace(windows, y=y), "k_fold_subjects", n_folds=2)


@pytest.mark.parametrize("protocol", ["k_fold_subjects", "leave_one_subject_out", "leave_trials_out"])
def test_one_class_only(protocol):
    windows = replace(toy(), y=np.zeros(len(toy()), np.int64), classes=("rest",))
    with pytest.raises(ValueError, match="windows are of class 'rest', so there is nothing to tell apart; load"):
        split(windows, protocol)


@pytest.mark.parametrize("valid", [0, 1, -0.1, 3])
def test_valid_must_be_a_fraction(valid):
    with pytest.raises(ValueError, match="must be a fraction"):
        split(toy(), "leave_one_subject_out", valid=valid)


def test_valid_that_leaves_no_training_group():
    with pytest.raises(ValueError, match="would take all 2 training groups"):
        split(toy(subjects=3), "leave_one_subject_out", valid=0.9)


def test_duplicate_windows_are_refused():
    windows = toy()
    with pytest.raises(ValueError, match=r"window s00/d0/t00@4.0000 occurs 2 times"):
        split(windows.take([2, *range(len(windows))]), "leave_one_subject_out")


def test_unknown_protocol_and_option():
    with pytest.raises(ValueError, match="unknown protocol 'k_fold_subject'; did you mean 'k_fold_subjects'"):
        split(toy(), "k_fold_subject")
    with pytest.raises(ValueError, match="protocol k_fold_subjects: unknown option 'nfolds'; did you mean 'n_folds'"):
        split(toy(), "k_fold_subjects", nfolds=3)
    with pytest.raises(ValueError, match="unknown missing_classes 'alow'; did you mean 'allow'"):
        split(toy(), "k_fold_subjects", missing_classes="alow")


def test_a_protocol_of_ones_own():
    def mine(windows, *, keep=1, **rest):
        return split(windows, "leave_one_subject_out", **rest)[:keep]

    assert len(split(toy(), mine, keep=2, valid=0.4)) == 2
    assert len(split(toy(), "trimcap.data.splits.protocols.subjects:leave_one_subject_out")) == 6
    with pytest.raises(ValueError, match=r"protocol 'trimcap\.data:nothing': module 'trimcap\.data' has no 'nothing'"):
        split(toy(), "trimcap.data:nothing")
