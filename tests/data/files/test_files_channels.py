"""Channels of files of every format: by name, of a type, marked bad, missing, in another unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from every_format import fif, write
from mne_files import LSB, NAMES, counts

from trimcap.data.files.labelled import files_source, read_files


def test_channels_go_by_name_not_by_place(tmp_path: Path) -> None:
    write("edf", tmp_path, "S1_a")
    turned = [2, 0, 3, 1]
    write("edf", tmp_path, "S2_a", values=counts()[turned], names=[NAMES[i] for i in turned])
    one, two = read_files(tmp_path)
    assert one.channels == two.channels == NAMES
    np.testing.assert_array_equal(one.signal, two.signal)
    picked = read_files(tmp_path, channels=["O2", "Fp1"])
    assert [r.channels for r in picked] == [("O2", "Fp1")] * 2
    np.testing.assert_array_equal(picked[1].signal, one.signal[[3, 0]])


def test_names_are_tidied_and_types_told(tmp_path: Path) -> None:
    names = ("EEG FP1-REF", "t3-LE", "Fc5.", "EEG X1")
    path = write("edf", tmp_path, names=names)
    with pytest.raises(ValueError, match=r"unknown electrodes EEG X1; name the channels to read \(channels=Fp1,T3,FC5"):
        files_source(path)
    assert files_source(path, types={"EEG X1": "misc"}).read.keywords["channels"] == ("Fp1", "T3", "FC5")
    assert read_files(path, rename={"EEG X1": "Cz"})[0].channels == ("Fp1", "T3", "FC5", "Cz")
    assert read_files(path, any_names=True)[0].channels == ("Fp1", "T3", "FC5", "EEG X1")
    assert read_files(path, channels=["T7", "Fp1"])[0].channels == ("T7", "Fp1")
    with pytest.raises(ValueError, match=r"unknown channel to rename 'EEG X2'; did you mean 'EEG X1'"):
        files_source(path, rename={"EEG X2": "Cz"})
    with pytest.raises(ValueError, match="channels EEG FP1-REF, EEG X1 would both be called Fp1"):
        files_source(path, rename={"EEG X1": "Fp1", "EEG FP1-REF": "Fp1"})
    with pytest.raises(ValueError, match=r"unknown type of channel 'EEG X1' 'eye'"):
        files_source(path, types={"EEG X1": "eye"})


def test_channels_that_say_what_they_are_are_no_eeg(tmp_path: Path) -> None:
    names = ("C3", "C4", "ECG ECG", "EOG-left", "HEO", "EMG Chin1", "Resp", "GSR1", "EXG1", "Temp")
    path = write("edf", tmp_path, names=names, values=counts(n=len(names)))
    assert read_files(path)[0].channels == ("C3", "C4")


def test_bad_channels(tmp_path: Path) -> None:
    names = ("Fz", "FC1", "FCz", "FC2", "Cz", "Pz")
    place = np.linspace(0, 2 * np.pi, 1000)
    smooth = np.stack([np.sin(9 * place + 0.1 * k) for k in range(6)]) * 500  # a field that changes slowly in space
    broken = smooth.copy()
    broken[2] = counts(n=1)[0]
    fif(tmp_path / "S1_raw.fif", lambda raw: raw.info["bads"].append("FCz"), values=broken, names=names)
    fif(tmp_path / "S2_raw.fif", lambda raw: raw.info["bads"].append("Pz"), values=smooth, names=names)
    with pytest.raises(ValueError, match="channels FCz are marked bad; pass bad_channels='interpolate' or 'drop'"):
        read_files(tmp_path)
    one, two = read_files(tmp_path, bad_channels="interpolate")
    assert one.channels == names
    assert np.corrcoef(one.signal[2], smooth[2])[0, 1] > 0.99
    assert abs(np.corrcoef(broken[2], smooth[2])[0, 1]) < 0.2
    np.testing.assert_allclose(one.signal[[0, 1, 3, 4, 5]], smooth[[0, 1, 3, 4, 5]] * LSB, rtol=1e-5, atol=1e-4)
    assert (one.info["interpolated"], two.info["interpolated"]) == (("FCz",), ("Pz",))
    assert [r.channels for r in read_files(tmp_path, bad_channels="drop")] == [("Fz", "FC1", "FC2", "Cz")] * 2
    # from all electrodes of the file, not only from those that are read
    picked = read_files(tmp_path, bad_channels="interpolate", channels=["FCz"], subjects=["S1"])
    np.testing.assert_allclose(picked[0].signal[0], one.signal[2], atol=1e-5)
    with pytest.raises(ValueError, match="unknown bad_channels 'mend'"):
        read_files(tmp_path, bad_channels="mend")


def test_too_few_electrodes_to_interpolate(tmp_path: Path) -> None:
    fif(tmp_path / "S1_raw.fif", lambda raw: raw.info["bads"].append("Cz"))
    with pytest.raises(ValueError, match=r"can't interpolate the bad channels Cz: only 3 good electrodes"):
        read_files(tmp_path, bad_channels="interpolate")


def test_units(tmp_path: Path) -> None:
    path = fif(tmp_path / "S1_raw.fif", lambda raw: raw.apply_function(lambda x: x * 1e6))
    with pytest.raises(ValueError, match=r"median spread of 1.7e\+08 µV.*if the numbers in the file are uV, pass unit"):
        read_files(path)
    np.testing.assert_allclose(read_files(path, unit="uV")[0].signal, counts() * LSB, rtol=1e-6, atol=1e-6)
    milli = fif(tmp_path / "S2_raw.fif", lambda raw: raw.apply_function(lambda x: x * 120))  # 20 µV written as 20 mV
    with pytest.raises(ValueError, match=r"median spread of 2.1e\+04 µV.*if the numbers in the file are mV, pass unit"):
        read_files(milli)
    np.testing.assert_allclose(read_files(milli, unit="mV")[0].signal, counts() * LSB * 0.12, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="unknown unit 'volts'"):
        read_files(path, unit="volts")


def test_extra_and_missing_channels(tmp_path: Path) -> None:
    write("edf", tmp_path, "S1_a")
    write("edf", tmp_path, "S2_a", names=("Fp1", "C3", "Cz", "O1"))
    with pytest.raises(ValueError, match=r"S2_a.edf: channel O2 missing; the file has Fp1, C3, Cz, O1"):
        read_files(tmp_path)
    write("edf", tmp_path, "S2_a", names=(*NAMES, "Pz"), values=counts(n=5))
    with pytest.raises(ValueError, match=r"S2_a.edf has EEG channels that the first file has not: Pz; name those"):
        read_files(tmp_path)
    assert len(read_files(tmp_path, channels=NAMES)) == 2
