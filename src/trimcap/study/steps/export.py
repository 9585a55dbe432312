"""The step "export"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Positive, Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class Export(Section):
    """A folder with C99 sources (`format`), manifest and `golden` windows, taken evenly from the validation windows."""

    kind: Literal["export"]
    format: Literal["c"] = "c"
    golden: Positive = 16


def _make(task: Task, name: str, step: Export, state: State) -> Made:
    from trimcap.export.artifact import export
    from trimcap.program.lower.lower import lower
    from trimcap.study.steps.task import fitted_to, program_facts

    valid = fitted_to(state.network, task.valid)
    golden = valid.take(np.linspace(0, len(valid) - 1, min(step.golden, len(valid))).round().astype(np.int64))
    task.fold.ledger.record("verify", golden, "golden windows")
    program = state.program or lower(state.network, name="network", classes=valid.classes)
    place = export(program, task.folder.network(name), golden=golden, chain=task.prepared.chain)
    return replace(state, program=program, artifact=place), program_facts(state.network, program)


def _restore(task: Task, name: str, state: State) -> State:
    return replace(state, artifact=task.folder.network(name))


KIND = Kind(
    Export, "C", _make, changes=("artifact",), ends=("weights", "integers", "artifact"), restore=_restore
)  # fmt: skip
