"""Fixtures that several modules of this folder share."""

from __future__ import annotations

import pytest

import trimcap.data.cache.cache as cache_module
import trimcap.data.cache.entry as entry_module


@pytest.fixture
def builds(monkeypatch):
    """Counts how often windows are really made."""
    count = []
    real = entry_module.write_entry
    monkeypatch.setattr(cache_module, "write_entry", lambda *a, **k: (count.append(1), real(*a, **k)))
    return count
