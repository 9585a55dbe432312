"""Windows in .npz files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.libraries.objects import from_arrays
from trimcap.data.rows.lazy import lazy, lazy_array
from trimcap.data.windows import Windows


def windows() -> Windows:
    rng = np.random.default_rng(0)
    made = from_arrays(
        rng.normal(0, 10, (6, 2, 40)),
        [0, 1, 0, 1, 0, 1],
        channels=["T3", "Cz"],
        rate=128.0,
        subject=list("aaabbb"),
        trial=["x", "y", "ü"] * 2,
        classes=["rest", "arithmetic"],
    )
    return replace(made, metadata=made.metadata.assign(quality=np.arange(6), note=list("pqrstu")))


def same(a: Windows, b: Windows) -> None:
    np.testing.assert_array_equal(a.X, b.X)
    np.testing.assert_array_equal(a.y, b.y)
    assert (a.X.dtype, a.y.dtype) == (b.X.dtype, b.y.dtype)
    pd.testing.assert_frame_equal(a.metadata, b.metadata)
    for name in ("channels", "rate", "classes", "duration", "unit", "steps"):
        assert getattr(a, name) == getattr(b, name)
    assert a.ids.tolist() == b.ids.tolist()


def test_written_windows_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = write_npz(windows(), tmp_path / "new" / "w.npz")
    same(read_npz(path), windows())
    assert [p.name for p in path.parent.iterdir()] == ["w.npz"]  # no temporary file left


def test_features_on_a_grid_come_back_too(tmp_path: Path) -> None:
    grids = windows().with_X(np.ones((6, 4, 9, 9), dtype=np.float32), step="differential entropy", unit="nat")
    same(read_npz(write_npz(grids, tmp_path / "g.npz")), grids)
    with pytest.raises(AssertionError):
        same(read_npz(tmp_path / "g.npz"), windows())


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    w = windows()
    np.savez(tmp_path / "h.npz", X=w.X, y=w.y, channels=["T3", "Cz"], rate=128.0, subject="S1")
    made = read_npz(tmp_path / "h.npz")
    np.testing.assert_array_equal(made.X, w.X)
    assert made.metadata.subject.tolist() == ["S1"] * 6
    np.savez(
        tmp_path / "h.npz", X=w.X, y=w.y, channels=["T3", "Cz"], rate=128, subject=list("aabbcc"), trial=np.arange(6),
        session="2", start=np.arange(6) * 0.5, classes=["p", "q"],
    )  # fmt: skip
    made = read_npz(tmp_path / "h.npz")
    assert made.ids[3] == "b/2/3@1.5000"
    assert made.classes == ("p", "q")


def test_content_of_a_handmade_file_is_checked(tmp_path: Path) -> None:
    w = windows()
    np.savez(tmp_path / "h.npz", X=w.X * np.nan, y=w.y, channels=["T3", "Cz"], rate=128.0, subject="S1")
    with pytest.raises(ValueError, match=r"h\.npz: X holds NaN or infinity in 6 of 6 windows"):
        read_npz(tmp_path / "h.npz")
    np.savez(tmp_path / "h.npz", X=w.X, y=w.y)
    with pytest.raises(ValueError, match=r"h\.npz lacks the arrays channels, rate, subject; it has X, y"):
        read_npz(tmp_path / "h.npz")


def test_nan_in_an_own_file_is_refused_with_its_windows(tmp_path: Path) -> None:
    X = windows().X.copy()
    X[2, 1, 3], X[4, 0, 0] = np.nan, -np.inf
    path = write_npz(windows().with_X(X, step="x"), tmp_path / "n.npz")
    with pytest.raises(ValueError, match=r"n\.npz: X holds NaN") as caught:
        read_npz(path)
    says = (
        f"in 2 of 6 windows, first in window 2, channel {windows().channels[1]}, then in 4; leave these windows out or"
    )
    assert says in str(caught.value)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", X=np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"p\.npz can't be read as \.npz \(it holds pickled objects"):
        read_npz(tmp_path / "p.npz")


@pytest.mark.parametrize("kind", ["empty", "text", "half", "npy"])
def test_broken_files_are_named(tmp_path: Path, kind: str) -> None:
    path = write_npz(windows(), tmp_path / "b.npz")
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes({"empty": b"", "text": b"X,y\n1,2\n", "half": path.read_bytes()[:1500]}[kind])
    with pytest.raises(ValueError, match=r"b\.npz can't be read as \.npz .*write it again"):
        read_npz(path)


def test_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = write_npz(windows(), tmp_path / "b.npz")
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF  # inside X
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"b\.npz can't be read"):
        read_npz(path)


def test_missing_file_and_objects_in_metadata(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_npz(tmp_path / "none.npz")
    odd = replace(windows(), metadata=windows().metadata.assign(odd=[{}] * 6))
    with pytest.raises(ValueError, match="metadata column 'odd' holds Python objects"):
        write_npz(odd, tmp_path / "o.npz")


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write into folder"):
        write_npz(windows(), tmp_path / "file" / "w.npz")


def test_windows_that_are_not_in_memory_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimcap.data.rows.lazy._PIECE", 4000)
    whole = windows()
    write_npz(whole, tmp_path / "whole.npz")
    write_npz(replace(whole, X=lazy(whole.X)), tmp_path / "pieces.npz")
    with np.load(tmp_path / "whole.npz") as one, np.load(tmp_path / "pieces.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
            assert one[name].dtype == other[name].dtype


def test_an_interrupted_file_is_none(tmp_path: Path) -> None:
    whole = windows()
    bad = replace(whole, metadata=whole.metadata.assign(more=[object()] * len(whole)))
    write_npz(whole, tmp_path / "w.npz")
    before = (tmp_path / "w.npz").read_bytes()
    with pytest.raises(ValueError, match="holds Python objects"):
        write_npz(bad, tmp_path / "w.npz")

    def stop(rows: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_npz(replace(whole, X=lazy_array(stop, whole.X.shape)), tmp_path / "w.npz")
    assert (tmp_path / "w.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]
