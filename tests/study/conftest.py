"""What several modules of tests about studies share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """A finished run of every method of `compared_methods`."""
    from compared_methods import recipe

    from trimcap.study.run.run import run

    return run(recipe(), tmp_path_factory.mktemp("compare") / "r")
