"""The step "re_estimate"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Positive, Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class ReEstimate(Section):
    """Batch-norm statistics from `windows` training windows, drawn with the trial's seed; no weight changes."""

    kind: Literal["re_estimate"]
    windows: Positive = 512


def _make(task: Task, name: str, step: ReEstimate, state: State) -> Made:
    from trimcap.study.steps.task import fitted_to, kept
    from trimcap.train.re_estimate import re_estimate_batch_norm

    own = fitted_to(state.network, task.train)
    rows = np.sort(np.random.default_rng(task.seed).permutation(len(own))[: step.windows])
    network = re_estimate_batch_norm(state.network, own.take(rows), ledger=task.fold.ledger)
    return kept(task, name, network, {"re_estimated_windows": len(rows)}, masks=state.masks)


KIND = Kind(ReEstimate, "re-estimated", _make, changes=("weights", "learning"))
