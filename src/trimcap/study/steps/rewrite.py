"""The step "rewrite"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class Rewrite(Section):
    """Exact rewrites, chosen by the cost model."""

    kind: Literal["rewrite"]


def _make(task: Task, name: str, _: Rewrite, state: State) -> Made:
    from trimcap.graph.rewrite.rewrite import rewrite
    from trimcap.study.steps.task import kept

    found = rewrite(state.network)
    return kept(task, name, found.network, {"rewrites": str(found)})


KIND = Kind(Rewrite, "rewritten", _make, changes=("weights", "shapes"))
