"""A changed byte is an error: each format of trimcap's own, byte by byte; so is a piece of a run in another place."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from sealing import accepted, flipped, resealed
from trimcap._errors import ArtifactError, PlanError
from trimcap.export.artifact import check_artifact, export
from trimcap.graph.trace.trace import trace
from trimcap.program.lower.lower import lower
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results.gathered import gather
from trimcap.study.results.store import RunFolder, open_run, read_header
from trimcap.train.checkpoint import State, load_checkpoint, save_checkpoint
from trimcap.train.masks import Masks

RECIPE = parse_recipe('name = "a"\n[train]\nepochs = 5\n')


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv2d(1, 2, (2, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    program = lower(trace(model, torch.randn(2, 2, 4)), name="net")
    return export(program, tmp_path_factory.mktemp("a") / "fw", golden=np.ones((1, 2, 4), np.float32))


@pytest.fixture
def run(tmp_path):
    folder = open_run(tmp_path / "run", RECIPE, text="x", facts={"data": {"sha256": "ab"}})
    for fold in (0, 1):
        trial = folder.trial(fold, 0)
        trial.write_arrays("evaluated/dense", y=np.arange(3), probabilities=np.eye(3))
        trial.write("evaluated/dense", {"accuracy": 0.5 + fold / 10})
        rows = [{"fold": fold, "seed": 0, "stage": "dense", "accuracy": 0.5 + fold / 10}]
        (trial.path / "history").mkdir()
        (trial.path / "history/dense.csv").write_text("epoch,train_loss\n1,0.5\n")
        trial.finish({"rows": rows, "subjects": rows})
    return folder


@pytest.mark.parametrize("name", ["manifest.json", "net.c", "net.h", "net_test.c", "Makefile", "golden.safetensors"])
def test_an_artifact(artifact, name):
    assert not [place for place in flipped(artifact / name, 300) if accepted(check_artifact, artifact, name)]


@pytest.mark.parametrize("line", ["net.c", "Makefile", "program.json", "golden.safetensors"])
def test_a_manifest_that_forgets_a_file(artifact, tmp_path, line):
    shutil.copytree(artifact, tmp_path / "fw")

    def forget(content):
        del content["files"][line]

    resealed(tmp_path / "fw" / "manifest.json", forget)
    with pytest.raises(ArtifactError, match=f"does not list the file '{line}'"):
        check_artifact(tmp_path / "fw")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["input"].update(scale=2.0), "says another '(input|output)' than the program"),
        (lambda c: c["output"].update(shape=[9]), "says another '(input|output)' than the program"),
        (lambda c: c.update(tolerance="none"), "tolerance is 'none', not a number"),
        (lambda c: c.update(name="../net"), "does not list the file '../net.c'"),
        (lambda c: c.pop("golden"), "it lacks 'golden'"),
    ],
)
def test_a_manifest_that_does_not_fit(artifact, tmp_path, change, message):
    shutil.copytree(artifact, tmp_path / "fw")
    resealed(tmp_path / "fw" / "manifest.json", lambda content: change(content) and None)
    with pytest.raises(ArtifactError, match=message):
        check_artifact(tmp_path / "fw")


def test_masks(tmp_path):
    path = Masks({"a.weight": torch.tensor([[True, False]]), "b": torch.ones(3, dtype=torch.bool)}, "n").save(
        tmp_path / "masks.safetensors"
    )

    def read(path):
        try:
            Masks.load(path)
        except PlanError as error:
            raise ArtifactError(str(error)) from error

    read(path)
    assert not [place for place in flipped(path, 600) if accepted(read, path, "masks.safetensors")]


def test_a_checkpoint(tmp_path):
    def fresh():
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        return State(model, torch.optim.Adam(model.parameters(), lr=0.01))

    state, path = fresh(), tmp_path / "checkpoint.safetensors"
    state.model(torch.ones(1, 2)).sum().backward()
    state.optimizer.step()
    state.history.append({"epoch": 1.0, "train_loss": 0.5})
    save_checkpoint(path, state, {"seed": 1})

    def read(path):
        load_checkpoint(path, fresh(), {"seed": 1})

    read(path)
    assert not [place for place in flipped(path, 700) if accepted(read, path, "checkpoint.safetensors")]


def test_a_checkpoint_of_another_model(tmp_path):
    def state(width):
        model = nn.Linear(2, width)
        return State(model, torch.optim.SGD(model.parameters(), lr=0.01))

    save_checkpoint(tmp_path / "c", state(2), {})
    with pytest.raises(ArtifactError, match=r"(?s)does not fit this training .*delete it to start the training again"):
        load_checkpoint(tmp_path / "c", state(3), {})


@pytest.mark.parametrize(
    "name", ["run.json", "trials/fold-00_seed-0/trial.json", "trials/fold-00_seed-0/evaluated/dense.json"]
)
def test_a_run_folder(run, name):
    def read(path):
        again = RunFolder(path)
        again.results()
        again.trial(0, 0).read_arrays("evaluated/dense")

    read(run.path)
    assert not [place for place in flipped(run.path / name, 700) if accepted(read, run.path)]


def test_arrays_of_a_run(run):
    path = run.trial(0, 0).path / "evaluated/dense.npz"
    for _ in flipped(path, 300):
        with pytest.raises(ArtifactError, match=r"dense.npz was changed after it was saved"):
            run.trial(0, 0).read_arrays("evaluated/dense")


@pytest.mark.parametrize("name", ["history/dense.csv", "evaluated/dense.json", "evaluated/dense.npz"])
def test_every_file_of_a_finished_trial(run, name):
    """Once a removed evaluation took the confusion matrix out of the report, and an edited curve was drawn."""
    trial = run.trial(1, 0)
    assert name in trial.check()
    for _ in flipped(trial.path / name, 20):
        with pytest.raises(ArtifactError, match=rf"{name} was changed after it was saved.*Restore the file, or delete"):
            gather(run.path)
    content = (trial.path / name).read_bytes()
    (trial.path / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name} is missing.*delete the folder of its trial, and run again"):
        gather(run.path)
    (trial.path / "kept").write_bytes(content)
    (trial.path / name).symlink_to(trial.path / "kept")
    with pytest.raises(ArtifactError, match=rf"{name} is a link"):
        gather(run.path)


def test_a_folder_of_a_trial_that_is_a_link(run):
    trial = run.trial(1, 0)
    shutil.move(trial.path / "history", run.path / "elsewhere")
    (trial.path / "history").symlink_to(run.path / "elsewhere")
    with pytest.raises(ArtifactError, match="history is a link"):
        trial.check()


@pytest.mark.parametrize(
    "name", ["../run.json", "/etc/passwd", "evaluated/../../x", "evaluated//dense.npz", "a/.b", "a/"]
)
def test_files_below_a_trial_only(run, name):
    path = run.trial(0, 0).path / "trial.json"
    resealed(path, lambda content: content["files"].update({name: "0" * 64}))
    with pytest.raises(ArtifactError, match="which is no plain name of a file beside it"):
        run.trial(0, 0).check()


def test_a_trial_that_forgets_an_evaluation(run):
    resealed(run.trial(1, 0).path / "trial.json", lambda content: content["files"].clear())
    with pytest.raises(ArtifactError, match=r"does not list the file 'evaluated/dense.json'.*run again"):
        gather(run.path)


def test_a_curve_that_was_planted_is_not_drawn(run):
    trial = run.trial(1, 0)
    shutil.copy(trial.path / "history/dense.csv", trial.path / "history/C.csv")
    (trial.path / "checkpoints").mkdir()
    assert "history/C.csv" not in trial.check()


def test_a_fold_copied_over_another(run):
    shutil.rmtree(run.trial(1, 0).path)
    shutil.copytree(run.trial(0, 0).path, run.trial(1, 0).path)
    for read in (run.results, run.subjects, run.gather, lambda: run.trial(1, 0).read_arrays("evaluated/dense")):
        with pytest.raises(ArtifactError, match=r"is a copy: it belongs to piece '.*' of fold 0, seed 0; delete"):
            read()


def test_a_piece_under_another_name_or_of_another_run(run, tmp_path):
    trial = run.trial(0, 0)
    trial.write("evaluated/pruned", {"accuracy": 0.4})
    shutil.copy(trial.path / "evaluated/dense.json", trial.path / "evaluated/pruned.json")
    with pytest.raises(ArtifactError, match="is a copy: it belongs to piece 'evaluated/dense'"):
        trial.read("evaluated/pruned")
    other = open_run(tmp_path / "other", RECIPE, facts={"data": {"sha256": "cd"}})
    shutil.copytree(trial.path, other.trial(0, 0).path)
    with pytest.raises(ArtifactError, match="of another run"):
        other.results()


def test_edited_tables_are_not_believed(run):
    run.gather()
    table = run.path / "results.csv"
    table.write_text(table.read_text().replace("0.5", "0.99"))
    assert run.results().accuracy.tolist() == [0.5, 0.6]
    run.gather()
    assert "0.99" not in table.read_text()


def test_where_a_piece_was_made_survives_a_resume(run, monkeypatch):
    first = run.trial(0, 0).made("trial")
    assert {"python", "torch", "processor", "host", "time"} <= set(first)
    monkeypatch.setattr("trimcap.study.results.provenance.versions", lambda: {"torch": "99"})
    again = open_run(run.path, RECIPE, text="x", facts={"data": {"sha256": "ab"}})
    again.trial(2, 0).write("trial", {"rows": [], "subjects": []})
    assert again.trial(0, 0).made("trial") == first
    assert again.trial(2, 0).made("trial")["torch"] == "99"
    assert read_header(run.path)["versions"]["torch"] == first["torch"]
