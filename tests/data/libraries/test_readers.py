"""Windows and recordings from MNE objects and arrays."""

from __future__ import annotations

from typing import Any

import mne
import numpy as np
import pytest

from trimcap.data.libraries.objects import from_arrays, from_epochs, from_raw

CHANNELS = ("Fz", "T3", "Oz")


def arrays(n: int = 6, n_times: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 10, (n, 3, n_times)), np.arange(n) % 2


def raw(seconds: int = 10, *, names: tuple[str, ...] = CHANNELS) -> mne.io.BaseRaw:
    info = mne.create_info([*names, "HEOG"], 100.0, ["eeg"] * len(names) + ["eog"])
    data = np.random.default_rng(1).normal(0, 10e-6, (len(names) + 1, seconds * 100))
    return mne.io.RawArray(data, info, verbose="error")


def epochs(
    onsets: list[int], codes: list[int], *, tmax: float = 0.99, reject: dict[str, float] | None = None
) -> mne.Epochs:
    events = np.stack([onsets, np.zeros(len(onsets)), codes], axis=1).astype(int)
    return mne.Epochs(
        raw(), events, {"right": 7, "left": 3}, 0.0, tmax, baseline=None, preload=True, reject=reject, verbose="error"
    )


def test_raw_becomes_a_recording_in_microvolts() -> None:
    source = raw()
    made = from_raw(source, subject="S1", session="2", trial="a", label=1, classes=["x", "y"], info={"age": 3})
    np.testing.assert_allclose(made.signal, source.get_data()[:3] * 1e6, rtol=1e-6)
    assert made.signal.dtype == np.float32
    assert (made.name, made.channels, made.rate, made.label, made.info) == ("S1/2/a", CHANNELS, 100.0, 1, {"age": 3})


def test_raw_without_eeg_or_with_bad_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="raw of subject S1: no EEG channel among HEOG"):
        from_raw(raw().pick(["HEOG"]), subject="S1")
    source = raw()
    source.info["bads"] = ["T3"]
    with pytest.raises(ValueError, match="channels T3 are marked bad; interpolate_bads"):
        from_raw(source, subject="S1")


def test_raw_with_nan_or_flat_channel_is_refused() -> None:
    source = raw()
    source._data[1, 30] = np.nan
    with pytest.raises(ValueError, match="S1/0/0: channel T3 holds NaN"):
        from_raw(source, subject="S1")
    source._data[1] = 3e-6
    with pytest.raises(ValueError, match="S1/0/0: channel T3 holds one value"):
        from_raw(source, subject="S1")


def test_unknown_electrodes_are_listed_unless_allowed() -> None:
    source = raw(names=("Fz", "E17", "E18"))
    with pytest.raises(ValueError, match=r"unknown electrodes E17, E18.*any_names=True"):
        from_raw(source, subject="S1")
    assert from_raw(source, subject="S1", any_names=True).channels == ("Fz", "E17", "E18")


def test_epochs_become_windows() -> None:
    source = epochs([100, 300, 500], [7, 3, 7])
    made = from_epochs(source, subject="S1", session="2")
    np.testing.assert_allclose(made.X, source.get_data(picks=[0, 1, 2]) * 1e6, rtol=1e-5)
    assert made.classes == ("left", "right")  # by code: 3, 7
    assert made.y.tolist() == [1, 0, 1]
    assert made.y.dtype == np.int64
    assert made.metadata.drop(columns="recording").to_dict("list") == {
        "subject": ["S1"] * 3, "session": ["2"] * 3, "trial": ["0"] * 3, "start": [1.0, 3.0, 5.0],
        "onset": [1.0, 3.0, 5.0],
    }  # fmt: skip
    assert (made.channels, made.rate, made.duration, made.unit) == (CHANNELS, 100.0, 1.0, "µV")


def test_millivolts_where_mne_expects_volts_are_noticed() -> None:
    source = raw()
    source._data[:3] *= 1e3
    events = np.array([[100, 0, 3], [300, 0, 7]])
    many = mne.Epochs(source, events, {"a": 3, "b": 7}, 0, 0.99, baseline=None, preload=True, verbose="error")
    with pytest.warns(UserWarning, match=r"varies by 0\.0\d+ V within a second.* look like mV.* them by 1e-3"):
        from_epochs(many, subject="S2")
    source._data[:3] *= 1e-3
    source._data[:3] += np.linspace(0, 0.01, source.n_times)  # electrodes that drift
    from_raw(source, subject="S1")


def test_microvolts_where_mne_expects_volts_are_noticed() -> None:
    source = raw()
    source._data[0] *= 1e6  # one channel off, or full of artefacts, does not decide
    from_raw(source, subject="S1")
    source._data[1:3] *= 1e6
    with pytest.warns(UserWarning, match=r"raw of subject S1: a typical EEG channel varies by 9\.9 V") as said:
        made = from_raw(source, subject="S1")
    assert "multiply them by 1e-6" in str(said[0].message)
    assert said[0].filename == __file__
    assert made.signal.std() > 1e6  # not changed behind the user's back
    events = np.array([[100, 0, 3], [300, 0, 7]])
    many = mne.Epochs(source, events, {"a": 3, "b": 7}, 0, 0.99, baseline=None, preload=True, verbose="error")
    with pytest.warns(UserWarning, match="epochs of subject S2: a typical EEG channel"):
        from_epochs(many, subject="S2")
    source._data[:3] *= 1e-6
    source._data[3] *= 1e6  # the EOG channel is none of its business
    source._data[:3] += 0.1  # the offset of an amplifier with direct current is no amplitude
    source._data[:3, ::50] += 1.0  # spikes
    from_raw(source, subject="S1")


def test_rejected_epochs_are_gone() -> None:
    spread = np.ptp(epochs([100, 300, 500], [7, 3, 7]).get_data(picks=[0, 1, 2]), axis=2).max(axis=1)
    worst = int(np.argmax(spread))
    source = epochs([100, 300, 500], [7, 3, 7], reject={"eeg": float(np.sort(spread)[1:].mean())})
    kept = from_epochs(source, subject="S1")
    assert kept.metadata.start.tolist() == [s for i, s in enumerate([1.0, 3.0, 5.0]) if i != worst]
    assert kept.y.tolist() == [c for i, c in enumerate([1, 0, 1]) if i != worst]


def test_overlapping_epochs_are_of_one_trial_unless_told() -> None:
    source = epochs([100, 150, 500], [7, 7, 3])
    assert set(from_epochs(source, subject="S1").metadata.trial) == {"0"}
    assert from_epochs(source, subject="S1", trial=["a", "a", "b"]).metadata.trial.tolist() == ["a", "a", "b"]
    assert len(from_epochs(epochs([100, 200, 300], [7, 7, 3]), subject="S1")) == 3  # back to back is no overlap


def test_two_event_names_with_one_code_are_refused() -> None:
    source = epochs([100, 300], [7, 3])
    source.event_id = {"a": 7, "b": 7, "c": 3}
    with pytest.raises(ValueError, match="two event names share one code"):
        from_epochs(source, subject="S1")


def test_arrays_become_windows_of_one_trial_unless_told() -> None:
    X, y = arrays()
    made = from_arrays(X, y, channels=CHANNELS, rate=100, subject="S1")
    np.testing.assert_array_equal(made.X, X.astype(np.float32))
    assert made.metadata.trial.tolist() == ["0"] * 6
    np.testing.assert_allclose(made.metadata.start, np.arange(6) * 0.5)
    assert made.classes == ("0", "1")
    assert len(set(made.ids)) == 6


def test_arrays_with_groups_per_window() -> None:
    X, y = arrays()
    made = from_arrays(
        X, y, channels=CHANNELS, rate=100, subject=list("aabbcc"), session="1", trial=[0, 1] * 3, classes=["lo", "hi"]
    )
    assert made.metadata.subject.tolist() == list("aabbcc")
    assert made.metadata.trial.tolist() == ["0", "1"] * 3
    assert made.metadata.start.tolist() == [0.0] * 6
    given = from_arrays(X, y, channels=CHANNELS, rate=100, subject="a", start=np.arange(6) * 2.0)
    assert given.metadata.start.tolist() == [0, 2, 4, 6, 8, 10]


def with_value(X: np.ndarray, where: tuple[Any, ...], value: float) -> np.ndarray:
    changed = X.copy()
    changed[where] = value
    return changed


X, Y = arrays()
BAD: list[tuple[dict[str, Any], str]] = [
    ({"X": X[:, :2]}, r"X has shape \(6, 2, 50\) and there are 3 channel names"),
    ({"X": X[0]}, r"X has shape \(3, 50\).*expected \(n, 3, n_times\)"),
    ({"X": X[:0], "y": Y[:0]}, r"X has shape \(0, 3, 50\)"),
    ({"y": Y[:5]}, r"y has shape \(5,\); X has 6 windows"),
    ({"y": Y + 0.5}, "y must hold integers"),
    ({"y": np.array(list("ababab"))}, "y must hold integers"),
    ({"y": Y - 1}, "do not index the classes"),
    ({"classes": ["only"]}, "do not index the classes"),
    ({"subject": ["a", "b"]}, "subject has 2 entries; X has 6 windows"),
    ({"start": [0.0]}, "start has 1 entries"),
    ({"rate": 0}, "it must be positive"),
    ({"channels": ("Fz", "Cz", "Fz")}, "channel names occur twice: Fz"),
    ({"channels": ("Fz", "ECG", "GSR")}, "unknown electrodes ECG, GSR"),
    ({"X": with_value(X, (4, 1, 7), np.nan)}, "NaN or infinity in 1 of 6 windows, first in window 4, channel T3"),
    (
        {"X": with_value(X, (slice(2, 4), 2, 7), np.inf)},
        "NaN or infinity in 2 of 6 windows, first in window 2, channel Oz",
    ),
    ({"X": with_value(X, (slice(None), 2), 5.0)}, "one value throughout in channel Oz"),
    ({"X": X * 1e-6}, r"looks like volts; pass X \* 1e6"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_arrays_are_refused_with_a_reason(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"X": X, "y": Y, "channels": CHANNELS, "rate": 100, "subject": "S1"}
    from_arrays(**good)
    with pytest.raises(ValueError, match=message):
        from_arrays(**{**good, **change})
