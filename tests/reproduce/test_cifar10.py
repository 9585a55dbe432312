"""CIFAR-10's pickles, written as Python 2 did."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from picture_files import cifar_content, python_2_batch, write_cifar10
from trimcap.data.sources import open_windows
from trimcap.data.splits.protocols.named import split


@pytest.fixture
def folder(tmp_path):
    return write_cifar10(tmp_path, per_class=2)


def test_pixels_labels_and_parts(folder):
    for place in (folder, folder.parent):
        windows = open_windows("cifar10", place)
        assert windows.shape == (3, 32, 32)
        assert len(windows) == 6 * 20
        assert windows.classes[6] == "frog"
        assert windows.metadata.session.value_counts().to_dict() == {"train": 100, "test": 20}
    pixels, labels = cifar_content(2, 3)  # the fourth batch
    rows = windows.metadata.trial.str.startswith("data_batch_4-").to_numpy()
    own = windows.take(rows)
    assert own.y.tolist() == labels
    # red, green and blue planes of 32×32, one after the other
    np.testing.assert_allclose(own.X[5, 1, 2, 3], pixels[5, 1024 + 2 * 32 + 3] / 127.5 - 1, rtol=1e-6)
    np.testing.assert_allclose(own.X, pixels.reshape(-1, 3, 32, 32) / 127.5 - 1, atol=1e-6)
    assert windows.metadata.trial.is_unique


def test_what_the_published_loader_reads(folder):
    """`pickle.load(file, encoding="bytes")`, which the authors recommend, gives the same."""
    content = pickle.loads((folder / "test_batch").read_bytes(), encoding="bytes")
    windows = open_windows("cifar10", folder)
    test = windows.take((windows.metadata.session == "test").to_numpy())
    assert content[b"labels"] == test.y.tolist()
    np.testing.assert_allclose(content[b"data"].reshape(-1, 3, 32, 32) / 127.5 - 1, np.asarray(test.X), atol=1e-6)


def test_official_test_part(folder):
    windows = open_windows("cifar10", folder)
    (fold,) = split(windows, "trimcap.data.splits.protocols.hold_out:hold_out", session="test", valid=0.2)
    assert set(fold.test.open("evaluate").metadata.session) == {"test"}
    assert set(fold.train.metadata.session) == {"train"}
    assert np.bincount(fold.valid.y, minlength=10).tolist() == [2] * 10


def test_a_batch_of_the_published_size_is_read(folder):
    """10,000 pictures with labels and file names: about 30,000 steps of the restricted unpickler."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (10_000, 3072), dtype=np.uint8), rng.integers(0, 10, 10_000).tolist()
    (folder / "data_batch_5").write_bytes(python_2_batch(pixels, labels, b"training batch 5 of 5"))
    windows = open_windows("cifar10", folder)
    assert len(windows) == 100 + 10_000
    last = windows.X[[20 * 4 + 9_999]]
    np.testing.assert_allclose(last[0], pixels[-1].reshape(3, 32, 32) / 127.5 - 1, atol=1e-6)


def test_large_files_stay_bytes_until_they_are_read(folder):
    from trimcap.data.rows.lazy import as_lazy

    assert as_lazy(open_windows("cifar10", folder).X) is not None


def test_only_some(folder):
    windows = open_windows("cifar10", folder, per_class=1)
    assert windows.metadata.groupby("session").size().to_dict() == {"test": 10, "train": 10}
    whole = open_windows("cifar10", folder)
    np.testing.assert_array_equal(windows.X[0], whole.X[0])


class Run:
    def __reduce__(self):
        return print, ("code was run",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps([1, 2]), "holds a list, not a batch of CIFAR-10"),
        (pickle.dumps({"data": np.zeros((2, 3072)), "labels": [0, 1]}), "no array of bytes with 3,072 columns"),
        (pickle.dumps({"data": np.zeros((2, 30), np.uint8), "labels": [0, 1]}), "no array of bytes with 3,072"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}), "no list of numbers from 0 to 9"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}), "2 pictures but 1 labels"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}), "'labels' is no list"),
        (pickle.dumps({"data": Run(), "labels": [0]}), "names builtins.print.*nothing was run"),
        (python_2_batch(*cifar_content(1, 0), b"short")[:-500], "is not a whole pickle"),
        (b"", "is not a whole pickle"),
    ],
)
def test_damaged_batches_are_named(folder, capsys, content, words):
    (folder / "data_batch_2").write_bytes(content)
    with pytest.raises(ValueError, match=words) as error:
        open_windows("cifar10", folder)
    assert "data_batch_2" in str(error.value)
    assert not capsys.readouterr().out


def test_missing_files_and_wrong_options(folder, tmp_path):
    (folder / "data_batch_3").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_3 of CIFAR-10.*cifar-10-python\.tar\.gz"):
        open_windows("cifar10", folder)
    with pytest.raises(FileNotFoundError, match="lacks data_batch_1, "):
        open_windows("cifar10", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="cifar10 needs a path"):
        open_windows("cifar10")
    with pytest.raises(ValueError, match="no subjects to choose"):
        open_windows("cifar10", folder, subjects=["a"])
    with pytest.raises(ValueError, match="did you mean 'per_class'"):
        open_windows("cifar10", folder, perclass=3)
