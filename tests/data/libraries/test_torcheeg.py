"""torcheeg's datasets and tables."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import stubs
from trimcap.data.electrodes.names import TEN_TWENTY
from trimcap.data.libraries.torcheeg import from_torcheeg
from trimcap.data.sets.deap import CHANNELS as DEAP

CHANNELS = ("C3", "Cz", "C4")
RATINGS = np.array([[7.5, 2, 5, 5], [5.0, 3, 5, 5], [1.0, 4, 5, 5]])


def table(n_trials: int = 3, clips: int = 4, *, step: int = 32) -> pd.DataFrame:
    """Clips of 64 samples, half overlapping, after a baseline of 64."""
    rows = [
        {
            "start_at": 64 + step * c, "end_at": 128 + step * c, "clip_id": f"s_{t}_{c}", "subject_id": s,
            "trial_id": t, "baseline_id": f"s_{t}_base", "valence": float(3 * t),
        }
        for s in (1, 2) for t in range(n_trials) for c in range(clips)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def triple():
    metadata = table()
    X = np.random.default_rng(0).normal(0, 20, (len(metadata), 3, 64)).astype(np.float32)
    return X, None, metadata


RULE = {"label": "valence", "threshold": 3, "side": ">"}


def test_a_triple_keeps_signals_trials_and_times():
    X, _, metadata = triple()
    windows = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, **RULE)
    np.testing.assert_array_equal(windows.X, X)
    assert windows.y.tolist() == [0] * 8 + [1] * 4 + [0] * 8 + [1] * 4
    assert windows.classes == ("low valence", "high valence")
    m = windows.metadata
    # overlapping clips of one trial stay one trial
    assert m.groupby(["subject", "session", "trial"]).size().tolist() == [4] * 6
    assert m.start[:4].tolist() == [0.5, 0.75, 1.0, 1.25]
    assert windows.duration == 0.5
    at = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, label="valence", threshold=3, side=">=")
    assert at.y.tolist() == ([0] * 4 + [1] * 8) * 2


def test_labels_may_be_given_beside_the_table():
    X, _, metadata = triple()
    y = ["neg", "pos"] * 12
    windows = from_torcheeg((X, y, metadata), channels=CHANNELS, rate=128, classes=["pos", "neg"], stimulus="trial_id")
    assert windows.y.tolist() == [1, 0] * 12
    assert windows.metadata.stimulus.tolist() == windows.metadata.trial.tolist()


def test_clips_without_a_rating_are_left_out_and_counted():
    X, _, metadata = triple()
    metadata.loc[metadata.trial_id == 1, "valence"] = np.nan
    with pytest.warns(UserWarning, match="8 of 24 rows have no valence"):
        windows = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, **RULE)
    np.testing.assert_array_equal(windows.X, X[metadata.trial_id != 1])
    assert windows.metadata.trial.tolist() == [str(t) for t in metadata.trial_id if t != 1]


def test_rows_of_baselines_are_left_out():
    X, _, metadata = triple()
    base = metadata[metadata.start_at == 64].assign(start_at=0, end_at=64)
    base["clip_id"] = base.baseline_id
    X = np.concatenate([np.zeros((6, 3, 64), np.float32), X])
    both = pd.concat([base, metadata], ignore_index=True)
    windows = from_torcheeg((X, ["a"] * 6 + ["b", "c"] * 12, both), channels=CHANNELS, rate=128)
    np.testing.assert_array_equal(windows.X, X[6:])
    assert windows.classes == ("b", "c")
    # a clip that is named as its own baseline has none
    own = metadata.assign(baseline_id=metadata.clip_id)
    assert len(from_torcheeg((X[6:], None, own), channels=CHANNELS, rate=128, **RULE)) == 24


def test_sessions_are_told_apart_where_the_table_has_them():
    X, _, metadata = triple()
    metadata["session_id"] = [1.0, 2.0] * 12
    windows = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, **RULE)
    assert windows.metadata.session[:2].tolist() == ["1", "2"]


@pytest.mark.parametrize(("layout", "shape"), [("features", (3, 5)), ("grid", (5, 9, 9))])
def test_transformed_clips_keep_shape_and_unit(layout, shape):
    _, _, metadata = triple()
    X = np.random.default_rng(0).normal(size=(24, *shape))
    windows = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, layout=layout, unit="nat", **RULE)
    np.testing.assert_array_equal(windows.X, X.astype(np.float32))
    assert (windows.unit, windows.duration, windows.steps) == (
        "nat",
        0.5,
        ("transformed by torcheeg", "classes by valence > 3"),
    )
    X[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 24 clips, first in clip 3"):
        from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, layout=layout, unit="nat", **RULE)


def test_volts_are_scaled_when_told():
    X, _, metadata = triple()
    windows = from_torcheeg((X * 1e-6, None, metadata), channels=CHANNELS, rate=128, unit="V", **RULE)
    np.testing.assert_allclose(windows.X, X, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"label": "valance"}, "unknown label column 'valance'; did you mean 'valence'"),
        (None, {"threshold": None}, "threshold and side together"),
        (None, {"label": None, "threshold": None, "side": None}, "no y; name a column with label=: start_at"),
        (None, {"subject": "who"}, "no column 'who'"),
        (None, {"stimulus": "film"}, "no column 'film'"),
        (None, {"layout": "grids"}, "unknown layout 'grids'; did you mean 'grid'"),
        (None, {"layout": "features"}, "say the unit"),
        (None, {"unit": "volt"}, "unknown unit 'volt'"),
        (None, {"unit": "V"}, "was it in µV already"),
        (None, {"rate": 0}, "it must be positive"),
        (None, {"layout": "grid", "unit": "nat"}, r"a clip has shape \(3, 64\) .* layout 'grid' is \(n, n_features"),
        (lambda X, y, m: (X[:, :2], y, m), {}, "3 channel names"),
        (lambda X, y, m: (X[..., :32], y, m), {}, "clips have 32 samples, but start_at to end_at are 64"),
        (lambda X, y, m: (X * 1e-6, y, m), {}, "looks like volts"),
        (lambda X, y, m: (X, y, m.iloc[1:]), {}, "X has 24 windows, metadata 23 rows"),
        (lambda X, y, m: (X, np.zeros(3), m), {}, "X has 24 clips"),
        (lambda X, y, m: (X, y, m.assign(end_at=m.end_at + m.index)), {}, "they must be equally long"),
        (lambda X, y, m: (X, y, m.assign(start_at=None)), {}, "24 rows have no start_at"),
        (lambda X, y, m: (X, y, m.drop(columns="end_at")), {}, "no column 'end_at'"),
        (lambda X, y, m: (X, y, m.assign(trial_id=[None] + [1] * 23)), {}, "1 rows have no trial_id, first row 0"),
        (lambda X, y, m: (X, y), {}, "expected a torcheeg dataset or"),
    ],
)
def test_bad_triples_are_refused(change, options, message):
    data = triple() if change is None else change(*triple())
    with pytest.raises(ValueError, match=message):
        from_torcheeg(data, **{"channels": CHANNELS, "rate": 128, **RULE, **options})


@pytest.fixture(scope="module")
def torcheeg():
    return stubs.framework("torcheeg", "datasets", "transforms")


@pytest.fixture(scope="module")
def deap_folder(tmp_path_factory):
    """One subject with three trials of 3 + 4 s, which torcheeg reads like the 40 of 63 s."""
    folder = tmp_path_factory.mktemp("deap")
    data = np.random.default_rng(0).normal(0, 10, (3, 40, 7 * 128))
    (folder / "s01.dat").write_bytes(pickle.dumps({"data": data, "labels": RATINGS}))
    return folder, data


@pytest.fixture
def deap(torcheeg, deap_folder, tmp_path):
    def make(name="io", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torcheeg.datasets.DEAPDataset(
                root_path=str(deap_folder[0]), io_path=str(tmp_path / name), io_mode="memory", verbose=False, **options
            )

    return make


def test_signals_of_a_real_dataset(torcheeg, deap, deap_folder):
    dataset = deap(overlap=64, online_transform=torcheeg.transforms.To2d())
    windows = from_torcheeg(
        dataset, channels=DEAP, rate=128, label="valence", threshold=5, side=">", stimulus="trial_id"
    )
    signals = deap_folder[1].astype(np.float32)
    assert windows.X.shape == (3 * 7, 32, 128)
    for i, row in windows.metadata.iterrows():
        at = round(row.start * 128)
        np.testing.assert_array_equal(windows.X[i], signals[int(row.trial), :32, at : at + 128])
        assert windows.y[i] == (RATINGS[int(row.trial), 0] > 5)
    # clips begin after the baseline of 3 s
    assert windows.metadata.start[:7].tolist() == [3, 3.5, 4, 4.5, 5, 5.5, 6]
    assert set(windows.metadata.subject) == {"s01.dat"}


def test_the_label_that_a_real_dataset_makes(torcheeg, deap):
    t = torcheeg.transforms
    dataset = deap(label_transform=t.Compose([t.Select("valence"), t.Binary(5.0)]))
    made = from_torcheeg(dataset, channels=DEAP, rate=128)
    named = from_torcheeg(deap("io2"), channels=DEAP, rate=128, label="valence", threshold=5.0, side=">=")
    np.testing.assert_array_equal(made.y, named.y)
    with pytest.raises(ValueError, match=r"gives a dict as label; name one column with label=: .*valence"):
        from_torcheeg(deap("io3"), channels=DEAP, rate=128)


def test_features_and_grids_of_a_real_dataset(torcheeg, deap):
    t = torcheeg.transforms
    entropy = t.BandDifferentialEntropy(sampling_rate=128)
    options = {"channels": DEAP, "rate": 128, "label": "arousal", "threshold": 2.5, "side": ">", "unit": "nat"}
    features = from_torcheeg(deap(offline_transform=entropy), layout="features", **options)
    assert features.X.shape == (12, 32, 4)
    assert features.duration == 1.0
    places = {name: [i // 9, i % 9] for i, name in enumerate(DEAP)}
    dataset = deap("io2", offline_transform=t.Compose([entropy, t.ToGrid(places)]), online_transform=t.ToTensor())
    grids = from_torcheeg(dataset, layout="grid", **options)
    assert grids.X.shape == (12, 4, 4, 9)
    np.testing.assert_allclose(grids.X[:, :, 1, 2], features.X[:, 11], rtol=1e-6)
    with pytest.raises(ValueError, match="layout 'features' is"):
        from_torcheeg(dataset, layout="features", **options)


def test_the_names_of_other_electrodes_are_refused(deap):
    with pytest.raises(ValueError, match="unknown electrodes E1"):
        from_torcheeg(deap(), channels=["E1", *DEAP[1:]], rate=128, **RULE)
    with pytest.raises(ValueError, match="19 channel names"):
        from_torcheeg(deap("io2"), channels=TEN_TWENTY, rate=128, **RULE)


def test_clips_that_are_there_twice_are_refused(deap):
    once = deap()
    twice = deap()  # in memory mode torcheeg adds to the table that lies in io_path
    assert len(twice.info) == 2 * len(once.info)
    with pytest.raises(ValueError, match=r"12 windows have the .* of another one, first s01.dat/0/0@3.0000"):
        from_torcheeg(twice, channels=DEAP, rate=128, label="valence", threshold=5, side=">")


def test_sessions_that_are_not_told_are_refused():
    X, _, metadata = triple()
    metadata["date"] = np.where(metadata.trial_id == 2, "d2", "d1")
    metadata["trial_id"] %= 2
    with pytest.raises(ValueError, match="name what tells them apart"):
        from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, **RULE)
    windows = from_torcheeg((X, None, metadata), channels=CHANNELS, rate=128, session="date", **RULE)
    assert windows.metadata.session[:12].tolist() == ["d1"] * 8 + ["d2"] * 4
