"""What lies in a folder, and the list of published sets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from set_files import (
    deap_arrays,
    write_amigos,
    write_dasps,
    write_deap,
    write_dreamer,
    write_faced,
    write_faced_features,
    write_seed,
    write_seed_features,
    write_seed_iv,
    write_seed_v_features,
)

from trimcap.data.electrodes.names import unknown_electrodes
from trimcap.data.sets.recognise import recognise
from trimcap.data.sets.table import data_set, data_sets
from trimcap.data.sources import read_set


def test_deap_with_everything_that_can_be_wrong(tmp_path: Path) -> None:
    arrays = deap_arrays(1)
    arrays["labels"][3, 0] = np.nan
    write_deap(tmp_path, 1, arrays)
    (tmp_path / "data_preprocessed_python" / "s05.dat").write_bytes(b"cut off")
    (tmp_path / "data_preprocessed_python" / "stray.txt").write_text("x")
    seen = []
    report = recognise(tmp_path, progress=lambda *args: seen.append(args))
    assert (report.entry.name, report.subjects, report.extra) == ("deap", ("s01", "s05"), ("stray.txt",))
    assert report.missing[0] == "s02"
    assert len(report.missing) == 30
    assert list(report.damaged) == ["s05"]
    assert "s05.dat is not a whole pickle" in report.damaged["s05"]
    assert "1 trials left out (1/04" in report.notes[0]
    high = int((arrays["labels"][:, 0] > 5).sum())
    assert report.balance == {"low valence": 39 - high, "high valence": high}
    assert (report.recordings, report.rates, report.seconds) == (39, (128.0,), (60.0, 60.0))
    assert (report.sessions, len(report.trials), len(report.channels)) == (("1",), 39, 32)
    assert not report.complete
    assert seen == [("s01", 0, 2), ("s05", 1, 2)]
    names_only = recognise(tmp_path, read=False)
    assert (names_only.read, names_only.damaged, names_only.subjects) == (False, {}, ("s01", "s05"))


@pytest.mark.parametrize(
    ("name", "write", "recordings"),
    [
        ("seed", lambda p: write_seed(p, {"1_20131027": "djc"}), 15),
        ("seed-iv", write_seed_iv, 72),
        ("dreamer", write_dreamer, 36),
        ("amigos", write_amigos, 20),
        ("faced", write_faced, 28),
        ("dasps", write_dasps, 12),
        ("dasps", lambda p: write_dasps(p, form="raw"), 12),
    ],
)
def test_every_layout_is_recognised(tmp_path: Path, name: str, write: object, recordings: int) -> None:
    write(tmp_path)  # type: ignore[operator]
    report = recognise(tmp_path)
    entry = data_set(name)
    assert (report.entry, report.recordings, report.damaged, report.extra) == (entry, recordings, {}, ())
    assert report.channels == entry.facts.channels
    assert report.rates == (entry.facts.rate,)
    assert len(report.missing) + len(report.subjects) == entry.facts.subjects
    assert sum(report.balance.values()) == recordings


def test_published_features_are_named_with_their_reader(tmp_path: Path) -> None:
    write_seed(tmp_path, {"1_20131027": "djc"})
    features = write_seed_features(tmp_path, kinds=("de",))
    both, alone = recognise(tmp_path), recognise(features)
    assert both.features == alone.features == {"seed-features": features}
    assert (both.recordings, both.folder.name) == (15, "Preprocessed_EEG")
    assert (alone.recordings, alone.read, alone.subjects, alone.extra) == (0, False, ("01",), ())
    assert recognise(features.parent / "Preprocessed_EEG").features == {}
    write_seed_iv(tmp_path / "iv")
    assert list(recognise(tmp_path / "iv").features) == ["seed-iv-features"]
    smooth = recognise(tmp_path / "iv" / "SEED_IV" / "eeg_feature_smooth")
    assert (smooth.entry.name, list(smooth.features), smooth.read) == ("seed-iv", ["seed-iv-features"], False)
    write_faced_features(tmp_path / "faced")
    write_seed_v_features(tmp_path / "v")
    assert list(recognise(tmp_path / "faced").features) == ["faced-features"]
    assert list(recognise(tmp_path / "v").features) == ["seed-v-features"]


def test_damaged_features_are_found(tmp_path: Path) -> None:
    place = write_seed_features(tmp_path, "1_20131027", kinds=("de", "psd"))
    write_seed_features(tmp_path, "2_20131027", kinds=("de", "psd"))
    write_seed_features(tmp_path, "3_20131027", kinds=("de", "psd"))
    seen = []
    whole = recognise(tmp_path, progress=lambda *args: seen.append(args))
    assert (whole.damaged, whole.read) == ({}, False)
    assert seen == [("01", 0, 3), ("02", 1, 3), ("03", 2, 3)]
    write_seed_features(tmp_path, "2_20131027", kinds=("psd",))
    first = place / "1_20131027.mat"
    first.write_bytes(first.read_bytes()[:-100])
    report = recognise(tmp_path)
    assert list(report.damaged) == ["features of 01"]
    assert "1_20131027.mat" in report.damaged["features of 01"]
    assert not report.complete
    assert recognise(tmp_path, read=False).damaged == {}
    write_seed_features(tmp_path, "1_20131027", kinds=("de", "psd"))
    write_seed_features(tmp_path, "1_20131028", kinds=("psd",))  # another session without DE
    assert "no variable is like de_" in recognise(tmp_path).damaged["features of 01"]


def test_damaged_features_of_the_other_sets_are_found(tmp_path: Path) -> None:
    write_faced_features(tmp_path / "f", 0)
    write_faced_features(tmp_path / "f", 0, "PSD")
    write_faced_features(tmp_path / "f", 7)
    bad = tmp_path / "f" / "FACED" / "EEG_Features" / "PSD" / "sub000.pkl.pkl"
    bad.write_bytes(bad.read_bytes()[:5000])
    report = recognise(tmp_path / "f")
    assert list(report.damaged) == ["features of sub000"]
    assert "PSD/sub000.pkl.pkl is not a whole pickle" in report.damaged["features of sub000"]
    write_seed_iv(tmp_path)
    smooth = tmp_path / "SEED_IV" / "eeg_feature_smooth"
    assert recognise(smooth).damaged == {}
    (smooth / "3" / "1_20160518.mat").write_bytes(b"cut off")
    report = recognise(tmp_path / "SEED_IV")
    assert (list(report.damaged), report.recordings) == (["features of 01"], 72)
    bad = write_seed_v_features(tmp_path / "v")
    bad.write_bytes(bad.read_bytes()[:-200])
    assert list(recognise(tmp_path / "v").damaged) == ["features of 01"]


def test_one_session_of_seed_iv_is_not_seed(tmp_path: Path) -> None:
    write_seed_iv(tmp_path)
    for part in ("eeg_raw_data", "eeg_feature_smooth"):
        assert recognise(tmp_path / "SEED_IV" / part, read=False).entry.name == "seed-iv"
        with pytest.raises(ValueError, match=r"is one session of SEED-IV.*Pass the folder above"):
            recognise(tmp_path / "SEED_IV" / part / "1")


def test_amigos_says_what_is_counted(tmp_path: Path) -> None:
    write_amigos(tmp_path)
    report = recognise(tmp_path)
    assert len(report.trials) == 20
    assert "counted are all 20 videos; the source amigos gives the 16 short ones" in report.notes[0]
    assert len(read_set("amigos", tmp_path)) == 16


def test_subjects_before_the_damage_are_read(tmp_path: Path) -> None:
    path = write_dreamer(tmp_path, subjects=3, compress=False)
    whole = bytearray(path.read_bytes())
    place = whole.find(b"ScoreValence", whole.find(b"ScoreValence") + 1)  # a field of the second subject
    whole[place] ^= 1
    path.write_bytes(bytes(whole))
    report = recognise(tmp_path)
    assert list(report.damaged) == ["02", "03"]
    assert "DREAMER.mat: subject 02 has no array of numbers 'ScoreValence'" in report.damaged["02"]
    assert "not reached" in report.damaged["03"]
    assert report.recordings == 18


def test_nothing_or_too_much_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"layout of no published set \(eegmat, deap, seed"):
        recognise(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        recognise(tmp_path / "none")
    write_seed_iv(tmp_path)
    write_amigos(tmp_path)
    with pytest.raises(ValueError, match=r"holds several sets: amigos, seed-iv\. Pass"):
        recognise(tmp_path)


def test_the_list_of_sets_is_complete() -> None:
    assert [e.name for e in data_sets()] == [
        "eegmat", "deap", "seed", "seed-iv", "seed-v", "dreamer", "amigos", "faced", "dasps"
    ]  # fmt: skip
    for facts in (entry.facts for entry in data_sets()):
        assert not unknown_electrodes(facts.channels)
        assert all((facts.title, facts.licence, facts.size, facts.access, facts.citation, facts.labels))
        assert facts.homepage.startswith("http")
    assert [e.name for e in data_sets() if e.facts.download] == ["eegmat"]
    with pytest.raises(ValueError, match="unknown data set 'seed5'; did you mean 'seed'"):
        data_set("seed5")


def test_importing_the_readers_loads_nothing_heavy() -> None:
    heavy = "{'scipy', 'mne', 'h5py', 'torch'} & set(sys.modules)"
    code = f"import sys, trimcap.data; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
