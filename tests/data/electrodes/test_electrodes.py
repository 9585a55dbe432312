"""Electrode names and positions."""

from __future__ import annotations

import subprocess
import sys

import mne
import numpy as np
import pandas as pd
import pytest

from trimcap.data.electrodes.names import (
    TEN_TWENTY,
    canonical,
    canonical_names,
    found_among,
    positions,
    unknown_electrodes,
)
from trimcap.data.windows import Windows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("FP1", "Fp1"), ("fp1", "Fp1"), ("Fp1", "Fp1"), ("FPZ", "Fpz"), ("OZ", "Oz"), ("cz", "Cz"), ("POZ", "POz"),
        ("T3", "T7"), ("t4", "T8"), ("EEG T5", "P7"), ("T6", "P8"), ("EEG Fp1", "Fp1"), ("EEG FP1-REF", "Fp1"),
        ("EEG C3-LE", "C3"), ("EEG T3-A1", "T7"), ("Fc5.", "FC5"), ("Cz..", "Cz"), ("Fp2-M1", "Fp2"), (" O1 ", "O1"),
        ("AFF5H", "AFF5h"), ("CB1", "CB1"), ("cb2", "CB2"), ("A1", "A1"), ("EEG_Pz", "Pz"), ("F3 AVG", "F3"),
    ],
)  # fmt: skip
def test_canonical_spelling(given: str, expected: str) -> None:
    assert canonical(given) == expected


@pytest.mark.parametrize("montage", ["biosemi64", "easycap-M1"])
def test_names_of_other_montages_keep_their_spelling(montage: str) -> None:
    names = [n for n in mne.channels.make_standard_montage(montage).ch_names if n not in ("O9", "O10")]
    assert len(names) >= 64
    assert [canonical(n) for n in names] == names
    assert [canonical(n.upper()) for n in names] == names


@pytest.mark.parametrize("name", ["ECG ECG", "EEG A2-A1", "F7-T3", "GSR", "", "Fq1", "E17", "Fp1-F7", "O9"])
def test_what_is_no_electrode_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown electrode"):
        canonical(name)
    assert unknown_electrodes(["Cz", name]) == (name,)


def test_near_name_is_offered() -> None:
    with pytest.raises(ValueError, match="unknown electrode 'Fpp1'; did you mean 'Fp1'"):
        canonical("Fpp1")


def test_all_unknown_and_doubled_electrodes_are_listed() -> None:
    with pytest.raises(ValueError, match="unknown electrodes 'ECG', 'EMG' among 3 channels"):
        canonical_names(["Cz", "ECG", "EMG"])
    with pytest.raises(ValueError, match="'T3', 'T7' name the same electrode"):
        canonical_names(["T3", "Cz", "T7"])


def test_positions_are_on_a_head_in_metres() -> None:
    place = dict(zip(TEN_TWENTY, positions(TEN_TWENTY), strict=True))
    assert place["Fp1"].shape == (3,)
    assert place["Fp1"][0] < 0 < place["Fp2"][0]  # x: left is negative
    assert place["O1"][1] < 0 < place["Fp1"][1]  # y: front is positive
    assert max(place, key=lambda e: place[e][2]) == "Cz"
    assert 0.1 < np.linalg.norm(place["T7"] - place["T8"]) < 0.2


def test_old_and_new_names_share_a_position() -> None:
    np.testing.assert_array_equal(positions(["T3", "T4", "T5", "T6"]), positions(["T7", "T8", "P7", "P8"]))
    np.testing.assert_array_equal(positions(["CB1", "CB2"]), positions(["PO9", "PO10"]))
    assert positions([]).shape == (0, 3)


def test_positions_refuse_unknown_electrodes() -> None:
    with pytest.raises(ValueError, match="unknown electrodes 'X1', 'X2'"):
        positions(["Cz", "X1", "X2"])


def test_importing_the_data_layer_loads_no_heavy_library() -> None:
    code = "import sys, trimcap.data; print([m for m in ('torch', 'mne', 'sklearn', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_electrodes_are_found_by_the_other_name_of_their_site() -> None:
    found = found_among(["T3", "T4", "T5", "T6", "Cz", "Oz"], ["p8", "P7", "T8", "t7", "CZ", "O1"])
    assert found == {"T3": "t7", "T4": "T8", "T5": "P7", "T6": "p8", "Cz": "CZ"}
    assert found_among(["T7", "P8"], ["T3", "T6"]) == {"T7": "T3", "P8": "T6"}
    assert found_among(["T3", "T7"], ["T7", "T3"]) == {"T3": "T3", "T7": "T7"}
    assert found_among(["T3", "T7"], ["T7"]) == {"T7": "T7"}  # one channel is not two electrodes
    assert found_among(["T3", "TP7"], ["P7", "F7"]) == {}


def test_windows_are_picked_by_the_other_name_of_a_site() -> None:
    X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    metadata = pd.DataFrame({"subject": ["a", "b"], "session": "0", "trial": "0", "start": 0.0})
    own = Windows(X, np.array([0, 1]), metadata, ("T7", "CZ", "P8"), 4.0, ("x", "y"), 1.0)
    made = own.pick(["T6", "T3"])
    assert made.channels == ("T6", "T3")
    np.testing.assert_array_equal(made.X, X[:, [2, 0]])
    with pytest.raises(ValueError, match="unknown electrode 'T5'"):
        own.pick(["T5"])
    with pytest.raises(ValueError, match="unknown electrode 'T7'"):
        Windows(X, own.y, metadata, ("T3", "CZ", "P8"), 4.0, ("x", "y"), 1.0).pick(["T3", "T7"])
