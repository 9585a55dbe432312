"""MOABB's data sets and paradigms, with its own fake data set."""

from __future__ import annotations

import os

import mne
import numpy as np
import pandas as pd
import pytest

import stubs
from trimcap.data.libraries.moabb import from_moabb, moabb_recordings
from trimcap.data.sources import open_source

OPTIONS = {
    "n_subjects": 2, "n_sessions": 2, "n_runs": 2, "n_events": 6, "duration": 30, "sfreq": 64, "seed": 1,
    "paradigm": "imagery", "event_list": ("left_hand", "right_hand", "feet"),
}  # fmt: skip


@pytest.fixture(scope="module")
def moabb():
    return stubs.framework("moabb", "datasets", "paradigms")


pytestmark = [
    pytest.mark.filterwarnings("ignore:Montage name"),
    pytest.mark.filterwarnings("ignore::Warning:(moabb|sklearn).*"),
]


@pytest.fixture
def fake(moabb):
    return moabb.datasets.FakeDataset(**OPTIONS)


def test_every_trial_is_a_recording_with_its_samples_and_class(fake):
    recordings = list(moabb_recordings(dataset=fake, subjects=["2"]))
    raws = fake._get_single_subject_data(2)  # the same seed, so the same signals
    assert len(recordings) == 2 * 2 * 6
    wanted = []
    for session, runs in raws.items():
        for run, raw in runs.items():
            names = {code: name for name, code in fake.event_id.items()}
            for number, (sample, _, code) in enumerate(mne.find_events(raw, shortest_event=0, verbose="error"), 1):
                signal = raw.get_data("eeg")[:, sample : sample + 3 * 64] * 1e6
                wanted.append((session, f"{run}-{number:03d}", names[code], signal.astype(np.float32)))
    for recording, (session, trial, name, signal) in zip(recordings, wanted, strict=True):
        assert (recording.subject, recording.session, recording.trial) == ("2", session, trial)
        assert recording.classes[recording.label] == name
        np.testing.assert_array_equal(recording.signal, signal)
    assert recordings[0].channels == ("C3", "Cz", "C4")
    assert recordings[0].info["dataset"] == fake.code


def test_classes_keep_the_order_asked_for_and_leave_out_the_others(fake):
    recordings = list(moabb_recordings(dataset=fake, subjects=1, classes=["feet", "left_hand"]))
    assert recordings[0].classes == ("feet", "left_hand")
    assert sorted({r.classes[r.label] for r in recordings}) == ["feet", "left_hand"]
    assert len(recordings) == 2 * 2 * 4
    assert {r.info["event"] for r in recordings if r.label == 0} == {"feet"}


def test_a_set_whose_raws_are_in_microvolts_is_not_scaled_again(fake):
    volts = next(moabb_recordings(dataset=fake))
    fake.unit_factor = 1.0
    with pytest.raises(ValueError, match=r"median spread of 2e-05 µV, which is no EEG"):
        next(moabb_recordings(dataset=fake))
    one, get = next, fake._get_single_subject_data
    fake._get_single_subject_data = lambda subject: {
        s: {r: raw.apply_function(lambda x: x * 1e6, "eeg") for r, raw in runs.items()}
        for s, runs in get(subject).items()
    }
    np.testing.assert_allclose(one(moabb_recordings(dataset=fake)).signal, volts.signal, rtol=1e-6)


def test_by_name_as_a_source(moabb):
    recordings = open_source("moabb", subjects=1, dataset="FakeDataset", options=OPTIONS)
    assert {r.subject for r in recordings} == {"1"}


def test_downloads_are_looked_for_in_the_path_while_reading_only(fake, tmp_path, monkeypatch):
    monkeypatch.delenv("MNE_DATA", raising=False)
    seen = []
    get = fake._get_single_subject_data
    fake._get_single_subject_data = lambda subject: seen.append(os.environ.get("MNE_DATA")) or get(subject)
    next(moabb_recordings(tmp_path, dataset=fake))
    assert seen == [str(tmp_path)]
    assert "MNE_DATA" not in os.environ
    with pytest.raises(FileNotFoundError, match="make it first"):
        next(moabb_recordings(tmp_path / "none", dataset=fake))


def test_a_trial_marked_bad_is_marked_or_dropped(fake):
    get = fake._get_single_subject_data

    def marked(subject):
        found = get(subject)
        raw = found["0"]["0"]
        first = mne.find_events(raw, shortest_event=0, verbose="error")[0, 0] / 64
        raw.set_annotations(mne.Annotations([first + 1], [0.5], ["BAD_jump"]))
        return found

    fake._get_single_subject_data = marked
    marked = [r for r in moabb_recordings(dataset=fake, subjects=1) if "marked_bad" in r.info]
    assert [r.trial for r in marked] == ["0-001"]
    with pytest.warns(UserWarning, match="1 trials left out"):
        recordings = list(moabb_recordings(dataset=fake, subjects=1, on_bad="drop"))
    assert "0-001" not in [r.trial for r in recordings if r.session == "0"]
    assert len(recordings) == 2 * 2 * 6 - 1


def test_mixed_channels_between_runs_are_refused(fake):
    get = fake._get_single_subject_data

    def other(subject):
        found = get(subject)
        found["1"]["0"].rename_channels({"C4": "Pz"})
        return found

    fake._get_single_subject_data = other
    with pytest.raises(ValueError, match=r"session 1 run 0.*C4"):
        list(moabb_recordings(dataset=fake, subjects=1))


def test_overlapping_trials_are_no_recordings_of_their_own(moabb):
    fast = moabb.datasets.FakeDataset(**{**OPTIONS, "n_events": 60})
    with pytest.raises(ValueError, match="60 trials overlap in time"):
        list(moabb_recordings(dataset=fast, subjects=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "BNCI2014_01"}, "unknown MOABB data set 'BNCI2014_01'; did you mean 'BNCI2014_0"),
        ({"dataset": "FakeDataset", "options": {"n_subject": 1}}, "data set FakeDataset: .*n_subject"),
        ({"dataset": "FakeDataset", "classes": ["fake4"]}, "unknown event of .* 'fake4'; did you mean 'fake"),
        ({"dataset": "FakeDataset", "classes": "fake1"}, "classes is 'fake1'; give a list"),
        ({"dataset": "FakeDataset", "subjects": ["11"]}, "subject '11'"),
        ({"dataset": 3}, "dataset is a int"),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(moabb, options, message):
    with pytest.raises(ValueError, match=message):
        moabb_recordings(**options)


@pytest.fixture(scope="module")
def paradigm(moabb):
    return moabb.paradigms.MotorImagery(n_classes=3, fmin=8, fmax=30)


def test_arrays_of_a_paradigm_are_microvolts_already(fake, paradigm):
    X, y, metadata = paradigm.get_data(fake, subjects=[1])
    windows = from_moabb(X, y, metadata, channels=["C3", "Cz", "C4"], rate=64)
    np.testing.assert_array_equal(windows.X, X.astype(np.float32))
    assert [windows.classes[i] for i in windows.y] == list(y)
    assert windows.metadata.trial.tolist() == metadata.run.tolist()
    # the fake signals are 20 µV of white noise before the filter
    assert 1 < np.median(windows.X.std(axis=2)) < 20


def test_epochs_of_a_paradigm_give_the_same_windows(fake, paradigm):
    X, y, metadata = paradigm.get_data(fake, subjects=[1])
    epochs, y2, metadata2 = paradigm.get_data(fake, subjects=[1], return_epochs=True)
    arrays = from_moabb(X, y, metadata, channels=["C3", "Cz", "C4"], rate=64, trial="row")
    windows = from_moabb(epochs, y2, metadata2, trial="row")
    np.testing.assert_allclose(windows.X, arrays.X, rtol=1e-5, atol=1e-4)
    assert windows.channels == ("C3", "Cz", "C4")
    assert windows.ids.tolist() == arrays.ids.tolist()
    assert len(set(windows.ids)) == len(windows)
    run = from_moabb(epochs, y2, metadata2)
    # 6 events from 1 to 27·64 − 1 samples, evenly spread
    assert np.allclose(run.metadata.start[:6], np.linspace(1, 27 * 64 - 1, 6).astype(int) / 64 - 1 / 64)


def test_overlapping_epochs_are_one_trial(moabb, paradigm):
    fast = moabb.datasets.FakeDataset(**{**OPTIONS, "n_events": 60})
    epochs, y, metadata = paradigm.get_data(fast, subjects=[1], return_epochs=True)
    with pytest.raises(ValueError, match=r"overlap .* pass trial='run'"):
        from_moabb(epochs, y, metadata, trial="row")
    windows = from_moabb(epochs, y, metadata)
    assert windows.metadata.groupby(["session", "trial"]).ngroups == 4


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda X: X * 1e-6, {}, "looks like volts"),
        (lambda X: X, {"unit": "V"}, "was it in µV already"),
        (lambda X: X[..., None], {}, "a filter bank"),
        (lambda X: X, {"rate": None}, "give channels= and rate="),
        (lambda X: X, {"trial": "epoch"}, "unknown trial 'epoch'"),
        (lambda X: X, {"unit": "volt"}, "unknown unit 'volt'"),
        (lambda X: X, {"classes": ["left_hand", "right_hand"]}, "unknown label 'feet'"),
        (lambda X: X[:-1], {}, "11 windows, metadata 12 rows"),
    ],
)
def test_bad_triples_are_refused(change, options, message):
    X = np.random.default_rng(0).normal(0, 20, (12, 3, 64))
    y = ["left_hand", "right_hand", "feet"] * 4
    metadata = pd.DataFrame({"subject": 1, "session": "0", "run": "0"}, index=range(12))
    with pytest.raises(ValueError, match=message):
        from_moabb(change(X), y, metadata, **{"channels": ["C3", "Cz", "C4"], "rate": 64, **options})
