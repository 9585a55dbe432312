"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Windows are cached in a folder of the tests, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMCAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
