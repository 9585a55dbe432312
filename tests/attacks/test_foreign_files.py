"""Recordings that would keep a process for minutes, or fill its memory."""

from __future__ import annotations

import gzip
import signal
import time
from contextlib import suppress

import numpy as np
import pytest
from scipy.io import savemat

from trimcap.data.files import limits
from trimcap.data.files.raws import open_raw


def test_a_compressed_file_with_a_changed_byte_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    content = bytearray(gzip.compress(bytes(range(256)) * 100))
    content[-6] ^= 1
    (tmp_path / "a_raw.fif.gz").write_bytes(content)
    monkeypatch.setattr("mne.io.read_raw", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(ValueError, match=r"a_raw.fif.gz is truncated or damaged .*copy or download it again"):
        open_raw(tmp_path / "a_raw.fif.gz")


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_FREE", 1 << 20)
    monkeypatch.setattr(limits, "_RATIO", 20)
    (tmp_path / "a_raw.fif.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    with pytest.raises(ValueError, match="unpacks to more than"):
        open_raw(tmp_path / "a_raw.fif.gz")


def test_a_header_that_is_read_for_ever_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "a.edf"
    path.write_bytes(b"0" * 300)
    monkeypatch.setattr(limits, "SECONDS", 0.3)

    def endless():
        while True:
            with suppress(Exception):  # as parsers do
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ValueError, match=r"a.edf: reading its header takes more than .* declares what it does"):
        open_raw(path, endless)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_header_that_fills_memory_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "a.edf"
    path.write_bytes(b"0" * 300)
    monkeypatch.setattr(limits, "_MEMORY", 64 << 20)
    held = []

    def greedy():
        while len(held) < 200:
            with suppress(Exception):
                held.append(bytearray(b"x") * (8 << 20))
                time.sleep(0.005)

    with pytest.raises(ValueError, match=r"a.edf: reading its header takes more than 64 MiB of memory, for 300 bytes"):
        open_raw(path, greedy)
    assert len(held) < 200
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_small_set_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_FREE", 1 << 20)
    monkeypatch.setattr("mne.io.read_raw", lambda *_, **__: pytest.fail("parsed"))
    savemat(tmp_path / "a.set", {"EEG": {"data": np.zeros((8, 1 << 17))}}, do_compression=True)
    assert (tmp_path / "a.set").stat().st_size < 20_000
    with pytest.raises(ValueError, match=r"a.set unpacks to more than 1,048,576 bytes"):
        open_raw(tmp_path / "a.set")


def chunk(tag, content):
    return b"\x04" + (2 + len(content)).to_bytes(4, "little") + tag.to_bytes(2, "little") + content


@pytest.mark.parametrize(("channels", "samples"), [(10**9, 1), (2, 10**9), (10**18, 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_an_xdf_that_declares_more_samples_than_it_holds(tmp_path, monkeypatch, channels, samples, packed):
    """Of text, pyxdf makes a list as long as the declared number of channels: 8 GB of a file of 200 bytes."""
    pyxdf = pytest.importorskip("pyxdf")
    monkeypatch.setattr(pyxdf, "load_xdf", lambda *_, **__: pytest.fail("parsed"))
    head = f"<info><channel_format>string</channel_format><channel_count>{channels}</channel_count></info>"
    content = b"XDF:" + chunk(2, b"\1\0\0\0" + head.encode())
    content += chunk(3, b"\1\0\0\0\x08" + samples.to_bytes(8, "little") + b"\0" * 40)
    path = tmp_path / ("a.xdfz" if packed else "a.xdf")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=rf"declares {samples:,} samples of {channels:,} channels in 55 bytes"):
        open_raw(path)


def test_a_packed_xdf_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_FREE", 1 << 20)
    (tmp_path / "a.xdfz").write_bytes(gzip.compress(b"XDF:" + bytes(8 << 20)))
    with pytest.raises(ValueError, match="unpacks to more than"):
        open_raw(tmp_path / "a.xdfz")


def test_a_brainvision_header_that_declares_more_channels_than_bytes(tmp_path, monkeypatch):
    """A header of 240 bytes took 2.4 GB in 3 s."""
    monkeypatch.setattr("mne.io.read_raw", lambda *_, **__: pytest.fail("parsed"))
    (tmp_path / "a.eeg").write_bytes(bytes(100))
    head = "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=a.eeg\nDataFormat=BINARY\n"
    (tmp_path / "a.vhdr").write_text(head + "NumberOfChannels=300000000\nSamplingInterval=5000\n")
    with pytest.raises(
        ValueError, match=r"a.vhdr is damaged: it declares 300,000,000 channels, and a.eeg has 100 bytes"
    ):
        open_raw(tmp_path / "a.vhdr")
