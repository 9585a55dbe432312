"""Synthetic EEG carries what its formula says, where it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from trimcap.data.electrodes.names import TEN_TWENTY, positions
from trimcap.data.generated.synthetic import make_fingerprint, make_synthetic
from trimcap.data.recording import Recording

BANDS = [(1, 4), (4, 8), (8, 13), (13, 30), (30, 45)]
AT = {name: i for i, name in enumerate(TEN_TWENTY)}


def spectrum(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    f, power = welch(recording.signal.astype(float), recording.rate, nperseg=int(4 * recording.rate))
    return f, power


def band_power(recording: Recording, low: float, high: float) -> np.ndarray:
    """µV², shape (n_channels,)."""
    f, power = spectrum(recording)
    return power[:, (f >= low) & (f < high)].sum(axis=1) * (f[1] - f[0])


def effect_db(recordings: list[Recording], low: float, high: float) -> np.ndarray:
    """Class 1 over class 0, dB, shape (n_channels,)."""
    log = np.array([10 * np.log10(band_power(r, low, high)) for r in recordings])
    label = np.array([r.label for r in recordings])
    return log[label == 1].mean(0) - log[label == 0].mean(0)


def test_shape_names_and_balanced_labels() -> None:
    made = make_synthetic(3, seed=0, seconds=5.0, trials_per_class=2)
    assert len(made) == 12
    assert {r.signal.shape for r in made} == {(19, 640)}
    assert {r.signal.dtype for r in made} == {np.dtype("float32")}
    assert len({r.name for r in made}) == 12
    assert sorted({r.subject for r in made}) == ["S00", "S01", "S02"]
    for s in ("S00", "S01", "S02"):
        assert sorted(r.label for r in made if r.subject == s) == [0, 0, 1, 1]
    assert made[0].info == {"band": (8.0, 13.0), "electrodes": ("O1", "O2"), "effect": 6.0}


@pytest.mark.parametrize("make", [make_synthetic, make_fingerprint])
def test_seed_decides_everything_and_subjects_are_independent(make: object) -> None:
    few, again = (make(2, seed=5, seconds=3.0) for _ in range(2))  # type: ignore[operator]
    more, other = make(3, seed=5, seconds=3.0), make(2, seed=6, seconds=3.0)  # type: ignore[operator]
    for a, b, c in zip(few, again, more, strict=False):
        np.testing.assert_array_equal(a.signal, b.signal)
        np.testing.assert_array_equal(a.signal, c.signal)
        assert a.label == b.label == c.label
    assert not np.array_equal(few[0].signal, other[0].signal)


def test_effect_is_in_the_band_at_the_electrodes_and_nowhere_else() -> None:
    made = make_synthetic(6, seed=1, trials_per_class=6, electrodes=("C3",), band=(18.0, 24.0), effect=9.0, rhythm=8.0)
    change = effect_db(made, 18, 24)
    assert change[AT["C3"]] > 6
    assert np.argmax(change) == AT["C3"]
    far = np.linalg.norm(positions(TEN_TWENTY) - positions(["C3"]), axis=1) > 0.06
    assert far.sum() >= 12
    assert np.abs(change[far]).max() < 1
    for low, high in ((1, 8), (8, 17), (26, 45)):
        assert np.abs(effect_db(made, low, high)).max() < 1


def test_planted_power_has_the_size_of_the_formula() -> None:
    plain = {"background": 1e-6, "blink": 0, "line_noise": 0, "subject_variation": 0, "electrodes": ("Oz",)}
    made = make_synthetic(
        1, seed=0, channels=("Oz", "Fpz"), rhythm=4.0, effect=6.0, trials_per_class=3, seconds=60, **plain
    )
    for r in made:
        assert r.signal[0].var() == pytest.approx(16.0 * 10 ** (0.6 * r.label), rel=0.15)
        assert r.signal[1].std() < 1e-3


@pytest.mark.parametrize(("effect", "sign"), [(-6.0, -1), (0.0, 0)])
def test_effect_can_be_negative_or_nothing(effect: float, sign: int) -> None:
    change = effect_db(make_synthetic(6, seed=2, trials_per_class=6, effect=effect), 8, 13)
    if sign:
        assert change[AT["O1"]] < -2
        assert change[AT["O2"]] < -2
    else:
        assert np.abs(change).max() < 1


def test_more_than_two_classes_climb_in_equal_steps() -> None:
    made = make_synthetic(4, seed=3, classes=("a", "b", "c"), rhythm=10.0, trials_per_class=4, background=2.0, blink=0)
    log = {c: np.mean([10 * np.log10(band_power(r, 8, 13)[AT["O1"]]) for r in made if r.label == c]) for c in range(3)}
    assert log[1] - log[0] == pytest.approx(6, abs=1)
    assert log[2] - log[1] == pytest.approx(6, abs=1)


@pytest.mark.parametrize("variation", [0.0, 1.0])
def test_background_falls_as_one_over_f(variation: float) -> None:
    made = make_synthetic(
        12, seed=4, rhythm=0, blink=0, line_noise=0, subject_variation=variation, trials_per_class=1, seconds=30
    )
    slopes = []
    for r in made:
        f, power = spectrum(r)
        use = (f >= 2) & (f <= 40)
        slopes.append(np.polyfit(np.log(f[use]), np.log(power.mean(0)[use]), 1)[0])
    assert np.mean(slopes) == pytest.approx(-1, abs=0.12)
    assert (np.std(slopes) > 0.08) == (variation > 0)
    if not variation:
        assert np.mean([r.signal.std() for r in made]) == pytest.approx(10, rel=0.1)


def test_blinks_are_frontal_and_absent_when_off() -> None:
    quiet = {
        "seed": 5,
        "rhythm": 0.0,
        "line_noise": 0.0,
        "subject_variation": 0.0,
        "trials_per_class": 2,
        "seconds": 40.0,
    }
    with_blinks, without = make_synthetic(3, **quiet), make_synthetic(3, blink=0.0, **quiet)
    peak = np.array([r.signal.max(axis=1) for r in with_blinks])
    assert (peak[:, [AT["Fp1"], AT["Fp2"]]] > 70).all()
    assert (peak[:, [AT["O1"], AT["O2"], AT["Pz"]]] < 60).all()
    added = peak.mean(0) - np.array([r.signal.max(axis=1) for r in without]).mean(0)
    assert added[AT["Fp1"]] > added[AT["F3"]] > added[AT["C3"]] > added[AT["P3"]] - 1
    assert max(r.signal.max() for r in without) < 60


def test_line_noise_sits_at_its_frequency_with_its_power() -> None:
    made = make_synthetic(2, seed=6, line_noise=5.0, subject_variation=0.0, line_frequency=50.0)[0]
    f, power = spectrum(made)
    assert f[np.argmax(power * (f > 30), axis=1)].tolist() == [50.0] * 19
    assert band_power(made, 49, 51).mean() == pytest.approx(25, rel=0.1)
    silent = make_synthetic(2, seed=6, line_noise=0.0, subject_variation=0.0)[0]
    assert band_power(silent, 49, 51).mean() < 2


def test_subjects_differ_more_than_their_trials() -> None:
    made = make_synthetic(8, seed=7, effect=0.0, blink=0.0)
    level = {s: [np.log(r.signal.std()) for r in made if r.subject == s] for s in {r.subject for r in made}}
    between = np.std([np.mean(v) for v in level.values()])
    assert between > 3 * np.mean([np.std(v) for v in level.values()])


def test_old_names_are_accepted_and_kept() -> None:
    made = make_synthetic(1, seed=0, channels=("T3", "Cz", "T4"), electrodes=("T7",), seconds=4.0)
    assert made[0].channels == ("T3", "Cz", "T4")
    assert made[0].info["electrodes"] == ("T3",)


def features(recordings: list[Recording], seconds: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log band power of windows, their labels, trials and subjects."""
    rows, y, trial, subject = [], [], [], []
    for r in recordings:
        n = int(seconds * r.rate)
        windows = r.signal[:, : r.signal.shape[1] // n * n].reshape(len(r.channels), -1, n).transpose(1, 0, 2)
        f, power = welch(windows, r.rate, nperseg=n)
        rows.append(np.concatenate([np.log(power[..., (f >= a) & (f < b)].mean(-1)) for a, b in BANDS], axis=1))
        y += [r.label] * len(windows)
        trial += [r.name] * len(windows)
        subject += [r.subject] * len(windows)
    return np.concatenate(rows), np.array(y), np.array(trial), np.array(subject)


def score(recordings: list[Recording], split: str) -> float:
    from sklearn.model_selection import GroupKFold, KFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    X, y, trial, subject = features(recordings)
    groups = {"windows": None, "trials": trial, "subjects": subject}[split]
    cv = KFold(5, shuffle=True, random_state=0) if groups is None else GroupKFold(5)
    return float(cross_val_score(KNeighborsClassifier(3), X, y, groups=groups, cv=cv).mean())


def test_fingerprint_fools_a_leaky_split_and_no_honest_one() -> None:
    made = make_fingerprint(10, seed=8, trials=16)
    assert score(made, "windows") > 0.9
    assert score(made, "trials") == pytest.approx(0.5, abs=0.1)
    assert score(made, "subjects") == pytest.approx(0.5, abs=0.1)


def test_without_fingerprint_the_leaky_split_gains_nothing() -> None:
    assert score(make_fingerprint(10, seed=8, trials=16, strength=0.0), "windows") < 0.62


def test_planted_effect_survives_an_honest_split() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y, _, subject = features(make_synthetic(8, seed=9))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    assert cross_val_score(model, X, y, groups=subject, cv=GroupKFold(4)).mean() > 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"electrodes": ("AF3",)}, "unknown electrode among the channels 'AF3'.* Known: C3, C4"),
        ({"electrodes": ("Xx",)}, "unknown electrode 'Xx'"),
        ({"channels": ("Cz", "ECG")}, "unknown electrode 'ECG'"),
        ({"band": (8.0, 70.0)}, r"band 8\.0-70\.0 Hz must rise and lie between 0 and half the rate, 64 Hz"),
        ({"band": (13.0, 8.0)}, "must rise"),
        ({"rate": 100.0}, "line_frequency 50 Hz is not below half the rate, 50 Hz; pass line_noise=0"),
        ({"seconds": 0.0}, r"seconds is 0\.0; it must be positive"),
        ({"n_subjects": 0}, "n_subjects is 0"),
        ({"trials_per_class": -1}, "trials_per_class is -1"),
        ({"classes": ("one",)}, "at least two are needed"),
    ],
)
def test_what_makes_no_signal_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_synthetic(**{"seed": 0, **change})  # type: ignore[arg-type]


def test_low_rates_work_without_line_noise() -> None:
    assert make_synthetic(1, seed=0, rate=100.0, line_noise=0.0, seconds=4.0)[0].signal.shape == (19, 400)


@pytest.mark.parametrize("size", [{"trials": 2, "seconds": 60}, {"trials": 10, "seconds": 20}])
def test_fingerprint_in_windows_of_4_s_shows_itself_to_neighbours_and_svm_in_leaky_splits_only(size):
    """As the controls use it: above 0.9 where windows of a trial are on both sides; at chance over subjects."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from trimcap.data import band_power, cut, split

    def accuracy(features, model, protocol):
        hits = []
        for fold in split(features, protocol, n_folds=5 if protocol == "leaky_within_trial" else 10):
            train, test = [fold.train, fold.valid], fold.test.open("evaluate")
            X = np.concatenate([w.X.reshape(len(w), -1) for w in train])
            fitted = make_pipeline(StandardScaler(), model).fit(X, np.concatenate([w.y for w in train]))
            hits += (fitted.predict(test.X.reshape(len(test), -1)) == test.y).tolist()
        return float(np.mean(hits))

    honest = []
    for seed in range(5):
        features = band_power(cut(make_fingerprint(12, seed=seed, **size), seconds=4))
        for model in (KNeighborsClassifier(5), SVC(C=10)):
            assert accuracy(features, model, "leaky_windows") > 0.9
            assert accuracy(features, model, "leaky_within_trial") > 0.9
            honest.append(accuracy(features, model, "k_fold_subjects"))
    error = np.std(honest, ddof=1) / np.sqrt(len(honest) / 2)  # two classifiers share the data of a seed
    assert abs(np.mean(honest) - 0.5) < 3 * error
    assert error < 0.06
