"""Recipes with calibration of new subjects, choices on inner folds, split files and options of protocols."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trimcap.data.split_files.file import write_splits
from trimcap.data.splits.protocols.named import split
from trimcap.study.recipe.choose import combinations, with_choice
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.report import report
from trimcap.study.run import choosing
from trimcap.study.run.folding import make_folds
from trimcap.study.run.prepare import prepare
from trimcap.study.run.run import run
from trimcap.study.steps import fitting

TINY = """
name = "tiny"
[data]
source = "synthetic"
subjects = 4
rate = 64
seconds = 6
window = 1
[data.options]
seed = 1
channels = ["F3", "F4", "O1", "O2"]
electrodes = ["O1", "O2"]
line_noise = 0
trials_per_class = 4
[protocol]
name = "few_shot"
valid = 0.3
[protocol.options]
shots = 2
[model]
name = "eegnet"
[model.options]
F1 = 4
F2 = 4
kernel = 8
[train]
epochs = 2
batch_size = 16
[[steps]]
kind = "recover"
epochs = 1
batch_size = 16
[[steps]]
kind = "calibrate"
epochs = 8
learning_rate = 5e-3
batch_size = 8
[[steps]]
kind = "quantize"
windows = 16
"""
DENSE = TINY[: TINY.index("[[steps]]")]
K_FOLD = DENSE.replace('name = "few_shot"', "folds = 2").replace("[protocol.options]\nshots = 2\n", "")


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    return run(parse_recipe(TINY), tmp_path_factory.mktemp("few") / "r", text=TINY, only=[(0, 0), (1, 0)])


def test_calibration_is_scored_on_the_test_windows_of_its_zero_shot_twin(calibrated):
    results = calibrated.results()
    names = ["dense", "recovered", "calibrated", "int8"]
    assert results[results.fold == 0].stage.tolist()[-4:] == names
    assert results[results.fold == 0].n.nunique() == 1
    for fold in (0, 1):
        folder = calibrated.trial(fold, 0)
        arrays = {stage: folder.read_arrays(f"evaluated/{stage}") for stage in names}
        ids = {stage: a["ids"].tolist() for stage, a in arrays.items()}
        assert all(own == ids["dense"] for own in ids.values())
        assert not np.allclose(arrays["calibrated"]["probabilities"], arrays["recovered"]["probabilities"], atol=0.01)
        found = results[results.fold == fold].set_index("stage")
        assert found.accuracy["calibrated"] != found.accuracy["recovered"]


def test_only_weights_and_ranges_saw_the_shots(calibrated):
    facts = calibrated.trial(0, 0).read("trial")
    assert facts["audit"]["verdict"] == "passed"
    seen = [row for row in facts["ledger"] if row["stage"] == "calibrate"]
    assert len(seen) == 1
    own = set(seen[0]["ids"])
    assert len({i.rpartition("@")[0] for i in own}) == 4
    subject = facts["fold_name"].removeprefix("subject ")
    assert all(i.startswith(f"{subject}/") for i in own)
    listed = {row["sha256"]: row["ids"] for row in facts["ledger"] if "ids" in row}
    for row in facts["ledger"]:
        if row["stage"] not in ("calibrate", "calibration"):
            assert not own & set(listed[row["sha256"]])
    assert sum(set(listed[r["sha256"]]) == own for r in facts["ledger"] if r["stage"] == "calibration") == 1
    built = calibrated.trial(0, 0).read("built/calibrated")
    assert built["calibration_windows"] == len(own)
    assert (built["epochs"], built["best_epoch"]) == (8, 8)
    assert "no validation" in built["note"]


def test_the_report_of_a_calibrated_run(calibrated):
    text = report(calibrated.path).with_suffix(".md").read_text()
    assert "the first 2 trials of each class are set aside for calibration" in text
    assert "calibrated" in text


def test_calibrating_on_a_test_window_fails_the_audit(tmp_path, monkeypatch):
    from trimcap._errors import AuditError

    original = fitting.train

    def peeking(task, name, model, options, stage, **rest):
        if stage == "calibrate":
            rest["on"] = (task.fold.test._subset.windows(), None)
        return original(task, name, model, options, stage, **rest)

    monkeypatch.setattr(fitting, "train", peeking)
    with pytest.raises(AuditError, match=r"stage 'calibrate' saw 24 of 24 test windows"):
        run(parse_recipe(TINY), tmp_path / "r", only=[(0, 0)])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "few_shot"', 'name = "k_fold_subjects"', r"'calibrate' needs calibration trials, .*'k_fold_subjects'"),
        ("shots = 2", "shot = 2", "protocol few_shot: unknown option 'shot'; did you mean 'shots'"),
        ("shots = 2", "seed = 2", r"write seed = 2 in \[protocol\]"),
        ("shots = 2", "n_folds = 2", r"write folds = 2 in \[protocol\]"),
        ("valid = 0.3", 'valid = 0.3\nfile = "s.json"', "remove name, options, or the file"),
        ("shots = 2", "shots = 4", "shots=4 leave none to test"),
        ('[[steps]]\nkind = "quantize"', '[[steps]]\nkind = "recover"\n[[steps]]\nkind = "quantize"', "cannot follow"),
        ("epochs = 8", "patience = 8", r"\[\[steps\]\] number 2 \(calibrate\) unknown key 'patience'"),
        ("valid = 0.3", "valid = 0.3\ninner = 2", r"add a table \[choose\]"),
        ("valid = 0.3", "valid = 0.3\nflie = 2", "did you mean 'file'"),
    ],
)
def test_bad_recipes_are_named_before_training(tmp_path, monkeypatch, old, new, words):
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("trained"))
    assert old in TINY
    with pytest.raises(ValueError, match=words):
        run(parse_recipe(TINY.replace(old, new)), tmp_path / "r")


# ---- choices


CHOOSE = K_FOLD.replace("valid = 0.3", "valid = 0.3\ninner = 2").replace(
    "[train]", '[choose]\nlearning_rate = [1e-5, 0.01]\n"model.options.F1" = [2, 4]\n[train]'
)


def test_every_fold_chooses_on_its_own_inner_folds(tmp_path, monkeypatch):
    recipe = parse_recipe(CHOOSE.replace("subjects = 4", "subjects = 8"))
    assert len(combinations(recipe)) == 4
    folder = run(recipe, tmp_path / "r", text=CHOOSE, only=[(0, 0)])
    facts = folder.trial(0, 0).read("trial")
    found = facts["choice"]
    assert [row["values"] for row in found["compared"]] == list(combinations(recipe))
    assert found["chosen"] == max(found["compared"], key=lambda row: row["accuracy"])["values"]
    assert all(row["accuracy"] == pytest.approx(np.mean(row["folds"])) for row in found["compared"])
    assert facts["audit"]["verdict"] == "passed"
    (entry,) = [row for row in facts["audit"]["rows"] if row["stage"] == "choose"]
    assert entry["test"] == 0
    fit = next(row for row in facts["audit"]["rows"] if row["stage"] == "fit")
    assert entry["n"] > fit["n"]
    assert "inner accuracy" in report(folder.path).with_suffix(".md").read_text()
    # what was chosen is what was trained
    parts = with_choice(recipe, found["chosen"])
    assert parts.model.options["F1"] == found["chosen"]["model.options.F1"]
    assert parts.train.learning_rate == found["chosen"]["learning_rate"]
    # a second run reads the choice
    (folder.trial(0, 0).path / "trial.json").unlink()
    monkeypatch.setattr(choosing, "_score", lambda *_, **__: pytest.fail("trained again"))
    again = run(recipe, tmp_path / "r", text=CHOOSE, only=[(0, 0)]).trial(0, 0).read("trial")
    assert again["choice"] == found
    assert again["ledger"] == facts["ledger"]


def test_the_best_choice_is_used_and_the_first_among_equals(tmp_path, monkeypatch):
    scores = {1e-5: 0.5, 0.01: 0.9}
    monkeypatch.setattr(choosing, "_score", lambda recipe, fold, seed: scores[recipe.train.learning_rate])
    folder = run(parse_recipe(CHOOSE.replace("subjects = 4", "subjects = 8")), tmp_path / "r", only=[(0, 0)])
    assert folder.trial(0, 0).read("trial")["choice"]["chosen"] == {"learning_rate": 0.01, "model.options.F1": 2}
    history = (folder.trial(0, 0).path / "networks" / "dense").is_dir()
    assert history


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("inner = 2", "seed = 0", r"add inner = 3 in \[protocol\]"),
        ("learning_rate = [1e-5, 0.01]", "learning_rat = [1e-5]", "did you mean 'learning_rate'"),
        ("learning_rate = [1e-5, 0.01]", "learning_rate = [1e-5, 1e-5]", "has a value twice"),
        ("learning_rate = [1e-5, 0.01]", "learning_rate = [-1.0]", "learning_rate.* greater than 0"),
        ("learning_rate = [1e-5, 0.01]", "learning_rate = []", "at least 1 item"),
        ('"model.options.F1"', '"model.F1"', r"unknown key 'model.F1'"),
    ],
)
def test_bad_choices_are_named(old, new, words):
    assert old in CHOOSE
    with pytest.raises(ValueError, match=words):
        parse_recipe(CHOOSE.replace(old, new))


# ---- split files


def test_a_split_file_gives_the_run_of_its_protocol(tmp_path, monkeypatch):
    recipe = parse_recipe(K_FOLD)
    folds = split(prepare(recipe).windows, "k_fold_subjects", n_folds=2, valid=0.3)
    path = write_splits(folds, tmp_path / "s.json")
    text = K_FOLD.replace("folds = 2", f'file = "{path}"')
    by_file = run(parse_recipe(text), tmp_path / "a", only=[(0, 0)])
    by_name = run(recipe, tmp_path / "b", only=[(0, 0)])
    assert by_file.results().accuracy.tolist() == by_name.results().accuracy.tolist()
    assert by_file.header["protocol"]["file_sha256"] == json.loads(path.read_text())["sha256"]
    assert "split file" in report(by_file.path).with_suffix(".md").read_text()
    # another split under the same name is not continued
    write_splits(split(prepare(recipe).windows, "k_fold_subjects", n_folds=2, valid=0.3, seed=1), path)
    with pytest.raises(ValueError, match="the split file has changed since"):
        run(parse_recipe(text), tmp_path / "a")
    path.write_text(path.read_text().replace("S00", "S01"))
    monkeypatch.setattr("trimcap.study.run.run.prepare", lambda *_, **__: pytest.fail("read data"))
    with pytest.raises(ValueError, match="edited or damaged"):
        run(parse_recipe(text), tmp_path / "c")


def test_a_split_file_without_shots_cannot_calibrate(tmp_path):
    folds = split(prepare(parse_recipe(K_FOLD)).windows, "k_fold_subjects", n_folds=2, valid=0.3)
    path = write_splits(folds, tmp_path / "s.json")
    text = TINY.replace('name = "few_shot"', f'file = "{path}"').replace("[protocol.options]\nshots = 2\n", "")
    with pytest.raises(ValueError, match="2 of 2 folds have none"):
        run(parse_recipe(text), tmp_path / "r")


def test_random_labels_keep_the_folds_of_a_file(tmp_path):
    recipe = parse_recipe(K_FOLD)
    folds = split(prepare(recipe).windows, "k_fold_subjects", n_folds=2, valid=0.3)
    path = write_splits(folds, tmp_path / "s.json")
    text = K_FOLD.replace("folds = 2", f'file = "{path}"').replace("window = 1", 'window = 1\nlabels = "random"')
    drawn = parse_recipe(text)
    again = make_folds(prepare(drawn).windows, drawn.protocol)
    assert [f.test.ids for f in again] == [f.test.ids for f in folds]
