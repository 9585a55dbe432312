"""Epochs that were decimated or resampled start when they did in the recording."""

from __future__ import annotations

from types import SimpleNamespace

import mne
import numpy as np
import pandas as pd
import pytest

import stubs
from trimcap.data import from_braindecode, from_epochs, from_moabb
from trimcap.data.libraries.objects import event_rate

RATE, ONSETS = 512, (1.0, 2.5, 4.0, 5.5)


def raw_of(seconds: int = 8) -> mne.io.BaseRaw:
    info = mne.create_info(["Fz", "Cz", "Oz"], float(RATE), "eeg")
    values = np.random.default_rng(0).normal(0, 20e-6, (3, seconds * RATE))
    return mne.io.RawArray(values, info, verbose="error")


def epochs_of(onsets=ONSETS, *, decim: int = 1) -> mne.Epochs:
    events = np.array([[int(s * RATE), 0, 1 + i % 2] for i, s in enumerate(onsets)])
    return mne.Epochs(
        raw_of(), events, {"a": 1, "b": 2}, 0.0, 1 - 1 / RATE, baseline=None, preload=True, decim=decim, verbose="error"
    )


CHANGES = {
    "as they are": lambda tmp: epochs_of(),
    "resampled": lambda tmp: epochs_of().resample(128, verbose="error"),
    "upsampled": lambda tmp: epochs_of().resample(1024, verbose="error"),
    "decimated": lambda tmp: epochs_of().decimate(4, verbose="error"),
    "decim=": lambda tmp: epochs_of(decim=4),
    "twice": lambda tmp: epochs_of(decim=2).resample(64, verbose="error"),
    "saved": lambda tmp: _saved(epochs_of().resample(128, verbose="error"), tmp),
}


def _saved(epochs, tmp):
    epochs.save(tmp / "x-epo.fif", verbose="error")
    return mne.read_epochs(tmp / "x-epo.fif", verbose="error")


@pytest.mark.filterwarnings("ignore:.*aliasing:RuntimeWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_starts_are_those_in_the_recording(change, tmp_path):
    windows = from_epochs(CHANGES[change](tmp_path), subject="s1", trial=["a", "b", "c", "d"])
    np.testing.assert_allclose(windows.metadata.start, ONSETS, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*aliasing:RuntimeWarning")
@pytest.mark.parametrize("change", ["resampled", "decimated", "decim="])
def test_an_overlap_is_still_seen_after_resampling(change):
    """75 % of overlap was 4 times as far apart in samples of the new rate, which is none."""
    onsets = np.arange(8) * 0.25
    epochs = {
        "resampled": lambda: epochs_of(onsets).resample(128, verbose="error"),
        "decimated": lambda: epochs_of(onsets).decimate(4, verbose="error"),
        "decim=": lambda: epochs_of(onsets, decim=4),
    }[change]()
    metadata = pd.DataFrame({"subject": 1, "session": "0", "run": "0"}, index=range(8))
    with pytest.raises(ValueError, match="overlap"):
        from_moabb(epochs, ["a", "b"] * 4, metadata, trial="row")
    starts = from_moabb(epochs, ["a", "b"] * 4, metadata).metadata.start
    np.testing.assert_allclose(starts, onsets, atol=1e-6)


@pytest.mark.parametrize("rate", [None, [], [512.0, 128.0], np.nan, 0.0])
def test_an_unknown_rate_is_refused(rate):
    epochs = SimpleNamespace(info={"sfreq": 128.0})
    if rate is not None:
        epochs._raw_sfreq = rate
    with pytest.raises(ValueError, match="don't say at which rate they were recorded"):
        event_rate(epochs, "epochs")
    changed = epochs_of()
    changed._raw_sfreq = rate
    with pytest.raises(ValueError, match="epochs of subject s1 don't say at which rate"):
        from_epochs(changed, subject="s1")


@pytest.fixture
def bd():
    return stubs.framework("braindecode", "datasets", "preprocessing", "datautil")


@pytest.mark.filterwarnings("ignore:Applying preprocessors:UserWarning")
@pytest.mark.parametrize("epochs", [True, False])
def test_windows_of_braindecode_that_were_resampled(bd, epochs):
    raw = raw_of()
    raw.set_annotations(mne.Annotations(ONSETS, 1.0, ["a", "b", "a", "b"]))
    data = bd.datasets.BaseConcatDataset([bd.datasets.RawDataset(raw, {"subject": 1})])
    cut = bd.preprocessing.create_windows_from_events(
        data, window_size_samples=256, window_stride_samples=256, on_last_window="drop", use_mne_epochs=epochs,
        preload=True,
    )  # fmt: skip
    before = from_braindecode(cut)
    bd.preprocessing.preprocess(
        cut, [bd.preprocessing.Preprocessor("resample", apply_on_array=False, sfreq=128, verbose="error")]
    )
    if epochs:
        after = from_braindecode(cut)
        assert after.rate == 128
        np.testing.assert_allclose(after.metadata.start, before.metadata.start)
        assert after.ids.tolist() == before.ids.tolist()
    else:
        with pytest.raises(ValueError, match="resampled after it was cut into windows"):
            from_braindecode(cut)
