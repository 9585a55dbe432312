"""Headsets on recordings: what stands for what, against all assignments there are."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import mne
import numpy as np
import pytest

from trimcap.data.electrodes.headsets import HEADSETS, WITHIN, Headset, fit_headset, headset
from trimcap.data.electrodes.names import TEN_TWENTY


@cache
def places() -> dict[str, np.ndarray]:
    names = mne.channels.get_builtin_montages()
    montage = mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in names else "standard_1005")
    return montage.get_positions()["ch_pos"]


def far(a: str, b: str) -> float:
    return float(np.sqrt(((places()[a] - places()[b]) ** 2).sum()))


@pytest.mark.parametrize("name", sorted(HEADSETS))
def test_names_say_how_many_electrodes(name):
    worn = HEADSETS[name]
    assert worn.name == name
    assert name.endswith(f"_{len(worn.electrodes)}")
    assert worn.title.endswith(f" {len(worn.electrodes)}")
    assert worn.source


def test_a_recording_with_all_electrodes_is_the_headset():
    for worn in HEADSETS.values():
        found = fit_headset(worn, [*reversed(worn.electrodes), "ECG"])
        assert found.channels == worn.electrodes
        assert {seat.how for seat in found.seats} == {"exact"}
        assert str(found) == "as built"
        assert not found.substitutions


def test_other_names_of_the_same_site():
    found = fit_headset("brainbit_4", ["EEG T7-REF", "T8", "O1", "O2"])
    assert [seat.how for seat in found.seats] == ["alias", "alias", "exact", "exact"]
    assert found.channels == ("EEG T7-REF", "T8", "O1", "O2")
    assert found.complete
    assert not found.substitutions  # the same place on the head is no substitution
    assert "T8 = T4" in str(found)


def test_stand_ins_are_named_with_their_distance():
    found = fit_headset("muse_4", TEN_TWENTY)
    assert found.substitutions == {"TP9": "T7", "AF7": "Fp1", "AF8": "Fp2", "TP10": "T8"}
    for seat in found.seats:
        assert seat.how == "near"
        assert seat.distance == pytest.approx(far(seat.electrode, seat.channel), rel=1e-9)
    assert f"T7 for TP9 ({100 * far('TP9', 'T7'):.1f} cm)" in str(found)


def test_too_far_is_missing_and_says_how_far():
    found = fit_headset("muse_4", TEN_TWENTY, within=0.04)
    assert not found.complete
    assert [seat.how for seat in found.seats] == ["missing", "near", "near", "missing"]
    assert found.why_not.startswith(f"TP9 is missing (the nearest, T7, is {100 * far('TP9', 'T7'):.1f} cm away)")
    assert found.why_not.endswith("the limit is 4 cm")
    assert fit_headset("muse_4", TEN_TWENTY, within=0).channels == ()
    assert "none is free" in fit_headset("forehead_2", ["Fp1"]).why_not


@pytest.mark.parametrize("seed", range(6))
def test_no_other_assignment_is_better(seed):
    """Replica: as many stand-ins as possible, then the least sum of distances, among all permutations."""
    rng = np.random.default_rng(seed)
    wanted = ("AF7", "AF8", "FC5", "CP3")
    channels = rng.choice(TEN_TWENTY, 6, replace=False).tolist()
    limit = 0.055
    options = []
    for chosen in permutations([*channels, *[None] * 4], 4):
        distances = [far(a, b) for a, b in zip(wanted, chosen, strict=True) if b is not None]
        if all(d <= limit for d in distances):
            options.append((-len(distances), sum(distances)))
    best = min(options)
    found = fit_headset(Headset("four", "four", wanted), channels, within=limit)
    near = [seat.distance for seat in found.seats if seat.how == "near"]
    assert (-len(near), sum(near)) == pytest.approx(best)
    assert len(set(found.channels)) == len(found.channels)


def test_no_channel_stands_for_two():
    """EPOC 14 on the 10-20 system: F7, F3 and T7 are its own, so FC5 gets the next, C3."""
    found = fit_headset("epoc_14", TEN_TWENTY)
    assert found.complete
    assert len(set(found.channels)) == 14
    assert found.substitutions["FC5"] == "C3"
    assert max(seat.distance for seat in found.seats) <= WITHIN


def test_wrong_words():
    with pytest.raises(ValueError, match="unknown headset 'epoc14'; did you mean 'epoc_14'"):
        headset("epoc14")
    with pytest.raises(ValueError, match="has no electrodes"):
        Headset("mine", "mine", ())
    with pytest.raises(ValueError, match=r"headset 'mine': unknown electrode 'Fpp1'; did you mean 'F"):
        Headset("mine", "mine", ("Fpp1",))
    with pytest.raises(ValueError, match="name the same electrode twice"):
        Headset("mine", "mine", ("T3", "T7"))
    with pytest.raises(ValueError, match="0 or more; got -1"):
        fit_headset("muse_4", TEN_TWENTY, within=-1)
    with pytest.raises(ValueError, match="same electrode twice"):
        fit_headset("muse_4", ("T3", "T7"))
