"""A published folder: its page follows from its CSV files, and says so if it does not."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from fabricated import make_run
from typer.testing import CliRunner

from sealing import resealed
from trimcap.cli import app
from trimcap.study.report.publish import check_published, publish
from trimcap.study.run.machine import machine


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    place = tmp_path_factory.mktemp("publish")
    publish(make_run(place / "run").path, place / "page")
    return place / "page"


def test_every_table_follows_from_the_files(published):
    page = (published / "README.md").read_text()
    assert check_published(published) > 26 + 8
    assert {path.name for path in published.iterdir()} >= {"results.csv", "subjects.csv", "study.json", "figures"}
    subjects = pd.read_csv(published / "subjects.csv")
    assert len(subjects.groupby(["subject", "seed", "stage"])) == len(subjects) == 26 * 2 * 8
    mean = subjects[subjects.stage == "C"].groupby("subject").accuracy.mean()
    assert f"| C | {mean.mean():.3f} ± {mean.std():.3f} |" in page
    assert "With 26 subjects and this spread of differences (standard deviation " in page


def test_long_tables_are_files_and_pictures_small(published, monkeypatch, tmp_path):
    for picture in (published / "figures").iterdir():
        assert f"figures/{picture.name}" in (published / "README.md").read_text()
        assert picture.stat().st_size < 150_000
    monkeypatch.setattr("trimcap.study.report.publish._MOST", 5)
    publish(make_run(tmp_path / "run", n_subjects=8).path, tmp_path / "page")
    page = (tmp_path / "page" / "README.md").read_text()
    assert "8 rows, in the file subjects-1.csv" in page
    assert "| Subject03 |" not in page
    assert len(pd.read_csv(tmp_path / "page" / "subjects-1.csv")) == 8
    assert len(pd.read_csv(tmp_path / "page" / "subjects.csv")) == 8 * 2 * 8


@pytest.mark.parametrize(("name", "column"), [("subjects.csv", "accuracy"), ("results.csv", "macs")])
def test_a_changed_number_is_found(published, tmp_path, name, column):
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    table = pd.read_csv(copy / name)
    table.loc[table.stage == "C", column] *= 0.9
    table.to_csv(copy / name, index=False)
    with pytest.raises(ValueError, match=f"{name} was changed after it was saved"):
        check_published(copy)
    resealed(copy / "study.json", lambda content: None)
    with pytest.raises(ValueError, match=r"does not say what its CSV files give|of fold 0, seed 0, stage 'C', and sub"):
        check_published(copy)


def _twice(table):
    return pd.concat([table, table[:1]])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "results.csv",
            lambda t: t.assign(accuracy=t.accuracy + 1e-6),
            r"says accuracy .* of fold 0, seed 0, stage 'maj",
        ),
        ("results.csv", lambda t: t.assign(n=t.n + 1), r"says n .* of fold 0, seed 0, stage 'majority class'"),
        ("results.csv", lambda t: t.assign(accuracy=np.nan), "says accuracy nan of fold 0, seed 0"),
        ("results.csv", lambda t: t[t.fold != 2], r"has 6 trials and study.json 8: missing: \(2, 0\), \(2, 1\)"),
        (
            "results.csv",
            lambda t: t[~((t.fold == 1) & (t.stage == "int8"))],
            "has 7 stages of fold 1, seed 0 and study.js",
        ),
        ("results.csv", _twice, "has 9 stages of fold 0, seed 0"),
        ("subjects.csv", lambda t: t[t.seed != 1], "has 4 trials and study.json 8: missing"),
        (
            "subjects.csv",
            lambda t: t[t.subject != "Subject04"],
            "has 6 subjects with 180 windows of fold 0, seed 0, stage",
        ),
        ("subjects.csv", lambda t: t.assign(subject=t.subject.replace("Subject04", "X")), "has X, of whom study.json"),
        ("subjects.csv", lambda t: t.assign(n=t.n * 2), "study.json 7 with 210"),
    ],
)
def test_tables_that_contradict_each_other(published, tmp_path, name, change, message):
    """Also sealed again: rows of a trial once could be deleted, and accuracies of folds edited, without a word."""
    shutil.copytree(published, tmp_path / "copy")
    path = tmp_path / "copy" / name
    change(pd.read_csv(path)).to_csv(path, index=False)
    resealed(tmp_path / "copy" / "study.json", lambda content: None)
    with pytest.raises(ValueError, match=message):
        check_published(tmp_path / "copy")


def test_trials_that_the_recipe_does_not_ask_for(published, tmp_path):
    shutil.copytree(published, tmp_path / "copy")
    resealed(tmp_path / "copy" / "study.json", lambda content: content["protocol"].update(folds=3))
    with pytest.raises(ValueError, match=r"\(3, 0\), \(3, 1\), which its recipe does not ask for"):
        check_published(tmp_path / "copy")


@pytest.mark.parametrize("name", ["study.json", "figures/cost.png"])
def test_a_changed_byte_of_a_published_file(published, tmp_path, name):
    shutil.copytree(published, tmp_path / "copy")
    path = tmp_path / "copy" / name
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} was changed"):
        check_published(tmp_path / "copy")
    path.unlink()
    with pytest.raises((FileNotFoundError, ValueError), match=f"{name} is missing|it has no {name}"):
        check_published(tmp_path / "copy")


@pytest.mark.parametrize("name", ["subjects.csv", "results.csv"])
def test_an_edited_table_of_a_run_is_not_published(tmp_path, name):
    run = make_run(tmp_path / "run", n_subjects=8).path
    whole, table = (run / name).read_bytes(), pd.read_csv(run / name)
    table.assign(accuracy=0.99).to_csv(run / name, index=False)
    publish(run, tmp_path / "page")
    assert (tmp_path / "page" / name).read_bytes() == whole
    assert "| C | 0.990" not in (tmp_path / "page" / "README.md").read_text()
    assert check_published(tmp_path / "page") > 8


def test_the_command_publishes_and_checks(tmp_path):
    run, page = make_run(tmp_path / "run", n_subjects=8).path, str(tmp_path / "page")
    assert CliRunner().invoke(app, ["report", str(run), "--publish", page]).exit_code == 0
    checked = CliRunner().invoke(app, ["report", page, "--check"])
    assert (checked.exit_code, "lines follow from the CSV files" in checked.output) == (0, True)
    assert "not seen: F1" in checked.output
    (tmp_path / "page" / "README.md").write_text("nothing")
    assert CliRunner().invoke(app, ["report", page, "--check"]).exit_code != 0


def test_the_machine_is_said_in_words(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    found = machine()
    assert set(found) == {"processor", "kernels", "threads"}
    assert all(word in found["kernels"] for word in ("PyTorch", "NumPy", "ONEDNN_MAX_CPU_ISA=AVX2"))
    assert "(" in found["processor"]


def test_portable_kernels_are_chosen_before_pytorch_is_loaded_or_refused(monkeypatch):
    from trimcap.cli.verbs import studies

    pytest.importorskip("torch")  # loaded by now, also where this test is a worker's first
    refused = CliRunner().invoke(app, ["run", "demo", "--portable"])
    assert refused.exit_code == 2
    for name in studies._PORTABLE:
        monkeypatch.setenv(name, "")
    monkeypatch.delitem(sys.modules, "torch")
    studies._only_portable()
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
