"""Published features against written files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from set_files import (
    FEATURE_ROWS,
    SEED_LABELS,
    feature,
    seed_v_tables,
    write_faced_features,
    write_seed_features,
    write_seed_iv,
    write_seed_v_features,
)

from trimcap.data.foreign.npz import npz_bytes
from trimcap.data.sources import open_windows

MB = 10**6


def test_seed_features_are_windows_of_electrodes_and_bands(tmp_path: Path) -> None:
    write_seed_features(tmp_path)
    for k, (kind, rows) in enumerate(FEATURE_ROWS.items()):
        for s, smoothing in enumerate(("movingAve", "LDS")):
            windows = open_windows("seed-features", tmp_path, feature=f"{kind}_{smoothing}")
            written = [feature(7 * k + s, t, rows, 3 + t % 2) for t in range(1, 16)]
            expected = np.concatenate([w.transpose(1, 0, 2) for w in written]).astype(np.float32)
            np.testing.assert_array_equal(windows.X, expected)
    assert windows.shape == (23, 5)
    assert windows.channels[0] == "dcau 1"
    de = open_windows("seed-features", tmp_path)
    assert (de.shape, de.duration, de.rate, de.unit) == ((62, 5), 1.0, 200.0, "nat")
    assert list(de.metadata.trial[:5]) == ["01"] * 4 + ["02"]
    assert list(de.metadata.start[:5]) == [0.0, 1.0, 2.0, 3.0, 0.0]
    assert list(de.y[:8] - 1) == [SEED_LABELS[0]] * 4 + [SEED_LABELS[1]] * 3 + [SEED_LABELS[2]]
    assert "smoothed over each trial" in de.steps[0]
    assert len(set(de.ids)) == len(de)
    with pytest.raises(ValueError, match="unknown feature 'de_lds'; did you mean 'de_LDS'"):
        open_windows("seed-features", tmp_path, feature="de_lds")


def test_seed_features_sessions_follow_the_date(tmp_path: Path) -> None:
    write_seed_features(tmp_path, "2_20140419", kinds=("de",))
    write_seed_features(tmp_path, "2_20140404", kinds=("de",))
    windows = open_windows("seed-features", tmp_path, subjects=[2])
    assert list(dict.fromkeys(zip(windows.metadata.subject, windows.metadata.session, strict=True))) == [
        ("02", "1"), ("02", "2")
    ]  # fmt: skip


def test_seed_features_of_another_layout_are_refused(tmp_path: Path) -> None:
    path = write_seed_features(tmp_path, kinds=("de",)) / "1_20131027.mat"
    good = {k: v for k, v in loadmat(path).items() if k.startswith("de_")}
    swapped = {k: v.transpose(1, 0, 2) for k, v in good.items()}
    savemat(path, swapped)
    with pytest.raises(ValueError, match=r"1_20131027\.mat: de_LDS1 has the shape 4 × 62 × 5; expected 62 × n × 5"):
        open_windows("seed-features", tmp_path)
    bad = good["de_LDS3"].copy()
    bad[0, 0, 0] = np.nan
    savemat(path, good | {"de_LDS3": bad})
    with pytest.raises(ValueError, match=r"1_20131027\.mat: de_LDS3 holds NaN"):
        open_windows("seed-features", tmp_path)
    with pytest.raises(ValueError, match=r"no variable is like psd_LDS"):
        open_windows("seed-features", tmp_path, feature="psd_LDS")


def test_seed_iv_features_have_four_seconds(tmp_path: Path) -> None:
    write_seed_iv(tmp_path)
    windows = open_windows("seed-iv-features", tmp_path)
    expected = [feature(s, t, 62, 2).transpose(1, 0, 2) for s in (1, 2, 3) for t in range(1, 25)]
    np.testing.assert_array_equal(windows.X, np.concatenate(expected).astype(np.float32))
    assert (windows.duration, list(windows.metadata.start[:3])) == (4.0, [0.0, 4.0, 0.0])
    assert list(windows.y[:6]) == [1, 1, 2, 2, 3, 3]


def test_seed_v_features_are_unpacked_from_pickled_bytes(tmp_path: Path) -> None:
    write_seed_v_features(tmp_path)
    windows = open_windows("seed-v-features", tmp_path)
    data, labels = seed_v_tables()
    np.testing.assert_array_equal(
        windows.X, np.concatenate([data[i].reshape(-1, 62, 5) for i in range(45)]).astype(np.float32)
    )
    assert list(windows.y) == [int(v) for i in range(45) for v in labels[i]]
    assert sorted(set(windows.metadata.session)) == ["1", "2", "3"]
    assert (windows.metadata.trial.iloc[-1], windows.duration) == ("15", 4.0)


def test_seed_v_features_that_are_wrong_or_run_code_are_refused(tmp_path: Path) -> None:
    data, labels = seed_v_tables()

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    for change, message in (
        ({"data": {0: Evil()}}, r"1_123\.npz: data: the pickle names pathlib\S+, which is no NumPy array"),
        ({"data": {k: v for k, v in data.items() if k != 3}}, "data should be a dict of the trials 0 to 44"),
        ({"data": data | {4: data[4][:, :309]}}, r"trial 4 is float64 of shape \(3, 309\)"),
        ({"label": labels | {4: np.array([0.0, 1.0, 0.0])}}, "trial 4 needs one label"),
        ({"label": labels | {4: np.full(3, 5.0)}}, "trial 4 has the label 5"),
        ({"data": data | {4: np.full((3, 310), np.nan)}}, "trial 4 holds NaN"),
    ):
        write_seed_v_features(tmp_path, **change)
        with pytest.raises(ValueError, match=message):
            open_windows("seed-v-features", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_npz_bytes_survive_trailing_zeros_and_refuse_bombs(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = pickle.dumps({1: 2}) + b"\0\0\0"
    np.savez(path, data=np.frombuffer(content, dtype=f"S{len(content)}").reshape(()), x=np.arange(3))
    assert npz_bytes(path, "data", largest=MB) == [content]
    with pytest.raises(ValueError, match="holds no array label"):
        npz_bytes(path, "label", largest=MB)
    with pytest.raises(ValueError, match="should be one string of bytes"):
        npz_bytes(path, "x", largest=MB)
    np.savez_compressed(path, data=np.zeros(1 << 22, "u1"))
    with pytest.raises(ValueError, match=r"a\.npz.*unpacks to \d+ bytes, more than the 1000"):
        npz_bytes(path, "data", largest=1000)
    whole = write_seed_v_features(tmp_path).read_bytes()
    for end in range(0, len(whole), len(whole) // 25):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"a\.npz"):
            npz_bytes(path, "data", largest=MB)
    for place in range(0, len(whole), len(whole) // 50):
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        path.write_bytes(bytes(damaged))
        try:
            npz_bytes(path, "data", largest=MB)
        except ValueError as error:
            message = str(error)
            assert message.startswith(str(path))


@pytest.mark.parametrize(("kind", "unit"), [("DE", "nat"), ("PSD", "power")])
def test_faced_features(tmp_path: Path, kind: str, unit: str) -> None:
    written = write_faced_features(tmp_path, 5, kind)
    windows = open_windows("faced-features", tmp_path, feature=kind, label="emotion")
    expected = written[:, :30].transpose(0, 2, 1, 3).reshape(-1, 30, 5)
    np.testing.assert_array_equal(windows.X, expected.astype(np.float32))
    assert (windows.unit, windows.duration, len(windows)) == (unit, 1.0, 28 * 30)
    assert list(windows.metadata.start[:2]) == [0.0, 1.0]
    assert sorted(p.name for p in (tmp_path / "FACED" / "EEG_Features" / kind).iterdir()) == ["sub005.pkl.pkl"]
