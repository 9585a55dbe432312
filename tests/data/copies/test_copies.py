"""Copies are found whatever they are called; what is no copy, is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import resample_poly

from trimcap._errors import AuditError
from trimcap.data.copies.find import find_copies
from trimcap.data.join import stacked
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.recording import Recording
from trimcap.data.rows.lazy import lazy
from trimcap.data.sources import read_set
from trimcap.data.splits.protocols.named import split
from trimcap.data.windows import Windows

RATE = 128.0
NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")


def pink(seed, *, channels=8, seconds=20, rate=RATE, exponent=0.7):
    """1/f noise, 20 µV, of electrodes that share a part: like EEG for everything that is looked at here."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    f = np.maximum(np.fft.rfftfreq(n, 1 / rate), 0.5)
    wave = (rng.standard_normal((channels, len(f))) + 1j * rng.standard_normal((channels, len(f)))) / f**exponent
    x = np.fft.irfft(wave, n)
    x = x + x.mean(axis=0)
    return 20 * x / x.std()


def recording(signal, subject, *, rate=RATE, channels=NAMES, trial="0"):
    signal = np.asarray(signal, dtype=np.float32)
    return Recording(signal, rate, tuple(channels[: len(signal)]), subject, trial=trial, label=0, classes=("a", "b"))


BASE = [pink(i) for i in range(4)]
VICTIM = BASE[2]


def windows_of(copy, *, seconds=2):
    """Four subjects and one that is called otherwise."""
    return cut([*(recording(x, f"s{i}") for i, x in enumerate(BASE)), recording(copy, "new")], seconds=seconds)


def found(windows):
    new = windows.metadata.subject.to_numpy(str) == "new"
    pairs = find_copies(windows).across(np.flatnonzero(~new), np.flatnonzero(new))
    true = {k: {windows.metadata.subject[j] for j in p[:, 1].tolist()} for k, p in pairs.items() if len(p)}
    assert all(whose == {"s2"} for whose in true.values()), true
    return {kind: len(p) / new.sum() for kind, p in pairs.items() if len(p)}


def noisy(x, share):
    return x + share * x.std(axis=1, keepdims=True) * np.random.default_rng(9).standard_normal(x.shape)


def through(x, rate):
    """Resampled to a lower rate and back."""
    there = resample_poly(x, int(rate), int(RATE), axis=1, padtype="line")
    return resample_poly(there, int(RATE), int(rate), axis=1, padtype="line")[:, : x.shape[1]]


CHANGES = {
    "another name": (lambda x: x, "same", 1.0),
    "volts, upside down, offset": (lambda x: -1e-3 * x + 0.02, "scaled", 1.0),
    "average reference": (lambda x: x - x.mean(axis=0), "shifted", 1.0),
    "referenced to two electrodes": (lambda x: x - x[:2].mean(axis=0), "shifted", 1.0),
    "offsets by channel": (lambda x: x + np.arange(8)[:, None] * 30, "shifted", 1.0),
    "gains by channel": (lambda x: x * np.linspace(0.6, 1.6, 8)[:, None], "shifted", 0.9),
    "channels in another order": (lambda x: x[::-1], "shifted", 1.0),
    "10 % noise": (lambda x: noisy(x, 0.1), "shifted", 1.0),
    "30 % noise": (lambda x: noisy(x, 0.3), "shifted", 0.9),
    "resampled": (lambda x: through(x, 96), "shifted", 1.0),
    "begins 0.37 s later": (lambda x: x[:, 47:], "shifted", 0.6),
    "begins half a window later": (lambda x: x[:, 128:], "shifted", 0.3),
    "all at once": (lambda x: noisy(0.1 * (x - x[3:6].mean(axis=0))[:, 40:], 0.1), "shifted", 0.6),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copied_recording_is_found(change):
    function, kind, share = CHANGES[change]
    got = found(windows_of(function(VICTIM)))
    assert set(got) == {kind}
    assert got[kind] >= share


@pytest.mark.parametrize(
    "other",
    [
        lambda: pink(99),
        lambda: noisy(VICTIM, 3.0),
        lambda: resample_poly(VICTIM, 11, 10, axis=1),  # played at another speed
        lambda: VICTIM[:, ::-1],
        lambda: VICTIM[:1].repeat(8, axis=0) + pink(98),
    ],
)
def test_what_is_not_found(other):
    assert found(windows_of(other())) == {}


def test_one_and_two_channels_and_short_windows():
    for channels, seconds, share in ((1, 4, 0.3), (2, 2, 0.3), (8, 1, 0.3)):
        copy = VICTIM[:, 40:]
        parts = [*(recording(x[:channels], f"s{i}") for i, x in enumerate(BASE)), recording(copy[:channels], "new")]
        assert found(cut(parts, seconds=seconds))["shifted"] >= share, channels
    short = windows_of(VICTIM[:, 20:], seconds=0.5)
    assert find_copies(short).gaps == (
        "the windows are too short: shifted, re-referenced, resampled or noisy copies were not looked for",
    )
    assert found(short) == {}
    assert found(windows_of(VICTIM, seconds=0.5)) == {"same": 1.0}


def test_order_names_and_laziness_change_nothing():
    windows = windows_of(VICTIM[:, 47:])
    order = np.random.default_rng(0).permutation(len(windows))
    shuffled = replace(windows.take(order), channels=NAMES[::-1])
    on_disk = replace(windows, X=lazy(windows.X))
    assert found(shuffled) == pytest.approx(found(windows), abs=0.2)
    assert found(on_disk) == found(windows) == found(stacked([windows.take(range(20)), windows.take(range(20, 49))]))


def blank(X):
    return windows_of(VICTIM).with_X(X, step="made up")


def test_blank_windows_are_no_copies_of_each_other():
    windows = windows_of(pink(50))
    X = windows.X.copy()
    X[::2] = 0
    X[1::4] = np.arange(8, dtype=np.float32)[:, None]  # every channel constant, at its own value
    X[3] = np.nan
    X[7] = np.inf
    X[11] = np.nan
    assert all(not len(rows) for rows in find_copies(blank(X)).inside(np.arange(len(X))).values())
    for value in (np.nan, 0.0, 5.0):
        every = find_copies(blank(np.full_like(X, value)))
        assert all(not len(rows) for rows in every.inside(np.arange(len(X))).values())
    # a dead electrode among others is no reason to miss a copy
    copied = windows_of(VICTIM)
    X = copied.X.copy()
    X[:, 3] = np.nan
    assert found(copied.with_X(X, step="dead")) == {"same": 1.0}


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_repeats_itself_is_no_copy(noise):
    """Hum, sines and square waves agree with each other everywhere; only numbers that are the same count."""
    t = np.arange(20 * 128) / RATE
    rng = np.random.default_rng(0)

    def hum(i):
        return 30 * np.sin(2 * np.pi * 10.31416 * t + i + rng.normal(size=(8, 1))) + noise * pink(70 + i)

    parts = [recording(hum(i), f"s{i}") for i in range(4)]
    copies = find_copies(cut(parts, seconds=2))
    assert all(not len(rows) for rows in copies.inside(np.arange(len(copies.trials))).values())


def test_blinks_of_one_person_are_no_copies():
    rng = np.random.default_rng(0)
    shape, pattern = 300 * np.hanning(50), np.linspace(1, 0.05, 8)[:, None]
    parts = []
    for i in range(4):
        x = pink(80 + i, seconds=30)
        for onset in rng.integers(0, x.shape[1] - 50, 20).tolist():
            x[:, onset : onset + 50] += pattern * shape * rng.uniform(0.8, 1.2)
        parts.append(recording(x, f"s{i}"))
    for seconds in (1, 2, 4):
        windows = cut(parts, seconds=seconds)
        assert all(not len(rows) for rows in find_copies(windows).inside(np.arange(len(windows))).values())


def test_windows_that_overlap_by_their_names_are_not_called_copies():
    windows = cut([recording(x, f"s{i}") for i, x in enumerate(BASE)], seconds=2, step=0.5)
    assert all(not len(rows) for rows in find_copies(windows).inside(np.arange(len(windows))).values())


def test_features_are_compared_to_the_bit_and_up_to_scale():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8, 5)).astype(np.float32)
    X[50:55], X[55:] = X[:5], 2 * X[5:10] - 3
    whole = windows_of(VICTIM).take(range(1)).take([0] * 60)
    table = whole.metadata.assign(start=np.arange(60.0), subject=["s2"] * 50 + ["new"] * 10)
    features = replace(whole, X=X, metadata=table, unit="nat")
    copies = find_copies(features)
    pairs = copies.across(np.arange(50), np.arange(50, 60))
    assert {k: p.tolist() for k, p in pairs.items()} == {
        "same": [[50 + i, i] for i in range(5)],
        "scaled": [[55 + i, 5 + i] for i in range(5)],
        "shifted": [],
    }
    assert "are no signals" in copies.gaps[0]


def test_tiny_sets():
    windows = windows_of(VICTIM)
    for n in (0, 1, 2):
        few = windows.take(range(n))
        assert all(not len(rows) for rows in find_copies(few).inside(np.arange(n)).values())


# ---- folds


def labelled(windows: Windows) -> Windows:
    return replace(windows, y=(windows.metadata.start.to_numpy() // 2 % 2).astype(np.int64))


def test_a_fold_with_a_copied_subject_fails_and_says_which():
    fold = split(labelled(windows_of(VICTIM)), "leave_one_subject_out")[0]
    assert fold.name == "subject new"
    errors = [f for f in fold.shared if f.severity == "error"]
    assert {error.check for error in errors} == {"content"}
    assert [error.text for error in errors] == [
        "10 of 10 test windows overlap in time with a training window",  # by their content, a recording is one
        "10 of 10 test windows have the same content as a training window (new/0/0@0.0000 = s2/0/0@0.0000)",
    ]
    fold.ledger.record("fit", fold.train)
    audit = fold.audit()
    assert audit.verdict == "failed"
    assert audit.checks == {"access": "passed", "provenance": "passed", "content": "failed"}
    with pytest.raises(AuditError, match="same content"):
        audit.raise_if_failed()


def test_copies_on_one_side_are_named_and_do_not_fail():
    folds = split(labelled(windows_of(VICTIM)), "leave_one_subject_out")
    fold = next(f for f in folds if f.name == "subject s0")
    (finding,) = fold.shared
    assert finding.severity == "warning"
    assert finding.text == ("10 of 40 training windows have the same content as another one (s2/0/0): they count twice")
    fold.ledger.record("fit", fold.train)
    assert fold.audit().passed


def test_a_mapped_fold_is_looked_through_again():
    windows = labelled(windows_of(pink(51)))
    fold = split(windows, "leave_one_subject_out")[0]
    assert fold.shared == ()
    other = fold.train

    def forged(w):
        return w.with_X(other.X[: len(w)], step="forged") if set(w.metadata.subject) == {"new"} else w

    assert "same content" in fold.map(forged).shared[0].text
    assert fold.scaled().shared == ()


@pytest.mark.real
def test_no_false_alarm_on_real_recordings(eegmat_folder):
    """26 subjects, rest and arithmetic; 2 of them copied under new names are found, and nobody else."""

    recordings = read_set("eegmat", eegmat_folder, rate=128.0, seconds=40)
    windows = cut(recordings, seconds=2)
    assert all(not len(rows) for rows in find_copies(windows).inside(np.arange(len(windows))).values())
    some = recordings[:8]
    one = some[0]
    names = [
        replace(one, subject="new", signal=one.signal - one.signal.mean(axis=0)),
        replace(one, subject="newer", signal=np.ascontiguousarray(3e-3 * one.signal[:, 77:])),
    ]
    windows = cut([*some, *names], seconds=2)
    hit = windows.metadata.subject[find_copies(windows).inside(np.arange(len(windows)))["shifted"]]
    assert set(hit) == {"new", "newer"}
    assert (hit == "new").sum() == 20
