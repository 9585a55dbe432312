"""Build a program's C and trace it, without the artifact around it; marks for missing tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sealing import resealed
from trimcap.export.build import CODE, STRICT, compile_c, host_compiler, run
from trimcap.export.c.source import emit_c
from trimcap.export.compare import compare
from trimcap.export.cortexm import missing_tools
from trimcap.export.harness import expected_trace, harness, read_trace

needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="no C compiler")
needs_arm = [pytest.mark.arm, pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))]


def traced(program, X, work: Path, *, flags=CODE):
    """Results of every operation from strictly compiled C."""
    c = emit_c(program)
    (work / f"{c.name}.c").write_text(c.source, encoding="ascii")
    (work / f"{c.name}.h").write_text(c.header, encoding="ascii")
    (work / "harness.c").write_text(harness(program, c.name), encoding="ascii")
    binary = compile_c(str(host_compiler()), (*STRICT, *flags), [work / "harness.c"], work / "harness", end=("-lm",))
    np.ascontiguousarray(X, np.float32).tofile(work / "windows.bin")
    run([str(binary)], cwd=work)
    return read_trace(program, work / "trace.bin", len(X))


def disagreement(program, X, work: Path, *, tolerance=None):
    """Worst difference and first mismatch between C and interpreter."""
    limit = tolerance if tolerance is not None else 0.0 if program.integer else 1e-5
    return compare(expected_trace(program, X), traced(program, X, work), tolerance=limit)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Change a file of an artifact and make the manifest agree: damage that hashes can't see."""
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    resealed(folder / "manifest.json", lambda content: None)
