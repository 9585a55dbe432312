"""The package imports in a moment and every public name resolves."""

from __future__ import annotations

import subprocess
import sys

import pytest

import trimcap


@pytest.mark.parametrize("name", trimcap.__all__)
def test_every_public_name_resolves(name):
    assert getattr(trimcap, name) is not None
    assert name in dir(trimcap)


def test_data_exports_what_a_script_needs_and_the_rest_is_in_its_room():
    assert 35 <= len(trimcap.data.__all__) <= 45
    assert set(trimcap.data.__all__) <= set(trimcap.__all__)
    for name in trimcap.data.__all__:
        assert getattr(trimcap, name) is getattr(trimcap.data, name)
    assert trimcap.data.electrodes.names.hemispheres(["F4", "Cz", "F3"]) == ("F3", "F4")


def test_unknown_name():
    with pytest.raises(AttributeError, match="has no attribute 'shrnk'"):
        trimcap.shrnk  # noqa: B018


def test_import_loads_nothing_heavy():
    code = (
        "import sys, trimcap; heavy = {'torch', 'mne', 'numpy', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
