"""Pictures on the command line: data check, data prepare, data info."""

from __future__ import annotations

import pytest

from picture_files import write_cifar10, write_pictures
from trimcap.data.arrays.npz import read_npz


@pytest.fixture
def cifar(tmp_path):
    return write_cifar10(tmp_path / "with space", per_class=2)


def test_cifar10_is_recognised_and_the_next_command_reads_it(call, cifar, tmp_path, monkeypatch):
    for place in (cifar, cifar.parent):
        found = call("data", "check", place, "--json", ok=True).json
        assert (found["kind"], found["pictures"], found["shape"]) == ("cifar10", 120, [3, 32, 32])
        assert found["parts"] == {"train": 100, "test": 20}
    assert "120: train 100, test 20" in call("data", "check", cifar, ok=True).out
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "some.npz"
    made = call(
        "data", "prepare", "cifar10", "--path", cifar, "--option", "per_class=1", "--out", out, "--json", ok=True
    ).json
    assert made["windows"] == 20
    assert made["problems"] == []  # colours are no electrodes that anybody misses
    assert len(read_npz(out)) == 20
    assert call("data", "check", out, "--json", ok=True).json["problems"] == []


def test_folders_of_pictures_are_recognised(call, tmp_path):
    place = write_pictures(tmp_path / "pictures", parts=("train", "val"))
    found = call("data", "check", place, "--json", ok=True).json
    assert (found["kind"], found["pictures"], found["classes"]) == ("image-folder", 16, ["class0", "class1"])
    assert found["next"][0].startswith("trimcap data prepare image-folder --path")
    out = tmp_path / "some.npz"
    words = ("image-folder", "--path", place, "--option", "size=32", "--option", "resize=40", "--out", out)
    call("data", "prepare", *words, ok=True)
    assert read_npz(out).shape == (3, 32, 32)


def test_digits_need_no_path(call, tmp_path):
    out = tmp_path / "digits.npz"
    call("data", "prepare", "digits", "--option", "channels=1", "--out", out, ok=True)
    assert read_npz(out).shape == (1, 32, 32)


def test_damaged_and_missing_pictures_are_named(call, cifar, tmp_path):
    (cifar / "data_batch_2").write_bytes(b"no pickle")
    ended = call("data", "check", cifar)
    assert ended.code == 1
    assert "data_batch_2 is not a whole pickle" in ended.err
    (cifar / "data_batch_2").unlink()
    ended = call("data", "check", cifar)
    assert ended.code == 1
    assert "lacks data_batch_2" in ended.err
    ended = call("data", "prepare", "image-folder", "--path", cifar, "--out", tmp_path / "x.npz")
    assert ended.code != 0
    assert "holds no folders with pictures" in ended.err
    ended = call("data", "prepare", "digits", "--option", "colours=1", "--out", tmp_path / "x.npz")
    assert ended.code == 2
    assert "source digits: unknown option 'colours'" in ended.err
