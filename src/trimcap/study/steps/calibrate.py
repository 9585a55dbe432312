"""The step "calibrate"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Fitting, Positive

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class Calibrate(Fitting):
    """Fine-tuning on the few labelled trials of a new subject that the protocol few_shot sets aside.

    Nothing is left to validate on: all `epochs` run, at a small `learning_rate`, and the last weights are kept.
    """

    kind: Literal["calibrate"]
    epochs: Positive = 30
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4


def _make(task: Task, name: str, step: Calibrate, state: State) -> Made:
    from trimcap.study.steps.fitting import tuned
    from trimcap.study.steps.task import kept

    own = task.fold.calibration
    assert own is not None  # checked before anything was trained
    network, facts = tuned(task, name, step, state.network, "calibrate", masks=state.masks, on=(own, None))
    note = "no validation: all epochs run, the last weights are kept"
    return kept(task, name, network, {**facts, "calibration_windows": len(own), "note": note}, masks=state.masks)


# what learns afterwards would train on the other subjects again
KIND = Kind(
    Calibrate, "calibrated", _make, changes=("weights", "learning"), ends=("learning",), needs=("calibration",)
)  # fmt: skip
