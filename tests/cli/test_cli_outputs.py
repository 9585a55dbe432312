"""Output folders: a command that fails changes nothing, nothing is replaced in silence, and nothing old stays."""

from __future__ import annotations

import json
import shutil
from importlib import import_module

import pytest

from trimcap.cli.io import outputs
from trimcap.graph.save import load, save

TRAIN = ("--epochs", 1, "--valid", 0.34, "--option", "F1=2", "--option", "kernel=8")


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def steps(folder):
    return json.loads((folder / "trimcap.json").read_text())["steps"]


@pytest.fixture
def inside(world, tmp_path, monkeypatch):
    """A copy of the world with a pruned, a masked and a recovered network, an analysis and float C."""
    here = tmp_path / "in"
    shutil.copytree(world, here)
    monkeypatch.chdir(here)
    return here


def test_a_refused_training_leaves_the_record_of_who_was_seen(call, inside):
    words = ("train", "eegnet", "--data", "w.npz", "--out", "a", *TRAIN)
    call(*words, ok=True)
    before = content(inside / "a")
    ended = call(*words, "--hold-out", "S01")
    assert ended.code == 2
    assert "hold_out was not given, now 'S01'; choose another --out, or pass --force to replace it" in ended.err
    assert content(inside / "a") == before
    # the same with nothing but the checkpoint of an interrupted one: the checkpoint knows its windows
    (inside / "b").mkdir()
    shutil.copy(inside / "a" / "checkpoint.safetensors", inside / "b")
    before = content(inside / "b")
    ended = call(*words[:-8], *TRAIN, "--out", "b", "--hold-out", "S01")
    assert ended.code == 1
    assert "belongs to another run" in ended.err
    assert content(inside / "b") == before
    call(*words, "--out", "b", ok=True)
    assert steps(inside / "b") == steps(inside / "a")


def test_a_resumed_training_remembers_whom_it_saw(call, inside, monkeypatch):
    module = import_module("trimcap.train.fit")
    original, count = module.train_epoch, 0

    def once(*args):
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        original(*args)

    words = ("train", "eegnet", "--data", "w.npz", "--hold-out", "S03", *TRAIN, "--epochs", 3)
    call(*words, "--out", "whole", ok=True)
    monkeypatch.setattr(module, "train_epoch", once)
    ended = call(*words, "--out", "cut")
    assert ended.code == 130
    assert "interrupted. Epochs that were finished are kept: the same command goes on from there." in ended.err
    assert set(content(inside / "cut")) == {"checkpoint.safetensors"}
    assert "holds a training that was interrupted" in call("prune", "net", "--sparsity", 0.5, "--out", "cut").err
    monkeypatch.setattr(module, "train_epoch", original)
    call(*words, "--out", "cut", ok=True)
    assert steps(inside / "cut") == steps(inside / "whole")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train eegnet --data w.npz --out i", "Epochs that were finished are kept: the same command, without --force,"),
        ("run demo --out i", "Nothing finished is lost: the same command goes on from here."),
        ("demo --out i", "Nothing finished is lost: the same command goes on from here."),
    ],
)
def test_interrupted_before_anything_began(call, inside, monkeypatch, words, said):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("trimcap.study.recipe.recipe.load_recipe", interrupt)
    monkeypatch.setattr("trimcap.cli.io.datasets.read", interrupt)
    ended = call(*words.split())
    assert ended.code == 130
    assert f"interrupted. {said}" in ended.err


def test_a_forced_training_that_is_interrupted_leaves_no_old_network(call, inside, monkeypatch):
    module = import_module("trimcap.train.fit")
    original, count = module.train_epoch, 0

    def cut(after):
        nonlocal count
        count = 0

        def train_epoch(*args):
            nonlocal count
            count += 1
            if count > after:
                raise KeyboardInterrupt
            original(*args)

        monkeypatch.setattr(module, "train_epoch", train_epoch)

    call("prune", "net", "--sparsity", 0.5, "--out", "p", ok=True)
    (inside / "p" / "notes.txt").write_text("mine")
    before = content(inside / "p")
    words = ("train", "eegnet", "--data", "w.npz", *TRAIN, "--epochs", 3, "--out", "p")
    cut(0)
    ended = call(*words, "--force")
    assert "No epoch was finished: the same command starts again." in ended.err
    assert content(inside / "p") == before  # nothing of the new one is there
    cut(1)
    ended = call(*words, "--force")
    assert "the same command without --force goes on" in ended.err
    assert set(content(inside / "p")) == {"checkpoint.safetensors", "notes.txt"}
    monkeypatch.setattr(module, "train_epoch", original)
    call(*words, ok=True)
    assert [step["verb"] for step in steps(inside / "p")] == ["train"]


MADE = {  # folder → the command that makes it
    "net": "",
    "prog": "",
    "art": "",
    "pruned": "prune net --sparsity 0.5",
    "masked": "mask net --sparsity 0.5",
    "tuned": "train net --data w.npz --epochs 1 --valid 0.34",
    "rewritten": "cost net --rewrite",
    "compared": "criteria net --data w.npz --saliency l1 --axis model.temporal",
    "curves": "sensitivity net --data w.npz --steps 3 --target 0.01 --no-filters",
    "float": "export net --golden w.npz -n 2",
}
OTHER = [  # folder, command, what is said
    (
        "tuned",
        "prune net --sparsity 0.5",
        "holds a trimcap network (train → train), made otherwise: by `trimcap train`",
    ),
    ("tuned", "train pruned --data w.npz --epochs 1 --valid 0.34", "source was 'net', now 'pruned'"),
    ("tuned", "train net --data w.npz --epochs 1 --valid 0.5", "valid was 0.34, now 0.5"),
    ("tuned", "train net --data w.npz --epochs 1 --valid 0.34 --arm scratch", "arm was 'fine_tune', now 'scratch'"),
    ("net", "train eegnet --data w.npz --epochs 1", "epochs was 3, now 1"),
    ("pruned", "mask net --sparsity 0.5", "by `trimcap prune`, not by `trimcap mask`"),
    ("pruned", "prune net --sparsity 0.25", "sparsity was 0.5, now 0.25"),
    ("pruned", "prune net --sparsity 0.5 --saliency random --seed 3", "saliency was 'l1', now 'random'"),
    ("pruned", "prune tuned --sparsity 0.5", "source was 'net', now 'tuned'"),
    ("pruned", "prune net --plan curves/plan.json", "plan was not given, now 'curves/plan.json'"),
    ("masked", "mask net --sparsity 0.5 --at-least 3", "at_least was 1, now 3"),
    ("masked", "cost net --rewrite", "not by `trimcap cost --rewrite`"),
    ("prog", "quantize net --calibration w.npz --windows 8", "windows was 24, now 8"),
    ("prog", "export net --golden w.npz", "holds a trimcap program (train → quantize)"),
    ("art", "export net --golden w.npz", "source was"),
    ("float", "export net --golden w.npz -n 2 --int8 --calibration w.npz", "integer was False, now True"),
    ("net", "export prog --golden w.npz", "holds a trimcap network (train)"),
    ("curves", "sensitivity net --data w.npz --steps 3 --drop 0.1 --no-filters", "target was 0.01, now not given"),
    ("compared", "sensitivity net --data w.npz --steps 3", "holds other work (train → criteria), made otherwise: by"),
    ("compared", "criteria net --data w.npz --saliency l2 --axis model.temporal", "saliency was 'l1', now 'l2'"),
    ("compared", "electrodes net --data w.npz --random 1", "holds other work (train → criteria)"),
]


@pytest.fixture(scope="module")
def made(world, tmp_path_factory, call):
    here = tmp_path_factory.mktemp("made") / "in"
    shutil.copytree(world, here)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for name, words in MADE.items():
            if words:
                call(*words.split(), "--out", name, ok=True)
    return here


@pytest.mark.parametrize(("folder", "words", "said"), OTHER)
def test_other_work_is_not_replaced(call, made, monkeypatch, folder, words, said):
    monkeypatch.chdir(made)
    before = content(made / folder)
    ended = call(*words.split(), "--out", folder)
    assert ended.code == 2
    assert said in ended.err
    assert "choose another --out, or pass --force to replace it" in ended.err
    assert content(made / folder) == before


@pytest.mark.parametrize(("folder", "words"), [(k, v) for k, v in MADE.items() if v])
def test_the_same_command_may_be_repeated(call, made, tmp_path, monkeypatch, folder, words):
    monkeypatch.chdir(made)
    files, path = set(content(made / folder)), steps(made / folder)
    assert files - {"trimcap.json"} == set(json.loads((made / folder / "trimcap.json").read_text())["files"])
    call(*words.split(), "--out", folder, ok=True)
    assert set(content(made / folder)) == files
    assert steps(made / folder) == path
    shutil.copytree(made / folder, tmp_path / "x")
    call(*words.replace(" net", " ./net").split(), "--out", tmp_path / "x", ok=True)  # written in another way


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("masked", "pruned"), ("tuned", "pruned"), ("pruned", "masked"), ("tuned", "masked"), ("pruned", "tuned"),
        ("masked", "rewritten"), ("art", "float"), ("prog", "float"), ("art", "tuned"), ("float", "curves"),
        ("curves", "compared"), ("compared", "pruned"),
    ],
)  # fmt: skip
def test_by_force_nothing_of_the_old_work_stays(call, made, tmp_path, monkeypatch, first, second):
    monkeypatch.chdir(made)
    shutil.copytree(made / first, tmp_path / "x")
    (tmp_path / "x" / "notes.txt").write_text("mine")
    call(*MADE[second].split(), "--out", tmp_path / "x", "--force", ok=True)
    assert set(content(tmp_path / "x")) == set(content(made / second)) | {"notes.txt"}
    assert steps(tmp_path / "x") == steps(made / second)


def test_a_network_from_before_that_changed_is_another_source(call, inside):
    call("prune", "net", "--sparsity", 0.5, "--out", "p", ok=True)
    call("train", "eegnet", "--data", "w.npz", "--out", "net", *TRAIN, "--force", ok=True)
    ended = call("prune", "net", "--sparsity", 0.5, "--out", "p")
    assert ended.code == 2
    assert "'net' was another one then" in ended.err


def test_forced_commands_that_fail_change_nothing(call, inside):
    call("prune", "net", "--sparsity", 0.5, "--out", "p", ok=True)
    (inside / "p" / "Makefile").write_text("mine")
    for words in (
        "prune net --sparsity 0.01", "train eegnet --data w.npz --optimizer admm", "mask net --sparsity 2",
        "export net --golden w.npz -n 2", "quantize net --calibration w.npz --subjects S09",
        "train eegnet --data w.npz --learning-rate nan",
    ):  # fmt: skip
        before = content(inside / "p")
        assert call(*words.split(), "--out", "p", "--force").code in (1, 2), words
        assert content(inside / "p") == before, words


def test_a_run_is_never_replaced_nor_put_among_other_work(call, inside):
    (inside / "r").mkdir()
    (inside / "r" / "run.json").write_text("{}")
    ended = call("prune", "net", "--sparsity", 0.5, "--out", "r", "--force")
    assert ended.code == 2
    assert "holds a trimcap run, which is never overwritten" in ended.err
    before = content(inside / "net")
    ended = call("demo", "--out", "net")
    assert ended.code == 2
    assert "folder 'net' holds a trimcap network; choose another --out" in ended.err
    assert content(inside / "net") == before


def test_a_network_saved_from_python_is_not_replaced(call, inside):
    save(load(inside / "net"), inside / "own")
    ended = call("prune", "net", "--sparsity", 0.5, "--out", "own")
    assert ended.code == 2
    assert "holds a trimcap network, and does not say what made it" in ended.err
    call("quantize", "net", "--calibration", "w.npz", "--out", "own", "--force", ok=True)
    assert not (inside / "own" / "tensors.safetensors").exists()


def test_only_files_of_trimcap_are_deleted(tmp_path):
    out = tmp_path / "out"
    (out / "networks" / "l1-2").mkdir(parents=True)
    for name in ("network.json", "manifest.json", "checkpoint.safetensors", "networks/l1-2/a", "kept", "listed"):
        (out / name).write_text('{"files": ["kept"]}')  # by others: nothing in it says trimcap
    (tmp_path / "outside").write_text("")
    listed = ["listed", "../outside", str(tmp_path / "outside"), "networks/l1-2/a"]
    (out / "trimcap.json").write_text(json.dumps({"format": "trimcap folder 1", "steps": [], "files": listed}))
    outputs.clear(out)
    assert set(content(out)) == {"network.json", "manifest.json", "checkpoint.safetensors", "kept"}
    assert not (out / "networks").exists()
    assert (tmp_path / "outside").exists()
