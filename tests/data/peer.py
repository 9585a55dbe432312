"""torcheeg's own transforms, or a skip that says why not."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

#: torcheeg.transforms imports these for transforms that are not compared here
_UNUSED = ("spectrum", "pywt")


def transforms() -> Any:
    """The module `torcheeg.transforms`; packages that only its other transforms use are stood in for if absent."""
    if importlib.util.find_spec("torcheeg") is None:
        pytest.skip("torcheeg is not installed: pip install --no-deps torcheeg==1.1.3")
    absent = [name for name in _UNUSED if name not in sys.modules and importlib.util.find_spec(name) is None]
    mne_logger = logging.getLogger("mne")
    level = mne_logger.level
    for name in absent:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].aryule = None  # type: ignore[attr-defined]
    try:
        return importlib.import_module("torcheeg.transforms")
    finally:
        mne_logger.setLevel(level)  # torcheeg silences it
        for name in absent:
            del sys.modules[name]


def locations(data_set: str) -> dict[str, tuple[int, int]]:
    """torcheeg's electrode → (row, column) of a data set, read without importing all its data sets."""
    transforms()
    before = set(sys.modules)
    root = Path(sys.modules["torcheeg"].__path__[0]) / "datasets"
    if "torcheeg.datasets" not in sys.modules:
        sys.modules["torcheeg.datasets"] = ModuleType("torcheeg.datasets")
        sys.modules["torcheeg.datasets"].__path__ = [str(root)]
    try:
        module = importlib.import_module(f"torcheeg.datasets.constants.emotion_recognition.{data_set}")
        return dict(getattr(module, f"{data_set.upper()}_CHANNEL_LOCATION_DICT"))
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]
