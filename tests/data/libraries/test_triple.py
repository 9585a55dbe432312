"""The triple X, y, metadata becomes windows without loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.libraries.triple import from_triple

CHANNELS = ("C3", "Cz", "C4")


def triple(n: int = 6):
    X = np.random.default_rng(0).normal(0, 20, (n, 3, 64)).astype(np.float32)
    metadata = pd.DataFrame(
        {
            "subject": ["a", "a", "a", "b", "b", "b"][:n],
            "trial": [0, 0, 1, 0, 0, 1][:n],
            "start": [0.0, 0.25, 4.0, 0.0, 0.25, 4.0][:n],
            "stimulus": ["film", "film", None, "film", "film", "song"][:n],
            "valence": [7.0, 7.0, np.nan, 5.0, 5.0, 2.0][:n],
        },
        index=range(10, 10 + n),
    )
    return X, ["up", "up", "down", "up", "up", "down"][:n], metadata


def test_every_row_keeps_its_signal_label_and_origin(tmp_path):
    X, y, metadata = triple()
    windows = from_triple(X, y, metadata, channels=CHANNELS, rate=128)
    np.testing.assert_array_equal(windows.X, X)
    assert [windows.classes[i] for i in windows.y] == y
    assert windows.ids[1] == "a/0/0@0.2500"
    assert windows.metadata["stimulus"].tolist() == ["film", "film", "", "film", "film", "song"]
    assert windows.duration == 0.5
    # what was kept can be stored
    assert read_npz(write_npz(windows, tmp_path / "w.npz")).metadata.equals(windows.metadata)


def test_overlapping_windows_of_one_trial_stay_one_trial():
    X, y, metadata = triple()
    windows = from_triple(X, y, metadata, channels=CHANNELS, rate=128)
    assert windows.metadata.groupby(["subject", "trial"]).size().tolist() == [2, 1, 2, 1]


def test_a_rating_is_split_and_rows_without_it_are_left_out():
    X, _, metadata = triple()
    with pytest.warns(UserWarning, match="1 of 6 rows have no valence"):
        windows = from_triple(X, None, metadata, channels=CHANNELS, rate=128, label="valence", threshold=5, side=">=")
    np.testing.assert_array_equal(windows.X, X[[0, 1, 3, 4, 5]])
    assert windows.y.tolist() == [1, 1, 1, 1, 0]
    assert windows.metadata["start"].tolist() == [0.0, 0.25, 0.0, 0.25, 4.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, m: (X, y, m.drop(columns="subject")), "no column 'subject'; its columns are trial, start"),
        (lambda X, y, m: (X, y, m.iloc[:5]), "X has 6 windows, metadata 5 rows"),
        (lambda X, y, m: (X, y[:5], m), "X has 6 windows, y 5 entries"),
        (lambda X, y, m: (X, [y], m), "y has shape"),
        (lambda X, y, m: (X, y, m.assign(trial=[1, 2, None, 3, 4, 5])), "1 rows have no trial, first row 2"),
        (lambda X, y, m: (X, y, m.to_dict()), "metadata is a dict"),
        (lambda X, y, m: (X * 1e6, y, m), "which is no EEG: was it in µV already"),
        (lambda X, y, m: (X * 1e-6, y, m), "looks like volts"),
        (lambda X, y, m: (X[:, :2], y, m), "3 channel names"),
        (lambda X, y, m: (X, None, m), "either y or label="),
        (
            lambda X, y, m: (X, y, m.assign(start=0.0)),
            "2 windows have the subject, session, trial and start of another",
        ),
    ],
)
def test_bad_triples_are_refused(change, message):
    X, y, metadata = change(*triple())
    with pytest.raises(ValueError, match=message):
        from_triple(X, y, metadata, channels=CHANNELS, rate=128)


def test_an_unknown_label_column_names_the_nearest():
    X, _, metadata = triple()
    with pytest.raises(ValueError, match="unknown label column 'valance'; did you mean 'valence'"):
        from_triple(X, None, metadata, channels=CHANNELS, rate=128, label="valance")


def test_the_rule_and_the_rows_left_out_stand_in_the_steps():
    X = np.random.default_rng(0).standard_normal((4, 2, 32)).astype(np.float32)
    table = pd.DataFrame({"subject": ["a", "a", "b", "b"], "trial": list("1212")})
    with pytest.warns(UserWarning, match="1 of 4 rows"):
        windows = from_triple(
            X, [1.0, 5.0, float("nan"), 9.0], table, channels=["C3", "C4"], rate=32, threshold=5, side=">"
        )
    assert windows.steps == ("classes by label > 5", "1 of 4 rows without a label left out")
