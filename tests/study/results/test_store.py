import json
import os

import numpy as np
import pytest

from trimcap._errors import ArtifactError
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results.plain import to_plain
from trimcap.study.results.store import RunFolder, open_run, read_header

TEXT = 'name = "a"\n[train]\nepochs = 5\n[[steps]]\nkind = "prune"\nsparsity = 0.5\n'
RECIPE = parse_recipe(TEXT)


def test_same_recipe_goes_on(tmp_path):
    run = open_run(tmp_path / "r", RECIPE, text=TEXT, facts={"data": {"n": np.int64(3)}})
    changed = parse_recipe(TEXT + "[report]\nmargin = 0.1\n")
    again = open_run(tmp_path / "r", changed, facts={"data": {"n": np.int64(3)}})
    assert run == again
    header = read_header(tmp_path / "r")
    assert header["hash"] == RECIPE.hash
    assert header["versions"]["torch"]


def test_another_recipe_is_refused_and_the_difference_named(tmp_path):
    open_run(tmp_path / "r", RECIPE, facts={}).trial(0, 0).write("dense", {})
    other = parse_recipe(TEXT.replace("0.5", "0.25"))
    with pytest.raises(ValueError, match=r"another recipe: steps\[0\].sparsity = 0.5 there, 0.25 here. Choose"):
        open_run(tmp_path / "r", other, facts={})


def test_other_data_under_the_same_recipe_are_refused_and_the_difference_named(tmp_path):
    def data(sha256, subjects):
        return {"data": {"windows": 10, "subjects": subjects, "sha256": sha256}}

    open_run(tmp_path / "r", RECIPE, facts=data("a", ["S0", "S1"])).trial(0, 0).write("dense", {})
    open_run(tmp_path / "r", RECIPE, facts=data("a", ["S0", "S1"]))
    with pytest.raises(ValueError, match=r"run on other data: subjects = \['S0', 'S1'\] there, \['S1'\] here. Give"):
        open_run(tmp_path / "r", RECIPE, facts=data("b", ["S1"]))
    with pytest.raises(ValueError, match="run on other data: values of the windows differ"):
        open_run(tmp_path / "r", RECIPE, facts=data("b", ["S0", "S1"]))
    assert read_header(tmp_path / "r")["data"]["sha256"] == "a"


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="not empty and is no run folder"):
        open_run(tmp_path, RECIPE, facts={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot write into folder"):
        open_run(tmp_path / "r", RECIPE, facts={})


def test_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"cannot write into folder .*Choose another output folder"):
        open_run(tmp_path / "file" / "r", RECIPE, facts={})


def test_damaged_and_foreign_headers(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        read_header(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "trimcap run 0"}')
    with pytest.raises(ArtifactError, match="reads 'trimcap run 2'"):
        read_header(tmp_path)
    (tmp_path / "run.json").write_text('{"format"')
    with pytest.raises(ArtifactError, match="damaged"):
        read_header(tmp_path)


def test_pieces_and_arrays(tmp_path):
    trial = open_run(tmp_path, RECIPE, facts={}).trial(3, 1)
    assert trial.path.name == "fold-03_seed-1"
    assert not trial.has("built/dense")
    trial.write_arrays("built/dense", x=np.arange(3))
    assert not trial.has("built/dense")
    trial.write("built/dense", {"accuracy": np.float64("nan"), "n": np.int64(2)})
    assert trial.read("built/dense") == {"accuracy": None, "n": 2}
    assert trial.read_arrays("built/dense")["x"].tolist() == [0, 1, 2]
    assert trial.read_arrays("built/none") == {}
    assert [t.name for t in RunFolder(tmp_path).trials] == ["fold 3, seed 1"]
    (trial.path / "built/dense.json").write_text("{")
    with pytest.raises(ArtifactError, match="is damaged"):
        trial.read("built/dense")


def test_tables_come_from_finished_trials_only(tmp_path):
    run = open_run(tmp_path, RECIPE, facts={})
    with pytest.raises(FileNotFoundError, match="no finished trial"):
        run.results()
    row = {"fold": 0, "seed": 0, "stage": "dense", "accuracy": 0.5, "kappa": None}
    run.trial(0, 0).write("trial", {"rows": [row], "subjects": [{**row, "subject": "NA"}]})
    run.trial(1, 0).write("built/dense", {})
    run.gather()
    assert len(run.results()) == 1
    assert run.results().kappa.isna().all()
    assert run.subjects().subject.tolist() == ["NA"]
    assert json.loads((tmp_path / "results.json").read_text()) == [row]


def test_plain():
    assert to_plain({"a": (np.float32(0.5), np.arange(2)), "b": float("inf")}) == {"a": [0.5, [0, 1]], "b": None}


def test_a_run_without_a_trial_locks_no_folder(tmp_path):
    """Whatever stopped it, the corrected data and another recipe may have its folder."""
    open_run(tmp_path / "r", RECIPE, facts={"data": {"sha256": "a"}})
    assert open_run(tmp_path / "r", RECIPE, facts={"data": {"sha256": "b"}}).header["data"]["sha256"] == "b"
    other = parse_recipe(TEXT.replace("0.5", "0.25"))
    assert open_run(tmp_path / "r", other, facts={}).header["hash"] == other.hash != RECIPE.hash
