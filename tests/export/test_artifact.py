import json
import shutil
import subprocess

import numpy as np
import pytest
from export_builds import edit, needs_compiler
from export_programs import eegnet_like, windows

from sealing import resealed
from trimcap._errors import ArtifactError
from trimcap.export import artifact as module
from trimcap.export.artifact import check_artifact, export
from trimcap.export.c.text import ExportError
from trimcap.program.cost import program_cost
from trimcap.program.interpret import interpret, quantize_input

BOTH = pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])


@pytest.fixture
def made(tmp_path):
    program = eegnet_like(integer=True)
    return export(program, tmp_path / "fw", golden=windows(program, 6))


def test_what_is_no_program_is_refused_with_where_to_get_one(tmp_path):
    with pytest.raises(TypeError, match=r"takes a Program, not str: `quantize_network\(…\).program`"):
        export("net", tmp_path / "fw", golden=np.zeros((1, 8, 64)))
    assert not (tmp_path / "fw").exists()


def test_who_may_read_one_file_may_read_all(made):
    assert len({path.stat().st_mode for path in made.iterdir()}) == 1


@BOTH
def test_what_is_written_is_read_again(integer, tmp_path):
    program = eegnet_like(integer=integer)
    X = windows(program, 6)
    folder = export(program, tmp_path / "fw", golden=X, ids=list("abcdef"), labels=[0, 1, 0, 1, 0, 1],
                    cost={"bits": 8}, channels=["Fz"], rate=128.0)  # fmt: skip
    found = check_artifact(folder)
    x, y = found.golden()
    assert (x == X).all()
    assert (y == interpret(program, X)).all()
    assert (interpret(found.program, X) == y).all()
    assert found.tolerance == (0 if integer else 1e-5)
    m = found.manifest
    assert m["input"]["shape"] == [1, 8, 64]
    assert m["output"]["dtype"] == ("int16" if integer else "float32")
    assert (m["unit"], m["channels"], m["rate_hz"], m["classes"]) == ("µV", ["Fz"], 128.0, ["rest", "task"])
    assert m["golden"] == {"n": 6, "ids": list("abcdef"), "labels": [0, 1, 0, 1, 0, 1]}
    assert m["cost"]["bits"] == 8
    assert m["cost"]["macs"] == program_cost(program).macs
    assert m["cost"]["flash_bytes"] == program.flash_bytes
    names = {"eegnet_like.c", "eegnet_like.h", "eegnet_like_test.c", "Makefile", "program.json", "program.safetensors",
             "golden.safetensors", "cortexm_start.c", "cortexm.ld"}  # fmt: skip
    assert set(m["files"]) == names
    assert {p.name for p in folder.iterdir()} == names | {"manifest.json"}


def test_integer_golden_windows_hold_the_quantized_input(made):
    from safetensors.numpy import load_file

    tensors = load_file(made / "golden.safetensors")
    assert (tensors["q"] == quantize_input(eegnet_like(integer=True), tensors["x"])).all()


def test_macs_of_a_program():
    p = eegnet_like(integer=False)
    assert program_cost(p).macs == 4 * 8 * 64 * 16 + 8 * 64 * 8 + 8 * 16 * 8 + 8 * 16 * 8 + 2 * 32


def test_windows_bring_their_names(tmp_path):
    pd = pytest.importorskip("pandas")
    from trimcap.data.windows import Windows

    program = eegnet_like(integer=True)
    meta = pd.DataFrame({"subject": ["1", "2"], "session": ["a"] * 2, "trial": ["t"] * 2, "start": [0.0, 4.0]})
    names = ("Fz", "Cz")
    W = Windows(windows(program, 2), np.array([1, 0]), meta, names, 128.0, ("rest", "task"), 0.5, unit="nat")
    m = check_artifact(export(program, tmp_path / "fw", golden=W)).manifest
    assert m["golden"] == {"n": 2, "ids": ["1/a/t@0.0000", "2/a/t@4.0000"], "labels": [1, 0]}
    assert (m["unit"], m["rate_hz"], m["channels"]) == ("nat", 128.0, ["Fz", "Cz"])
    assert "real unit: nat" in (tmp_path / "fw" / "eegnet_like.h").read_text()


@pytest.mark.parametrize("name", ["eegnet_like.c", "program.safetensors", "golden.safetensors", "Makefile"])
def test_an_edited_file_is_named_with_both_hashes(made, name):
    wanted = json.loads((made / "manifest.json").read_text())["files"][name][:12]
    with (made / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ArtifactError, match=f"{name} was changed after .* SHA-256 [0-9a-f]{{12}}….* says {wanted}…"):
        check_artifact(made)


def test_a_missing_file_is_named(made):
    (made / "eegnet_like.h").unlink()
    with pytest.raises(ArtifactError, match=r"eegnet_like.h is missing; .*export the artifact again"):
        check_artifact(made)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("[]", "is no artifact: it holds a list"), ('{"format": "x"}', "has format 'x'")],
)
def test_a_damaged_manifest(made, text, message):
    (made / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=message):
        check_artifact(made)


def test_no_artifact_at_all(tmp_path):
    with pytest.raises(ArtifactError, match=r"is no artifact: manifest.json is missing"):
        check_artifact(tmp_path)


def test_an_artifact_is_replaced_as_a_whole(made):
    (made / "leftover").write_text("")
    program = eegnet_like(integer=False)
    assert export(program, made, golden=windows(program, 1)) == made
    assert not check_artifact(made).program.integer
    assert not (made / "leftover").exists()
    assert [p.name for p in made.parent.iterdir()] == ["fw"]


def test_another_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("!")
    program = eegnet_like(integer=True)
    with pytest.raises(ArtifactError, match="is not a trimcap artifact; it stays as it is"):
        export(program, tmp_path / "thesis", golden=windows(program, 1))
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "!"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    program = eegnet_like(integer=True)
    with pytest.raises(OSError, match="cannot write into folder"):
        export(program, tmp_path / "file" / "fw", golden=windows(program, 1))


def test_a_failure_half_way_leaves_the_old_artifact(made, monkeypatch):
    before = {p.name: p.read_bytes() for p in made.iterdir()}

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module, "_manifest", fail)
    program = eegnet_like(integer=False)
    with pytest.raises(OSError, match="disk full"):
        export(program, made, golden=windows(program, 1))
    assert {p.name: p.read_bytes() for p in made.iterdir()} == before
    assert [p.name for p in made.parent.iterdir()] == ["fw"]


def test_golden_windows_of_another_shape(tmp_path):
    program = eegnet_like(integer=True)
    with pytest.raises(ValueError, match=r"must be \(n, 1, 8, 64\), got \(3, 8, 64\)"):
        export(program, tmp_path / "fw", golden=np.zeros((3, 8, 64)))
    with pytest.raises(ValueError, match="no golden windows"):
        export(program, tmp_path / "fw", golden=np.zeros((0, 1, 8, 64)))
    X = windows(program, 3)
    X[1, 0, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"window 1 holds NaN .* at position \(0, 2, 3\)"):
        export(program, tmp_path / "fw", golden=X)
    assert not list(tmp_path.iterdir())


def test_what_has_no_c_leaves_nothing(tmp_path):
    program = eegnet_like(integer=True)
    program.constants["conv0.weight"][0] = -128
    with pytest.raises(ExportError):
        export(program, tmp_path / "fw", golden=windows(program, 1))
    assert not list(tmp_path.iterdir())


def make(folder, target):
    return subprocess.run(["make", "-s", target], cwd=folder, capture_output=True, text=True, check=False)


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@BOTH
def test_the_makefile_needs_no_python(integer, tmp_path):
    program = eegnet_like(integer=integer)
    folder = export(program, tmp_path / "fw", golden=windows(program, 6), embedded=3)
    done = make(folder, "test")
    assert (done.returncode, done.stdout) == (0, "ok 3 windows\n"), done.stderr
    assert make(folder, "clean").returncode == 0
    check_artifact(folder)


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@BOTH
def test_the_self_test_fails_when_an_expected_output_is_wrong(integer, tmp_path):
    program = eegnet_like(integer=integer)
    folder = export(program, tmp_path / "fw", golden=windows(program, 2))
    edit(folder, "eegnet_like_test.c", "wanted[i];\n", "wanted[i] + (n == 1 && i == 1);\n")
    done = make(folder, "test")
    assert done.returncode != 0
    assert "window 1, output 1: expected" in done.stdout


@pytest.mark.parametrize("key", ["classes", "operations", "program_sha256"])
def test_a_resealed_manifest_says_nothing_else_than_the_program(key, tmp_path):
    program = eegnet_like(integer=True)
    folder = export(program, tmp_path / "net", golden=windows(program, 1))
    manifest = json.loads((folder / "manifest.json").read_text())
    other = manifest[key][::-1] if key != "operations" else 1
    resealed(folder / "manifest.json", lambda content: content | {key: other})
    with pytest.raises(ArtifactError, match=f"says another '{key}'"):
        check_artifact(folder)
