"""Regions on several montages."""

from __future__ import annotations

import pytest

from trimcap.data.electrodes.names import TEN_TWENTY, canonical_names
from trimcap.data.electrodes.regions import REGIONS, Region, region

OLD = "Fp1 Fp2 F3 F4 F7 F8 T3 T4 C3 C4 T5 T6 P3 P4 O1 O2 Fz Cz Pz".split()  # noqa: SIM905
SEED = [
    *("FP1", "FPZ", "FP2", "AF3", "AF4"),
    *(row + number for row in ("F", "FC", "C", "CP", "P") for number in ("5", "3", "1", "Z", "2", "4", "6")),
    *("F7", "F8", "FT7", "FT8", "T7", "T8", "TP7", "TP8", "P7", "P8"),
    *("PO7", "PO5", "PO3", "POZ", "PO4", "PO6", "PO8", "CB1", "O1", "OZ", "O2", "CB2"),
]


def named(name: str, channels: list[str]) -> list[str]:
    return [channels[i] for i in region(name).indices(channels)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prefrontal", "Fp1 Fp2"),
        ("frontal", "Fp1 Fp2 F3 F4 F7 F8 Fz"),
        ("central", "C3 C4 Cz"),
        ("sensorimotor", "C3 C4 Cz"),
        ("temporal", "T3 T4"),
        ("parietal", "T5 T6 P3 P4 Pz"),
        ("occipital", "O1 O2"),
        ("posterior", "T5 T6 P3 P4 O1 O2 Pz"),
        ("left", "Fp1 F3 F7 T3 C3 T5 P3 O1"),
        ("right", "Fp2 F4 F8 T4 C4 T6 P4 O2"),
        ("midline", "Fz Cz Pz"),
        ("all", " ".join(OLD)),
    ],
)
def test_regions_on_the_old_ten_twenty_names(name: str, expected: str) -> None:
    assert named(name, OLD) == expected.split()


def test_regions_on_a_62_electrode_cap() -> None:
    assert named("prefrontal", SEED) == ["FP1", "FPZ", "FP2", "AF3", "AF4"]
    assert named("temporal", SEED) == ["FT7", "FT8", "T7", "T8", "TP7", "TP8"]
    assert named("sensorimotor", SEED) == [c for c in SEED if (c[0] == "C" and c[1] != "B") or c[:2] == "FC"]
    assert named("occipital", SEED) == ["PO7", "PO5", "PO3", "POZ", "PO4", "PO6", "PO8", "O1", "OZ", "O2"]
    assert len(named("all", SEED)) == 62
    assert sorted(named("left", SEED) + named("right", SEED) + named("midline", SEED)) == sorted(SEED)


@pytest.mark.parametrize("name", REGIONS)
def test_every_electrode_of_a_region_exists_under_its_canonical_name(name: str) -> None:
    assert canonical_names(region(name).electrodes) == region(name).electrodes


def test_a_region_of_ones_own_takes_any_spelling() -> None:
    assert Region("mine", ("T3", "EEG CZ")).indices(["Cz", "ECG", "T7"]).tolist() == [0, 2]


def test_unknown_region_names_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"unknown region 'prefontal'; did you mean 'prefrontal'\? Known: all, central"
    ):
        region("prefontal")


def test_empty_region_says_what_it_looked_for() -> None:
    with pytest.raises(
        ValueError, match=r"'occipital' is empty on this montage: none of .*O1.* among the channels Fp1, Fp2"
    ):
        region("occipital").indices(["Fp1", "Fp2"])
    with pytest.raises(ValueError, match="has no electrodes"):
        Region("nothing", ())
    with pytest.raises(ValueError, match="unknown electrode 'Qz'"):
        Region("typo", ("Qz",)).indices(TEN_TWENTY)
