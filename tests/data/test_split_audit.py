"""Foreign splits: every kind of leak is found, and an honest split passes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from trimcap.data.cut import cut
from trimcap.data.recording import Recording
from trimcap.data.split_audit import audit_split, read_split, split_of


def make_windows(step=1.0):
    rng = np.random.default_rng(0)
    recordings = [
        Recording(
            rng.normal(size=(2, 640)).astype(np.float32), 64.0, ("C3", "C4"), f"s{s}", trial=f"t{t}", label=t % 2,
            classes=("a", "b"),
        )
        for s in range(4)
        for t in range(4)
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
    assert found == ["1 of 40 test windows have the same content as a training window"]


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
    assert any(n.startswith("transductive") for n in notes)
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
