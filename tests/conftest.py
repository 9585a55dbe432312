"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def eegmat_folder() -> Path:
    """The folder of real recordings, or a skip that says what is missing."""
    root = os.environ.get("TRIMCAP_DATA")
    if not root:
        pytest.skip("TRIMCAP_DATA is not set; it must name a folder that holds eegmat/Subject00_1.edf …")
    folder = Path(root) / "eegmat"
    if not any(folder.glob("Subject*_1.edf")):
        pytest.skip(f"no recordings in {folder}")
    return folder
