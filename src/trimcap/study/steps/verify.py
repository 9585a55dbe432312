"""The step "verify"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Positive, Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class Verify(Section):
    """Build the artifact for the host (with `sanitize` once more under sanitizers, with `arm` for emulated Cortex-M),
    replay `windows` windows, compare operation by operation.
    """

    kind: Literal["verify"]
    windows: Positive = 64
    sanitize: bool = True
    arm: bool = False


def _make(task: Task, _: str, step: Verify, state: State) -> Made:
    from trimcap.export.verify import verify

    assert state.artifact is not None  # the recipe's order was checked
    targets = ["host", *(["sanitize"] if step.sanitize else []), *(["cortex-m4", "cortex-m7"] if step.arm else [])]
    place = task.folder.path / "mismatches"
    place.mkdir(parents=True, exist_ok=True)
    found = verify(state.artifact, targets=targets, n=step.windows, save=place)
    passed = [row for row in found.rows if row.status == "passed"]
    how = "bit-exact" if found.integer else f"within {found.tolerance:g}"
    text = f"{how} ({', '.join(row.target for row in passed)})"
    windows = max(row.windows for row in passed)
    return state, {"verified": text, "verified_windows": windows, "targets": found.as_dict()["rows"]}


def _restore(_: Task, __: str, state: State) -> State:
    return state


KIND = Kind(Verify, "verified", _make, changes=(), needs=("artifact",), restore=_restore)
