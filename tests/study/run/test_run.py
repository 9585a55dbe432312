import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from trimcap._errors import AuditError, VerifyError
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run import trial
from trimcap.study.run.run import Job, run, run_job
from trimcap.study.steps import fitting

TINY = """
name = "tiny"
seeds = [0]
[data]
source = "synthetic"
subjects = 4
rate = 64
seconds = 6
window = 2
[data.options]
seed = 1
channels = ["F3", "F4", "C3", "C4", "O1", "O2"]
electrodes = ["O1", "O2"]
line_noise = 0
trials_per_class = 2
[protocol]
folds = 2
valid = 0.5
[model]
name = "eegnet"
[model.options]
F1 = 4
F2 = 4
kernel = 8
[train]
epochs = 3
batch_size = 8
[[steps]]
kind = "rewrite"
[[steps]]
kind = "prune"
sparsity = 0.5
[[steps]]
kind = "recover"
epochs = 2
batch_size = 8
[[steps]]
kind = "quantize"
windows = 16
[[steps]]
kind = "export"
golden = 4
[[steps]]
kind = "verify"
windows = 8
sanitize = false
"""
BASELINES = ["majority class", "linear baseline", "nearest neighbours", "covariance baseline"]
STAGES = [*BASELINES, "dense", "rewritten", "pruned", "recovered", "int8", "C"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "r"
    lines = []
    return run(parse_recipe(TINY), folder, text=TINY, progress=lines.append), lines


def numbers(folder):
    """Everything but durations."""
    return [
        {k: v for k, v in row.items() if k != "seconds"} for row in json.loads((folder / "results.json").read_text())
    ]


def test_one_row_per_fold_seed_and_stage(finished):
    results = finished[0].results()
    assert results.groupby("fold").stage.apply(list).tolist() == [STAGES, STAGES]
    c = results[results.stage == "C"]
    assert (c.verified == "bit-exact (host)").all()
    # 8 replayed by the verifier, and every test window
    assert (c.verified_windows == 8 + c.n).all()
    assert results[results.stage == "pruned"].sparsity_achieved.tolist() == [0.5, 0.5]
    cost = results[results.fold == 0].set_index("stage")
    assert cost.plain_macs["dense"] > cost.macs["dense"]
    assert cost.macs["dense"] == cost.macs["rewritten"] > cost.macs["pruned"] == cost.macs["C"]


def test_integers_are_compared_with_float_on_training_windows(finished):
    folder = finished[0]
    results = folder.results().set_index("stage")
    whole = results.loc["int8"]
    assert whole.agreement_calibration.between(0, 1).all()
    assert results.loc[[*BASELINES, "dense", "C"]].agreement_calibration.isna().all()
    facts = folder.trial(0, 0).read("built/int8")
    measured = facts["measured"]
    layers = {layer["source"]: min(v for v in (layer["calibration"], layer["held_out"]) if v is not None)
              for layer in measured["layers"]}  # fmt: skip
    first = whole.iloc[0]
    assert first.weakest_db == min(layers.values()) == layers[first.weakest_layer]
    assert first.sqnr_calibration == measured["calibration"]["sqnr"]
    assert set(facts["warnings"]) <= set(facts["notes"])
    ledger = folder.trial(0, 0).read("trial")["audit"]["rows"]
    assert [r["test"] for r in ledger if r["stage"] == "calibration"] == [0, 0]  # ranges, and held out


def test_subjects_and_rows_agree(finished):
    """Replica: accuracy of a fold is the mean of its subjects, weighted by their windows."""
    results, subjects = finished[0].results(), finished[0].subjects()
    for (fold, stage), part in subjects.groupby(["fold", "stage"]):
        row = results[(results.fold == fold) & (results.stage == stage)].iloc[0]
        assert np.average(part.accuracy, weights=part.n) == pytest.approx(row.accuracy)
        assert part.n.sum() == row.n
    assert subjects.subject.nunique() == 4


def test_predictions_are_kept_and_give_the_same_numbers(finished):
    folder = finished[0].trial(0, 0)
    for stage in ("dense", "C"):
        arrays = folder.read_arrays(f"evaluated/{stage}")
        row = finished[0].results().query("fold == 0 and stage == @stage").iloc[0]
        assert (arrays["probabilities"].argmax(1) == arrays["y"]).mean() == pytest.approx(row.accuracy)
    assert np.array_equal(folder.read_arrays("logits/int8")["test"], folder.read_arrays("logits/C")["test"])


def test_exact_rewrite_changes_no_prediction(finished):
    folder = finished[0].trial(1, 0)
    dense, rewritten = (folder.read_arrays(f"logits/{s}")["test"] for s in ("dense", "rewritten"))
    assert np.abs(dense - rewritten).max() <= 1e-4 * np.abs(dense).max()


def test_test_windows_are_opened_once_per_stage_and_last(finished):
    facts = finished[0].trial(0, 0).read("trial")
    rows = facts["audit"]["rows"]
    assert facts["audit"]["verdict"] == "passed"
    assert [r["note"] for r in rows if r["stage"] == "evaluate"] == STAGES
    assert [r["test"] for r in rows if r["stage"] != "evaluate"] == [0] * (len(rows) - len(STAGES))
    seen = [r["stage"] for r in rows if r["stage"] != "evaluate"]
    assert {"scale", "fit", "early stopping", "recovery", "calibration", "verify", "evidence"} <= set(seen)
    made = [i for i, r in enumerate(rows) if r["stage"] in ("recovery", "calibration", "verify")]
    assert max(made) < min(i for i, r in enumerate(rows) if r["stage"] == "evaluate")


def test_one_line_per_trial_with_the_time_left(finished):
    assert len(finished[1]) == 2
    assert finished[1][0].startswith("[1/2] fold 0, seed 0")
    assert "dense 0." in finished[1][0]
    assert "left" in finished[1][0]
    assert finished[1][1].endswith("done")


def test_evidence_of_first_and_last_float_network(finished):
    folder = finished[0].trial(0, 0)
    for stage in ("dense", "recovered"):
        evidence = folder.read_arrays(f"evidence/{stage}")["evidence"]
        assert evidence.shape == (6,)
        assert (evidence > 0).all()


def test_finished_run_computes_nothing(finished, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("computed twice")

    monkeypatch.setattr(trial, "make", forbidden)
    monkeypatch.setattr(trial, "run_trial", forbidden)
    before = numbers(finished[0].path)
    lines = []
    run(parse_recipe(TINY), finished[0].path, progress=lines.append)
    assert lines == ["2 of 2 trials were finished before"]
    assert numbers(finished[0].path) == before


def test_goes_on_after_the_last_finished_stage(finished, tmp_path, monkeypatch):
    """What a run killed between two stages leaves behind: earlier stages are read, later ones give the same numbers."""
    import shutil

    copy = tmp_path / "r"
    shutil.copytree(finished[0].path, copy)
    folder = type(finished[0])(copy).trial(0, 0)
    for piece in ("trial", "built/int8", "built/C", "built/verified"):
        (folder.path / f"{piece}.json").unlink()
    shutil.rmtree(folder.path / "evaluated")
    made = []
    original = trial.make
    monkeypatch.setattr(
        trial, "make", lambda task, stage, state: (made.append(stage.name), original(task, stage, state))[1]
    )
    run(parse_recipe(TINY), copy)
    assert made == ["int8", "C", "verified"]
    assert numbers(copy) == numbers(finished[0].path)
    again, before = (type(finished[0])(f).trial(0, 0).read("trial") for f in (copy, finished[0].path))
    assert again["audit"] == before["audit"]
    assert again["ledger"] == before["ledger"]


@pytest.mark.slow
def test_only_some_trials_then_the_rest_by_another_executor(tmp_path, finished):
    seen = []

    def executor(jobs: list[Job]):
        for job in jobs:
            seen.append((job.fold, job.seed))
            yield run_job(job)

    recipe = parse_recipe(TINY)
    assert run(recipe, tmp_path / "r", only=[(1, 0)]).results().fold.unique().tolist() == [1]
    run(recipe, tmp_path / "r", executor=executor)
    assert seen == [(0, 0)]
    assert numbers(tmp_path / "r") == numbers(finished[0].path)
    with pytest.raises(ValueError, match=r"no trial .* = \(2, 0\): folds are 0 to 1"):
        run(recipe, tmp_path / "r", only=[(2, 0)])


def test_the_name_of_a_recipe_is_no_recipe(tmp_path):
    with pytest.raises(TypeError, match=r"takes a Recipe, got str: pass trimcap\.load_recipe\('cp\.toml'\)"):
        run("cp.toml", tmp_path / "out")


def test_another_recipe_is_refused_before_anything_is_read(finished, monkeypatch):
    monkeypatch.setattr("trimcap.study.run.run.prepare", lambda _: pytest.fail("read data"))
    with pytest.raises(ValueError, match=r"another recipe: train\.epochs = 3 there, 4 here"):
        run(parse_recipe(TINY.replace("epochs = 3", "epochs = 4")), finished[0].path)


DENSE = TINY[: TINY.index("[[steps]]")].replace("epochs = 3", "epochs = 1")


def test_a_stage_that_sees_test_windows_fails_the_run(tmp_path, monkeypatch):
    original = fitting.train

    def peeking(task, name, *rest, **options):
        task.fold.test.open("sensitivity", "a look")
        return original(task, name, *rest, **options)

    monkeypatch.setattr(fitting, "train", peeking)
    with pytest.raises(AuditError, match=r"audit failed in 2 trials(.|\n)*'sensitivity' \(a look\) saw 24 of 24 test"):
        run(parse_recipe(DENSE), tmp_path / "r")
    # the numbers are there to be looked at, and say so
    assert {t.read("trial")["audit"]["verdict"] for t in _trials(tmp_path / "r")} == {"failed"}


def _trials(path):
    from trimcap.study.results.store import RunFolder

    return RunFolder(path).trials


def test_leaky_protocol_is_labelled_not_failed(tmp_path):
    text = DENSE.replace("folds = 2", 'name = "leaky_windows"\nfolds = 2')
    folder = run(parse_recipe(text), tmp_path / "r", only=[(0, 0)])
    assert folder.results().leaky.all()
    assert folder.header["protocol"]["text"].startswith("LEAKY")
    assert folder.trial(0, 0).read("trial")["audit"]["verdict"] == "LEAKY"


def test_c_that_differs_on_a_test_window_is_named(tmp_path, monkeypatch, finished):
    import shutil

    copy = tmp_path / "r"
    shutil.copytree(finished[0].path, copy)
    folder = type(finished[0])(copy).trial(0, 0)
    (folder.path / "trial.json").unlink()
    (folder.path / "evaluated" / "C.json").unlink()
    logits = folder.read_arrays("logits/int8")["test"]
    logits[2, 0] += 0.5
    folder.write_arrays("logits/int8", test=logits)
    folder.write("logits/int8", {})
    with pytest.raises(
        VerifyError, match=r"disagree on 1 of 24 test windows .* S\d\d/1/.*@.*: largest difference .* 0.5"
    ):
        run(parse_recipe(TINY), copy)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('source = "synthetic"', 'source = "syntetic"', "unknown source 'syntetic'; did you mean 'synthetic'"),
        ("folds = 2", 'name = "k_fold_subject"', "unknown protocol 'k_fold_subject'; did you mean 'k_fold_subjects'"),
        ('name = "eegnet"', 'name = "eegnt"', "unknown model 'eegnt'; did you mean 'eegnet'"),
        ("kernel = 8", "kernl = 8", "unknown option 'kernl'; did you mean 'kernel'"),
        ("sparsity = 0.5", 'saliency = "l3"\nsparsity = 0.5', "unknown saliency 'l3'; did you mean"),
        ("window = 2", "window = 7", "shorter than one window of 7 s"),
        ("subjects = 4", 'subjects = ["S01"]', "are a number"),
        ("subjects = 4", "subjects = 1", "subject"),
        ("seed = 1", "sed = 1", "sed"),
    ],
)
def test_bad_values_are_named_before_training(tmp_path, monkeypatch, old, new, words):
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("trained"))
    assert old in TINY
    with pytest.raises(ValueError, match=words):
        run(parse_recipe(TINY.replace(old, new)), tmp_path / "r")


def test_errors_name_trial_and_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "train", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        run(parse_recipe(DENSE), tmp_path / "r")
    assert caught.value.__notes__ == ["in fold 0, seed 0 (fold 1 of 2), stage 'dense'"]


SCRIPT = """
import sys
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.run import run

if __name__ == "__main__":
    text = open(sys.argv[1]).read()
    run(parse_recipe(text), sys.argv[2], jobs=int(sys.argv[3]), progress=True)
"""


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.slow)])
def test_killed_again_and_again(tmp_path, finished, jobs):
    """kill -9 at many moments: finished files never change, and the end is what an undisturbed run gives."""
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "recipe.toml").write_text(TINY)
    command = [sys.executable, "script.py", "recipe.toml", "r", str(jobs)]
    stamps = {}
    for attempt in range(40):
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        before = len(stamps)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            now = pieces(tmp_path / "r")
            assert {k: now[k] for k in stamps} == stamps, "a finished piece was written again"
            stamps = now
            if attempt < 6 and len(stamps) >= before + 3:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        error = process.communicate()[1].decode()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, error
        time.sleep(1.0)  # workers notice that their parent is gone
    assert process.returncode == 0
    assert attempt >= 4
    assert sorted(map(str, numbers(tmp_path / "r"))) == sorted(map(str, numbers(finished[0].path)))


def pieces(folder):
    """Finished pieces and when they were written."""
    names = ("built", "evaluated", "evidence")
    found = [p for p in folder.glob("trials/*/*/*.json") if p.parent.name in names and not p.name.startswith(".")]
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in [*found, *folder.glob("trials/*/trial.json")]}


@pytest.mark.slow
def test_fewer_electrodes_budgets_and_no_integers(tmp_path):
    """Electrodes go, then a budget; the float C is verified within its tolerance."""
    steps = """
[[steps]]
kind = "prune"
electrodes = 4
[[steps]]
kind = "recover"
epochs = 1
[[steps]]
kind = "rewrite"
[[steps]]
kind = "prune"
saliency = "random"
macs = 6000
[[steps]]
kind = "export"
golden = 4
[[steps]]
kind = "verify"
windows = 8
sanitize = false
"""
    folder = run(parse_recipe(DENSE + steps), tmp_path / "r", only=[(0, 0)])
    rows = folder.results().set_index("stage")
    assert list(rows.index[len(BASELINES) :]) == ["dense", "pruned", "recovered", "rewritten", "pruned 2", "C"]
    assert rows.verified["C"] == "within 1e-05 (host)"
    assert rows.verified_windows["C"] == 8  # test windows are compared for integers only
    assert rows.macs["pruned 2"] <= 6000 < rows.macs["rewritten"]
    evidence = folder.trial(0, 0).read_arrays("evidence/pruned-2")["evidence"]
    assert (evidence == 0).sum() == 2
    assert folder.trial(0, 0).read("built/pruned")["plan"][0]["after"] == 4
    logits = [folder.trial(0, 0).read_arrays(f"logits/{s}")["test"] for s in ("pruned-2", "C")]
    assert np.abs(logits[0] - logits[1]).max() < 1e-4 * np.abs(logits[0]).max()
