"""Names and options of the steps of a chain, and the hash that they give."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

import trimcap.data.preprocess.chain as chain_module
from trimcap.data.preprocess.chain import FORMAT, Chain, make_chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.features import BANDS

ONE = make_step("windows", seconds=1)
PINNED = Chain(
    (
        make_step("notch"),
        make_step("bandpass", low=4, high=45.5),
        make_step("windows", seconds=1),
        make_step("differential_entropy"),
    )
)


def test_hash_is_pinned():
    """If this fails, caches of all users become invalid: intended only together with a new FORMAT."""
    assert FORMAT == 2
    text = (
        '{"format":2,"steps":['
        '{"options":{"frequency":50,"harmonics":null,"phase":"causal","quality":30},"step":"notch"},'
        '{"options":{"high":45.5,"low":4,"order":4,"phase":"causal"},"step":"bandpass"},'
        '{"options":{"baseline":0,"marked":"drop","on_bad":"raise","seconds":1,"start":null,"step":null},"step":"windows"},'
        '{"options":{"bands":{"pairs":[["theta",[4,8]],["alpha",[8,14]],["beta",[14,31]],["gamma",[31,49]]]},'
        '"order":5},"step":"differential_entropy"}]}'
    )
    assert PINNED.canonical == text
    assert PINNED.hash == sha256(text.encode()).hexdigest()
    assert PINNED.hash == "daed697e474165cce9a1f4b447714e1da2969d96f950ced57d53032d312b1c3c"


def test_values_are_pinned():
    """If this fails, a step gives other numbers: raise FORMAT, so that nobody reads a stale cache."""
    t = np.arange(1024) / 128
    signal = np.stack([40 * np.sin(2 * np.pi * (3 + c) * t**1.2) + 9 * np.cos(70 * t * (c + 1)) for c in range(3)])
    from trimcap.data.recording import Recording

    recording = Recording(signal.astype(np.float32), 128.0, ("Fz", "Cz", "Pz"), "s")
    made = Chain(
        (
            make_step("rereference"),
            make_step("notch"),
            make_step("bandpass", low=2, high=45),
            make_step("resample", rate=100),
            make_step("running_z_score", seconds=2),
            make_step("windows", seconds=1, step=0.5, baseline=2),
            make_step("differential_entropy"),
            make_step("subtract_baseline"),
        )
    ).apply([recording])
    np.testing.assert_allclose(made.X.mean(axis=(0, 1)), [0.539702, 0.61381, -0.336455, 0.165207], atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        Chain((*PINNED.steps[:1], make_step("bandpass", low=4.0001, high=45.5), *PINNED.steps[2:])),
        Chain((*PINNED.steps[:1], make_step("bandpass", low=4, high=45.5, phase="zero"), *PINNED.steps[2:])),
        Chain((*PINNED.steps[:2], make_step("windows", seconds=1, step=0.5), PINNED.steps[3])),
        Chain(PINNED.steps[:3]),
        Chain((PINNED.steps[1], PINNED.steps[0], *PINNED.steps[2:])),
        Chain((*PINNED.steps[:3], make_step("differential_entropy", bands=dict(reversed(BANDS.items()))))),
        Chain((*PINNED.steps[:3], make_step("log_variance", bands=BANDS))),
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
    monkeypatch.setattr(chain_module, "FORMAT", 3)
    assert Chain((ONE,)).hash != before


def test_editing_an_own_function_changes_the_hash(tmp_path, monkeypatch):
    file = tmp_path / "edited_step.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    file.write_text("def f(windows):\n    return windows\n")
    before = Chain((ONE, make_step("edited_step:f"))).hash
    assert Chain((ONE, make_step("edited_step:f"))).hash == before
    file.write_text("def f(windows):\n    return windows  # 2\n")
    assert Chain((ONE, make_step("edited_step:f"))).hash != before


def test_declared_is_json():
    table = json.loads(PINNED.canonical)
    assert [step["step"] for step in table["steps"]] == [step.name for step in PINNED.steps]
    assert len(PINNED.words) == 4
    assert "Bandpass" in repr(PINNED)


def test_a_step_cannot_be_changed():
    step = make_step("bandpass", low=1, high=40)
    with pytest.raises(AttributeError, match="cannot assign"):
        step.name = "notch"
    with pytest.raises(TypeError):
        step.options["low"] = 2
    bands = {"a": [8, 14]}
    made = make_step("log_variance", bands=bands)
    bands["a"][0] = 9
    assert made.options["bands"]["a"] == (8, 14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: make_step("bandpas", low=1, high=2),
            r"unknown step 'bandpas'; did you mean 'bandpass'.*package.module:name",
        ),
        (lambda: make_step("bandpass", low=1, hihg=2), "step bandpass: unknown option 'hihg'; did you mean 'high'"),
        (lambda: make_step("bandpass", low=1), "step bandpass needs the option high"),
        (lambda: make_step("bandpass", low="a", high=2), "wrong type"),
        (lambda: make_step("bandpass", low=1, high=float("nan")), "must be a finite number"),
        (lambda: make_step("differential_entropy", bands={1: (2, 3)}), "must be text"),
        (lambda: make_step("differential_entropy", order=object()), "only numbers, text, lists and mappings"),
        (lambda: make_step("subtract_baseline", baseline=1), "step subtract_baseline: unknown option 'baseline'"),
        (lambda: make_step("subtract_baseline", average="wave"), "unknown average 'wave'; did you mean 'waveform'"),
        (lambda: make_step("z_score"), r"fold.scaled\(\).*running_z_score"),
        (lambda: make_step("windows", seconds=0), "seconds is 0"),
        (lambda: make_step("windows", seconds=1, step=-1), "step is -1"),
        (lambda: make_step("windows", seconds=1, on_bad="ignore"), "on_bad"),
        (lambda: make_step("no_such_package:thing"), "cannot import 'no_such_package'"),
        (lambda: make_step("own_steps:duble"), "has no 'duble'; did you mean 'double'"),
        (lambda: make_step("own_steps:NUMBER"), "is a int, not a function"),
        (lambda: make_step(lambda r: r), "no name that another process could find"),
        (lambda: make_chain([{"low": 1}]), "names no step"),
        (lambda: Chain(()), "'windows' once.*it has 0"),
        (lambda: Chain((ONE, ONE)), "it has 2"),
        (lambda: Chain((ONE, make_step("notch"))), "step notch works on the continuous signal; move it before"),
        (lambda: Chain((make_step("reject", flat=1), ONE)), "step reject works on windows; move it behind"),
        (
            lambda: Chain((ONE, make_step("frames"), make_step("reject", flat=1))),
            "reject must follow 'windows' directly",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()
