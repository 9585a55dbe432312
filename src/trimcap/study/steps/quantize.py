"""The step "quantize"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Positive, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trimcap.study.steps.task import Made, State, Task

#: columns of the results, for stages in integers
FIDELITY = ("agreement_calibration", "agreement_held_out", "sqnr_calibration", "sqnr_held_out", "weakest_layer",
            "weakest_db")  # fmt: skip
#: training windows that set no range, to compare integers with float on
_HELD_OUT = 128


class Quantize(Section):
    """Integers; `ranges` of activations come from `windows` training windows, drawn with the trial's seed, and after
    a step "calibrate" from the new subject's calibration windows too. Up to 128 further training windows set no range:
    how well integers agree with float is measured on both. `input_scales`, `int16`: see `trimcap.quantize.network`.
    """

    kind: Literal["quantize"]
    bits: Literal[8] = 8
    ranges: Literal["measured", "minmax", "percentile", "mse"] = "measured"
    input_scales: Literal["measured", "one", "channels"] = "measured"
    int16: tuple[str, ...] = ()
    windows: Positive = 256


def _make(task: Task, name: str, step: Quantize, state: State) -> Made:
    from trimcap.data.join import join
    from trimcap.program.save import save_program
    from trimcap.quantize.network import quantize_network
    from trimcap.study.steps.task import fitted_to, program_facts

    rows = np.random.default_rng(task.seed).permutation(len(task.train))
    parts = [task.train.take(np.sort(rows[: step.windows]))]
    others = task.train.take(np.sort(rows[step.windows :][:_HELD_OUT]))
    own = task.fold.calibration
    if own is not None and any("calibration" in stage.kind.needs for stage in task.before(name) if stage.kind):
        parts.append(own)  # the wearer may have other amplitudes than everybody in training
    for part in (*parts, others):
        task.fold.ledger.record("calibration", part)
    found = quantize_network(
        state.network,
        join([fitted_to(state.network, part) for part in parts]),
        held_out=fitted_to(state.network, others) if len(others) else None,
        bits=step.bits,
        method=step.ranges,
        input_scales=step.input_scales,
        int16=step.int16,
        name="network",
        classes=task.train.classes,
        exact_rewrites=False,
    )
    save_program(found.program, task.folder.network(name))
    facts = {
        "notes": list(found.program.notes),
        "warnings": list(found.fidelity.warnings),
        "measured": dict(found.program.measured),
        **fidelity_row(found.program.measured),
    }
    return replace(state, program=found.program), {**facts, **program_facts(state.network, found.program)}


def fidelity_row(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What `Program.measured` says, as columns of the results: agreements, logits in dB, and the weakest layer."""
    held_out = measured["held_out"] or {}
    worst = {
        layer["source"]: min(layer[kind] for kind in ("calibration", "held_out") if layer[kind] is not None)
        for layer in reversed(measured["layers"])
    }
    weakest = min(worst, key=lambda name: worst[name])
    values = (measured["calibration"]["agreement"], held_out.get("agreement"), measured["calibration"]["sqnr"],
              held_out.get("sqnr"), weakest, worst[weakest])  # fmt: skip
    return dict(zip(FIDELITY, values, strict=True))


def _restore(task: Task, name: str, state: State) -> State:
    from trimcap.program.save import load_program

    return replace(state, program=load_program(task.folder.network(name)))


KIND = Kind(
    Quantize,
    "int8",
    _make,
    changes=("integers",),
    ends=("weights", "integers"),
    columns=FIDELITY,
    restore=_restore,
)
