"""braindecode's datasets, continuous and windowed, in memory and saved, and EEGDash's."""

from __future__ import annotations

import json
import os
import pickle
import sys
import types
import warnings

import mne
import numpy as np
import pandas as pd
import pytest

import stubs
from trimcap.data.libraries.braindecode import braindecode_recordings, eegdash_recordings, recordings_from_braindecode
from trimcap.data.libraries.braindecode_windows import from_braindecode
from trimcap.data.sources import open_source

RATE, CHANNELS = 64, ("C3", "Cz", "C4")
ONSETS = (1.0, 4.0, 7.0, 10.0)
NAMES = ("left", "right", "left", "feet")


@pytest.fixture(scope="module")
def bd():
    return stubs.framework("braindecode", "datasets", "preprocessing", "datautil")


def raw_of(seed: int, *, channels=CHANNELS, rate=RATE, onsets=ONSETS, duration=2.0, factor=1.0):
    """14 s of 20 µV noise in volts, a trigger channel, four trials."""
    signal = np.random.default_rng(seed).normal(0, 20e-6, (len(channels) + 1, 14 * rate)) * factor
    info = mne.create_info([*channels, "STI"], rate, ["eeg"] * len(channels) + ["stim"])
    raw = mne.io.RawArray(signal, info, verbose="error")
    raw.set_annotations(mne.Annotations(onsets, duration, NAMES[: len(onsets)]))
    return raw


def concat(bd, descriptions=None, **options):
    described = descriptions or [
        {"subject": 1, "session": "0train", "run": "0", "age": 31.0, "gender": "F"},
        {"subject": 1, "session": "0train", "run": "1", "age": 31.0, "gender": "F"},
        {"subject": 2, "session": "0train", "run": "0", "age": 58.0, "gender": "M"},
    ]
    raws = [raw_of(i, **options) for i in range(len(described))]
    kinds = bd.datasets.RawDataset
    return bd.datasets.BaseConcatDataset([kinds(raw, d) for raw, d in zip(raws, described, strict=True)])


def windowed(bd, dataset, *, size=64, stride=32, epochs=False, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bd.preprocessing.create_windows_from_events(
            dataset, window_size_samples=size, window_stride_samples=stride, on_last_window="drop",
            use_mne_epochs=epochs, drop_bad_windows=epochs, **options,
        )  # fmt: skip


@pytest.mark.parametrize("epochs", [False, True])
def test_windows_are_what_braindecode_gives_in_microvolts(bd, epochs):
    dataset = windowed(bd, concat(bd), epochs=epochs)
    windows = from_braindecode(dataset)
    assert len(windows) == len(dataset) == 3 * 4 * 3
    for i in range(len(dataset)):
        X, y, _ = dataset[i]
        np.testing.assert_allclose(windows.X[i], X[:3] * 1e6, rtol=1e-5)
        assert windows.y[i] == y
    assert windows.classes == ("feet", "left", "right")
    assert windows.channels == CHANNELS
    assert len(set(windows.ids)) == len(windows)


def test_overlapping_windows_of_a_trial_keep_one_trial(bd):
    windows = from_braindecode(windowed(bd, concat(bd)))
    m = windows.metadata
    assert m.groupby(["subject", "session", "trial"]).size().tolist() == [3] * 12
    assert sorted(set(m.trial)) == [f"{run}-{t:03d}" for run in (0, 1) for t in (1, 2, 3, 4)]
    assert m.start[:4].tolist() == [1.0, 1.5, 2.0, 4.0]
    # every trial has one class, that of its event
    firsts = [windows.classes[windows.y[i]] for i in range(0, 12, 3)]
    assert firsts == list(NAMES)


def test_without_the_number_of_the_trial_it_is_told_from_the_windows(bd):
    dataset = windowed(bd, concat(bd))
    with_number = from_braindecode(dataset)
    for part in dataset.datasets:
        part.metadata = part.metadata.drop(columns="i_trial_in_dataset")
    assert from_braindecode(dataset).ids.tolist() == with_number.ids.tolist()


@pytest.mark.parametrize("lazy", [False, True])
def test_fixed_length_windows_are_one_trial_of_the_recording(bd, lazy):
    raws = concat(bd)
    for part in raws.datasets:
        part.target_name = "gender"
    dataset = bd.preprocessing.create_fixed_length_windows(
        raws, window_size_samples=128, window_stride_samples=64, on_last_window="drop", lazy_metadata=lazy
    )
    windows = from_braindecode(dataset)
    assert windows.metadata.groupby(["subject", "trial"]).size().tolist() == [13, 13, 13]
    assert windows.classes == ("F", "M")
    assert windows.metadata.start[:3].tolist() == [0, 1, 2]


def test_windows_of_two_events_that_overlap_are_one_trial_or_refused(bd):
    fast = windowed(bd, concat(bd, onsets=(1.0, 1.5, 2.0), duration=1.0), size=64, stride=64)
    with pytest.raises(ValueError, match=r"windows of trials 0 and 1 overlap.*trial='recording'"):
        from_braindecode(fast)
    windows = from_braindecode(fast, trial="recording")
    assert windows.metadata.groupby(["subject", "trial"]).size().tolist() == [3, 3, 3]


def test_files_are_read_where_nothing_is_preloaded(bd, tmp_path):
    kept = concat(bd)
    for i, part in enumerate(kept.datasets):
        path = tmp_path / f"{i}_raw.fif"
        part.raw.save(path, fmt="double", verbose="error")
        part.raw = mne.io.read_raw_fif(path, preload=False, verbose="error")
    lazy = from_braindecode(windowed(bd, kept))
    np.testing.assert_allclose(lazy.X, from_braindecode(windowed(bd, concat(bd))).X, rtol=1e-6)


def test_units_are_told_apart(bd):
    scaled = windowed(bd, concat(bd, factor=1e6))
    with pytest.raises(ValueError, match=r"2e\+07 µV if their unit is V.*pass unit='uV'"):
        from_braindecode(scaled)
    np.testing.assert_allclose(
        from_braindecode(scaled, unit="uV").X, from_braindecode(windowed(bd, concat(bd))).X, rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"2e-05 µV if their unit is uV.*pass unit='V'"):
        from_braindecode(windowed(bd, concat(bd)), unit="uV")
    standard = from_braindecode(windowed(bd, concat(bd, factor=5e4)), unit="z")
    assert standard.unit == "z"
    assert standard.steps == ("standardised by braindecode",)
    with pytest.raises(ValueError, match="not standardised"):
        from_braindecode(scaled, unit="z")


def test_channels_of_all_datasets_are_matched_by_name(bd):
    dataset = concat(bd)
    raw = dataset.datasets[1].raw
    raw.reorder_channels(["C4", "STI", "Cz", "C3"])
    windows = from_braindecode(windowed(bd, dataset))
    np.testing.assert_array_equal(windows.X, from_braindecode(windowed(bd, concat(bd))).X)
    raw.rename_channels({"C4": "Pz"})
    with pytest.raises(ValueError, match=r"dataset 1 has .*missing C4, too many Pz.*channels=\['C3', 'Cz'\]"):
        from_braindecode(windowed(bd, dataset))
    assert from_braindecode(windowed(bd, dataset), channels=["Cz", "C3"]).channels == ("Cz", "C3")


def test_targets_may_be_ratings_and_may_be_missing(bd):
    dataset = windowed(bd, concat(bd)).set_target("age")
    with pytest.raises(ValueError, match="unknown target '31'"):
        from_braindecode(dataset)  # the mapping of the events does not know ages
    windows = from_braindecode(dataset, threshold=40, side=">=")
    assert windows.classes == ("low target", "high target")
    assert windows.y.tolist() == [0] * 24 + [1] * 12
    dataset.datasets[1].set_description({"age": np.nan}, overwrite=True)
    with pytest.warns(UserWarning, match="12 of 36 rows have no target"):
        left = from_braindecode(dataset.set_target("age"), threshold=40, side=">=")
    np.testing.assert_array_equal(left.X, np.delete(windows.X, range(12, 24), axis=0))
    assert left.metadata.subject.tolist() == ["1"] * 12 + ["2"] * 12


def test_the_stimulus_comes_from_the_description_or_the_windows(bd):
    dataset = windowed(bd, concat(bd))
    assert from_braindecode(dataset, stimulus="gender").metadata.stimulus.tolist() == ["F"] * 24 + ["M"] * 12
    for part in dataset.datasets:
        part.metadata["film"] = range(12)
    assert from_braindecode(dataset, stimulus="film").metadata.stimulus[:3].tolist() == ["0", "1", "2"]
    with pytest.raises(ValueError, match="unknown stimulus 'gendr'; did you mean 'gender'"):
        from_braindecode(dataset, stimulus="gendr")


def test_datasets_of_one_session_without_a_run_are_numbered(bd):
    described = [{"subject": s} for s in ("a", "a", "b")]
    windows = from_braindecode(windowed(bd, concat(bd, described)))
    assert sorted({t.split("-")[0] for t in windows.metadata.trial[:24]}) == ["1", "2"]
    assert len(set(windows.ids)) == len(windows)


def test_what_can_not_be_taken_is_refused(bd):
    dataset = windowed(bd, concat(bd))
    with pytest.raises(ValueError, match="unknown trial 'run'"):
        from_braindecode(dataset, trial="run")
    with pytest.raises(ValueError, match="unknown unit 'volt'"):
        from_braindecode(dataset, unit="volt")
    with pytest.raises(ValueError, match=r"unknown entry of the description 'subject_id'; did you mean 'subject'"):
        from_braindecode(dataset, subject="subject_id")
    with pytest.raises(ValueError, match=r"unknown target '[0-2]'"):
        from_braindecode(dataset, classes=["left", "right"])
    with pytest.raises(ValueError, match="is continuous; use recordings_from_braindecode"):
        from_braindecode(concat(bd))
    with pytest.raises(ValueError, match="is a int; expected"):
        from_braindecode(types.SimpleNamespace(datasets=[3]))
    dataset.transform = np.negative
    with pytest.raises(ValueError, match="transforms what it gives"):
        from_braindecode(dataset)
    nobody = windowed(bd, concat(bd, [{"age": 1}]))
    with pytest.raises(ValueError, match=r"dataset 0: unknown entry .* add it with set_description"):
        from_braindecode(nobody)
    fast = concat(bd)
    fast.datasets[2].raw = raw_of(2, rate=128)
    with pytest.raises(ValueError, match="dataset 2 has 128 Hz, dataset 0 64 Hz"):
        from_braindecode(windowed(bd, fast))


def test_continuous_datasets_become_recordings(bd):
    dataset = concat(bd)
    recordings = list(recordings_from_braindecode(dataset, target="gender", stimulus="age"))
    assert [r.name for r in recordings] == ["1/0train/0", "1/0train/1", "2/0train/0"]
    assert [r.classes[r.label] for r in recordings] == ["F", "F", "M"]
    assert recordings[0].stimulus == "31.0"
    for recording, part in zip(recordings, dataset.datasets, strict=True):
        np.testing.assert_allclose(recording.signal, part.raw.get_data("eeg") * 1e6, rtol=1e-6)
    chosen = list(recordings_from_braindecode(dataset, subjects=["2"], target="age", threshold=40, side=">"))
    assert [(r.subject, r.label) for r in chosen] == [("2", 1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no target; name one entry of the description with target=: age, gender, run"),
        ({"target": "gendr"}, "unknown target 'gendr'; did you mean 'gender'"),
        ({"target": "gender", "subjects": ["3"]}, "subject '3'"),
        ({"target": "gender", "classes": ["F"]}, "unknown gender 'M'"),
        ({"target": "gender", "unit": "uV"}, "which is no EEG; if the numbers in the file are V, pass unit='V'"),
        ({"target": "gender", "stimulus": "film"}, "unknown stimulus 'film'"),
        ({"target": "gender", "session": "day"}, "unknown entry of the description 'day'"),
    ],
)
def test_bad_options_for_recordings_are_refused(bd, options, message):
    with pytest.raises(ValueError, match=message):
        list(recordings_from_braindecode(concat(bd), **options))


def test_mixed_channels_between_recordings_are_refused(bd):
    dataset = concat(bd)
    dataset.datasets[2].raw.rename_channels({"C4": "Pz"})
    with pytest.raises(ValueError, match=r"dataset 2.*C4"):
        list(recordings_from_braindecode(dataset, target="gender"))
    assert len(list(recordings_from_braindecode(dataset, target="gender", channels=["Cz"]))) == 3


@pytest.fixture
def saved(bd, tmp_path):
    dataset = concat(bd)
    for part in dataset.datasets:
        part.target_name = "gender"
    folder = tmp_path / "存 档"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save(str(folder))
    return folder


def test_a_saved_folder_is_read_as_it_was(bd, saved):
    source = open_source("braindecode", saved)
    wanted = list(recordings_from_braindecode(concat(bd), target="gender"))
    for found, recording in zip(source, wanted, strict=True):
        assert (found.name, found.label, found.classes) == (recording.name, recording.label, recording.classes)
        np.testing.assert_allclose(found.signal, recording.signal, rtol=1e-6)
    assert [r.subject for r in open_source("braindecode", saved, subjects=["2"])] == ["2"]


def test_pickles_in_a_saved_folder_are_not_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    # where braindecode's own loader looks first
    (saved / "0" / "0-raw.pkl").write_bytes(pickle.dumps(Trap()))
    assert len(list(braindecode_recordings(saved))) == 3
    (saved / "1" / "metadata_df.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="holds windows, not recordings"):
        braindecode_recordings(saved)
    assert not (tmp_path / "ran").exists()


def test_the_trap_of_the_test_above_works(saved, tmp_path, bd):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    (saved / "0" / "0-raw.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(AttributeError):
        bd.datautil.load_concat_dataset(str(saved), preload=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda f: (f / "1" / "1-raw.fif").unlink(), FileNotFoundError, "1 lacks 1-raw.fif"),
        (lambda f: (f / "1" / "description.json").unlink(), FileNotFoundError, "description.json is missing"),
        (lambda f: (f / "1" / "description.json").write_text("{"), ValueError, "is no JSON"),
        (lambda f: (f / "1" / "description.json").write_text("[1]"), ValueError, "holds a list"),
        (lambda f: (f / "1" / "description.json").write_text("[" * 100000), ValueError, "is no JSON"),
        (
            lambda f: (f / "1" / "description.json").write_text('{"gender": "F"}'),
            ValueError,
            "unknown entry of the description 'subject'",
        ),
        (lambda f: (f / "0" / "0-raw.fif").write_bytes(b"no FIF"), ValueError, "0-raw.fif"),
        (
            lambda f: (f / "0" / "target_name.json").write_text(json.dumps({"target_name": ["a", "b"]})),
            ValueError,
            "targets",
        ),
    ],
)
def test_a_damaged_folder_is_refused(saved, damage, kind, message):
    damage(saved)
    with pytest.raises(kind, match=message):
        list(braindecode_recordings(saved))


def test_an_empty_or_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no datasets saved by braindecode"):
        braindecode_recordings(tmp_path)
    with pytest.raises(ValueError, match="give its path"):
        braindecode_recordings()


class DashStandIn:
    """What `EEGDashDataset` of eegdash 0.9 takes and gives; the real one needs a network for its first step."""

    asked: dict = {}  # noqa: RUF012 (one test reads it)

    def __init__(self, cache_dir, query=None, *, download=True, target_name=None):
        type(self).asked = {"cache_dir": cache_dir, "query": query, "download": download, "target_name": target_name}
        self.datasets = [
            types.SimpleNamespace(
                raw=raw_of(i), description=pd.Series({"subject": f"{i:03d}", "task": "rest", target_name: "FM"[i % 2]})
            )
            for i in range(3)
        ]


def test_eegdash_is_asked_for_the_data_set_and_gives_recordings(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "eegdash", types.SimpleNamespace(EEGDashDataset=DashStandIn))
    recordings = open_source("eegdash", tmp_path, subjects=["001", "002"], dataset="ds1", target="sex", task="rest")
    assert DashStandIn.asked == {
        "cache_dir": str(tmp_path), "query": {"dataset": "ds1", "task": "rest", "subject": ["001", "002"]},
        "download": True, "target_name": "sex",
    }  # fmt: skip
    assert [(r.subject, r.classes[r.label]) for r in recordings] == [("001", "M"), ("002", "F")]


def test_without_eegdash_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "eegdash", None)
    with pytest.raises(ImportError, match="pip install eegdash"):
        eegdash_recordings(dataset="ds1", target="sex")
