"""Every step says what it does to the meaning of the numbers, and does that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import own_steps
import pytest
from brown import brown

from trimcap.data import Effect, cut, make_chain
from trimcap.data.preprocess.effects import UNDECLARED, computing
from trimcap.data.preprocess.recordings.running import running_z_score
from trimcap.data.preprocess.steps import STEPS

CUT = {"name": "windows", "seconds": 1, "step": 1}
#: step → options, and further steps that it needs before it
OPTIONS = {
    "keep_first": {"seconds": 3}, "pick": {"names": ["Fp2", "Fp1"]}, "bandpass": {"low": 1, "high": 40},
    "resample": {"rate": 100}, "subtract_baseline_mean": {"seconds": 1}, "reject": {"peak_to_peak": 1e6},
    "grid": {}, "windows": {"seconds": 1},
}  # fmt: skip


def windows_with(name: str):
    """Windows without and with the step; a step on signals before the cut, one on windows behind it."""
    step, level = {"name": name, **OPTIONS.get(name, {})}, STEPS[name].level
    recordings = [brown("s1", n_times=1024), brown("s1", "1", n_times=1024, label=1)]
    if name == "windows":
        return make_chain([step]).apply(recordings), make_chain([step]).apply(recordings)
    if level == "recording":
        return make_chain([CUT]).apply(recordings), make_chain([step, CUT]).apply(recordings)
    late = [CUT | {"baseline": 2}] if name == "subtract_baseline" else [CUT]
    late += ["differential_entropy"] if name == "grid" else []
    before = make_chain([CUT, *late[1:]]).apply(recordings)
    return before, make_chain([*late, step]).apply(recordings)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_does_what_it_declares(name):
    effect = STEPS[name].effect
    assert isinstance(effect, Effect)
    before, after = windows_with(name)
    assert after.unit == (effect.unit or before.unit)
    assert (after.rate != before.rate) == effect.rate
    same = all(np.isin(after.X[0].ravel(), before.X.ravel()))
    assert same != effect.numbers
    if name != "rereference":  # which changes what an electrode is measured against
        assert (after.channels != before.channels) == effect.channels
    assert bool(computing(after.steps[len(before.steps) - 1 :])) or not effect.numbers


@pytest.mark.parametrize("name", [name for name in STEPS if not STEPS[name].effect.numbers])
def test_what_only_chooses_is_told_from_words(name):
    assert computing(windows_with(name)[1].steps) == ()


def test_words_that_are_not_known_count_as_computing():
    assert computing(["cut into 1-s windows every 1 s", "electrodes O1 held at their mean", "mine"]) == (
        "electrodes O1 held at their mean", "mine",
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"seconds": 3}])
def test_the_unit_after_a_running_z_score(options):
    """Header and manifest said µV for it."""
    recording = brown("s1", n_times=1024)
    scored = running_z_score(recording, **options)
    assert (recording.unit, scored.unit, cut([scored], seconds=1).unit) == ("µV", "z", "z")
    chain = make_chain([{"name": "running_z_score", **options}, CUT])
    assert chain.apply([recording]).unit == "z"
    stream = chain.stream(recording.rate, recording.channels)
    assert stream.push(recording.signal).unit == "z"
    with pytest.raises(ValueError, match="has unit z, but"):
        cut([recording, recording, replace(scored, trial="x")], seconds=1)


def test_steps_of_ones_own(monkeypatch):
    recording = brown("s1", n_times=1024)
    early, late = "own_steps:half", "own_steps:absolute"
    for steps in ([early, CUT], [CUT, late]):
        unit = make_chain(steps).apply([recording]).unit
        assert unit.startswith(UNDECLARED)
        assert "own_steps:" in unit
    stream = make_chain([early, CUT]).stream(recording.rate, recording.channels)
    assert stream.push(recording.signal).unit.startswith(UNDECLARED)
    for function, effect, unit in ((own_steps.half, Effect(scale=True), "µV"), (own_steps.half, Effect(unit="a"), "a")):
        monkeypatch.setattr(function, "effect", effect, raising=False)
        assert make_chain([early, CUT]).apply([recording]).unit == unit
    monkeypatch.setattr(own_steps.absolute, "effect", "z", raising=False)
    with pytest.raises(ValueError, match=r"effect is 'z'; it must be a trimcap\.data\.Effect"):
        make_chain([CUT, late])
