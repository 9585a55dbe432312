"""What readers say of recordings reaches the windows: the rule of the classes, trials left out, stimuli of some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimcap.data.cache.cache import cached
from trimcap.data.preprocess.chain import make_chain
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.recording import Recording

LOST = "2 trials without a usable label or signal left out by the reader"


def recording(subject, trial, **info):
    rng = np.random.default_rng([len(subject), int(trial)])
    signal = rng.standard_normal((2, 64)).astype(np.float32)
    return Recording(
        signal=signal, rate=32.0, channels=("C3", "C4"), subject=subject, trial=trial, label=int(trial) % 2,
        classes=("low", "high"), info=info,
    )  # fmt: skip


def rated(rule="valence > 5"):
    lost = {"1/7": "its rating is NaN"}
    return [recording(s, t, rule=rule, left_out=lost) for s in ("s1", "s2") for t in ("1", "2")]


WAYS = {
    "cut": lambda recordings, folder: cut(recordings, seconds=1),
    "apply": lambda recordings, folder: make_chain([{"name": "windows", "seconds": 1}]).apply(recordings),
    "subject": lambda recordings, folder: make_chain(
        [{"name": "windows", "seconds": 1}, "subject_z_score"]
    ).apply(recordings),
    "cached": lambda recordings, folder: cached(
        make_chain([{"name": "windows", "seconds": 1}]), recordings, folder=folder
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_rule_and_what_was_left_out_stand_in_the_steps(way, tmp_path):
    for _ in range(2):  # the second time a cache does not read anything
        steps = WAYS[way](rated(), tmp_path).steps
        assert steps[-2:] == ("classes by valence > 5", LOST)  # one trial of each subject, though two tell of it
    assert not any(
        "classes by" in step or "left out" in step for step in WAYS[way]([recording("s1", "1")], tmp_path).steps
    )


@pytest.mark.parametrize("way", WAYS)
def test_recordings_of_two_rules_do_not_mix(way, tmp_path):
    mixed = rated()[:2] + rated("valence > 6")[2:]
    with pytest.raises(ValueError, match="different rules \\(valence > 5, valence > 6\\)"):
        WAYS[way](mixed, tmp_path)


def test_another_rule_is_another_entry(tmp_path):
    assert WAYS["cached"](rated(), tmp_path).steps != WAYS["cached"](rated("valence >= 5"), tmp_path).steps


@pytest.mark.parametrize("way", WAYS)
def test_a_stimulus_that_some_recordings_name(way, tmp_path):
    some = [replace(recording("s1", "1"), info={"stimulus": "clip"}), recording("s1", "2")]
    windows = WAYS[way](some, tmp_path)
    assert windows.metadata.stimulus.tolist() == ["clip", "clip", "", ""]
    assert WAYS[way](some[::-1], tmp_path).metadata.stimulus.tolist() == ["", "", "clip", "clip"]
