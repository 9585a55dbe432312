"""Folders of pictures, ImageNet's layout."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from picture_files import write_pictures
from trimcap.data.rows.lazy import as_lazy
from trimcap.data.sources import open_windows
from trimcap.reproduce.image_folder import image_folder


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "images", parts=("train", "val"))


def test_classes_parts_and_order(folder):
    windows = open_windows("image-folder", folder, size=32, resize=36)
    assert windows.shape == (3, 32, 32)
    assert windows.classes == ("class0", "class1")
    assert windows.metadata.groupby("session").size().to_dict() == {"train": 8, "val": 8}
    assert windows.metadata.trial[:4].tolist() == [
        f"class0:p{i}.{e}" for i, e in enumerate(("png", "JPEG", "jpg", "png"))
    ]
    assert windows.y.tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 2
    levels = np.asarray(windows.X).mean(axis=(1, 2, 3))
    assert levels[windows.y == 0].max() < levels[windows.y == 1].min()


def test_one_folder_without_parts(tmp_path):
    windows = open_windows("image-folder", write_pictures(tmp_path, classes=3), size=32, resize=32)
    assert set(windows.metadata.session) == {"1"}
    assert len(windows.classes) == 3


def test_pixels_are_those_of_the_file(folder):
    """A picture that fits is only scaled; the centre is cut; the whole is squeezed without `resize`."""
    file = folder / "train" / "class1" / "p0.png"
    pixels = np.asarray(Image.open(file), dtype=np.float64)
    assert pixels.shape == (40, 40, 3)
    one = open_windows("image-folder", folder, size=40, resize=None, per_class=1).X[1]
    np.testing.assert_allclose(one, pixels.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)
    cut = open_windows("image-folder", folder, size=30, resize=40, per_class=1).X[1]
    np.testing.assert_allclose(cut, one[:, 5:35, 5:35], atol=1e-6)
    wide = Image.new("RGB", (80, 40))
    wide.paste((255, 255, 255), (40, 0, 80, 40))
    wide.save(file)
    squeezed = open_windows("image-folder", folder, size=20, resize=None, per_class=1).X[1]
    assert (squeezed[0, 10, :9].max(), squeezed[0, 10, 11:].min()) == (-1, 1)
    cut = open_windows("image-folder", folder, size=20, resize=20, per_class=1).X[1]
    assert (cut[0, 10, :9].max(), cut[0, 10, 11:].min()) == (-1, 1)  # from 30 to 50 of 80


def test_nothing_is_read_before_it_is_needed(folder):
    windows = open_windows("image-folder", folder, size=32, resize=32)
    assert as_lazy(windows.X) is not None
    first = windows.X[[0]]
    for file in (folder / "val").rglob("*.*"):
        file.unlink()
    np.testing.assert_array_equal(windows.X[[0]], first)
    again = pickle.loads(pickle.dumps(windows))  # as for another process
    np.testing.assert_array_equal(again.X[[0]], first)


def test_grey_and_palette_pictures_become_colours(tmp_path):
    place = tmp_path / "a"
    place.mkdir()
    grey = Image.fromarray(np.full((40, 40), 255, np.uint8))
    grey.save(place / "grey.png")
    grey.convert("P").save(place / "palette.png")
    grey.convert("CMYK").save(place / "cmyk.jpg")
    assert image_folder(tmp_path, size=8, resize=8).X[:].shape == (3, 3, 8, 8)
    np.testing.assert_allclose(image_folder(tmp_path, size=8, resize=8).X[:], 1.0, atol=0.02)
    assert image_folder(tmp_path, size=8, resize=8, channels=1).X[:].shape == (3, 1, 8, 8)


def test_damaged_pictures_are_named_when_they_are_read(folder):
    file = folder / "train" / "class0" / "p1.JPEG"
    content = file.read_bytes()
    windows = open_windows("image-folder", folder, size=32, resize=32)
    for broken in (content[: len(content) // 2], b"no picture", b""):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match=r"p1\.JPEG can't be read as a picture .*; get it again, or remove it"):
            windows.X[[1]]
    file.unlink()
    with pytest.raises(ValueError, match=r"p1\.JPEG can't be read"):
        windows.X[[1]]


def test_hidden_and_other_files_are_left_out(folder):
    (folder / "train" / "class0" / "._p0.png").write_bytes(b"resource fork")
    (folder / "train" / "class0" / "notes.txt").write_text("x")
    (folder / "train" / "empty").mkdir()
    assert len(open_windows("image-folder", folder)) == 16


def test_wrong_folders_and_options(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no folder .*expected CLASS/\*\.jpg"):
        open_windows("image-folder", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no folders with pictures"):
        open_windows("image-folder", tmp_path / "empty")
    with pytest.raises(ValueError, match="image-folder needs a path"):
        open_windows("image-folder")
    with pytest.raises(ValueError, match="make it larger"):
        open_windows("image-folder", folder, size=64, resize=32)
    with pytest.raises(ValueError, match="1 plane"):
        open_windows("image-folder", folder, channels=4)
    with pytest.raises(ValueError, match="no subjects"):
        open_windows("image-folder", folder, subjects=2)
    (folder / "val" / "class1").rename(folder / "val" / "class2")
    with pytest.raises(ValueError, match="differ in the classes class1, class2"):
        open_windows("image-folder", folder)
