"""Files of published sets with other content than their name promises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from set_files import cells, dreamer_subject, faced_clips, noise, write_amigos, write_dreamer, write_v73

from attacks import SETS, answer, edf, folder, forge, small, small_deap, write_eegmat  # noqa: F401
from trimcap.data.sets.recognise import recognise
from trimcap.data.sources import read_set

pytestmark = pytest.mark.usefixtures("small")


def deap_with(**change: Any) -> dict[str, Any]:
    return small_deap() | change


DATA, RATED = small_deap()["data"], small_deap()["labels"]
NOT_DEAP: dict[str, Any] = {
    "transposed": deap_with(data=DATA.transpose(0, 2, 1)),
    "flat": deap_with(data=DATA.reshape(3, -1)),
    "complex": deap_with(data=DATA.astype(complex)),
    "bool": deap_with(data=DATA > 0),
    "text": deap_with(data=DATA.astype(str)),
    "a list": deap_with(data=[[1.0]]),
    "half the channels": deap_with(data=DATA[:, :32]),
    "at 256 Hz": deap_with(data=np.repeat(DATA, 2, axis=2)),
    "one trial less": deap_with(data=DATA[:2]),
    "labels transposed": deap_with(labels=RATED.T),
    "labels as text": deap_with(labels=RATED.astype(str)),
    "labels as bytes": deap_with(labels=b"5555"),
    "labels complex": deap_with(labels=RATED.astype(complex)),
    "labels at infinity": deap_with(labels=np.full_like(RATED, np.inf)),
    "labels from 0": deap_with(labels=RATED * 0),
    "labels one short": deap_with(labels=RATED[:2]),
    "no labels": {"data": DATA},
    "only an array": DATA,
    "nothing": None,
    "a key of bytes": {b"data": DATA, b"labels": RATED},
}


@pytest.mark.parametrize("what", NOT_DEAP)
def test_deap_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    forge(folder(tmp_path, "python") / "s01.dat", NOT_DEAP[what])
    assert answer(lambda: read_set("deap", tmp_path / "python", label="liking"), "s01.dat") is None
    if isinstance(NOT_DEAP[what], dict) and all(isinstance(v, np.ndarray) for v in NOT_DEAP[what].values()):
        matlab = {str(k): v for k, v in NOT_DEAP[what].items() if isinstance(k, str)}
        if matlab:
            savemat(folder(tmp_path, "matlab") / "s01.mat", matlab)
            assert answer(lambda: read_set("deap", tmp_path / "matlab", label="liking"), "s01.mat") is None


@pytest.mark.parametrize("code", ["<f4", ">f8", "<i2", "<i8", ">i4"])
def test_other_numbers_of_the_same_value_are_read(tmp_path: Path, code: str) -> None:
    whole = np.round(DATA)
    forge(tmp_path / "s01.dat", deap_with(data=whole.astype(code)))
    for recording, expected in zip(read_set("deap", tmp_path), whole, strict=True):
        np.testing.assert_array_equal(recording.signal, expected[:32, 384:])
    forge(tmp_path / "s01.dat", deap_with(data=np.asfortranarray(whole)))
    np.testing.assert_array_equal(read_set("deap", tmp_path)[2].signal, whole[2, :32, 384:])


@pytest.mark.parametrize(
    "change", [np.zeros((28, 32, 7499), "f4"), np.zeros((32, 28, 7500), "f4"), np.zeros((28, 7500, 32), "f4"), "text"],
    ids=["short", "swapped", "transposed", "text"],
)  # fmt: skip
def test_faced_of_another_content_is_refused(tmp_path: Path, change: object) -> None:
    forge(tmp_path / "sub003.pkl", change)
    assert answer(lambda: read_set("faced", tmp_path), "sub003.pkl") is None
    forge(tmp_path / "sub003.pkl", faced_clips(3).astype(np.complex64))
    assert answer(lambda: read_set("faced", tmp_path), "sub003.pkl") is None


DREAMER: dict[str, dict[str, Any]] = {
    "another rate": {"EEG_SamplingRate": 256},
    "swapped electrodes": {"EEG_Electrodes": cells((1, 14), "F7 AF3 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split())},  # noqa: SIM905
    "a score of 2.5": {"ScoreValence": np.full((18, 1), 2.5)},
    "a score of 0": {"ScoreValence": np.zeros((18, 1))},
    "scores in a row": {"ScoreValence": np.ones((1, 18))},
    "17 scores": {"ScoreValence": np.ones((17, 1))},
    "no EEG": {"EEG": 1.0},
    "17 clips": {"EEG": {"stimuli": cells((17, 1), [noise(1, 9, 14)] * 17), "baseline": cells((18, 1), [1.0] * 18)}},
    "channels × time": {"EEG": {k: cells((18, 1), [noise(1, 14, 9)] * 18) for k in ("stimuli", "baseline")}},
    "15 channels": {"EEG": {k: cells((18, 1), [noise(1, 9, 15)] * 18) for k in ("stimuli", "baseline")}},
    "complex": {"EEG": {k: cells((18, 1), [noise(1, 9, 14) * 1j] * 18) for k in ("stimuli", "baseline")}},
    "texts": {"EEG": {k: cells((18, 1), ["x"] * 18) for k in ("stimuli", "baseline")}},
}


@pytest.mark.parametrize("what", DREAMER)
def test_dreamer_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    change = DREAMER[what]
    if not {"EEG", "ScoreValence"} & set(change):
        write_dreamer(tmp_path, subjects=1, samples=8, **change)
    else:
        write_dreamer(tmp_path, subjects=1, Data=cells((1, 1), [dreamer_subject(1, 8) | change]))
    assert answer(lambda: read_set("dreamer", tmp_path), "DREAMER.mat") is None


def test_dreamer_that_does_not_end_with_its_checksum_is_damaged_for_the_check(tmp_path: Path) -> None:
    path = write_dreamer(tmp_path, subjects=1, samples=8)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert answer(lambda: read_set("dreamer", tmp_path), "DREAMER.mat") is None
    assert "DREAMER.mat" in recognise(tmp_path).damaged["all subjects"]


def amigos_file(out: Path, trial: Any = None, rated: Any = None, n: int = 20) -> None:
    signals = [noise(t, 700, 17) if trial is None else trial for t in range(n)]
    ratings = [np.full((1, 12), 5.0) if rated is None else rated for _ in range(n)]
    variables = {"joined_data": cells((1, n), signals), "labels_selfassessment": cells((1, n), ratings)}
    savemat(out / "Data_Preprocessed_P07.mat", variables, do_compression=True)


@pytest.mark.parametrize(
    "change",
    [
        {"trial": noise(0, 17, 700)}, {"trial": noise(0, 700, 16)}, {"trial": noise(0, 640, 17)}, {"trial": "text"},
        {"trial": noise(0, 700, 17) * 1j}, {"trial": noise(0, 700, 17, 2)}, {"rated": np.full((1, 11), 5.0)},
        {"rated": np.full((1, 12), 0.5)}, {"rated": np.full((1, 12), 10.0)}, {"rated": "text"}, {"n": 19},
        {"rated": np.full((1, 12), 5.0) * 1j},
    ],
    ids=["transposed", "16 signals", "only the baseline", "text", "complex", "three axes", "11 ratings", "0.5", "10",
         "text rating", "19 trials", "complex rating"],
)  # fmt: skip
def test_amigos_of_another_content_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    amigos_file(tmp_path, **change)
    assert answer(lambda: read_set("amigos", tmp_path), "Data_Preprocessed_P07.mat") is None


def test_amigos_labels_that_are_nan_are_left_out_and_counted(tmp_path: Path) -> None:
    write_amigos(tmp_path, 1, nan=(0, 3, 15))
    with pytest.warns(UserWarning, match=r"P01\.mat: 3 trials left out \(1/01: its rating is NaN; 1/04"):
        assert len(read_set("amigos", tmp_path)) == 13


DASPS: dict[str, dict[str, np.ndarray]] = {
    "at 256 Hz": {"data": noise(0, 14, 3840, 12), "labels": np.ones((12, 2))},
    "transposed": {"data": noise(0, 12, 1920, 14), "labels": np.ones((12, 2))},
    "labels transposed": {"data": noise(0, 14, 1920, 12), "labels": np.ones((2, 12))},
    "label 10": {"data": noise(0, 14, 1920, 12), "labels": np.full((12, 2), 10.0)},
    "no labels": {"data": noise(0, 14, 1920, 12)},
    "big-endian": {"data": noise(0, 14, 1920, 12).astype(">f8"), "labels": np.ones((12, 2))},
    "text": {"data": np.full((14, 1920, 12), b"x"), "labels": np.ones((12, 2))},
    "complex": {"data": noise(0, 14, 1920, 12) * 1j, "labels": np.ones((12, 2))},
}


@pytest.mark.parametrize("what", DASPS)
def test_dasps_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    write_v73(tmp_path / "S04preprocessed.mat", DASPS[what])
    assert answer(lambda: read_set("dasps", tmp_path), "S04preprocessed.mat") is None


@pytest.mark.parametrize(
    ("options", "message"), [({"rate": 250}, "has 250 Hz"), ({"unit": "mV"}, "500 Hz, 'mV'"), ({"unit": ""}, "''")]
)
def test_eegmat_at_another_rate_or_unit_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_eegmat(tmp_path, **options)
    with pytest.raises(ValueError, match=rf"Subject00_1\.edf: EEG Fp1 has .*{message}|{message}"):
        read_set("eegmat", tmp_path, download=False)


def test_eegmat_with_one_signal_of_fewer_samples_is_refused(tmp_path: Path) -> None:
    path = write_eegmat(tmp_path)
    content = path.read_bytes()
    place = 256 + 21 * 216 + 5 * 8  # samples per record of the sixth electrode
    assert content[place : place + 3] == b"500"
    path.write_bytes(content[:place] + b"400" + content[place + 3 :])
    assert answer(lambda: read_set("eegmat", tmp_path, download=False), "Subject00_2.edf") is None


def test_eegmat_with_electrodes_in_another_order_is_put_in_order(tmp_path: Path) -> None:
    counts = noise(3, 21, 2000, scale=300).astype("<i2")
    write_eegmat(tmp_path)
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts))
    straight = read_set("eegmat", tmp_path, rate=None, download=False)[0]
    labels = bombs_labels()
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts[::-1], labels=labels[::-1]))
    np.testing.assert_array_equal(read_set("eegmat", tmp_path, rate=None, download=False)[0].signal, straight.signal)
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts, labels=[labels[1], labels[1], *labels[2:]]))
    assert answer(lambda: read_set("eegmat", tmp_path, download=False), "Subject00_1.edf") is None


def bombs_labels() -> list[str]:
    from attacks import EEGMAT_LABELS

    return EEGMAT_LABELS


@pytest.mark.parametrize("name", SETS)
def test_a_file_of_another_kind_under_the_name_is_refused(tmp_path: Path, name: str) -> None:
    kind = SETS[name]
    path = kind.write(tmp_path)
    for content in (
        b"",
        b"\0" * 5000,
        b"<html>404 Not Found</html>" * 100,
        b"PK\x03\x04" * 50,
        os.urandom(0) + b"\xff" * 9999,
    ):
        path.write_bytes(content)
        assert answer(lambda: kind.read(tmp_path), path.name) is None
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    assert answer(lambda: kind.read(tmp_path), path.name) is None
