"""Protocols of new trials, sessions, stimuli and calibrated subjects: disjoint from first principles, twins fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from toy_windows import toy

from trimcap.data.splits.folds import make_fold
from trimcap.data.splits.nesting import nested
from trimcap.data.splits.protocols.named import PROTOCOLS, protocol_function, split
from trimcap.data.splits.sealed import Subset

SIZES = st.fixed_dictionaries(
    {
        "subjects": st.integers(3, 5),
        "sessions": st.integers(1, 3),
        "trials": st.integers(8, 12),
        "per_trial": st.integers(1, 3),
        "classes": st.integers(2, 3),
    }
)
FEW = settings(
    max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def columns(windows, *names):
    """Groups as sets of tuples: nothing of the code under test."""
    return {tuple(row) for row in windows.metadata[list(names)].astype(str).to_numpy().tolist()}


def parts(fold):
    """Tables of train, valid, test and calibration; the ledger forgets."""
    ledger = fold.ledger
    found = [fold.train, fold.valid, fold.test.open("evaluate"), fold.calibration]
    ledger._entries.clear()
    return found


def apart(one, other, *names):
    return not columns(one, *names) & columns(other, *names)


TRIAL = ("subject", "session", "trial")


@FEW
@given(size=SIZES, seed=st.integers(0, 9), n_folds=st.integers(2, 3))
def test_within_subject_knows_one_subject_and_no_test_trial(size, seed, n_folds):
    windows = toy(**{**size, "trials": 4 * size["classes"]})
    folds = split(windows, "within_subject", n_folds=n_folds, seed=seed, valid=0.3)
    assert len(folds) == size["subjects"] * n_folds
    for fold in folds:
        train, valid, test, _ = parts(fold)
        assert columns(train, "subject") == columns(valid, "subject") == columns(test, "subject")
        assert len(columns(test, "subject")) == 1
        for a, b in ((train, valid), (train, test), (valid, test)):
            assert apart(a, b, *TRIAL)
        assert len(train) + len(valid) + len(test) == len(windows) // size["subjects"]
        assert fold.unused == len(windows) - len(windows) // size["subjects"]


@FEW
@given(size=SIZES, seed=st.integers(0, 9))
def test_within_subject_sessions_tests_a_session_nobody_trained_on(size, seed):
    windows = toy(**{**size, "sessions": size["sessions"] + 1})
    folds = split(windows, "within_subject_sessions", seed=seed, valid=0.3)
    assert len(folds) == size["subjects"] * (size["sessions"] + 1)
    for fold in folds:
        train, valid, test, _ = parts(fold)
        assert len(columns(test, "subject", "session")) == 1
        assert columns(train, "subject") == columns(test, "subject")
        assert apart(train, test, "subject", "session")
        assert apart(valid, test, "subject", "session")
        assert apart(train, valid, *TRIAL)


@FEW
@given(size=SIZES, seed=st.integers(0, 9), n_folds=st.integers(2, 3))
def test_leave_stimuli_out_holds_films_out_for_everybody(size, seed, n_folds):
    windows = toy(**{**size, "trials": 6 * size["classes"]})
    folds = split(windows, "leave_stimuli_out", n_folds=n_folds, seed=seed, missing_classes="allow")
    for fold in folds:
        train, valid, test, _ = parts(fold)
        for a, b in ((train, valid), (train, test), (valid, test)):
            assert apart(a, b, "stimulus")
        assert columns(train, "subject") == columns(test, "subject")


@FEW
@given(size=SIZES, seed=st.integers(0, 9), stimulus_folds=st.integers(2, 3))
def test_subject_and_stimulus_are_both_new(size, seed, stimulus_folds):
    windows = toy(**{**size, "subjects": size["subjects"] + 2, "trials": 8 * size["classes"], "sessions": 1})
    folds = split(windows, "subject_and_stimulus", n_folds=2, stimulus_folds=stimulus_folds, seed=seed, valid=0.25,
                  missing_classes="allow")  # fmt: skip
    assert len(folds) == 2 * stimulus_folds
    for fold in folds:
        train, valid, test, _ = parts(fold)
        for a, b in ((train, valid), (train, test), (valid, test)):
            assert apart(a, b, "subject")
            assert apart(a, b, "stimulus")
        # the test set is the whole product of its subjects and stimuli
        assert len(test) == len(columns(test, "subject")) * len(columns(test, "stimulus")) * (size["per_trial"])
        assert fold.unused == len(windows) - len(train) - len(valid) - len(test) > 0


@FEW
@given(size=SIZES, seed=st.integers(0, 9), shots=st.integers(1, 2), order=st.sampled_from(["first", "random"]))
def test_few_shot_sets_trials_of_every_class_aside(size, seed, shots, order):
    windows = toy(**size)
    folds = split(windows, "few_shot", shots=shots, order=order, seed=seed, valid=0.3)
    zero_shot = split(windows, "leave_one_subject_out", seed=seed, valid=0.3)
    for fold, plain in zip(folds, zero_shot, strict=True):
        train, valid, test, own = parts(fold)
        # the network before calibration is the one of leave one subject out
        assert train.ids.tolist() == plain.train.ids.tolist()
        assert valid.ids.tolist() == plain.valid.ids.tolist()
        assert set(test.ids) | set(own.ids) == set(plain.test.ids)
        assert apart(own, test, *TRIAL)
        for a, b in ((train, test), (valid, test), (train, own), (valid, own)):
            assert apart(a, b, "subject")
        for label in range(size["classes"]):
            assert len(columns(own.take(own.y == label), *TRIAL)) == shots


def test_first_means_first_in_time_with_numbers_as_numbers():
    windows = toy(subjects=3, sessions=2, trials=12)
    table = windows.metadata.assign(trial=windows.metadata.trial.str.removeprefix("t").astype(int).astype(str))
    numbered = replace(windows, metadata=table)
    # "10" and "11" would come before "2" as text; t % 2 is the class
    for fold in split(numbered, "few_shot", shots=2):
        assert {(s, t) for _, s, t in columns(fold.calibration, *TRIAL)} == {("d0", t) for t in ("0", "1", "2", "3")}
    drawn = [columns(f.calibration, *TRIAL) for f in split(numbered, "few_shot", shots=2, order="random", seed=1)]
    other = [columns(f.calibration, *TRIAL) for f in split(numbered, "few_shot", shots=2, order="random", seed=2)]
    assert all(a != b for a, b in zip(drawn, other, strict=True))


def test_shots_of_a_subject_do_not_depend_on_the_others():
    windows = toy(subjects=5, trials=12)
    fewer = windows.take(windows.metadata.subject.isin(["s00", "s02", "s04"]).to_numpy())
    chosen = {f.name: columns(f.calibration, *TRIAL) for f in split(windows, "few_shot", order="random")}
    for fold in split(fewer, "few_shot", order="random"):
        assert columns(fold.calibration, *TRIAL) == chosen[fold.name]


def test_few_shot_by_stimulus_keeps_repetitions_out_of_the_test_set():
    windows = toy(sessions=3, trials=6)
    for fold in split(windows, "few_shot", shots=1, calibrate_on="stimulus"):
        _, _, test, own = parts(fold)
        assert apart(own, test, "stimulus")
        assert len(columns(own, *TRIAL)) == 2 * 3
    # by trials the same film of another session is tested
    _, _, test, own = parts(split(windows, "few_shot", shots=1)[0])
    assert not apart(own, test, "stimulus")


def test_folds_of_subjects_calibrate_together():
    folds = split(toy(subjects=6, trials=8), "few_shot", n_folds=3)
    assert [len(columns(f.calibration, "subject")) for f in folds] == [2, 2, 2]


def trained(fold, *, calibrated=True):
    fold.ledger.record("fit", fold.train)
    fold.ledger.record("early stopping", fold.valid)
    if calibrated and fold.calibration is not None:
        fold.ledger.record("calibrate", fold.calibration)
    fold.test.open("evaluate")
    return fold.audit()


def test_a_calibrated_fold_passes_and_its_leaky_twins_are_found():
    fold = split(toy(trials=8), "few_shot")[0]
    assert trained(fold).passed
    # a trial of the test set among the shots: refused when the fold is made, found by the audit when done by hand
    source, own = fold.calibration_set.source, fold.calibration_set.rows
    stolen = np.flatnonzero(np.isin(source.ids, fold.test.ids[:2]))
    with pytest.raises(ValueError, match=r"fold twin: trial s00/d0/t04 is in both calibration and test"):
        make_fold(fold.train_set, fold.valid_set, fold.test._subset, name="twin", protocol="p", unit="subject",
                  calibration=Subset(source, np.r_[own, stolen]))  # fmt: skip
    twin = replace(fold, calibration_set=Subset(source, np.r_[own, stolen]))
    twin.ledger._entries.clear()
    assert trained(twin).verdict == "failed"


@pytest.mark.parametrize(
    ("protocol", "level", "words"),
    [
        ("within_subject", "trial", "trial s00/d"),
        ("within_subject_sessions", "session", "session s00/d0"),
        ("leave_stimuli_out", "stimulus", "stimulus film"),
        ("subject_and_stimulus", "subject", "subject s0"),
        ("subject_and_stimulus", "stimulus", "stimulus film"),
    ],
)
def test_a_training_set_with_one_window_of_a_test_group_fails(protocol, level, words):
    windows = toy(sessions=2, trials=10, per_trial=4)
    fold = split(windows, protocol)[0]
    assert trained(fold).passed
    groups = set(fold.test.groups(level))
    source = fold.train_set.source
    member = np.asarray([g in groups for g in _names(source.metadata, level)])
    inside = np.isin(source.ids, fold.test.ids)
    if (member & ~inside).any():
        row, test = np.flatnonzero(member & ~inside)[:1], fold.test._subset
    else:  # the test set holds all windows of its groups: take one away from it
        row, test = np.flatnonzero(inside)[:1], Subset(source, np.flatnonzero(inside)[1:])
    train = Subset(source, np.r_[fold.train_set.rows, row])
    with pytest.raises(ValueError, match=f"{level} .* is in both train and test"):
        make_fold(train, fold.valid_set, test, name="t", protocol="p", unit=fold.unit)
    fold.ledger._entries.clear()
    fold.ledger.record("fit", train.windows())
    twin = replace(fold, test=type(fold.test)(test, fold.ledger))
    found = [f.text for f in twin.audit().findings if f.severity == "error"]
    assert any(words in text for text in found), found


def _names(table, level):
    columns = {
        "subject": ["subject"],
        "session": ["subject", "session"],
        "trial": list(TRIAL),
        "stimulus": ["stimulus"],
    }
    return ["/".join(row) for row in table[columns[level]].astype(str).to_numpy().tolist()]


# ---- stimuli


@pytest.mark.parametrize("protocol", ["leave_stimuli_out", "subject_and_stimulus"])
def test_stimuli_must_be_known_and_the_message_says_how(protocol):
    windows = toy(trials=12)
    bare = replace(windows, metadata=windows.metadata.drop(columns="stimulus"))
    with pytest.raises(ValueError, match=r"no column 'stimulus' .*info=\{'stimulus'.*stimulus='trial'"):
        split(bare, protocol)
    named = split(bare, protocol, stimulus="trial")
    assert [f.test.ids for f in named] == [f.test.ids for f in split(windows, protocol)]
    for missing in ("", None, np.nan):
        column = windows.metadata.stimulus.astype(object).where(windows.metadata.subject != "s01", missing)
        gap = replace(windows, metadata=windows.metadata.assign(stimulus=column))
        with pytest.raises(ValueError, match=r"60 of 360 windows have no stimulus, the first is s01/d0/t00@"):
            split(gap, protocol)


def test_a_trial_with_two_stimuli_is_refused():
    windows = toy()
    column = np.where(windows.metadata.start < 4, "film00", windows.metadata.stimulus)
    with pytest.raises(ValueError, match=r"trial s00/d0/t01 has more than one stimulus \(film00, film01\)"):
        split(replace(windows, metadata=windows.metadata.assign(stimulus=column)), "leave_stimuli_out")


def test_few_shot_needs_no_stimuli():
    windows = toy(trials=8)
    bare = replace(windows, metadata=windows.metadata.drop(columns="stimulus"))
    assert trained(split(bare, "few_shot")[0]).passed
    gap = replace(windows, metadata=windows.metadata.assign(stimulus=None))
    assert trained(split(gap, "few_shot")[0]).passed


# ---- what is refused


def test_too_few_trials_for_the_shots():
    windows = toy(trials=4)
    with pytest.raises(
        ValueError,
        match=r"too few trials, so shots=2 leave none .*first, s00, has 2 of class 'class0'\); lower shots to 1",
    ):
        split(windows, "few_shot", shots=2)
    folds = split(windows, "few_shot", shots=2, missing_classes="allow")
    assert all(len(columns(f.calibration, *TRIAL)) == 2 for f in folds)
    everybody = len(np.unique(windows.metadata.subject))
    for allowed in ("raise", "allow"):  # one trial per class, as in EEGMAT: there is no way
        with pytest.raises(
            ValueError, match=rf"^{everybody} of {everybody} subjects .* shots=1 leave none .*choose a protocol without"
        ) as caught:
            split(toy(trials=2), "few_shot", shots=1, missing_classes=allowed)
        assert "lower shots" not in str(caught.value)
        assert "'allow'" not in str(caught.value)


def test_one_subject_with_too_few_trials_may_be_left_out():
    windows = toy(trials=8)
    few = (windows.metadata.subject == "s00") & (windows.metadata.trial >= "t02")
    with pytest.raises(ValueError, match=r"^1 of \d+ subjects .* s00, has 1 of .*leave these subjects out$"):
        split(windows.take(np.flatnonzero(~few)), "few_shot", shots=1)


@pytest.mark.parametrize("shots", [0, 1.5, "x", None])
def test_shots_are_a_whole_number(shots):
    with pytest.raises(ValueError, match="must be a whole number of trials per class"):
        split(toy(trials=8), "few_shot", shots=shots)


def test_a_trial_of_two_labels_is_no_shot():
    windows = toy(trials=8)
    y = np.where(windows.metadata.start < 4, 0, windows.y)
    with pytest.raises(ValueError, match="s00/d0/t01 has windows of two classes"):
        split(replace(windows, y=y), "few_shot", shots=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shots": 0}, "at least 1"),
        ({"shots": 1.5}, "whole number"),
        ({"order": "frist"}, "did you mean 'first'"),
        ({"calibrate_on": "trails"}, "did you mean 'trial'"),
        ({"shot": 3}, "protocol few_shot: unknown option 'shot'; did you mean 'shots'"),
    ],
)
def test_illegal_options_of_few_shot(options, words):
    with pytest.raises(ValueError, match=words):
        split(toy(trials=8), "few_shot", **options)


def test_options_are_known_before_there_are_windows():
    assert protocol_function("few_shot", ["shots", "order"]) is PROTOCOLS["few_shot"]
    with pytest.raises(ValueError, match="did you mean 'stimulus_folds'"):
        protocol_function("subject_and_stimulus", ["stimuli_folds"])


def test_within_subject_names_the_subject_that_has_too_little():
    windows = toy(trials=12)
    mine = windows.metadata.subject == "s03"
    short = windows.take((~mine | (windows.metadata.trial < "t02")).to_numpy())
    with pytest.raises(ValueError, match="subject s03: within_subject needs at least 3 trials"):
        split(short, "within_subject", n_folds=2)
    with pytest.raises(ValueError, match="at least 2 sessions of every subject, but s00 has only 'd0'"):
        split(windows, "within_subject_sessions")


# ---- nesting


@FEW
@given(
    protocol=st.sampled_from(sorted(set(PROTOCOLS) - {"leaky_windows", "leaky_within_trial"})), seed=st.integers(0, 9)
)
def test_inner_folds_never_reach_the_outer_test_set(protocol, seed):
    windows = toy(subjects=6, sessions=2, trials=18, per_trial=1)
    fold = split(windows, protocol, seed=seed, valid=0.3, missing_classes="allow")[-1]
    inner = nested(fold, n_folds=2, valid=0.3, missing_classes="allow")
    _, _, test, own = parts(fold)
    allowed = set(fold.train.ids) | set(fold.valid.ids)
    for one in inner:
        train, valid, held, _ = parts(one)
        for part in (train, valid, held):
            assert set(part.ids) <= allowed
            assert apart(part, test, *TRIAL)
            assert own is None or apart(part, own, "subject")
        assert apart(train, held, *TRIAL)
        if fold.unit in ("subject", "stimulus"):
            assert apart(train, held, fold.unit)
    tested = [i for one in inner for i in one.test.ids]
    assert len(tested) == len(set(tested))
    if protocol != "subject_and_stimulus":
        assert set(tested) == allowed
    assert not fold.ledger.entries


def test_nested_options_and_refusals():
    windows = toy(subjects=6, trials=8)
    fold = split(windows, "leave_one_subject_out", seed=5)[0]
    assert len(nested(fold, "leave_one_subject_out")) == 5
    assert nested(fold, n_folds=2)[0].seed == 5
    assert nested(fold.scaled(), n_folds=2)[0].test.ids == nested(fold, n_folds=2)[0].test.ids
    with pytest.raises(ValueError, match=r"inner folds of fold 'subject s00': n_folds=9 is impossible with 5 subjects"):
        nested(fold, n_folds=9)
    with pytest.raises(ValueError, match="LEAKY by declaration"):
        nested(split(windows, "leaky_windows", n_folds=2)[0])


def test_own_metadata_stay(tmp_path):
    windows = toy()
    kept = replace(windows, metadata=windows.metadata.assign(age=30))
    assert split(kept, "leave_one_subject_out")[0].train.metadata.age.eq(30).all()
    assert isinstance(kept.metadata, pd.DataFrame)


@pytest.mark.parametrize("part", TRIAL)
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_names_that_would_part_ids_elsewhere_are_refused(protocol, part):
    windows = toy(trials=8)
    named = windows.metadata.assign(**{part: windows.metadata[part].replace({windows.metadata[part][0]: "a/b"})})
    with pytest.raises(ValueError, match=f"the {part} 'a/b' has a '/' or '@'"):
        split(replace(windows, metadata=named), protocol)
