"""Proof that the C of an artifact computes what its Program says, operation by operation."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import VerifyError, unknown
from trimcap.export import cortexm
from trimcap.export.artifact import Artifact, check_artifact
from trimcap.export.build import CODE, SANITIZE, STRICT, BuildError, compile_c, host_compiler, run
from trimcap.export.compare import Mismatch, Worst, compare
from trimcap.export.harness import TRACE, WINDOWS, expected_trace, harness, read_trace
from trimcap.program.interpret import as_input

TARGETS = ("host", "sanitize", "cortex-m4", "cortex-m7")
_CHUNK = 128  # windows whose traces are in memory at a time


@dataclass(frozen=True)
class Row:
    """One target: what was compared, how well it agrees, what it costs.

    status : "passed", "failed" or "skipped", with the reason of the last two
    worst : largest difference; integers as they are, floats relative to the scale of the operation `worst_op`
    flash, ram, stack : bytes on the target (code and constants; state of a call and static data; high-water mark)
    instructions : of one inference, under emulation
    """

    target: str
    status: str
    reason: str = ""
    windows: int = 0
    worst: float = 0.0
    worst_op: str = ""
    flash: int | None = None
    ram: int | None = None
    stack: int | None = None
    instructions: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """All targets of one artifact."""

    artifact: str
    name: str
    integer: bool
    operations: int
    tolerance: float
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """No target failed and at least one passed."""
        states = [row.status for row in self.rows]
        return "failed" not in states and "passed" in states

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        """A table, one line per target."""
        kind = "bit-exact" if self.integer else f"within {self.tolerance:g}"
        lines = [f"{self.name}: {self.operations} operations, {kind}"]
        return "\n".join([*lines, *map(_line, self.rows)])


def verify(
    folder: Path | str,
    *,
    windows: Any = None,
    targets: Iterable[str] = TARGETS,
    n: int = 64,
    n_emulated: int = 4,
    save: Path | str = ".",
    check: bool = True,
    timeout: float = 600,
) -> Verification:
    """Build an artifact's C for every target, replay windows, compare every operation with the interpreter.

    *host*: strict C99, warnings are errors, plus the self-test and two windows with
    NaN, which `NAME_classify` must give no class. *sanitize*: the same with address and
    undefined-behaviour sanitizers. *cortex-m4*, *cortex-m7*: on emulated boards, with flash, RAM, stack and
    instruction count. A target whose tools are missing is skipped, with the reason.

    Parameters
    ----------
    folder : artifact
    windows : `Windows` or float array (n, *input shape) in the real unit; default the golden windows, filled up to
        `n` with noise of their mean and spread, every fourth four times as large so that it saturates
    n_emulated : at most so many windows under emulation
    save : folder for `verify-<window>.npz`, the input of a window that disagrees
    check : raise on a mismatch; else it is a row with status "failed"
    timeout : seconds for every built program

    Raises
    ------
    ArtifactError : a file is missing or edited. VerifyError : names target, window, operation and difference.
    """
    targets = list(targets)
    for target in targets:
        if target not in TARGETS:
            raise ValueError(unknown("target", target, TARGETS))
    artifact = check_artifact(folder)
    X = _windows(artifact, windows, n)
    rows = []
    for target in targets:
        start = time.perf_counter()
        row = _row(artifact, target, X, n_emulated=n_emulated, save=Path(save), timeout=timeout)
        rows.append(replace(row, seconds=round(time.perf_counter() - start, 3)))
    p = artifact.program
    result = Verification(str(artifact.folder), artifact.name, p.integer, len(p.ops), artifact.tolerance, tuple(rows))
    failed = [f"{row.target}: {row.reason}" for row in rows if row.status == "failed"]
    if check and failed:
        raise VerifyError(f"'{artifact.folder}' is not what its program says.\n" + "\n".join(failed))
    return result


def _row(
    artifact: Artifact, target: str, X: NDArray[np.float32], *, n_emulated: int, save: Path, timeout: float
) -> Row:
    reason = _missing(target)
    if reason:
        return Row(target, "skipped", reason)
    try:
        with tempfile.TemporaryDirectory(prefix="trimcap-verify-") as work:
            if target in cortexm.CORES:
                return _emulated(artifact, target, X[:n_emulated], Path(work), save, timeout)
            return _on_host(artifact, target, X, Path(work), save, timeout)
    except BuildError as error:
        return Row(target, "failed", str(error))


def _missing(target: str) -> str | None:
    if target in cortexm.CORES:
        return cortexm.missing_tools()
    return None if host_compiler() else "no C compiler found (gcc, clang or $CC)"


def _on_host(artifact: Artifact, target: str, X: NDArray[np.float32], work: Path, save: Path, timeout: float) -> Row:
    flags = (*STRICT, *(SANITIZE if target == "sanitize" else CODE), f"-I{artifact.folder.resolve()}")
    text = work / "harness.c"
    text.write_text(harness(artifact.program, artifact.name), encoding="ascii")
    # one compilation of the network serves both: the harness calls the self-test's main after it has replayed
    compiler, test = str(host_compiler()), artifact.folder / f"{artifact.name}_test.c"
    parts = [
        compile_c(compiler, (*flags, "-DSELF_TEST=self_test", "-c"), [text], work / "harness.o"),
        compile_c(compiler, (*flags, "-Dmain=self_test", "-c"), [test], work / "test.o"),
    ]
    program = compile_c(compiler, flags, parts, work / "harness", end=("-lm",))
    return _replay(artifact, target, X, work, save, lambda: run([str(program)], cwd=work, timeout=timeout))


def _emulated(artifact: Artifact, target: str, X: NDArray[np.float32], work: Path, save: Path, timeout: float) -> Row:
    core = cortexm.CORES[target]
    name = artifact.name
    flash, ram = cortexm.object_size(core, artifact.folder / f"{name}.c", work)
    text = work / "harness.c"
    text.write_text(harness(artifact.program, name, measuring=cortexm.MEASURING), encoding="ascii")
    image = cortexm.link_image(core, text, work, include=artifact.folder)
    row = _replay(artifact, target, X, work, save, lambda: cortexm.emulate(core, image, work, timeout=timeout))
    stack, state, instructions = cortexm.read_measures(work)
    return replace(row, flash=flash, ram=ram + state, stack=stack, instructions=instructions)


def _replay(
    artifact: Artifact, target: str, X: NDArray[np.float32], work: Path, save: Path, go: Callable[[], object]
) -> Row:
    """Run all windows, a chunk at a time; stop at the first chunk that disagrees."""
    worst = Worst(0.0, "", 0)
    for first in range(0, len(X), _CHUNK):
        part = X[first : first + _CHUNK]
        part.tofile(work / WINDOWS)
        got, failure = _traced(artifact, work / TRACE, len(part), go)
        here, mismatch = compare(expected_trace(artifact.program, part), got, tolerance=artifact.tolerance)
        if here.difference > worst.difference or not worst.op:
            worst = replace(here, window=here.window + first)
        if mismatch:
            reason = _report(artifact, mismatch, first, X, save)
            return Row(target, "failed", reason, first + len(part), worst.difference, worst.op)
        if failure:
            raise failure
    return Row(target, "passed", "", len(X), worst.difference, worst.op)


def _traced(
    artifact: Artifact, path: Path, n: int, go: Callable[[], object]
) -> tuple[dict[str, NDArray[Any]], BuildError | None]:
    """Every operation's results, and why the program failed after it wrote them: the self-test knows no operation."""
    failure = None
    path.unlink(missing_ok=True)
    try:
        go()
    except BuildError as error:
        failure = error
    try:
        return read_trace(artifact.program, path, n), failure
    except (OSError, ValueError):
        if failure:
            raise failure from None
        raise


def _report(artifact: Artifact, mismatch: Mismatch, first: int, X: NDArray[np.float32], save: Path) -> str:
    window = mismatch.window + first
    text = mismatch.text(integer=artifact.program.integer, tolerance=artifact.tolerance, first=first)
    path = save / f"verify-{window}.npz"
    try:
        save.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=X[window], window=window, op=mismatch.op)
    except OSError as error:
        return f"{text} (the input could not be saved as '{path}': {error.strerror})"
    return f"{text}; its input is in '{path}'"


def _windows(artifact: Artifact, windows: Any, n: int) -> NDArray[np.float32]:
    golden, _ = artifact.golden()
    if windows is not None:
        X = np.ascontiguousarray(as_input(artifact.program, windows))
        if not len(X):
            raise ValueError(f"'{artifact.folder}': there are no windows to replay")
        return X
    more = max(n - len(golden), 0)
    noise = np.random.default_rng(0).standard_normal((more, *golden.shape[1:]))
    noise[3::4] *= 4
    return np.concatenate([golden[: max(n, 1)], (golden.mean() + golden.std() * noise).astype(np.float32)])


def _line(row: Row) -> str:
    if row.status != "passed":
        return f"  {row.target:<10} {row.status}: {row.reason}"
    sizes: Sequence[tuple[str, int | None]] = (("flash", row.flash), ("RAM", row.ram), ("stack", row.stack))
    cost = "".join(f", {label} {value} B" for label, value in sizes if value is not None)
    count = f", {row.instructions:,} instructions" if row.instructions is not None else ""
    return f"  {row.target:<10} passed: {row.windows} windows, worst {row.worst:.3g} ({row.worst_op}){cost}{count}"
