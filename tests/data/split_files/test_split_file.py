"""Split files: the same folds come back on the same windows, and on nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_windows import toy

from trimcap._errors import ArtifactError
from trimcap.data.split_files.data import digest
from trimcap.data.split_files.file import is_splits, read_splits, write_splits
from trimcap.data.splits.protocols.named import PROTOCOLS, split


def data():
    return toy(subjects=4, sessions=2, trials=18, per_trial=2)


def content(folds):
    def own(f):
        return None if f.calibration is None else sorted(f.calibration.ids)

    return [
        (f.name, f.protocol, f.unit, f.seed, f.leaky, f.unused, f.calibration_unit, own(f),
         *(sorted(ids) for ids in (f.train.ids, f.valid.ids, f.test.ids)))
        for f in folds
    ]  # fmt: skip


def made(protocol):
    n = {} if protocol in ("leave_one_subject_out", "leave_sessions_out", "few_shot") else {"n_folds": 2}
    n = {} if protocol == "within_subject_sessions" else n
    return split(data(), protocol, valid=0.3, seed=4, **n)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_round_trip_whatever_the_order_of_rows(protocol, tmp_path):
    folds = made(protocol)
    path = write_splits(folds, tmp_path / "s.json", options={"n_folds": 2})
    shuffled = data().take(np.random.default_rng(0).permutation(len(data())))
    again = read_splits(path, shuffled)
    assert content(again) == content(folds)
    assert is_splits(path)
    for fold in again:
        fold.ledger.record("fit", fold.train)
        fold.test.open("evaluate")
        assert fold.audit().verdict == ("LEAKY" if fold.leaky else "passed")
    assert json.loads(path.read_text())["options"] == {"n_folds": 2}
    write_splits(again, tmp_path / "t.json", options={"n_folds": 2})
    assert (tmp_path / "t.json").read_bytes() == path.read_bytes()


def test_whole_subjects_are_written_as_names(tmp_path):
    facts = json.loads(write_splits(made("few_shot"), tmp_path / "s.json").read_text())
    fold = facts["folds"][0]
    assert fold["test"]["level"] == fold["calibration"]["level"] == "trial"
    assert (fold["train"]["level"], fold["train"]["groups"]) == ("subject", ["s01", "s02"])
    shuffled = json.loads(write_splits(made("leaky_windows"), tmp_path / "t.json").read_text())
    assert shuffled["folds"][0]["test"]["level"] == "window"


def test_features_of_the_same_windows_share_a_file(tmp_path):
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    other = data().with_X(data().X[:, :1], step="one electrode")
    assert read_splits(path, other)[0].train.X.shape[1:] == (1, 2)
    scaled = [fold.scaled() for fold in made("k_fold_subjects")]
    assert write_splits(scaled, tmp_path / "t.json").read_bytes() == path.read_bytes()


def test_stimuli_travel_with_the_file(tmp_path):
    path = write_splits(made("leave_stimuli_out"), tmp_path / "s.json")
    windows = data()
    bare = replace(windows, metadata=windows.metadata.drop(columns="stimulus"))
    assert content(read_splits(path, bare)) == content(made("leave_stimuli_out"))
    wrong = replace(windows, metadata=windows.metadata.assign(stimulus=windows.metadata.session))
    with pytest.raises(ValueError, match="144 trials have other stimuli"):
        read_splits(path, wrong)


def changed(what):
    windows = data()
    table = windows.metadata
    if what == "label":
        return replace(windows, y=np.where((table.subject == "s01") & (table.trial == "t00"), 1, windows.y))
    if what == "missing":
        return windows.take(((table.subject != "s01") | (table.trial != "t03")).to_numpy())
    if what == "extra":
        return toy(subjects=5, sessions=2, trials=18, per_trial=2)
    if what == "cut":
        return replace(windows, metadata=table.assign(start=table.start * 0.5))
    return replace(windows, classes=("low", "high"))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("label", r"2 trials have other labels \(s01/d0/t00: class0 → class1, s01/d1/t00: class0 → class1\)"),
        ("missing", r"\(288 there, 284 here\): 2 trials of the file are missing here \(s01/d0/t03, s01/d1/t03\)"),
        ("extra", r"36 trials here are not in the file \(s04/d0/t00, .*, …\)"),
        ("cut", r"144 trials have other windows \(s00/d0/t00: 2, but they start at other times"),
        ("classes", r"classes \['class0', 'class1'\] → \['low', 'high'\]"),
    ],
)
def test_other_windows_are_refused_and_named(what, words, tmp_path):
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    with pytest.raises(ValueError, match=words):
        read_splits(path, changed(what))


def test_labels_that_change_within_a_trial(tmp_path):
    windows = data()
    y = np.where(windows.metadata.start > 0, 1, 0)
    mixed = replace(windows, y=y)
    path = write_splits(split(mixed, "k_fold_subjects", n_folds=2, valid=0.3), tmp_path / "s.json")
    read_splits(path, mixed)
    with pytest.raises(
        ValueError, match=r"144 trials have other labels \(s00/d0/t00: \['class0', 'class1'\] → \['class1"
    ):
        read_splits(path, replace(mixed, y=1 - y))


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path_factory, place, bit):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "flipped.json"
    windows = toy(subjects=3, trials=4, per_trial=2)
    folds = split(windows, "leave_one_subject_out", valid=0.4)
    raw = bytearray(write_splits(folds, path).read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    path.write_bytes(raw)
    try:
        again = read_splits(path, windows)
    except ArtifactError:
        return
    assert content(again) == content(folds)


def test_truncated_foreign_and_future_files(tmp_path):
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    text = path.read_text()
    for length in (0, 1, len(text) // 2, len(text) - 3):
        path.write_text(text[:length])
        with pytest.raises(ArtifactError, match=r"s\.json"):
            read_splits(path, data())
    path.write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match="edited or damaged"):
        read_splits(path, data())
    path.write_text('{"folds": []}')
    with pytest.raises(ArtifactError, match=r"s\.json is no split file of trimcap"):
        read_splits(path, data())
    path.write_text(text.replace("splits 1", "splits 9"))
    with pytest.raises(ArtifactError, match="has format 'trimcap splits 9'; this version reads 'trimcap splits 1'"):
        read_splits(path, data())
    assert is_splits(path)
    with pytest.raises(FileNotFoundError, match=r"no split file .*trimcap split DATA"):
        read_splits(tmp_path / "nix.json", data())


def rewritten(path, change):
    facts = json.loads(path.read_text())
    del facts["sha256"]
    change(facts)
    path.write_text(json.dumps({**facts, "sha256": digest(facts)}))


def test_a_forged_file_still_cannot_leak(tmp_path):
    """Somebody edits the lists and computes the hash anew: the folds are checked, not believed."""
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    rewritten(path, lambda facts: facts["folds"][0].update(train=facts["folds"][0]["test"]))
    with pytest.raises(ValueError, match="is in both train and test"):
        read_splits(path, data())
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    rewritten(path, lambda facts: facts["folds"][0]["train"]["groups"].pop())
    with pytest.raises(ArtifactError, match="a list of subjects does not have the hash it names"):
        read_splits(path, data())
    path = write_splits(made("k_fold_subjects"), tmp_path / "s.json")
    rewritten(path, lambda facts: facts["folds"][0].pop("test"))
    with pytest.raises(ArtifactError, match="is incomplete"):
        read_splits(path, data())


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="no folds"):
        write_splits([], tmp_path / "s.json")
    windows = data()
    other = replace(windows, y=1 - windows.y)
    folds = [split(w, "k_fold_subjects", n_folds=2, valid=0.3)[0] for w in (windows, other)]
    with pytest.raises(ValueError, match="different labels in different folds"):
        write_splits(folds, tmp_path / "s.json")
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.update(folds=[]), "has no folds"),
        (lambda facts: facts["folds"].append(facts["folds"][0]), "'subject s00' several times"),
        (lambda facts: facts.update(leaky="no"), "leaky is 'no', no bool"),
        (lambda facts: facts.update(seed="4"), "seed is '4', no int"),
    ],
)
def test_what_is_never_written_is_refused_although_its_hash_fits(tmp_path, change, words):
    path = write_splits(made("leave_one_subject_out"), tmp_path / "s.json")
    facts = json.loads(path.read_text())
    del facts["sha256"]
    change(facts)
    path.write_text(json.dumps({**facts, "sha256": digest(facts)}))
    with pytest.raises(ArtifactError, match=words):
        read_splits(path, data())


def test_windows_cut_elsewhere_are_told_from_more_windows(tmp_path):
    path = write_splits(made("leave_one_subject_out"), tmp_path / "s.json")
    windows = data()
    later = replace(windows, metadata=windows.metadata.assign(start=windows.metadata.start + 3))
    with pytest.raises(ValueError, match=r"trials have other windows \(s00/d0/t00: 2, but they start at other times"):
        read_splits(path, later)
