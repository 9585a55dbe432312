"""Copies are looked for before training, in the signals too where networks get features."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from test_run import TINY

from trimcap._errors import AuditError
from trimcap.data.generated.sources import synthetic
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.leaks import look
from trimcap.study.run.prepare import folds_of, prepare
from trimcap.study.run.run import run

TEXT = """
name = "leaks"
seeds = [0]
[data]
source = "leaky_people:{source}"
window = 2
features = "{features}"
[data.options]
rate = 64
seconds = 6
seed = 1
channels = ["F3", "F4", "C3", "C4", "O1", "O2"]
electrodes = ["O1", "O2"]
line_noise = 0
trials_per_class = 2
[protocol]
name = "{protocol}"
{more}
[model]
name = "{model}"
"""


def honest(_path=None, **options):
    return list(synthetic(None, subjects=4, **options))


def twice(_path=None, **options):
    """The first is there again under another name, by another reference and from 0.16 s on."""
    recordings = honest(**options)
    mine = [r for r in recordings if r.subject == recordings[0].subject]
    other = [np.ascontiguousarray((r.signal - r.signal.mean(axis=0))[:, 10:]) for r in mine]
    return [*recordings, *(replace(r, subject="zz", signal=x) for r, x in zip(mine, other, strict=True))]


@pytest.fixture(autouse=True)
def module(monkeypatch):
    monkeypatch.setitem(sys.modules, "leaky_people", sys.modules[__name__])


def looked(source, features, protocol="leave_one_subject_out"):
    more = "folds = 3" if protocol == "leaky_windows" else ""
    model = "eegnet" if features == "raw" else "grid_cnn"
    text = TEXT.format(source=source, features=features, protocol=protocol, model=model, more=more)
    recipe = parse_recipe(text if features == "raw" else text.replace("window = 2", 'window = 2\nlayout = "grid"'))
    folds = folds_of(prepare(recipe), recipe.protocol)
    return look(recipe, folds, range(len(folds)))


@pytest.mark.parametrize("features", ["raw", "differential_entropy"])
def test_a_person_who_is_there_twice_stops_the_run(features):
    with pytest.raises(AuditError, match=r"2 folds of 5 would test on(.|\n)*hold the same signal(.|\n)*zz/"):
        looked("twice", features)
    assert set(looked("honest", features).values()) == {()}


def test_a_leaky_protocol_is_labelled():
    found = looked("twice", "differential_entropy", "leaky_windows")
    assert all(any(f.severity == "leaky" for f in findings) for findings in found.values())
    assert not any(f.severity == "error" for findings in found.values() for f in findings)


def test_nothing_is_looked_for_where_nothing_waits():
    recipe = parse_recipe(
        TEXT.format(source="twice", features="raw", protocol="leave_one_subject_out", model="eegnet", more="")
    )
    assert look(recipe, [], ()) == {}


def test_a_recording_under_two_subjects_fails_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "copied_people", sys.modules[__name__])
    text = TINY.replace(
        'source = "synthetic"\nsubjects = 4\nrate = 64\nseconds = 6\n', 'source = "copied_people:twice"\n'
    )
    text = text.replace("[data.options]\n", "[data.options]\nrate = 64\nseconds = 6\n").replace(
        "folds = 2", "folds = 5"
    )
    folder = tmp_path / "r"
    words = r"audit failed before training: 2 folds of 5 would test(.|\n)*windows hold the same signal(.|\n)*zz/"
    with pytest.raises(AuditError, match=words):
        run(parse_recipe(text), folder)
    assert not list(folder.glob("trials/*"))
