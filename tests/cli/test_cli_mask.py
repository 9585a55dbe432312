"""mask, and the arms of train: single weights go and stay away; what is recovered follows what was asked for."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from trimcap.data.arrays.npz import read_npz
from trimcap.graph.save import load, save
from trimcap.prune.weights.compressed import storage
from trimcap.prune.weights.unstructured import mask_weights
from trimcap.train.masks import Masks

TRAIN = ("--epochs", 2, "--valid", 0.34, "--learning-rate", 0.01, "--weight-decay", 0.1, "--batch-size", 16)


@pytest.fixture(scope="module")
def masked(call, world, tmp_path_factory):
    out = tmp_path_factory.mktemp("masked") / "m"
    call("mask", world / "net", "--sparsity", 0.6, "--out", out, ok=True)
    return out


def regrown(network, masks):
    return sum(int((network.tensors[n][~kept] != 0).sum()) for n, kept in masks.kept.items())


def same_weights(a, b):
    return a.tensors.keys() == b.tensors.keys() and all(torch.equal(a.tensors[n], b.tensors[n]) for n in a.tensors)


def test_mask_is_that_of_the_library_and_shows_both_sizes(call, world, tmp_path):
    words = ("mask", world / "net", "--sparsity", 0.5, "--score", "lamp", "--out", tmp_path / "m")
    found = call(*words, "--json", ok=True).json
    network = load(world / "net")
    want = mask_weights(network, 0.5, score="lamp")
    assert Masks.load(tmp_path / "m" / "masks.safetensors").sha256 == want.sha256
    assert same_weights(load(tmp_path / "m"), want.apply(network))
    assert (found["removed"], found["weights"]) == (want.removed, want.n)
    for bits in (32, 8):
        held, row = storage(want.apply(network), bits=bits), found["storage"][f"{bits} bits"]
        assert (row["dense_bytes"], row["compressed_bytes"]) == (held.dense, held.compressed)
        assert row["on_device_bytes"] == held.dense > held.compressed
    text = call("mask", world / "net", "--sparsity", 0.5, "--out", tmp_path / "n", ok=True).out
    assert "a device sees, B" in text
    assert "keeps them" in text


def test_training_keeps_masks_and_hands_them_on(call, world, masked, tmp_path):
    masks = Masks.load(masked / "masks.safetensors")
    for source, out in ((masked, tmp_path / "a"), (tmp_path / "a", tmp_path / "b")):
        call("train", source, "--data", world / "w.npz", "--out", out, *TRAIN, ok=True)
        assert Masks.load(out / "masks.safetensors").sha256 == masks.sha256
        assert regrown(load(out), masks) == 0
        assert not same_weights(load(out), load(source))
    # not vacuous: without the masks beside it the same training moves removed weights
    shutil.copytree(masked, tmp_path / "bare")
    (tmp_path / "bare" / "masks.safetensors").unlink()
    call("train", tmp_path / "bare", "--data", world / "w.npz", "--out", tmp_path / "c", *TRAIN, ok=True)
    assert regrown(load(tmp_path / "c"), masks) > masks.removed / 2
    # into the folder of the masked one: its masks are not this network's
    call("train", tmp_path / "bare", "--data", world / "w.npz", "--out", tmp_path / "b", *TRAIN, "--force", ok=True)
    assert not (tmp_path / "b" / "masks.safetensors").exists()


def test_a_second_round_takes_more_and_gives_nothing_back(call, masked, tmp_path):
    first = Masks.load(masked / "masks.safetensors")
    call("mask", masked, "--sparsity", 0.9, "--out", tmp_path / "m", ok=True)
    second = Masks.load(tmp_path / "m" / "masks.safetensors")
    assert second.removed == int(0.9 * second.n)
    assert all(not (kept & ~first.kept[n]).any() for n, kept in second.kept.items())
    history = json.loads((tmp_path / "m" / "trimcap.json").read_text())["steps"]
    assert [step["verb"] for step in history] == ["train", "mask", "mask"]


def test_scratch_with_masks_has_other_weights_at_the_same_places(call, world, masked, tmp_path):
    masks = Masks.load(masked / "masks.safetensors")
    words = ("train", masked, "--data", world / "w.npz", *TRAIN, "--arm")
    call(*words, "scratch", "--seed", 7, "--out", tmp_path / "s", ok=True)  # seed 0 made the network
    call(*words, "fine_tune", "--seed", 7, "--out", tmp_path / "f", ok=True)
    start, scratch, tuned = load(masked), load(tmp_path / "s"), load(tmp_path / "f")
    assert regrown(scratch, masks) == 0

    def alike(network):
        pairs = [(network.tensors[n][kept], start.tensors[n][kept]) for n, kept in masks.kept.items()]
        a, b = (torch.cat(list(side)) for side in zip(*pairs, strict=True))
        return float(torch.corrcoef(torch.stack([a, b]))[0, 1])

    assert alike(tuned) > 0.8
    assert abs(alike(scratch)) < 0.5


def test_distilled_networks_follow_their_teacher(call, world, tmp_path):
    """With all weight on the teacher, the student of other labels still becomes like it."""
    call("prune", world / "net", "--sparsity", 0.25, "--out", tmp_path / "p", ok=True)
    words = ("train", tmp_path / "p", "--data", world / "w.npz", "--valid", 0, "--epochs", 25, "--learning-rate", 0.01)
    follow = ("--arm", "distil", "--teacher", world / "net", "--weight", 1)
    found = call(*words, *follow, "--out", tmp_path / "d", "--json", ok=True).json
    call(*words, "--out", tmp_path / "f", ok=True)
    assert found["held_out"] == ["S03"]
    windows = read_npz(world / "w.npz")
    x = torch.from_numpy(windows.X[windows.metadata.subject.to_numpy() != "S03"])
    teacher, distilled, tuned = (load(f)(x).softmax(1) for f in (world / "net", tmp_path / "d", tmp_path / "f"))
    assert (distilled - teacher).abs().mean() < 0.5 * (tuned - teacher).abs().mean()
    saw = json.loads((tmp_path / "d" / "trimcap.json").read_text())["steps"][-1]["saw"]
    assert saw["teacher"] == saw["fit"][: len(saw["teacher"])] or set(saw["teacher"]) <= set(saw["fit"])
    call(*words[:-4], "--epochs", 1, "--arm", "attention", "--teacher", world / "net", "--out", tmp_path / "a", ok=True)


def test_slimming_makes_scales_smaller(call, world, tmp_path):
    words = ("train", world / "net", "--data", world / "w.npz", "--valid", 0, "--epochs", 10, "--learning-rate", 0.01)
    sums = []
    for loss in ("cross_entropy", "slimming(0.1)"):
        out = tmp_path / loss[:2]
        call(*words, "--loss", loss, "--out", out, ok=True)
        tensors = load(out).tensors
        scales = [n for n in tensors if n.replace(".weight", ".running_var") in tensors and n.endswith(".weight")]
        sums.append(float(sum(tensors[n].abs().sum() for n in scales)))
    assert sums[1] < 0.85 * sums[0]


MISUSE = [
    ("mask {net} --sparsity 1.5", 2, "0 ≤ sparsity < 1, got 1.5"),
    ("mask {net} --sparsity 0.5 --layers linera", 2, "unknown kind of layer 'linera'; did you mean 'linear'"),
    ("mask {net} --sparsity 0.5 --layers recurrent", 2, "no weights of layers recurrent"),
    ("mask {net} --sparsity 0.5 --tensor nope.weight", 2, "unknown tensor 'nope.weight'"),
    ("mask {net} --sparsity 0.5 --scope all", 2, "unknown scope 'all'"),
    ("mask {net} --sparsity 0.5 --score lampe", 2, "did you mean 'lamp'"),
    ("prune {masked} --sparsity 0.5", 2, "has masks of single weights (masks.safetensors), which do not fit any more"),
    ("cost {masked} --rewrite", 2, "once the network is rewritten"),
    ("train {stale} --data {w}", 1, "is not of the network beside it: weights that it removes are not zero in"),
    ("train {torn} --data {w}", 1, "does not hold masks"),
    ("train eegnet --data {w} --arm scratch", 2, "--arm scratch is about a saved network"),
    ("train {net} --data {w} --arm distl", 2, "did you mean 'distil'"),
    ("train {net} --data {w} --arm distil", 2, "--teacher FOLDER goes with --arm distil or attention"),
    ("train {net} --data {w} --teacher {net}", 2, "give both or none"),
    ("train {net} --data {w} --arm distil --teacher {net} --loss slimming", 2, "has a loss of its own"),
    ("train {net} --data {w} --arm distil --teacher nowhere/x", 2, "no folder 'nowhere/x'"),
    ("train {net} --data {w} --arm distil --teacher {net} --weight 2", 2, "weight in [0, 1]"),
    ("train {net} --data {w} --weight 0.5", 2, "--weight goes with --arm distil or attention"),
    (
        "train {net} --data {w} --arm attention --teacher {net} --temperature 2",
        2,
        "--temperature goes with --arm distil",
    ),
    ("train {few} --data {w} --arm distil --teacher {net}", 1, "a teacher must read the same windows"),
    ("train {net} --data {w} --loss slimmed", 2, "unknown loss 'slimmed'; did you mean 'slimming'"),
]


@pytest.fixture(scope="module")
def folders(call, world, masked, tmp_path_factory):
    """Folders that something is wrong with."""
    place = tmp_path_factory.mktemp("folders")
    for name in ("stale", "torn"):
        save(load(world / "net"), place / name)
    shutil.copy(masked / "masks.safetensors", place / "stale")
    (place / "torn" / "masks.safetensors").write_bytes(b"no")
    call("prune", world / "net", "--electrodes", "C3,C4", "--out", place / "few", ok=True)
    return {"net": world / "net", "w": world / "w.npz", "masked": masked} | {
        name: place / name for name in ("stale", "torn", "few")
    }


@pytest.mark.parametrize(("words", "code", "message"), MISUSE)
def test_what_is_wrong_is_said(call, folders, tmp_path, words, code, message):
    out = [] if words.startswith("cost") and "--out" in words else ["--out", tmp_path / "x"]
    ended = call(*(word.format(**folders) for word in words.split()), *out)
    assert message in " ".join(ended.err.split())
    assert ended.code == code
    assert not (tmp_path / "x" / "network.json").exists()


def test_filters_without_a_weight_are_counted(call, world, tmp_path):
    out = tmp_path / "m"
    text = call("mask", world / "net", "--sparsity", 0.97, "--layers", "conv", "--out", out, ok=True).out
    kept = Masks.load(out / "masks.safetensors").kept
    dead = {name: int((~mask.flatten(1).any(1)).sum()) for name, mask in kept.items()}
    assert any(dead.values())
    for name, n in dead.items():
        assert (f"{n} of {len(kept[name])} filters or units of {name} have no weight left" in text) == (n > 0)
    text = call("mask", world / "net", "--sparsity", 0.1, "--scope", "layer", "--out", tmp_path / "n", ok=True).out
    assert "no weight left" not in text
