from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brown import NAMES, brown

from trimcap.data.electrodes.names import hemispheres
from trimcap.data.preprocess.recordings.rereference import Pick, Rereference, pick, rereference


def test_average_sums_to_zero_and_keeps_differences():
    recording = brown(offset=100)
    out = rereference(recording)
    np.testing.assert_allclose(out.signal.astype(float).sum(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(out.signal[0] - out.signal[2], recording.signal[0] - recording.signal[2], atol=1e-3)
    assert out.channels == recording.channels


def test_electrodes_are_subtracted_and_left_out():
    recording = brown()
    out = rereference(recording, to=("Fp1", "F4"))
    mean = (recording.signal[0].astype(float) + recording.signal[3]) / 2
    np.testing.assert_allclose(out.signal, recording.signal[[1, 2]] - mean, atol=1e-4)
    assert out.channels == ("Fp2", "F3")
    kept = rereference(recording, to="Fp1", keep=True)
    assert (kept.signal[0] == 0).all()
    assert kept.channels == recording.channels


def test_reference_of_the_recording_does_not_matter():
    """What a common reference adds to all electrodes, re-referencing takes away; a wrong one does not."""
    recording = brown()
    other = rereference(rereference(recording, to="F3", keep=True), to="average")
    np.testing.assert_allclose(other.signal, rereference(recording).signal, atol=1e-3)
    assert np.abs(rereference(recording, to="F3", keep=True).signal - rereference(recording).signal).max() > 1


def test_bad_references():
    with pytest.raises(ValueError, match=r"recording s1/0/0: unknown electrode 'FP1'; did you mean 'Fp1'"):
        rereference(brown(), to="FP1")
    with pytest.raises(ValueError, match="all electrodes are references"):
        rereference(brown(), to=NAMES[:4])
    with pytest.raises(ValueError, match="different electrode names"):
        Rereference(to=("Cz", "Cz"))


def test_pick():
    recording = brown()
    out = pick(recording, names=("F4", "Fp1"))
    np.testing.assert_array_equal(out.signal, recording.signal[[3, 0]])
    assert out.channels == ("F4", "Fp1")
    with pytest.raises(ValueError, match="unknown electrode 'F5'"):
        pick(recording, names=["F5"])
    with pytest.raises(ValueError, match="different electrode names"):
        Pick(names=())


def test_pick_hemispheres_gives_left_then_their_mirror_images():
    left, right = "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1", "Fp2 AF4 F4 F8 FC6 FC2 C4 T8 CP6 CP2 P4 P8 PO4 O2"
    deap = f"{left} Oz Pz Fp2 AF4 Fz F4 F8 FC6 FC2 Cz C4 T8 CP6 CP2 P4 P8 PO4 O2"
    names = tuple(deap.split())
    found = hemispheres(names)
    assert found == (*left.split(), *right.split())  # as published
    signal = np.random.default_rng(0).normal(size=(len(names), 64)).astype(np.float32)
    recording = replace(brown(), signal=signal, channels=names)
    out = pick(recording, names="hemispheres")
    assert out.channels == found
    np.testing.assert_array_equal(out.signal, recording.signal[[names.index(n) for n in found]])
    assert Pick(names="hemispheres").words == "pairs of electrodes, left hemisphere first"
    assert hemispheres(("TP9", "AF7", "AF8", "TP10", "M1")) == ("TP9", "AF7", "TP10", "AF8")
    assert hemispheres(("T3", "T4", "T6")) == ("T3", "T4")
    with pytest.raises(ValueError, match="no electrode among Cz, F3 has its mirror image"):
        hemispheres(("Cz", "F3"))
