"""Foreign splits: every kind of leak is found, and an honest split passes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.recording import Recording
from trimcap.data.split_files.audit import audit_split
from trimcap.data.split_files.rows import read_split, split_of


def make_windows(step=1.0, trials=4):
    rng = np.random.default_rng(0)
    recordings = [
        Recording(
            rng.normal(size=(2, 640)).astype(np.float32), 64.0, ("C3", "C4"), f"s{s}", trial=f"t{t}", label=t % 2,
            classes=("a", "b"),
        )
        for s in range(4)
        for t in range(trials)
    ]  # fmt: skip
    return cut(recordings, seconds=1, step=step)


def texts(audit, severity="error"):
    return [f.text for f in audit.findings if f.severity == severity]


def rows(windows, mask):
    return np.flatnonzero(mask), np.flatnonzero(~mask)


def test_subject_disjoint_split_passes():
    windows = make_windows()
    test, train = rows(windows, windows.metadata.subject.isin(["s3"]).to_numpy())
    audit = audit_split(split_of(windows, train, test))
    assert audit.passed
    assert texts(audit, "note") == []


def test_shuffled_windows_share_trials_and_subjects():
    windows = make_windows()
    order = np.random.default_rng(0).permutation(len(windows))
    audit = audit_split(split_of(windows, order[:120], order[120:]))
    assert not audit.passed
    assert any("test trials are in training too" in t for t in texts(audit))
    assert any("4 of 4 test subjects are in training too" in t for t in texts(audit))


def test_trials_out_is_honest_for_trials_but_not_for_subjects():
    windows = make_windows()
    test, train = rows(windows, windows.metadata.trial.isin(["t0", "t1"]).to_numpy())
    assert audit_split(split_of(windows, train, test), unit="trial").passed
    assert not audit_split(split_of(windows, train, test), unit="subject").passed


def test_overlap_in_time():
    windows = make_windows(step=0.5)
    meta = windows.metadata
    mask = (meta.start % 1 == 0.5).to_numpy()
    audit = audit_split(split_of(windows, *rows(windows, mask)), unit="trial")
    assert any("overlap in time" in t for t in texts(audit))
    # twin: whole windows apart do not overlap
    apart = make_windows()
    early = (apart.metadata.start < 5).to_numpy()
    assert not any("overlap" in t for t in texts(audit_split(split_of(apart, *rows(apart, early)), unit="trial")))


def test_the_same_window_and_copies_under_another_name():
    windows = make_windows()
    test, train = rows(windows, windows.metadata.subject.isin(["s3"]).to_numpy())
    audit = audit_split(split_of(windows, np.r_[train, test[:3]], test))
    assert any(t.startswith("3 of 40 test windows are training windows too") for t in texts(audit))
    X = windows.X.copy()
    X[test[0]] = X[train[0]]
    copied = windows.with_X(X, step="copied")
    found = texts(audit_split(split_of(copied, train, test)))
    assert found == [
        "1 of 40 test windows have the same content as a training window (s3/0/t0@0.0000 = s0/0/t0@0.0000)"
    ]


def test_shared_stimuli():
    windows = make_windows()
    windows.metadata["stimulus"] = windows.metadata.trial
    test, train = rows(windows, windows.metadata.subject.isin(["s3"]).to_numpy())
    split = split_of(windows, train, test)
    assert texts(audit_split(split), "note") == ["4 of 4 test stimuli are in training too (t0, t1, t2, …)"]
    assert not audit_split(split, unit="stimulus").passed


def test_transductive_and_smoothed_steps():
    windows = (
        make_windows()
        .with_X(make_windows().X, step="smoothed by LDS")
        .with_X(make_windows().X, step="z-scored within each subject (transductive)")
    )
    test, train = rows(windows, windows.metadata.subject.isin(["s3"]).to_numpy())
    notes = texts(audit_split(split_of(windows, train, test)), "note")
    assert any(n == "z-scored within each subject (transductive): uses test inputs, never labels" for n in notes)
    assert any(n.startswith("smoothed over time") for n in notes)
    order = np.random.default_rng(0).permutation(len(windows))
    assert any("smoothed" in t for t in texts(audit_split(split_of(windows, order[:80], order[80:]))))


def test_json_of_row_numbers(tmp_path):
    windows = make_windows()
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"folds": [{"train": list(range(40)), "test": list(range(40, 80))}]}))
    (split,) = read_split(file, windows)
    assert (len(split.train), len(split.test)) == (40, 40)
    with pytest.raises(ValueError, match="say of which windows"):
        read_split(file)
    file.write_text("{}")
    with pytest.raises(ValueError, match="is no split"):
        read_split(file, windows)


def test_torcheeg_folder(tmp_path):
    def table(subjects, starts):
        return pd.DataFrame(
            [{"subject_id": s, "trial_id": 1, "start_at": a, "end_at": a + 128} for s in subjects for a in starts]
        )

    table(["s1", "s2"], [0, 128]).to_csv(tmp_path / "train_fold_0.csv")
    table(["s1", "s2"], [256]).to_csv(tmp_path / "test_fold_0.csv")
    table(["s1"], [0, 128]).to_csv(tmp_path / "train_fold_1.csv")
    table(["s2"], [0, 128]).to_csv(tmp_path / "test_fold_1.csv")
    leaky, honest = read_split(tmp_path)
    assert not audit_split(leaky).passed
    assert audit_split(honest).passed
    assert any("copies under other names were not looked for" in t for t in texts(audit_split(honest), "note"))


def test_bad_input(tmp_path):
    windows = make_windows()
    with pytest.raises(ValueError, match="test has the row number 999, but there are 160 windows"):
        split_of(windows, [0], [999])
    with pytest.raises(ValueError, match="test must hold row numbers or a boolean mask, got float64"):
        split_of(windows, [0], [1.5])
    with pytest.raises(ValueError, match="train is empty"):
        split_of(windows, [], [1])
    with pytest.raises(ValueError, match="did you mean 'subject'"):
        audit_split(split_of(windows, [0], [1]), unit="subjects")
    with pytest.raises(ValueError, match="holds no pairs"):
        read_split(tmp_path)


# ---- what the content gives away


def by_subject(windows):
    return rows(windows, windows.metadata.subject.isin(["s3"]).to_numpy())


def audited(windows, train, test, **options):
    return audit_split(split_of(windows, train, test), **options)


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (-0.5, 0.0), (1.0, 40.0), (0.01, -2.0)])
def test_copies_up_to_scale_and_offset(scale, offset):
    windows = make_windows()
    test, train = by_subject(windows)
    X = windows.X.copy()
    X[test[:4]] = scale * X[train[:4]] + offset
    found = texts(audited(windows.with_X(X, step="copied"), train, test))
    assert found == [
        "4 of 40 test windows are copies up to scale and offset of a training window (s3/0/t0@0.0000 = s0/0/t0@0.0000)"
    ]
    # twins: half noise is no copy, and windows of few values may agree by chance
    X[test[:4]] += np.random.default_rng(1).normal(size=X[test[:4]].shape).astype(np.float32) * 3 * scale
    assert texts(audited(windows.with_X(X, step="noisy"), train, test)) == []
    small = windows.with_X(np.round(windows.X[:, :1, :2]), step="two values")
    assert not any("up to scale" in t for t in texts(audited(small, train, test)))


def z(X, axis):
    return ((X - X.mean(axis=axis, keepdims=True)) / X.std(axis=axis, keepdims=True)).astype(np.float32)


def shifted(windows):
    """Subjects and trials with offsets and scales of their own, so that normalising does something."""
    rng = np.random.default_rng(3)
    names = (windows.metadata.subject + windows.metadata.trial).astype("category").cat.codes.to_numpy()
    gain, offset = rng.uniform(1, 3, (2, names.max() + 1, windows.X.shape[1], 1))
    return windows.with_X(gain[names] * windows.X + offset[names], step="shifted")


def warnings(windows, train, test):
    return texts(audited(windows, train, test), "warning")


@pytest.mark.parametrize("axis", [(0, 2), (0,)])
def test_z_score_of_the_whole_set_is_seen_in_the_content(axis):
    windows = shifted(make_windows())
    test, train = by_subject(windows)
    assert warnings(windows, train, test) == []
    whole = windows.with_X(z(windows.X, axis), step="scaled")
    (text,) = texts(audited(whole, train, test))
    assert text.startswith("normalised across the boundary: every")
    assert "but not over training windows alone" in text
    # twin: fitted on training windows alone
    mean, std = (getattr(windows.X[train], f)(axis=axis, keepdims=True) for f in ("mean", "std"))
    assert audited(windows.with_X((windows.X - mean) / std, step="scaled"), train, test).findings == ()


def grouped_z(windows, names):
    X = windows.X.copy()
    for name in np.unique(names):
        X[names == name] = z(X[names == name], (0, 2))
    return windows.with_X(X, step="scaled")


def test_subject_z_score_is_seen_and_per_trial_is_not():
    windows = shifted(make_windows())
    test, train = by_subject(windows)
    subject = windows.metadata.subject.to_numpy(str)
    (text,) = warnings(grouped_z(windows, subject), train, test)
    assert "with the test subjects' own windows (transductive)" in text
    trial = np.char.add(subject, windows.metadata.trial.to_numpy(str))
    assert warnings(grouped_z(windows, trial), train, test) == []
    inside = rows(windows, windows.metadata.trial.isin(["t0"]).to_numpy())
    found = texts(audited(grouped_z(windows, subject), inside[1], inside[0], unit="trial"))
    assert any("across the boundary" in text for text in found)
    # a step that says so is a note already
    said = grouped_z(windows, subject).with_X(grouped_z(windows, subject).X, step="z-scored (transductive)")
    assert warnings(said, train, test) == []


def test_a_mask_of_the_wrong_length():
    with pytest.raises(ValueError, match="is a mask of 3 rows, but there are 160 windows"):
        split_of(make_windows(), [True, False, True], [1])


# ---- torcheeg


def written(folder, name, train, test):
    for side, table in (("train", train), ("test", test)):
        pd.DataFrame(table).to_csv(folder / (f"{side}_{name}.csv" if name else f"{side}.csv"), index=False)


def clips(subjects, trials, starts, length=128, **more):
    return [
        {"start_at": a, "end_at": a + length, "clip_id": f"{s}_{t}_{a}", "subject_id": s, "trial_id": t, **more}
        for s in subjects
        for t in trials
        for a in starts
    ]


def verdicts(folder, **options):
    return {s.name: audit_split(s, **options).passed for s in read_split(folder)}


def test_tables_of_every_splitter(tmp_path):
    """File names and contents as torcheeg 1.1.3 writes them."""
    # KFoldGroupbyTrial: every trial cut into parts
    groupby = tmp_path / "groupby"
    groupby.mkdir()
    for k in range(12):
        parts = [128 * i for i in range(12)]
        written(
            groupby, f"fold_{k}", clips([1, 2], [0, 1], parts[:k] + parts[k + 1 :]), clips([1, 2], [0, 1], [128 * k])
        )
    assert list(verdicts(groupby)) == [f"fold_{k}" for k in range(12)]  # 10 comes after 9
    for unit in ("subject", "trial"):
        assert not any(verdicts(groupby, unit=unit).values())
    # KFoldCrossTrial: trial 0 of everybody
    cross = tmp_path / "cross"
    cross.mkdir()
    written(cross, "fold_0", clips([1, 2], [1, 2], [0, 128]), clips([1, 2], [0], [0, 128]))
    assert verdicts(cross) == {"fold_0": False}
    assert verdicts(cross, unit="trial") == {"fold_0": True}
    # LeaveOneSubjectOut, with a file's name as subject
    loso = tmp_path / "loso"
    loso.mkdir()
    written(loso, "subject_s01.dat", clips(["s02.dat"], [0, 1], [0]), clips(["s01.dat"], [0, 1], [0]))
    assert verdicts(loso) == {"subject_s01.dat": True}
    # KFoldPerSubjectCrossTrial: the unit can only be the trial; KFoldPerSubject shuffles windows
    own = tmp_path / "own"
    own.mkdir()
    written(own, "subject_1_fold_0", clips([1], [1, 2], [0, 128]), clips([1], [0], [0, 128]))
    written(own, "subject_2_fold_0", clips([2], [0, 1, 2], [0]), clips([2], [0, 1, 2], [128]))
    assert verdicts(own) == {"subject_1_fold_0": True, "subject_2_fold_0": False}
    assert [audit_split(s).unit for s in read_split(own)] == ["trial", "trial"]
    # train_test_split
    single = tmp_path / "single"
    single.mkdir()
    written(single, "", clips([1], [0, 1], [0]), clips([1], [0, 1], [128]))
    assert verdicts(single) == {"split": False}


def test_overlap_is_told_in_samples_and_by_each_windows_own_length(tmp_path):
    # SEED-like: windows of 200 samples every 100
    written(tmp_path, "fold_0", clips([1], ["a"], [0, 200], 200), clips([1], ["a"], [100, 400], 200))
    (found,) = [audit_split(s, unit="trial") for s in read_split(tmp_path)]
    assert "1 of 2 test windows overlap in time with a training window" in texts(found)
    # whole trials of different lengths: the long one reaches into the test window
    written(tmp_path, "fold_0", clips([1], ["a"], [0], 1000), clips([1], ["a"], [900], 200))
    (found,) = [audit_split(s, unit="trial") for s in read_split(tmp_path)]
    assert "1 of 1 test windows overlap in time with a training window" in texts(found)
    written(tmp_path, "fold_0", clips([1], ["a"], [0], 900), clips([1], ["a"], [900], 200))
    (found,) = [audit_split(s, unit="trial") for s in read_split(tmp_path)]
    assert not any("overlap" in t for t in texts(found))


def test_sessions_and_stimuli_of_tables(tmp_path):
    written(tmp_path, "fold_0", clips([1], [0, 1], [0], session_id="1"), clips([1], [0, 1], [0], session_id="2"))
    (split,) = read_split(tmp_path)
    assert audit_split(split, unit="session").passed
    assert any("no column 'stimulus'" in t for t in texts(audit_split(split, unit="stimulus")))
    assert any("do not name the stimulus" in t for t in texts(audit_split(split, unit="session"), "note"))
    (by_trial,) = read_split(tmp_path, stimulus="trial_id")
    assert any("2 of 2 test stimuli" in t for t in texts(audit_split(by_trial, unit="stimulus")))
    with pytest.raises(ValueError, match="lacks the column film"):
        read_split(tmp_path, stimulus="film")


def test_names_stay_text_and_clips_without_times_are_told_by_name(tmp_path):
    train = [{"clip_id": f"a_{i}", "subject_id": "01", "trial_id": "NA"} for i in range(3)]
    test = [{"clip_id": f"b_{i}", "subject_id": "1", "trial_id": "NA"} for i in range(3)]
    written(tmp_path, "fold_0", train, test)
    (split,) = read_split(tmp_path)
    found = audit_split(split)
    assert found.passed
    assert any("overlap in time was not checked" in t for t in texts(found, "note"))
    written(tmp_path, "fold_0", train, [*test, train[0]])
    (split,) = read_split(tmp_path)
    assert "1 of 4 test windows are training windows too" in texts(audit_split(split))


def test_damaged_tables(tmp_path):
    (tmp_path / "train_fold_0.csv").write_text("subject_id,trial_id\n1,2\n")
    (tmp_path / "test_fold_0.csv").write_text("")
    with pytest.raises(ValueError, match=r"test_fold_0\.csv can't be read as a table"):
        read_split(tmp_path)
    (tmp_path / "test_fold_0.csv").write_text("subject,trial_id\n1,2\n")
    with pytest.raises(ValueError, match=r"test_fold_0\.csv lacks the column subject_id; it has subject, trial_id"):
        read_split(tmp_path)
    (tmp_path / "test_fold_0.csv").write_text("subject_id,trial_id,start_at\n1,2,zero\n")
    with pytest.raises(ValueError, match="start_at must hold sample numbers"):
        read_split(tmp_path)
    (tmp_path / "test_fold_0.csv").write_text("subject_id,trial_id\n")
    with pytest.raises(ValueError, match="has no rows"):
        read_split(tmp_path)


# ---- our own split files


def test_a_split_file_is_audited_by_what_it_claims(tmp_path):
    from trimcap.data.split_files.file import write_splits
    from trimcap.data.splits.protocols.named import split

    windows = make_windows()
    path = write_splits(split(windows, "few_shot", shots=1), tmp_path / "s.json")
    audits = [audit_split(s) for s in read_split(path, windows)]
    assert len(audits) == 8
    assert all(a.passed for a in audits)
    assert [a.unit for a in audits[:2]] == ["subject", "trial"]
    assert audits[1].name == "subject s0, calibration"
    path = write_splits(split(windows, "leaky_windows", n_folds=2), tmp_path / "t.json")
    assert not any(audit_split(s).passed for s in read_split(path, windows))
    windows = make_windows(trials=8)
    path = write_splits(split(windows, "within_subject", n_folds=2, valid=0.3), tmp_path / "u.json")
    assert all(audit_split(s).passed for s in read_split(path, windows))
    assert not any(audit_split(s, unit="subject").passed for s in read_split(path, windows))
    by_film = split(windows, "leave_stimuli_out", n_folds=2, stimulus="trial", valid=0.3)
    path = write_splits(by_film, tmp_path / "v.json")
    assert all(audit_split(s).passed for s in read_split(path, windows))
    assert not audit_split(read_split(path, windows)[0], unit="subject+stimulus").passed
