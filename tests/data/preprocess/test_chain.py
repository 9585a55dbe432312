"""Chains: their functions one after the other, one recording at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import own_steps
import pytest
from brown import NAMES, brown, several

import trimcap.data.preprocess.chain as chain_module
from trimcap.data.electrodes.montage import grid
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.recordings.filters import bandpass, notch
from trimcap.data.preprocess.recordings.rereference import rereference
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import band_power, differential_entropy, to_grid
from trimcap.data.preprocess.windows.scaling import subject_z_score

ONE = make_step("windows", seconds=1)


def test_a_chain_is_its_functions_one_after_the_other():
    recordings = several(rate=250.0)
    made = Chain(
        (
            make_step("rereference"),
            make_step("notch"),
            make_step("bandpass", low=1, high=45, phase="zero"),
            make_step("resample", rate=128),
            ONE,
            make_step("differential_entropy"),
            make_step("grid"),
        )
    ).apply(recordings)
    by_hand = [resample(bandpass(notch(rereference(r)), low=1, high=45, phase="zero"), 128) for r in recordings]
    windows = to_grid(differential_entropy(cut(by_hand, seconds=1)), grid(NAMES[:4]))
    np.testing.assert_allclose(made.X, windows.X, atol=1e-6)
    np.testing.assert_array_equal(made.ids, windows.ids)
    np.testing.assert_array_equal(made.y, windows.y)
    assert (made.unit, made.rate, made.duration, made.classes) == ("nat", 128, 1, ("a", "b"))
    assert "zero phase, not causal" in made.steps[2]


def test_the_order_of_steps_counts():
    """The twin that must differ."""
    early = (make_step("bandpass", low=1, high=45), make_step("running_z_score"), ONE)
    late = (make_step("running_z_score"), make_step("bandpass", low=1, high=45), ONE)
    one, other = Chain(early), Chain(late)
    assert one.hash != other.hash
    assert np.abs(one.apply(several()).X - other.apply(several()).X).max() > 0.1


@pytest.mark.parametrize(("step", "start"), [(None, None), (0.25, None), (1.5, None), (0.25, 1.5)])
def test_windows_of_any_length_and_step(step, start):
    recording = brown(n_times=1000)
    out = Chain((make_step("windows", seconds=0.75, step=step, start=start),)).apply([recording])
    stride, first = round((step or 0.75) * 128), round((start or 0) * 128)
    starts = range(first, 1000 - 96 + 1, stride)
    np.testing.assert_array_equal(out.X, np.stack([recording.signal[:, i : i + 96] for i in starts]))
    np.testing.assert_allclose(out.metadata.start, np.array(starts) / 128)


def test_recordings_that_disagree():
    for recordings, message in (
        ([brown("s1"), brown("s1")], "two recordings are named s1/0/0"),
        ([brown("s1"), brown("s/2")], "must not contain '/'"),
        ([brown("s1"), brown("s2", rate=256.0)], "recording s2/0/0 gives windows with rate 256"),
        ([brown("s1"), brown("s2", channels=3)], "gives windows with channels"),
    ):
        with pytest.raises(ValueError, match=message):
            Chain((ONE,)).apply(recordings)
    mixed = Chain((make_step("pick", names=["Fp2", "Fp1"]), make_step("resample", rate=64), ONE))
    out = mixed.apply([brown("s1"), brown("s2", rate=256.0), brown("s3", channels=3)])
    assert out.shape == (2, 64)


# ---- subjects


def test_subject_z_score_is_transductive_and_says_so():
    recordings = several()
    out = Chain((ONE, make_step("band_power", segment=1), make_step("subject_z_score"), make_step("grid"))).apply(
        recordings
    )
    expected = subject_z_score(band_power(cut(recordings, seconds=1), segment=1))
    np.testing.assert_array_equal(out.X, to_grid(expected, grid(NAMES[:4])).X)
    assert any("transductive" in step for step in out.steps)


def test_subject_z_score_needs_a_subjects_recordings_together():
    a, b, c, d = several()
    with pytest.raises(ValueError, match="recordings of subject s1 do not follow each other"):
        Chain((ONE, make_step("subject_z_score"))).apply([a, c, b, d])


def test_subject_z_score_survives_a_recording_without_windows():
    recordings = several()
    recordings[1].signal[:] = 0
    out = Chain((make_step("windows", seconds=1, on_bad="drop"), make_step("subject_z_score"))).apply(recordings)
    assert len(out) == 21
    assert out.steps[-1] == "7 of 28 windows dropped (constant 7)"


# ---- steps from outside


def test_own_functions_by_name_and_as_functions():
    by_name = Chain((make_step("own_steps:double", factor=3), ONE, make_step("own_steps:absolute")))
    by_function = Chain((make_step(own_steps.double, factor=3), ONE, make_step(own_steps.absolute)))
    assert (
        by_name.hash
        == by_function.hash
        != Chain((make_step(own_steps.double), ONE, make_step(own_steps.absolute))).hash
    )
    recording = brown()
    np.testing.assert_array_equal(by_name.apply([recording]).X, np.abs(3 * cut([recording], seconds=1).X))
    assert make_step(bandpass, low=1, high=2) == make_step("bandpass", low=1, high=2)


def test_own_functions_that_give_something_else():
    with pytest.raises(ValueError, match="step own_steps:signal_only gave a ndarray"):
        Chain((make_step("own_steps:signal_only"), ONE)).apply([brown()])
    with pytest.raises(ValueError, match=r"own_steps:drops_some must give as many windows as it gets \(7\)"):
        Chain((ONE, make_step("own_steps:drops_some"))).apply([brown()])


# ---- one recording at a time


def test_recordings_are_let_go_one_by_one():
    """At no time are two recordings of a generator alive."""
    import weakref

    alive: list[weakref.ref] = []
    most = []

    def generate():
        for i in range(5):
            recording = brown(f"s{i}")
            alive.append(weakref.ref(recording.signal))
            most.append(sum(ref() is not None for ref in alive))
            yield recording
            del recording

    Chain((make_step("bandpass", low=1, high=40), ONE, make_step("differential_entropy"))).apply(generate())
    assert max(most) <= 2, most


def test_progress_names_recordings_and_stays_off_standard_output(capsys):
    Chain((ONE,)).apply(several(), progress=True)
    assert capsys.readouterr().out == ""


def test_chain_imports_neither_torch_nor_mne():
    imported = "import sys, trimcap.data.preprocess.chain"
    code = imported + "; bad = {'torch', 'mne', 'sklearn'} & set(sys.modules); assert not bad, bad"
    root = Path(chain_module.__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
