from __future__ import annotations

import json
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import own_steps
import pytest
from brown import NAMES, brown

import trimcap.data.chain as chain_module
from trimcap.data.chain import FORMAT, Chain, Step, make_chain
from trimcap.data.cut import cut
from trimcap.data.features import BANDS, band_power, differential_entropy, to_grid
from trimcap.data.filters import bandpass, notch
from trimcap.data.montage import grid
from trimcap.data.rereference import rereference
from trimcap.data.resample import resample
from trimcap.data.scaling import z_score_per_subject

ONE = Step("windows", seconds=1)


def several(**options):
    return [brown(s, t, label=int(t), **options) for s in ("s1", "s2") for t in ("0", "1")]


def test_a_chain_is_its_functions_one_after_the_other():
    recordings = several(rate=250.0)
    made = Chain(
        (
            Step("rereference"),
            Step("notch"),
            Step("bandpass", low=1, high=45, phase="zero"),
            Step("resample", rate=128),
            ONE,
            Step("differential_entropy"),
            Step("grid"),
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
    early = (Step("bandpass", low=1, high=45), Step("running_z_score"), ONE)
    late = (Step("running_z_score"), Step("bandpass", low=1, high=45), ONE)
    one, other = Chain(early), Chain(late)
    assert one.hash != other.hash
    assert np.abs(one.apply(several()).X - other.apply(several()).X).max() > 0.1


@pytest.mark.parametrize(("step", "start"), [(None, None), (0.25, None), (1.5, None), (0.25, 1.5)])
def test_windows_of_any_length_and_step(step, start):
    recording = brown(n_times=1000)
    out = Chain((Step("windows", seconds=0.75, step=step, start=start),)).apply([recording])
    stride, first = round((step or 0.75) * 128), round((start or 0) * 128)
    starts = range(first, 1000 - 96 + 1, stride)
    np.testing.assert_array_equal(out.X, np.stack([recording.signal[:, i : i + 96] for i in starts]))
    np.testing.assert_allclose(out.metadata.start, np.array(starts) / 128)


# ---- baselines


def with_baseline(*after, seconds=1, baseline=3, **options):
    return Chain((Step("windows", seconds=seconds, baseline=baseline, **options), *after))


def averaged(recording, seconds=1, baseline=3):
    n = round(seconds * recording.rate)
    head = recording.signal[:, : round(baseline * recording.rate)].astype(float)
    return np.mean([head[:, i : i + n] for i in range(0, head.shape[1], n)], axis=0)


def test_baseline_in_the_time_domain():
    recording = brown(n_times=1000)
    out = with_baseline(Step("subtract_baseline")).apply([recording])
    expected = [recording.signal[:, i : i + 128] - averaged(recording) for i in range(384, 873, 128)]
    np.testing.assert_allclose(out.X, expected, atol=1e-4)
    np.testing.assert_allclose(out.metadata.start, [3, 4, 5, 6])


def test_baseline_of_entropies_is_the_entropy_of_the_averaged_waveform():
    from toy_windows import raw

    recordings = several()
    out = with_baseline(Step("differential_entropy"), Step("subtract_baseline")).apply(recordings)
    recording = recordings[2]
    whole = differential_entropy(cut([recording], seconds=1)).X
    reference = differential_entropy(raw(averaged(recording)[None])).X
    np.testing.assert_allclose(out.X[8:12], whole[3:7] - reference, atol=1e-5)
    # twin: the average of the entropies of the three chunks is something else
    assert np.abs(whole[3:7] - whole[:3].mean(axis=0) - out.X[8:12]).max() > 0.05


def test_each_second_of_a_baseline_whose_features_are_averaged_must_be_usable():
    """One constant second has no entropy; averaged with others it goes unnoticed."""
    recordings = several()
    recordings[1].signal[2, 128:256] = 7
    late = (Step("differential_entropy"), Step("subtract_baseline", average="feature"))
    assert len(with_baseline(late[0], Step("subtract_baseline")).apply(recordings)) == 16
    with pytest.raises(ValueError, match=r"baseline of window s1/0/1@1.0000: channel F3 is constant \(1 of 3"):
        with_baseline(*late).apply(recordings)
    out = with_baseline(*late, on_bad="drop").apply(recordings)
    assert out.steps[-1] == "4 of 16 windows dropped (bad baseline 4)"


def test_a_gain_on_the_whole_recording_cancels_in_the_entropy_difference():
    quiet = brown(n_times=1000)
    loud = own_steps.double(quiet, factor=8)
    chain = with_baseline(Step("differential_entropy"), Step("subtract_baseline"))
    np.testing.assert_allclose(chain.apply([loud]).X, chain.apply([quiet]).X, atol=1e-5)


def test_tsception_baseline_takes_a_second_of_stimulus():
    """Published: one chunk of 4 s, though the rest lasts 3 s."""
    recording = brown(n_times=8064)
    out = with_baseline(Step("subtract_baseline"), seconds=4, baseline=4).apply([recording])
    assert len(out) == 14
    np.testing.assert_allclose(out.X[0], recording.signal[:, 512:1024] - recording.signal[:, :512], atol=1e-4)


def test_baselines_that_do_not_fit():
    with pytest.raises(ValueError, match=r"baseline of 3 s is no whole number of 2-s windows.*baseline of 2 s"):
        with_baseline(Step("subtract_baseline"), seconds=2).apply([brown()])
    with pytest.raises(ValueError, match="subtract_baseline needs a baseline"):
        Chain((ONE, Step("subtract_baseline")))
    with pytest.raises(ValueError, match="a baseline that no step uses"):
        with_baseline(Step("differential_entropy"))
    with pytest.raises(ValueError, match="used once"):
        with_baseline(Step("subtract_baseline"), Step("subtract_baseline"))
    with pytest.raises(ValueError, match="0 ≤ baseline ≤ start"):
        with_baseline(Step("subtract_baseline"), start=1)


# ---- dropping


def dirty():
    recordings = several()
    recordings[0].signal[1, 130:140] += 500
    recordings[1].signal[2, 256:384] = 7
    recordings[3].signal[0, 5] = np.nan
    return recordings


def test_rejected_windows_are_counted_over_all_recordings():
    chain = Chain(
        (Step("windows", seconds=1, on_bad="drop"), Step("reject", peak_to_peak=400), Step("band_power", segment=1))
    )
    out = chain.apply(dirty())
    assert out.steps[-1] == "3 of 28 windows dropped (peak-to-peak 1, constant 1, not finite 1)"
    gone = {"s1/0/0@1.0000", "s1/0/1@2.0000", "s2/0/1@0.0000"}
    whole = Chain((ONE, Step("band_power", segment=1))).apply(several())
    assert set(whole.ids) - set(out.ids) == gone
    np.testing.assert_allclose(out.X, whole.X[[i not in gone for i in whole.ids]], atol=1e-6)


def test_two_rejections_add_up():
    both = Chain((Step("windows", seconds=1, on_bad="drop"), Step("reject", peak_to_peak=400), Step("reject", flat=1)))
    assert both.apply(dirty()).steps[-1] == "3 of 28 windows dropped (peak-to-peak 1, flat 1, not finite 1)"


def test_bad_windows_raise_by_default():
    with pytest.raises(ValueError, match=r"window s1/0/1@2.0000: channel F3 is constant .*on_bad='drop'"):
        Chain((ONE,)).apply(dirty())


def test_flat_windows_are_rejected_before_they_raise():
    recordings = dirty()[1:2]
    out = Chain((ONE, Step("reject", flat=1))).apply(recordings)
    assert out.steps[-1] == "1 of 7 windows dropped (flat 1)"


def test_short_recordings_and_bad_baselines():
    recordings = [brown("s1", n_times=1000), brown("s2", n_times=100), brown("s3", n_times=1000)]
    recordings[2].signal[0, :384] = 1
    with pytest.raises(
        ValueError, match=r"recording s2/0/0 lasts 0.78125 s, shorter than one window of 1 s from 3 s on"
    ):
        with_baseline(Step("subtract_baseline")).apply(recordings)
    out = with_baseline(Step("subtract_baseline"), on_bad="drop").apply(recordings)
    assert out.steps[-1] == "5 of 9 windows dropped (recording too short 1, bad baseline 4)"
    with pytest.raises(ValueError, match=r"baseline of window s3/0/0@0.0000: channel Fp1 is constant"):
        with_baseline(Step("subtract_baseline")).apply(recordings[2:])


def test_nothing_left():
    with pytest.raises(ValueError, match="no window is left: 28 of 28 windows dropped"):
        Chain((ONE, Step("reject", peak_to_peak=0.001))).apply(several())
    with pytest.raises(ValueError, match="no recordings"):
        Chain((ONE,)).apply([])


# ---- subjects


def test_subject_z_score_is_transductive_and_says_so():
    recordings = several()
    out = Chain((ONE, Step("band_power", segment=1), Step("subject_z_score"), Step("grid"))).apply(recordings)
    expected = z_score_per_subject(band_power(cut(recordings, seconds=1), segment=1))
    np.testing.assert_array_equal(out.X, to_grid(expected, grid(NAMES[:4])).X)
    assert any("transductive" in step for step in out.steps)


def test_subject_z_score_needs_a_subjects_recordings_together():
    a, b, c, d = several()
    with pytest.raises(ValueError, match="recordings of subject s1 do not follow each other"):
        Chain((ONE, Step("subject_z_score"))).apply([a, c, b, d])


def test_subject_z_score_survives_a_recording_without_windows():
    recordings = several()
    recordings[1].signal[:] = 0
    out = Chain((Step("windows", seconds=1, on_bad="drop"), Step("subject_z_score"))).apply(recordings)
    assert len(out) == 21
    assert out.steps[-1] == "7 of 28 windows dropped (constant 7)"


# ---- names, options, hash

PINNED = Chain(
    (Step("notch"), Step("bandpass", low=4, high=45.5), Step("windows", seconds=1), Step("differential_entropy"))
)


def test_hash_is_pinned():
    """If this fails, caches of all users become invalid: intended only together with a new FORMAT."""
    assert FORMAT == 1
    text = (
        '{"format":1,"steps":['
        '{"options":{"frequency":50,"harmonics":null,"phase":"causal","quality":30},"step":"notch"},'
        '{"options":{"high":45.5,"low":4,"order":4,"phase":"causal"},"step":"bandpass"},'
        '{"options":{"baseline":0,"on_bad":"raise","seconds":1,"start":null,"step":null},"step":"windows"},'
        '{"options":{"bands":{"pairs":[["theta",[4,8]],["alpha",[8,14]],["beta",[14,31]],["gamma",[31,49]]]},'
        '"order":5},"step":"differential_entropy"}]}'
    )
    assert PINNED.canonical == text
    assert PINNED.hash == sha256(text.encode()).hexdigest()
    assert PINNED.hash == "95fced22efabb54eb784740db5165b342ee310fb26edb62fe0e9bce5f8afc926"


def test_values_are_pinned():
    """If this fails, a step gives other numbers: raise FORMAT, so that nobody reads a stale cache."""
    t = np.arange(1024) / 128
    signal = np.stack([40 * np.sin(2 * np.pi * (3 + c) * t**1.2) + 9 * np.cos(70 * t * (c + 1)) for c in range(3)])
    from trimcap.data.recording import Recording

    recording = Recording(signal.astype(np.float32), 128.0, ("Fz", "Cz", "Pz"), "s")
    made = Chain(
        (
            Step("rereference"), Step("notch"), Step("bandpass", low=2, high=45), Step("resample", rate=100),
            Step("running_z_score", seconds=2), Step("windows", seconds=1, step=0.5, baseline=2),
            Step("differential_entropy"), Step("subtract_baseline"),
        )
    ).apply([recording])  # fmt: skip
    np.testing.assert_allclose(made.X.mean(axis=(0, 1)), [0.539699, 0.613804, -0.336469, 0.165226], atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        Chain((*PINNED.steps[:1], Step("bandpass", low=4.0001, high=45.5), *PINNED.steps[2:])),
        Chain((*PINNED.steps[:1], Step("bandpass", low=4, high=45.5, phase="zero"), *PINNED.steps[2:])),
        Chain((*PINNED.steps[:2], Step("windows", seconds=1, step=0.5), PINNED.steps[3])),
        Chain(PINNED.steps[:3]),
        Chain((PINNED.steps[1], PINNED.steps[0], *PINNED.steps[2:])),
        Chain((*PINNED.steps[:3], Step("differential_entropy", bands=dict(reversed(BANDS.items()))))),
        Chain((*PINNED.steps[:3], Step("log_variance", bands=BANDS))),
    ],
    ids=["edge", "phase", "step", "fewer", "order", "order of bands", "feature"],
)
def test_any_change_changes_the_hash(other):
    assert other.hash != PINNED.hash
    assert other != PINNED


def test_what_means_the_same_has_the_same_hash():
    same = make_chain(
        [
            {"name": "notch", "frequency": np.float32(50), "quality": 30.0},
            {"name": "bandpass", "high": 45.5, "low": np.int64(4), "order": 4},
            {"name": "windows", "seconds": 1.0},
            {"name": "differential_entropy", "bands": {k: list(map(float, v)) for k, v in BANDS.items()}},
        ]
    )
    assert same.hash == PINNED.hash
    assert same == PINNED
    assert hash(same) == hash(PINNED)


def test_hash_in_another_process_and_through_pickle():
    assert pickle.loads(pickle.dumps(PINNED)).hash == PINNED.hash
    code = "import sys, pickle; print(pickle.loads(sys.stdin.buffer.read()).hash)"
    run = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(PINNED), capture_output=True, check=True)
    assert run.stdout.decode().strip() == PINNED.hash


def test_format_is_part_of_the_hash(monkeypatch):
    before = Chain((ONE,)).hash
    monkeypatch.setattr(chain_module, "FORMAT", 2)
    assert Chain((ONE,)).hash != before


def test_a_step_cannot_be_changed():
    step = Step("bandpass", low=1, high=40)
    with pytest.raises(AttributeError, match="fixed"):
        step.name = "notch"
    with pytest.raises(TypeError):
        step.options["low"] = 2
    bands = {"a": [8, 14]}
    made = Step("log_variance", bands=bands)
    bands["a"][0] = 9
    assert made.options["bands"]["a"] == (8, 14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Step("bandpas", low=1, high=2),
            r"unknown step 'bandpas'; did you mean 'bandpass'.*package.module:function",
        ),
        (lambda: Step("bandpass", low=1, hihg=2), "unknown option of step bandpass 'hihg'; did you mean 'high'"),
        (lambda: Step("bandpass", low=1), "step bandpass needs the option high"),
        (lambda: Step("bandpass", low="a", high=2), "wrong type"),
        (lambda: Step("bandpass", low=1, high=float("nan")), "must be a finite number"),
        (lambda: Step("differential_entropy", bands={1: (2, 3)}), "must be text"),
        (lambda: Step("differential_entropy", order=object()), "only numbers, text, lists and mappings"),
        (lambda: Step("subtract_baseline", baseline=1), "unknown option of step subtract_baseline 'baseline'"),
        (lambda: Step("subtract_baseline", average="wave"), "unknown average 'wave'; did you mean 'waveform'"),
        (lambda: Step("z_score"), r"fold.scaled\(\).*running_z_score"),
        (lambda: Step("windows", seconds=0), "seconds is 0"),
        (lambda: Step("windows", seconds=1, step=-1), "step is -1"),
        (lambda: Step("windows", seconds=1, on_bad="ignore"), "on_bad"),
        (lambda: Step("no_such_package:thing"), "cannot import 'no_such_package'"),
        (lambda: Step("own_steps:duble"), "has no 'duble'; did you mean 'double'"),
        (lambda: Step("own_steps:NUMBER"), "is a int, not a function"),
        (lambda: Step(lambda r: r), "no name that another process could find"),
        (lambda: make_chain([{"low": 1}]), "names no step"),
        (lambda: Chain(()), "'windows' once.*it has 0"),
        (lambda: Chain((ONE, ONE)), "it has 2"),
        (lambda: Chain((ONE, Step("notch"))), "step notch works on the continuous signal; move it before"),
        (lambda: Chain((Step("reject", flat=1), ONE)), "step reject works on windows; move it behind"),
        (lambda: Chain((ONE, Step("frames"), Step("reject", flat=1))), "reject must follow 'windows' directly"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_recordings_that_disagree():
    for recordings, message in (
        ([brown("s1"), brown("s1")], "two recordings are named s1/0/0"),
        ([brown("s1"), brown("s/2")], "must not contain '/'"),
        ([brown("s1"), brown("s2", rate=256.0)], "recording s2/0/0 gives windows with rate 256"),
        ([brown("s1"), brown("s2", channels=3)], "gives windows with channels"),
    ):
        with pytest.raises(ValueError, match=message):
            Chain((ONE,)).apply(recordings)
    mixed = Chain((Step("pick", names=["Fp2", "Fp1"]), Step("resample", rate=64), ONE))
    out = mixed.apply([brown("s1"), brown("s2", rate=256.0), brown("s3", channels=3)])
    assert out.shape == (2, 64)


# ---- steps from outside


def test_own_functions_by_name_and_as_functions():
    by_name = Chain((Step("own_steps:double", factor=3), ONE, Step("own_steps:absolute")))
    by_function = Chain((Step(own_steps.double, factor=3), ONE, Step(own_steps.absolute)))
    assert by_name.hash == by_function.hash != Chain((Step(own_steps.double), ONE, Step(own_steps.absolute))).hash
    recording = brown()
    np.testing.assert_array_equal(by_name.apply([recording]).X, np.abs(3 * cut([recording], seconds=1).X))
    assert Step(bandpass, low=1, high=2) == Step("bandpass", low=1, high=2)


def test_editing_an_own_function_changes_the_hash(tmp_path, monkeypatch):
    file = tmp_path / "edited_step.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    file.write_text("def f(windows):\n    return windows\n")
    before = Chain((ONE, Step("edited_step:f"))).hash
    assert Chain((ONE, Step("edited_step:f"))).hash == before
    file.write_text("def f(windows):\n    return windows  # 2\n")
    assert Chain((ONE, Step("edited_step:f"))).hash != before


def test_own_functions_that_give_something_else():
    with pytest.raises(ValueError, match="step own_steps:signal_only gave a ndarray"):
        Chain((Step("own_steps:signal_only"), ONE)).apply([brown()])
    with pytest.raises(ValueError, match=r"own_steps:drops_some must give as many windows as it gets \(7\)"):
        Chain((ONE, Step("own_steps:drops_some"))).apply([brown()])


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

    Chain((Step("bandpass", low=1, high=40), ONE, Step("differential_entropy"))).apply(generate())
    assert max(most) <= 2, most


def test_progress_names_recordings_and_stays_off_standard_output(capsys):
    Chain((ONE,)).apply(several(), progress=True)
    assert capsys.readouterr().out == ""


def test_chain_imports_neither_torch_nor_mne():
    code = "import sys, trimcap.data.chain; bad = {'torch', 'mne', 'sklearn'} & set(sys.modules); assert not bad, bad"
    root = Path(chain_module.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_declared_is_json():
    table = json.loads(PINNED.canonical)
    assert [step["step"] for step in table["steps"]] == [step.name for step in PINNED.steps]
    assert len(PINNED.words) == 4
    assert "bandpass" in repr(PINNED)
