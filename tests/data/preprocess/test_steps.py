"""What makes a class a step, and a step a function."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass

import numpy as np
import pytest
from brown import brown
from test_stream import streamed

import trimcap.data
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Online
from trimcap.data.preprocess.recordings.filters import Bandpass, bandpass
from trimcap.data.preprocess.step import SignalStep, WindowStep, on_recordings
from trimcap.data.preprocess.steps import STEPS, make_step, name_of

CUT = make_step("windows", seconds=1)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_a_frozen_dataclass_of_its_options(name):
    step = STEPS[name]
    assert is_dataclass(step)
    assert step.name == name
    needed = {"seconds": 1.0, "rate": 64.0, "names": ["Cz"], "low": 1.0, "high": 9.0, "peak_to_peak": 9.0}
    made = step(**{field.name: needed[field.name] for field in fields(step) if field.name in needed})
    assert list(made.options) == [field.name for field in fields(step)]
    for option in made.options:
        with pytest.raises(FrozenInstanceError):
            setattr(made, option, 2)


def test_a_step_without_an_effect_is_noticed():
    with pytest.raises(TypeError, match="step mute must declare its effect"):

        class Mute(WindowStep):
            name = "mute"


def test_a_step_without_a_streaming_form_is_noticed():
    @dataclass(frozen=True)
    class Deaf(SignalStep):
        name = "deaf"
        effect = Effect()

    with pytest.raises(TypeError, match=r"abstract.*online"):
        Deaf()


@dataclass(frozen=True, eq=False)
class Reversed(SignalStep):
    """Its offline form uses the future, its streaming form can't."""

    name = "reversed"
    effect = Effect()

    def online(self, rate, channels, /):
        return Online(lambda block: block[:, ::-1].astype(np.float32), rate, channels)


@dataclass(frozen=True, eq=False)
class Mixed(WindowStep):
    """Says that it treats each window for itself, and does not."""

    name = "mixed"
    effect = Effect()

    def apply(self, given, /):
        return given.with_X(given.X - given.X.mean(axis=0), step="mixed")


@pytest.mark.parametrize("steps", [(Reversed(), CUT), (CUT, Mixed())])
def test_a_streaming_form_that_differs_is_noticed(steps):
    """The twin of the tests of streams: what they would say of a step that is not the same in both."""
    chain, recording = Chain(steps), brown(n_times=700)
    _, X, _ = streamed(chain, recording, [100, 200])
    assert np.abs(X - chain.apply([recording]).X).max() > 0.1


def test_functions_of_scripts_are_the_steps():
    """`bandpass(recording, low=1, …)` has the options, the help and the checks of the step; nothing is said twice."""
    recording = brown()
    np.testing.assert_array_equal(
        bandpass(recording, low=1, high=9).signal, Bandpass(low=1, high=9).apply(recording).signal
    )
    assert bandpass.__doc__ == Bandpass.__doc__
    assert name_of(bandpass) == bandpass.__name__ == "bandpass"
    assert (
        str(inspect.signature(bandpass)) == "(recording: 'Recording', /, *, low: 'float | None', high: 'float | None', "
        "order: 'int' = 4, phase: 'Phase' = 'causal')"
    )
    with pytest.raises(TypeError, match="hihg"):
        bandpass(recording, low=1, hihg=9)
    for name in set(STEPS) & set(trimcap.data.__all__) - {"grid"}:  # which lays out electrodes
        assert name_of(getattr(trimcap.data, name)) == name


def test_a_function_says_what_is_behind_it():
    made = on_recordings(Reversed)
    assert (made.__name__, made.__module__, made.__doc__) == ("reversed", __name__, Reversed.__doc__)
