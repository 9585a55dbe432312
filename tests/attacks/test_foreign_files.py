"""Recordings that would keep a process for minutes, or fill its memory."""

from __future__ import annotations

import gzip
import signal
import time
from contextlib import suppress

import pytest

from trimcap.data import limits
from trimcap.data.raws import open_raw


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
