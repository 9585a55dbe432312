"""SEED, SEED-IV and SEED-V: signals against written files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.signal import resample_poly
from set_files import CNT_62, SEED_LABELS, seed_trials, write_cnt, write_seed, write_seed_iv

from trimcap.data.sets import seed_v
from trimcap.data.sets.seed import CHANNELS, LABELS, SEED
from trimcap.data.sets.seed_iv import SEED_IV
from trimcap.data.sources import read_set

FILES = {"10_20140404": "jl", "1_20131107": "djc", "1_20131027": "djc", "1_20131030": "djc_2"}


def test_seed_values_labels_sessions_and_order(tmp_path: Path) -> None:
    write_seed(tmp_path, FILES)
    read = read_set("seed", tmp_path)
    assert [(r.subject, r.session) for r in read[::15]] == [("01", "1"), ("01", "2"), ("01", "3"), ("10", "1")]
    assert [r.trial for r in read[:15]] == [f"{t:02d}" for t in range(1, 16)]
    assert [r.label - 1 for r in read[:15]] == SEED_LABELS
    assert read[0].classes == ("negative", "neutral", "positive")
    assert [read[15 * s].info["date"] for s in range(3)] == ["20131027", "20131030", "20131107"]
    for session, place in ((0, 2), (1, 3), (2, 1)):
        content = seed_trials(1, place, 15, 50)
        for t in range(15):
            recording = read[15 * session + t]
            np.testing.assert_array_equal(recording.signal, content[t + 1].astype(np.float32))
    assert read[0].channels == CHANNELS
    assert (len(CHANNELS), CHANNELS[57], CHANNELS[61]) == (62, "CB1", "CB2")
    assert read[0].rate == 200.0
    found = SEED.files(tmp_path)
    assert found.extra == ()
    assert "02" in found.missing


def test_seed_labels_come_from_the_file_or_the_publication(tmp_path: Path) -> None:
    write_seed(tmp_path / "a", {"1_20131027": "djc"}, labels=None)
    assert tuple(r.label for r in read_set("seed", tmp_path / "a")) == LABELS
    write_seed(tmp_path / "b", {"1_20131027": "djc"}, labels=SEED_LABELS[::-1])
    assert [r.label - 1 for r in read_set("seed", tmp_path / "b")] == SEED_LABELS[::-1]
    write_seed(tmp_path / "c", {"1_20131027": "djc"}, labels=[2, *SEED_LABELS[1:]])
    with pytest.raises(ValueError, match=r"label\.mat: labels must be -1, 0 or 1"):
        read_set("seed", tmp_path / "c")
    write_seed(tmp_path / "d", {"1_20131027": "djc"}, labels=SEED_LABELS[1:])
    with pytest.raises(ValueError, match=r"label\.mat: label has the shape 14; expected 15"):
        read_set("seed", tmp_path / "d")


def test_seed_trials_that_are_missing_extra_or_of_another_shape_are_named(tmp_path: Path) -> None:
    target = write_seed(tmp_path, {"1_20131027": "djc"}) / "1_20131027.mat"
    good = {k: v for k, v in loadmat(target).items() if k.startswith("djc")}
    for change, message in (
        ({"djc_eeg7": None}, "trials 7 are missing"),
        ({"djc_eeg16": np.ones((62, 5))}, r"trials \[16\] are too many"),
        ({"xx_eeg3": np.ones((62, 5))}, "trials twice are too many"),
        ({"djc_eeg3": np.ones((61, 5))}, "djc_eeg3 has the shape 61 × 5; expected 62 × n"),
        ({"djc_eeg3": np.ones((5, 62))}, "djc_eeg3 has the shape 5 × 62"),
        ({"djc_eeg3": np.zeros((62, 0))}, "0 samples are no signal"),
    ):
        savemat(target, {k: v for k, v in (good | change).items() if v is not None})
        with pytest.raises(ValueError, match=rf"1_20131027\.mat.*{message}"):
            read_set("seed", tmp_path)
    savemat(target, {"de_LDS1": np.ones((62, 5, 5))})
    with pytest.raises(ValueError, match=r"no variable is like .*_eeg.*it holds de_LDS1"):
        read_set("seed", tmp_path)


def test_seed_iv_takes_the_session_from_the_folder(tmp_path: Path) -> None:
    write_seed_iv(tmp_path)
    read = read_set("seed-iv", tmp_path)
    assert [(r.session, r.trial) for r in read] == [(s, f"{t:02d}") for s in "123" for t in range(1, 25)]
    for session in (1, 2, 3):
        content = seed_trials(1, session, 24, 40)
        for t in range(24):
            np.testing.assert_array_equal(read[24 * (session - 1) + t].signal, content[t + 1].astype(np.float32))
    labels = "".join(str(r.label) for r in read)
    assert labels == (
        "123020010121112322330303" + "213002023323201121030131" + "122133311210233023002010"
    )  # the printed tables, one session each
    assert read[0].classes == ("neutral", "sad", "fear", "happy")
    assert read[25].info["stimulus"] == "2-02"
    assert read_set("seed-iv", tmp_path / "SEED_IV" / "eeg_raw_data")[5].name == read[5].name
    assert SEED_IV.files(tmp_path / "SEED_IV").missing[0] == "02"


def test_seed_iv_may_lack_a_session(tmp_path: Path) -> None:
    write_seed_iv(tmp_path, sessions=(1, 3))
    assert {r.session for r in read_set("seed-iv", tmp_path)} == {"1", "3"}
    with pytest.raises(FileNotFoundError, match="no folders 1, 2, 3"):
        read_set("seed-iv", tmp_path / "SEED_IV" / "eeg_raw_data" / "1")


@pytest.fixture
def short_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of one to two seconds instead of minutes."""
    starts = tuple(range(1, 46, 3))
    monkeypatch.setattr(seed_v, "STARTS", dict.fromkeys("123", starts))
    monkeypatch.setattr(seed_v, "ENDS", {s: tuple(a + 1 + (a + int(s)) % 2 for a in starts) for s in "123"})


def counts(seed: int, seconds: int = 47) -> np.ndarray:
    return np.random.default_rng(seed).integers(-500, 500, (len(CNT_62), seconds * 1000))


def test_the_published_tables() -> None:
    for session in "123":
        starts, ends, labels = (t[session] for t in (seed_v.STARTS, seed_v.ENDS, seed_v.LABELS))
        assert len(starts) == len(ends) == len(labels) == 15
        assert all(a < b for a, b in zip(starts, ends, strict=True))
        assert all(b <= a for a, b in zip(starts[1:], ends[:-1], strict=True))
        assert sorted(labels) == sorted([0, 1, 2, 3, 4] * 3)


@pytest.mark.usefixtures("short_tables")
def test_seed_v_cuts_trials_and_drops_what_is_no_electrode(tmp_path: Path) -> None:
    content = counts(1)
    write_cnt(tmp_path / "EEG_raw" / "1_2_20180804.cnt", content)
    write_cnt(tmp_path / "EEG_raw" / "1_1_20180725.cnt", counts(2))
    read = read_set("seed-v", tmp_path, rate=None)
    assert [r.session for r in read] == ["1"] * 15 + ["2"] * 15
    assert [r.label for r in read] == [4, 1, 3, 2, 0] * 3 + [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0]
    rows = [CNT_62.index(c.upper()) for c in read[0].channels]
    assert len(rows) == 62
    assert not {"M1", "M2", "HEO", "VEO"} & {CNT_62[i] for i in rows}
    for t in range(15):
        start, end = 1000 * seed_v.STARTS["2"][t], 1000 * seed_v.ENDS["2"][t]
        np.testing.assert_allclose(read[15 + t].signal, content[rows, start:end], atol=1e-3)


@pytest.mark.usefixtures("short_tables")
def test_seed_v_resamples_with_a_low_pass_and_margins(tmp_path: Path) -> None:
    content = counts(1)
    write_cnt(tmp_path / "1_1_20180725.cnt", content)
    read = read_set("seed-v", tmp_path)
    assert (read[0].rate, read[0].signal.shape) == (200.0, (62, 200 * (seed_v.ENDS["1"][0] - seed_v.STARTS["1"][0])))
    assert "margin" not in read[0].info
    rows = [CNT_62.index(c.upper()) for c in read[0].channels]
    whole = resample_poly(content[rows].astype(float), 1, 5, axis=1)
    for t in (0, 7, 14):
        start, end = 200 * seed_v.STARTS["1"][t], 200 * seed_v.ENDS["1"][t]
        np.testing.assert_allclose(read[t].signal, whole[:, start:end], atol=2e-2)
    assert np.abs(read[0].signal - content[rows, 1000 : 1000 + 5 * read[0].signal.shape[1] : 5]).max() > 100


@pytest.mark.usefixtures("short_tables")
def test_seed_v_damage_is_named(tmp_path: Path) -> None:
    path = write_cnt(tmp_path / "1_1_20180725.cnt", counts(1, 20))
    with pytest.raises(ValueError, match=r"1_1_20180725\.cnt lasts 20\.0 s, but the last trial .* ends at 44 s"):
        read_set("seed-v", tmp_path)
    write_cnt(path, counts(1), rate=500)
    with pytest.raises(ValueError, match=r"has 500 Hz; SEED-V was recorded at 1000 Hz"):
        read_set("seed-v", tmp_path)
    write_cnt(path, counts(1)[:65], CNT_62[1:])
    with pytest.raises(ValueError, match="channels Fp1 are missing"):
        read_set("seed-v", tmp_path)
    whole = write_cnt(path, counts(1)).read_bytes()
    for end in (0, 100, 880, 3000, 900 + 75 * 66 + 4, len(whole) // 2):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"1_1_20180725\.cnt"):
            read_set("seed-v", tmp_path)
    write_cnt(tmp_path / "1_1_20180730.cnt", counts(1))
    with pytest.raises(ValueError, match="are one session; keep one"):
        read_set("seed-v", tmp_path)
