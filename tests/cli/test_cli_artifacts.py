"""quantize, export, verify, evaluate of programs and artifacts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sealing import resealed
from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.export.artifact import check_artifact
from trimcap.export.build import host_compiler
from trimcap.graph.save import load
from trimcap.program.interpret import interpret
from trimcap.program.save import load_program

needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="no C compiler (gcc, clang or $CC)")


def test_quantize_calibrates_on_training_subjects_only(call, world, tmp_path):
    words = ("quantize", world / "net", "--calibration", world / "w.npz", "--out")
    found = call(*words, tmp_path / "q", "--json", ok=True).json
    program = load_program(tmp_path / "q")
    assert program.integer
    trained = json.loads((world / "net" / "trimcap.json").read_text())["steps"][0]["saw"]["fit"]
    assert found["calibration"]["subjects"] == trained
    assert found["flash_bytes"]["int"] == program.flash_bytes < found["flash_bytes"]["float"]
    assert 0.5 < found["agreement"]["agreement"] <= 1
    asked = call(*words, tmp_path / "q2", "--subjects", "S03", "--windows", 8, "--json", ok=True).json
    assert asked["calibration"] == {"windows": 8, "subjects": ["S03"]}
    note = call("evaluate", tmp_path / "q2", "--data", world / "w.npz", "--subjects", "S03", ok=True).out
    assert "not a test" in note
    assert "calibration" in note


CUT = '{name = "windows", seconds = 0.5}'
FILTERED = f'chain = [{{name = "bandpass", low = 1, high = 20}}, {CUT}]'
SYNTHETIC = (
    "synthetic", "--subjects", 4, "--option", "seconds=4", "--option", "rate=128", "--option",
    'channels=["Fp1", "C3", "C4", "O1", "O2"]', "--option", "trials_per_class=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def filtered(call, tmp_path_factory):
    """A file of a chain, the windows that it makes, and a network of them."""
    place = tmp_path_factory.mktemp("filtered")
    (place / "chain.toml").write_text(FILTERED)
    call("data", "prepare", *SYNTHETIC, "--chain", place / "chain.toml", "--out", place / "w.npz", ok=True)
    asked = ("--epochs", 1, "--option", "F1=4", "--option", "kernel=16", "--valid", 0.34)
    call("train", "eegnet", "--data", place / "w.npz", "--out", place / "net", *asked, ok=True)
    return place


def test_the_contract_names_the_chain_as_in_python(call, filtered, tmp_path):
    """It had no option for it: from the command line the header said neither chain nor delay."""
    from trimcap.data import make_chain
    from trimcap.export.artifact import export
    from trimcap.graph.rewrite.rewrite import rewrite
    from trimcap.program.lower.lower import lower

    words = ("export", filtered / "net", "--golden", filtered / "w.npz", "--chain", filtered / "chain.toml")
    found = call(*words, "-n", 4, "--device-rate", 128, "--out", tmp_path / "fw", "--json", ok=True).json
    chain = make_chain([{"name": "bandpass", "low": 1, "high": 20}, {"name": "windows", "seconds": 0.5}])
    network, golden = load(filtered / "net"), read_npz(filtered / "w.npz")
    golden = golden.take(np.linspace(0, len(golden) - 1, 4).round().astype(int))
    program = lower(rewrite(network).network, classes=tuple(map(str, range(network.n_classes)))).with_name("net")
    export(program, tmp_path / "python", golden=golden, chain=chain, device_rate=128.0)
    wanted, got = (check_artifact(tmp_path / name).manifest for name in ("python", "fw"))
    facts = ("chain", "steps", "unit", "rate_hz", "channels", "from_counts")
    assert {key: got[key] for key in facts} == {key: wanted[key] for key in facts}
    assert found["chain"]["sha256"] == chain.hash
    assert (tmp_path / "fw" / "net.h").read_text() == (tmp_path / "python" / "net.h").read_text()
    assert "#define NET_CHAIN_DELAY_S 0" in (tmp_path / "fw" / "net.h").read_text()


def test_a_chain_that_did_not_make_the_windows_is_refused(call, filtered, tmp_path):
    (tmp_path / "other.toml").write_text(FILTERED.replace("20", "30"))
    words = ("export", filtered / "net", "--golden", filtered / "w.npz", "-n", 4, "--out", tmp_path / "fw")
    ended = call(*words, "--chain", tmp_path / "other.toml")
    assert (ended.code, "band-pass 1–30 Hz" in ended.err, "were made by: band-pass 1–20 Hz" in ended.err) == (
        1,
        True,
        True,
    )
    assert not (tmp_path / "fw" / "manifest.json").exists()
    (tmp_path / "other.toml").write_text(FILTERED.replace("bandpass", "bandpas"))
    assert call(*words, "--chain", tmp_path / "other.toml").code == 2
    assert call(*words, "--chain", tmp_path / "nothing.toml").code == 2


def test_the_chain_of_golden_windows_is_known_where_a_recipe_makes_them(call, world, filtered, tmp_path):
    (tmp_path / "one.toml").write_text(
        'name = "one"\n[data]\nsource = "synthetic"\nsubjects = 4\nrate = 128\nseconds = 4\nwindow = 0.5\n'
        '[data.options]\nchannels = ["Fp1", "C3", "C4", "O1", "O2"]\ntrials_per_class = 2\n[model]\nname = "eegnet"\n'
    )
    for name, more in (("own", ()), ("named", ("--chain", tmp_path / "one.toml"))):
        golden = world / "w.npz" if more else tmp_path / "one.toml"
        words = ("export", world / "net", "--golden", golden, "-n", 2, "--out", tmp_path / name, *more)
        assert (
            call(*words, "--json", ok=True).json["chain"]["sha256"] == Chain((make_step("windows", seconds=0.5),)).hash
        )
    words = ("export", filtered / "net", "--golden", tmp_path / "one.toml", "-n", 2, "--out", tmp_path / "foreign")
    ended = call(*words, "--json", ok=True).json
    assert ended["chain"]["sha256"] is None
    assert "the contract names no chain: --golden is made by one (cut into 0.5-s" in ended["notes"][-1]


def test_a_step_of_ones_own_is_asked_for_its_effect(call, filtered, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mute_step.py").write_text("def louder(recording):\n    return recording\n")
    (tmp_path / "mute.toml").write_text(FILTERED.replace("[", '["mute_step:louder", ', 1))
    words = ("export", filtered / "net", "--golden", filtered / "w.npz", "--out", tmp_path / "fw", "-n", 2)
    ended = call(*words, "--chain", tmp_path / "mute.toml")
    assert ended.code == 1
    assert "mute_step:louder does not declare" in ended.err
    assert "--unit" in ended.err


def test_quantize_says_how_near_integers_come(call, world, tmp_path):
    words = ("quantize", world / "net", "--calibration", world / "w.npz", "--windows", 20, "--out")
    found = call(*words, tmp_path / "q", "--json", ok=True).json
    measured = load_program(tmp_path / "q").measured
    assert (found["agreement"], found["held_out"]) == (measured["calibration"], measured["held_out"])
    assert found["agreement"]["n_windows"] == 20
    assert found["held_out"]["n_windows"] > 0
    layer = next(layer for layer in found["layers"] if layer["kind"] == "conv")
    wide = call(*words, tmp_path / "w", "--int16", layer["source"], "--input-scales", "one", ok=True).out
    assert "held-out training windows; logits" in wide
    program = load_program(tmp_path / "w")
    assert (layer["dtype"], program.values[layer["value"]].dtype) == ("int8", "int16")
    assert program.values[program.input].scales == ()


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "mse"])
def test_ranges_reach_the_program(call, world, tmp_path, ranges):
    words = ("--ranges", ranges, "--percent", 90, "--windows", 8, "--input-scales", "one", "--out", tmp_path / "q")
    call("quantize", world / "net", "--calibration", world / "w.npz", *words, ok=True)
    scales = [v.scale for v in load_program(tmp_path / "q").values.values()]
    wide = [v.scale for v in load_program(_minmax(call, world, tmp_path)).values.values()]
    assert (scales == wide) is (ranges == "minmax")


def _minmax(call, world, tmp_path):
    words = ("--ranges", "minmax", "--windows", 8, "--input-scales", "one", "--out", tmp_path / "m")
    call("quantize", world / "net", "--calibration", world / "w.npz", *words, ok=True)
    return tmp_path / "m"


def test_export_of_a_program_holds_that_program(call, world):
    artifact = check_artifact(world / "art")
    x, y = artifact.golden()
    assert len(x) == 4
    np.testing.assert_array_equal(interpret(load_program(world / "prog"), x), y)
    assert list(artifact.manifest["channels"]) == ["Fp1", "C3", "C4", "O1", "O2"]


def test_export_of_a_network_in_float_and_in_integers(call, world, tmp_path):
    words = ("export", world / "net", "--golden", world / "w.npz", "-n", 3, "--name", "brain", "--out")
    found = call(*words, tmp_path / "f", "--json", ok=True).json
    assert (found["integer"], found["golden"], found["name"]) == (False, 3, "brain")
    assert (tmp_path / "f" / "brain.c").is_file()
    whole = call(*words, tmp_path / "i", "--int8", "--calibration", world / "w.npz", "--json", ok=True).json
    assert whole["integer"]
    assert whole["cost"]["flash_bytes"] < found["cost"]["flash_bytes"]
    call(*words, tmp_path / "f", ok=True)  # over its own artifact


@pytest.mark.parametrize("name", ["int", "größe", "../evil", "", "1bad name"])
def test_a_name_that_c_does_not_have_is_changed_and_said(call, world, tmp_path, name):
    words = ("export", world / "prog", "--golden", world / "w.npz", "-n", 1, "--name", name, "--out", tmp_path / "fw")
    facts = call(*words, "--json", ok=True).json
    made = facts["name"]
    assert f"{name!r} is no name in C; it became {made!r}" in facts["notes"]
    assert {f"{made}.c", f"{made}.h"} <= {file.name for file in (tmp_path / "fw").iterdir()}
    said = call(*words, "--force", ok=True).out
    assert f"{made}.c, {made}.h" in said
    assert "is no name in C" in said


def test_export_of_onnx_too(call, world, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    words = ("export", world / "net", "--golden", world / "w.npz", "--onnx", "--out", tmp_path / "o")
    path = call(*words, "--json", ok=True).json["onnx"]
    windows = read_npz(world / "w.npz")
    session = onnxruntime.InferenceSession(path)
    (got,) = session.run(None, {session.get_inputs()[0].name: windows.X})
    np.testing.assert_allclose(got, load(world / "net")(torch.from_numpy(windows.X)).numpy(), atol=1e-5)
    assert call("evaluate", tmp_path / "o", "--data", world / "w.npz", "--interpret").code == 0


def test_export_never_replaces_what_is_not_ours(call, world, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for force in ((), ("--force",)):
        ended = call("export", world / "prog", "--golden", world / "w.npz", "--out", tmp_path / "mine", *force)
        assert ended.code == 2
        assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


@needs_compiler
def test_verify_passes_and_says_on_what(call, world):
    found = call("verify", world / "art", "--target", "host", "-n", 6, "--json", ok=True).json
    assert found["passed"]
    assert [(r["target"], r["status"], r["windows"], r["worst"]) for r in found["rows"]] == [("host", "passed", 6, 0.0)]
    found = call("verify", world / "art", "--target", "host", "--data", world / "w.npz", "--json", ok=True).json
    assert found["rows"][0]["windows"] == len(read_npz(world / "w.npz"))


@needs_compiler
def test_verify_of_wrong_c_exits_1_and_names_window_operation_and_difference(call, world, tmp_path):
    bad = _with_wrong_weight(world / "art", tmp_path / "bad")
    ended = call("verify", bad, "--target", "host", "-n", 4, "--save", tmp_path, "--json")
    assert ended.code == 1
    assert not ended.json["passed"]
    reason = ended.json["rows"][0]["reason"]
    assert reason in ended.err
    assert "expected" in reason
    assert "Traceback" not in ended.err


def _with_wrong_weight(good: Path, bad: Path) -> Path:
    """The artifact with one wrong number in its C, and the hashes of its manifest made right again."""
    shutil.copytree(good, bad)
    source = bad / "net.c"
    head, mark, rest = source.read_text().partition("static const int8_t ")
    name, brace, values = rest.partition("{")
    first, comma, others = values.partition(",")
    source.write_text(f"{head}{mark}{name}{brace}{(int(first) + 60) % 100}{comma}{others}")
    resealed(bad / "manifest.json", lambda content: None)
    return bad


def test_nothing_verified_is_a_failure(call, world, monkeypatch):
    from trimcap.export import verify

    monkeypatch.setattr(verify, "host_compiler", lambda: None)
    ended = call("verify", world / "art", "--target", "host")
    assert ended.code == 1
    assert "no C compiler" in ended.err


@needs_compiler
def test_program_artifact_and_interpreter_agree(call, world, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = [
        call("evaluate", *words, "--data", world / "w.npz", "--json", ok=True).json
        for words in ((world / "prog",), (world / "art",), (world / "art", "--interpret"))
    ]
    assert [f["kind"] for f in found] == ["program", "artifact", "artifact"]
    assert found[0]["overall"] == found[1]["overall"] == found[2]["overall"]


def test_another_unit_is_noted_where_a_program_does_not_know_its_own(call, world, tmp_path):
    from trimcap.export.artifact import export

    windows, program = read_npz(world / "w.npz"), load_program(world / "prog")
    export(replace(program, expects=None), tmp_path / "fw", golden=windows.X[:2], unit="µV")
    write_npz(windows.with_X(windows.X, step="standardised", unit="z"), tmp_path / "z.npz")
    for data, there in ((tmp_path / "z.npz", True), (world / "w.npz", False)):
        out = call("evaluate", tmp_path / "fw", "--data", data, "--interpret", ok=True).out
        assert ("note: the artifact takes windows in µV, these are in z" in out) == there


def test_warnings_are_lines_and_said_once(call, world, tmp_path):
    """Python showed them with its own path, line number and source."""
    windows = read_npz(world / "w.npz")
    write_npz(windows.with_X(windows.X * 100, step="counts"), tmp_path / "large.npz")
    for folder in ("net", "prog"):
        err = call("evaluate", world / folder, "--data", tmp_path / "large.npz", ok=True).err
        assert (err.startswith("note: "), err.count("the numbers vary by")) == (True, 1), err
        assert "UserWarning" not in err
        assert ".py:" not in err
