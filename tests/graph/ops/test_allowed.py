"""What tracing writes down may be saved: the operations of the networks of docs/coverage.json and of the zoo."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimcap._errors import TraceError
from trimcap.graph.ops.allowed import ALLOWED, operation

#: as traced and as rewritten, of 92 networks and the zoo
TRACED = (Path(__file__).parent / "traced_operations.txt").read_text().split()


def test_every_operation_of_the_coverage_networks_is_allowed():
    assert len(TRACED) > 100
    assert all(callable(operation(name)) for name in TRACED)


def test_nothing_that_is_allowed_reads_files_or_memory():
    assert not ALLOWED & {"from_file", "set_", "set", "resize_", "as_strided", "record_stream", "_local_scalar_dense"}
    with pytest.raises(TraceError, match=r"'aten.from_file.default' is not among .* add 'from_file' to the list"):
        operation("aten.from_file.default")
