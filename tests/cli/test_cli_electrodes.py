"""`trimcap electrodes`, its plans, and the networks that it trains."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trimcap.data.arrays.npz import read_npz
from trimcap.data.seen import OUTSIDE
from trimcap.graph.save import load, save
from trimcap.prune.electrodes import electrode_curve
from trimcap.prune.saliency.by_weights import l1


def of(windows, subjects):
    return windows.take(windows.metadata.subject.isin(subjects).to_numpy())


def test_json_is_the_curve_of_the_function(call, world):
    """Chosen on the validation subjects of the training, reported on the subject that was held out."""
    ended = call(
        "electrodes", world / "net", "--data", world / "w.npz", "--random", 3, "--headset", "forehead_2,brainbit_4",
        "--headset", "mine=O1+O2+C3", "--seed", 4, "--json", ok=True,
    ).json  # fmt: skip
    saw = json.loads((world / "net" / "trimcap.json").read_text())["steps"][0]["saw"]
    assert ended["subjects"] == {"train": saw["fit"], "valid": saw["early stopping"], "test": ["S03"]}
    windows, network = read_npz(world / "w.npz"), load(world / "net")
    found = electrode_curve(
        network, of(windows, saw["early stopping"]), test=of(windows, ["S03"]), greedy=True, n_random=3, seed=4,
        scores=l1(network, axes=["electrodes"]), headsets=["forehead_2", "brainbit_4"], counts=None,
    )  # fmt: skip
    assert ended["orders"] == {name: list(order) for name, order in found.orders.items()}
    rows = {(c["kind"], c["name"], c["count"], c["draw"]): c["test"] for c in ended["caps"]}
    for cap in found.caps:
        if cap.kind != "random":
            assert rows[cap.kind, cap.name, cap.count, cap.draw] == pytest.approx(cap.test)
    assert ("headset", "mine", 3, None) in rows
    assert ended["headsets"]["brainbit_4"]["why_not"]  # T3 and T4 are no neighbours of C3 and C4 within 6 cm
    assert ended["audit"]["verdict"] == "passed"
    assert ended["fewest"]["greedy"]["count"] == found.fewest("greedy").count
    assert ended["reported"] == "test"


def test_words_say_what_stands_in_and_whose_windows(call, world):
    text = call(
        "electrodes", world / "net", "--data", world / "w.npz", "--random", 2, "--counts", "1,2", "--headset", "muse_4",
        "--headset", "near=AF7+O1", ok=True,
    ).out  # fmt: skip
    assert "near: Fp1 for AF7 (3.0 cm)" in text
    assert "left out: Muse 4: " in text
    assert "the limit is 6 cm" in text
    assert "measured on" in text
    assert "windows of S03, chosen on" in text
    assert "electrode stays within 0.02 of the whole network" in text


def test_one_of_a_thing_is_one(call, world):
    text = call(
        "electrodes", world / "net", "--data", world / "w.npz", "--random", 1, "--counts", 1, "--recover", 1,
        "--recover-random", 0, "--saliency", "l1", "--headset", "none", "--drop", 1, ok=True,
    ).out  # fmt: skip
    assert "after 1 epoch of recovery" in text
    assert "l1: on the validation windows 1 electrode stays within 1 of the whole network after 1 epoch of rec" in text


def test_plans_prune_and_recovered_networks_run(call, world, tmp_path):
    out, small = tmp_path / "caps", tmp_path / "small"
    found = call(
        "electrodes", world / "net", "--data", world / "w.npz", "--random", 1, "--counts", "2", "--recover", 1,
        "--recover-random", 1, "--headset", "forehead=Fp1+O1", "--saliency", "greedy,taylor", "--out", out, "--json",
        ok=True,
    ).json  # fmt: skip
    names = {path.name for path in out.iterdir()}
    assert {
        "electrodes.json", "electrodes.csv", "electrodes.png", "caps.svg", "plan-greedy-2.json", "plan-taylor-2.json",
        "plan-forehead.json", "trimcap.json", "networks",
    } <= names  # fmt: skip
    kept = next(c["electrodes"] for c in found["caps"] if (c["name"], c["count"], c["epochs"]) == ("greedy", 2, 0))
    ended = call("prune", world / "net", "--plan", out / "plan-greedy-2.json", "--out", small, "--json", ok=True).json
    assert ended["electrodes"] == kept
    value = next(c["test"] for c in found["caps"] if (c["name"], c["count"], c["epochs"]) == ("greedy", 2, 0))
    words = ("--data", world / "w.npz", "--subjects", "S03", "--json")
    assert call("evaluate", small, *words, ok=True).json["overall"]["accuracy"] == pytest.approx(value)
    after = next(c["test"] for c in found["caps"] if (c["name"], c["count"], c["epochs"]) == ("greedy", 2, 1))
    trained = call("evaluate", out / "networks" / "greedy-2", *words, ok=True).json
    assert trained["overall"]["accuracy"] == pytest.approx(after)
    assert not trained["notes"]  # nobody has chosen or trained on the held-out subject
    saw = json.loads((out / "networks" / "greedy-2" / "trimcap.json").read_text())["steps"][-1]["saw"]
    assert saw["recovery"] == found["subjects"]["train"]
    assert saw["sensitivity"] == found["subjects"]["valid"]
    again = ("--random", 1, "--counts", "2", "--saliency", "taylor", "--headset", "none", "--out", out)
    ended = call("electrodes", world / "net", "--data", world / "w.npz", *again)
    assert ended.code == 2
    assert "saliency was 'greedy,taylor', now 'taylor'" in ended.err
    (out / "networks" / "mine").mkdir()
    (out / "networks" / "mine" / "thesis.txt").write_text("mine")
    call("electrodes", world / "net", "--data", world / "w.npz", *again, "--force", ok=True)
    assert {p.name for p in out.iterdir() if p.name.startswith("plan")} == {"plan-taylor-2.json"}
    assert [p.name for p in (out / "networks").iterdir()] == ["mine"]
    assert (out / "networks" / "mine" / "thesis.txt").read_text() == "mine"


def test_grid_networks_are_silenced(call, world, tmp_path):
    data = (
        "synthetic,features=de,layout=grid,window=1,rate=128,seconds=6,subjects=4,"
        'options.channels=["Fp1","C3","C4","O1","O2"]'
    )
    call(
        "train", "grid_cnn", "--data", data, "--out", tmp_path / "net", "--epochs", 1, "--hold-out", "S03", "--option",
        "widths=[4,4]", "--option", "hidden=8", "--valid", 0.34, ok=True,
    )  # fmt: skip
    ended = call("electrodes", tmp_path / "net", "--data", data, "--random", 1, "--out", tmp_path / "out", ok=True)
    assert "can be silenced but not removed; the network does not shrink, and there is no plan" in ended.out
    assert not list((tmp_path / "out").glob("plan*"))
    ended = call("electrodes", tmp_path / "net", "--data", data, "--saliency", "l1")
    assert ended.code == 2
    assert "use --saliency greedy" in ended.err


def test_a_network_of_which_nothing_is_known(call, world, tmp_path):
    save(replace(load(world / "net"), seen=OUTSIDE), tmp_path / "net")
    words = ("electrodes", tmp_path / "net", "--data", world / "w.npz", "--random", 1, "--counts", 2)
    ended = call(*words, "--json", ok=True).json
    assert ended["audit"] is None
    assert ended["reported"] == "valid"
    assert any("does not say what the network was trained on" in note for note in ended["notes"])
    assert any("too good" in note for note in ended["notes"])
    ended = call(*words, "--recover", 1)
    assert ended.code == 2
    assert "name them with --subjects" in ended.err
    ended = call(*words, "--test", "S02", "--valid", "S01", "--json", ok=True).json
    assert ended["subjects"] == {"train": [], "valid": ["S01"], "test": ["S02"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--saliency", "gredy"), "unknown saliency 'gredy'; did you mean 'greedy'"),
        (("--saliency", "l3"), "unknown saliency 'l3'"),
        (("--headset", "muse4"), "unknown headset 'muse4'; did you mean 'muse_4'"),
        (("--headset", "mine=Fp1+Fpp2"), "unknown electrode 'Fpp2'; did you mean"),
        (("--counts", "2,9"), "cannot keep 9 of 5 electrodes; give numbers from 1 to 5"),
        (("--counts", "two"), "write numbers with commas between, such as 2,4,8"),
        (("--metric", "acc"), "unknown metric 'acc'"),
        (("--test", "S00"), "was used before by this network, so that its accuracy is no test"),
        (("--test", "S03", "--valid", "S03"), "S03 is in --valid and in --test"),
        (("--valid", "S09"), "unknown subject 'S09'"),
    ],
)
def test_wrong_words(call, world, words, message):
    ended = call("electrodes", world / "net", "--data", world / "w.npz", *words)
    assert ended.code == 2
    assert message in ended.err
