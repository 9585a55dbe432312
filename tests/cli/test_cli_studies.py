"""run and report on a study of seconds; shipped recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimcap.study.recipe import shipped as module
from trimcap.study.recipe.recipe import load_recipe
from trimcap.study.recipe.shipped import recipe_path, shipped

TINY = """
name = "tiny"
[data]
source = "synthetic"
subjects = 4
seconds = 3
window = 1
[data.options]
trials_per_class = 2
channels = ["C3", "C4", "O1", "O2"]
[protocol]
folds = 2
valid = 0.5
[model]
options = {F1 = 2, kernel = 8}
[train]
epochs = 1
"""


@pytest.fixture(scope="module")
def ran(call, tmp_path_factory):
    place = tmp_path_factory.mktemp("study")
    (place / "tiny.toml").write_text(TINY)
    return place, call("run", place / "tiny.toml", "--out", place / "run", "--jobs", 1, "--json")


@pytest.mark.slow
def test_run_writes_results_and_report(ran, call):
    place, ended = ran
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["trials"] == 2
    assert "min-max" in found["unseen"]
    assert "dense" in [stage["stage"] for stage in found["stages"]]
    assert Path(found["report"]).read_text().lstrip().lower().startswith("<!doctype html")
    assert (place / "run" / "results.csv").is_file()
    (place / "run" / "report.html").unlink()
    again = call("report", place / "run", "--json", ok=True).json
    assert Path(again["report"]).is_file()
    again = call("run", place / "tiny.toml", "--out", place / "run")
    assert "2 of 2 trials were finished before" in again.err
    assert "audit: passed. What can't be seen: " in again.out


@pytest.mark.slow
def test_run_folder_of_another_recipe(ran, call):
    place, _ = ran
    (place / "other.toml").write_text(TINY.replace("epochs = 1", "epochs = 2"))
    ended = call("run", place / "other.toml", "--out", place / "run")
    assert ended.code == 2
    assert "train.epochs = 1 there, 2 here" in ended.err


@pytest.mark.slow
def test_failed_audit_exits_1_and_still_reports(ran, call, monkeypatch):
    from trimcap._errors import AuditError
    from trimcap.study.run import run

    place, _ = ran

    def failing(*args, **kwargs):
        raise AuditError("audit failed in 1 trial")

    monkeypatch.setattr(run, "run", failing)
    (place / "run" / "report.html").unlink(missing_ok=True)
    ended = call("run", place / "tiny.toml", "--out", place / "run", "--json")
    assert ended.code == 1
    assert "audit failed in 1 trial" in ended.err
    assert ended.json["failed"]
    assert (place / "run" / "report.html").is_file()


def test_report_of_no_run(call, tmp_path):
    ended = call("report", tmp_path)
    assert ended.code == 2
    assert "has no run.json" in ended.err


def test_shipped_recipes_are_found_anywhere_and_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "demo" in shipped()
    for name, path in shipped().items():
        assert recipe_path(name) == recipe_path(f"{name}.toml") == recipe_path(f"recipes/{name}.toml") == path
        assert load_recipe(path).name


def test_installed_recipes_come_before_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    assert list(shipped()) == ["mine"]


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    (tmp_path / "demo.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    assert recipe_path("demo.toml").resolve() == tmp_path / "demo.toml"


@pytest.mark.slow
def test_leaky_protocol_is_labelled_on_the_terminal_and_in_every_table(call, tmp_path):
    (tmp_path / "leaky.toml").write_text(TINY.replace("[protocol]", '[protocol]\nname = "leaky_windows"'))
    ended = call("run", tmp_path / "leaky.toml", "--out", tmp_path / "run", "--jobs", 1, ok=True)
    assert "LEAKY protocol, for comparison only" in ended.out
    for name in ("results.csv", "subjects.csv"):
        assert "leaky" in (tmp_path / "run" / name).read_text().splitlines()[0].split(",")


@pytest.mark.slow
def test_honest_protocol_is_not_called_leaky(ran):
    assert ran[1].json["leaky"] is False


def test_interruption_says_how_to_go_on(call, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("trimcap.study.run.run.run", interrupted)
    (tmp_path / "tiny.toml").write_text(TINY)
    ended = call("run", tmp_path / "tiny.toml", "--out", tmp_path / "run")
    assert ended.code == 130
    assert "interrupted. Nothing finished is lost: the same command goes on from here." in ended.err


def test_the_table_has_the_numbers_of_the_report(call, tmp_path):
    """Subjects count alike, also where folds hold different numbers of them."""
    recipe = tmp_path / "uneven.toml"
    recipe.write_text(
        'name = "uneven"\n[data]\nsource = "synthetic"\nsubjects = 5\nwindow = 1\nseconds = 4\n'
        "[protocol]\nfolds = 2\n[train]\nepochs = 1\n"
    )
    found = call("run", recipe, "--out", tmp_path / "run", "--json", ok=True).json
    table = (tmp_path / "run" / "report.md").read_text()
    for stage in found["stages"]:
        assert f"| {stage['stage']} | {stage['accuracy']:.3f} ±" in table


@pytest.mark.parametrize("saliency", ["fpgm", "taylor", "hrank"])
def test_every_saliency_may_be_in_a_recipe(call, tmp_path, saliency):
    """The command line once knew four of them only."""
    text = '[data]\nsource = "npz"\npath = "nowhere.npz"\n[[steps]]\nkind = "prune"\nsparsity = 0.5\n'
    (tmp_path / "r.toml").write_text(f'name = "r"\n{text}saliency = "{saliency}"\n')
    ended = call("run", tmp_path / "r.toml", "--out", tmp_path / "out")
    assert ended.code != 0
    assert "saliency" not in ended.err
    assert "nowhere.npz" in ended.err
