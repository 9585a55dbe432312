"""The EEGMAT reader, on written files and on the real ones."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from edf_files import EEGMAT_SIGNALS, LSB, eegmat_counts, write_edf, write_subject
from scipy.signal import resample_poly

from trimcap.data.recording import Recording
from trimcap.data.sets.eegmat import CHANNELS, signal_end
from trimcap.data.sources import read_set


def test_reads_both_recordings_of_a_subject(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest, task = read_set("eegmat", write_subject(tmp_path), rate=None)
    assert (rest.name, rest.label, task.name, task.label) == ("Subject00/1/rest", 0, "Subject00/1/arithmetic", 1)
    assert rest.classes == task.classes == ("rest", "arithmetic")
    assert rest.channels == CHANNELS
    assert len(CHANNELS) == 19
    assert (rest.rate, rest.signal.dtype, rest.signal.shape, task.signal.shape) == (
        500,
        np.float32,
        (19, 4000),
        (19, 3000),
    )
    assert task.info == {"file": "Subject00_2.edf", "age": 21, "sex": "F", "subtractions": 9.7, "quality": 0}


def test_values_are_the_files_in_microvolts(tmp_path: Path) -> None:
    rest = read_set("eegmat", write_subject(tmp_path), rate=None)[0]
    counts = eegmat_counts(10, seed=1)[:19, :4000]
    np.testing.assert_allclose(rest.signal, counts * LSB, atol=1e-4)


def test_channels_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    write_subject(tmp_path)
    order = np.random.default_rng(0).permutation(len(EEGMAT_SIGNALS))
    counts = eegmat_counts(10, seed=1)
    write_edf(tmp_path / "Subject00_1.edf", counts[order], labels=tuple(EEGMAT_SIGNALS[i] for i in order))
    np.testing.assert_allclose(read_set("eegmat", tmp_path, rate=None)[0].signal, counts[:19, :4000] * LSB, atol=1e-4)


def test_resampling_is_polyphase_32_over_125(tmp_path: Path) -> None:
    rest, task = read_set("eegmat", write_subject(tmp_path))
    assert (rest.rate, rest.signal.shape, task.signal.shape) == (128.0, (19, 1024), (19, 768))
    rested = np.pad(eegmat_counts(10, seed=1)[:19, :4000] * LSB, ((0, 0), (1000, 1000)), mode="edge")
    expected = resample_poly(rested, 32, 125, axis=1)[:, 256:-256]
    np.testing.assert_allclose(rest.signal, expected, atol=5e-3)  # phases of SciPy's filter differ by 1e-4


def test_seconds_keep_the_end_of_rest_and_the_start_of_the_task(tmp_path: Path) -> None:
    write_subject(tmp_path)
    whole, cut = read_set("eegmat", tmp_path), read_set("eegmat", tmp_path, seconds=4.0)
    np.testing.assert_array_equal(cut[0].signal, whole[0].signal[:, -512:])
    np.testing.assert_array_equal(cut[1].signal, whole[1].signal[:, :512])
    with pytest.raises(ValueError, match="Subject00/1/arithmetic lasts 6 s"):
        read_set("eegmat", tmp_path, seconds=7.0)


@pytest.mark.parametrize(("still", "end"), [(199, 1000), (200, 1000), (201, 400), (500, 400)])
def test_padding_is_more_than_04_seconds_without_any_change(still: int, end: int) -> None:
    signal = np.random.default_rng(0).normal(size=(3, 1000))
    signal[:, 400 : 400 + still] = 1.0
    assert signal_end(signal, 500.0) == end
    signal[1, 400 : 400 + still] = np.arange(still)  # one electrode still moves: no padding
    assert signal_end(signal, 500.0) == 1000


@pytest.mark.parametrize("subjects", [["Subject03"], ["03"], [3], "3", ["subject03"]])
def test_subjects_are_named_in_several_ways(tmp_path: Path, subjects: list[str | int] | str | int) -> None:
    write_subject(tmp_path)
    write_subject(tmp_path, "Subject03")
    assert {r.subject for r in read_set("eegmat", tmp_path, subjects=subjects)} == {"Subject03"}
    assert [r.subject for r in read_set("eegmat", tmp_path)] == ["Subject00"] * 2 + ["Subject03"] * 2


@pytest.mark.parametrize("subject", ["Subject77", "Bob", 40, -1])
def test_unknown_subject_lists_the_known(tmp_path: Path, subject: str | int) -> None:
    with pytest.raises(ValueError, match=r"unknown EEGMAT subject .* Known: Subject00, Subject01"):
        read_set("eegmat", write_subject(tmp_path), subjects=[subject])


def test_no_or_doubled_subjects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no subjects asked for"):
        read_set("eegmat", write_subject(tmp_path), subjects=[])
    with pytest.raises(ValueError, match="named twice: Subject00"):
        read_set("eegmat", tmp_path, subjects=[0, "00"])


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "is empty"),
        (cut_short, "is truncated: its [0-9]+ bytes hold fewer records"),
        (lambda content: content[:-1], "is truncated"),
        (lambda content: content[:1000], "is not a readable EDF file"),
        (lambda content: content[: 256 * 22], "is not a readable EDF file|is truncated"),
        (lambda content: b"Age,Sex\n21,F\n" * 999, "is not a readable EDF file"),
        (lambda content: bytes(len(content)), "is not a readable EDF file"),
    ],
    ids=["empty", "half", "last byte", "header cut", "header only", "text", "zeros"],
)
def test_broken_file_is_named_with_what_to_do(tmp_path: Path, damage: object, message: str) -> None:
    path = write_subject(tmp_path) / "Subject00_2.edf"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=rf"Subject00_2\.edf ({message}).*Delete it so that it is downloaded again"):
        read_set("eegmat", tmp_path, download=False)


def test_missing_channels_name_file_and_channels(tmp_path: Path) -> None:
    write_subject(tmp_path)
    keep = [i for i, name in enumerate(EEGMAT_SIGNALS) if name not in ("EEG T5", "EEG Cz")]
    write_edf(tmp_path / "Subject00_1.edf", eegmat_counts()[keep], labels=tuple(EEGMAT_SIGNALS[i] for i in keep))
    with pytest.raises(ValueError, match=r"Subject00_1\.edf: channels T5, Cz missing; the file has Fp1, .*A2-A1"):
        read_set("eegmat", tmp_path)


def test_constant_channel_names_file_and_channel(tmp_path: Path) -> None:
    write_subject(tmp_path)
    counts = eegmat_counts()
    counts[4] = 12
    write_edf(tmp_path / "Subject00_1.edf", counts)
    with pytest.raises(ValueError, match=r"Subject00_1\.edf: .*channel F7 holds one value throughout"):
        read_set("eegmat", tmp_path)


def test_recording_of_padding_only_is_refused(tmp_path: Path) -> None:
    write_subject(tmp_path)
    write_edf(tmp_path / "Subject00_1.edf", np.zeros((21, 4000), dtype=np.int16))
    with pytest.raises(ValueError, match=r"Subject00_1\.edf: .*0 samples are no signal"):
        read_set("eegmat", tmp_path)


@pytest.fixture(scope="module")
def recordings(eegmat_folder: Path) -> list[Recording]:
    return read_set("eegmat", eegmat_folder, subjects=[0, 10, 31], download=False)


@pytest.mark.real
def test_real_recordings_lose_their_padding(recordings: list[Recording]) -> None:
    lengths = [r.duration for r in recordings]
    np.testing.assert_allclose(lengths, [180.0, 60.0, 186.55, 60.0, 78.63, 60.0], atol=0.04)
    for r in recordings:
        assert not (np.ptp(r.signal[:, -51:], axis=1) == 0).any(), f"{r.name} ends flat"


@pytest.mark.real
def test_real_facts_come_from_the_table_not_the_edf_header(recordings: list[Recording]) -> None:
    assert recordings[0].info == {"file": "Subject00_1.edf", "age": 21, "sex": "F", "subtractions": 9.7, "quality": 0}
    assert 5 < np.median([r.signal.std() for r in recordings]) < 20  # µV


@pytest.mark.real
@pytest.mark.slow
def test_published_baseline_is_reproduced(eegmat_folder: Path) -> None:
    """Log Welch power, logistic regression, leave one subject out: 0.822 (subject-z) and 0.712 (plain)."""
    from scipy.signal import welch
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = read_set("eegmat", eegmat_folder, seconds=60.0, download=False)
    if len(found) != 52:
        pytest.skip(f"{len(found)} of 52 recordings are in {eegmat_folder}")
    bands = [(1, 4), (4, 8), (8, 14), (14, 31), (31, 45)]
    windows = np.concatenate([r.signal.reshape(19, 15, 512).transpose(1, 0, 2) for r in found])
    f, power = welch(windows, 128, nperseg=256)
    plain = np.concatenate([np.log(power[..., (f >= a) & (f < b)].mean(-1)) for a, b in bands], axis=1)
    y, subject = np.repeat([r.label for r in found], 15), np.repeat([r.subject for r in found], 15)
    z = plain.copy()
    for s in np.unique(subject):
        z[subject == s] = (plain[subject == s] - plain[subject == s].mean(0)) / plain[subject == s].std(0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=1000))
    for features, expected in ((z, 0.822), (plain, 0.712)):
        score = cross_val_score(model, features, y, groups=subject, cv=LeaveOneGroupOut()).mean()
        assert score == pytest.approx(expected, abs=0.005)
