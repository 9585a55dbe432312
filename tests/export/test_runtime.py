import subprocess
import sys
import threading

import numpy as np
import pytest
from export_builds import needs_compiler
from export_programs import ccnn_like, eegnet_like, every_kind, windows

from trimcap import runtime
from trimcap._errors import ArtifactError
from trimcap.export.artifact import export
from trimcap.export.build import host_compiler
from trimcap.export.verify import verify
from trimcap.program.interpret import dequantize, interpret

pytestmark = needs_compiler


@pytest.fixture
def made(tmp_path):
    program = eegnet_like(integer=True)
    return export(program, tmp_path / "fw", golden=windows(program, 6))


@pytest.mark.parametrize("make", [eegnet_like, ccnn_like, every_kind], ids=lambda f: f.__name__)
def test_integers_are_the_interpreters(make, tmp_path):
    program = make(integer=True)
    runner = runtime.load(export(program, tmp_path / "fw", golden=windows(program, 1)), cache=tmp_path / "cache")
    X = windows(program, 1000, seed=3)
    raw = interpret(program, X)
    assert runner.raw(X).dtype == raw.dtype
    assert (runner.raw(X) == raw).all()
    assert (runner(X) == dequantize(program, raw)).all()
    assert len(np.unique(raw, axis=0)) > 500


@pytest.mark.parametrize("make", [eegnet_like, ccnn_like, every_kind], ids=lambda f: f.__name__)
def test_floats_are_the_interpreters(make, tmp_path):
    program = make(integer=False)
    runner = runtime.load(export(program, tmp_path / "fw", golden=windows(program, 1)), cache=tmp_path / "cache")
    X = windows(program, 50)
    y = interpret(program, X)
    assert np.abs(runner(X) - y).max() <= 1e-5 * np.abs(y).max()


def test_a_batch_is_its_windows_one_by_one(made, tmp_path):
    runner = runtime.load(made, cache=tmp_path / "cache")
    X = windows(eegnet_like(integer=True), 7)
    assert (runner(X) == np.concatenate([runner(X[i : i + 1]) for i in range(7)])).all()
    assert runner(X[:0]).shape == (0, 2)
    assert (runner(X.astype(np.float64)[::-1]) == runner(X)[::-1]).all()


def test_wrong_shape(made, tmp_path):
    runner = runtime.load(made, cache=tmp_path / "cache")
    with pytest.raises(
        ValueError, match=r"takes windows of shape \(1, 8, 64\): X must be \(n, 1, 8, 64\), got \(8, 64\)"
    ):
        runner(np.zeros((8, 64)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_first_bad_window_is_named(made, tmp_path, bad):
    runner = runtime.load(made, cache=tmp_path / "cache")
    X = np.zeros((5, 1, 8, 64), np.float32)
    X[3, 0, 1, 2] = bad
    with pytest.raises(ValueError, match="window 3 holds NaN or infinity"):
        runner(X)


def test_no_compiler(made, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "host_compiler", lambda: None)
    with pytest.raises(RuntimeError, match=r"no C compiler found.*Install gcc or clang"):
        runtime.load(made, cache=tmp_path / "cache")


def test_an_edited_artifact_is_refused(made, tmp_path):
    with (made / "eegnet_like.c").open("a") as file:
        file.write("\n")
    with pytest.raises(ArtifactError, match=r"eegnet_like.c was changed after"):
        runtime.load(made, cache=tmp_path / "cache")


def test_compiled_once(made, tmp_path, monkeypatch):
    first = runtime.load(made, cache=tmp_path / "cache")

    def fail(*_, **__):
        raise AssertionError("compiled again")

    monkeypatch.setattr(runtime, "compile_c", fail)
    assert runtime.load(made, cache=tmp_path / "cache").library == first.library
    monkeypatch.setattr(runtime, "FLAGS", (*runtime.FLAGS, "-g"))
    with pytest.raises(AssertionError, match="compiled again"):
        runtime.load(made, cache=tmp_path / "cache")


@pytest.mark.parametrize("damage", [b"", b"not a library", None])
def test_a_damaged_library_is_built_again(made, tmp_path, damage):
    program = eegnet_like(integer=True)
    X = windows(program, 3)
    library = runtime.load(made, cache=tmp_path / "cache").library
    whole = library.read_bytes()
    library.unlink()  # not in place: this process has it mapped
    library.write_bytes(whole[:-100] + bytes(100) if damage is None else damage)
    again = runtime.load(made, cache=tmp_path / "cache")
    assert (again.raw(X) == interpret(program, X)).all()
    assert again.library.read_bytes()[:4] == b"\x7fELF" or sys.platform != "linux"


def test_the_compiler_may_have_options(made, tmp_path, monkeypatch):
    program = eegnet_like(integer=True)
    compiler = host_compiler()
    monkeypatch.setenv("CC", f"  {compiler} -DUNUSED=1 -g")
    assert host_compiler() == f"{compiler} -DUNUSED=1 -g"
    X = windows(program, 3)
    assert (runtime.load(made, cache=tmp_path / "cache").raw(X) == interpret(program, X)).all()
    assert verify(made, targets=["host"], n=4).passed
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert host_compiler() is None


def test_another_network_of_the_same_name_is_another_library(made, tmp_path):
    first = runtime.load(made, cache=tmp_path / "cache")
    other = eegnet_like(integer=True, seed=7)
    second = runtime.load(export(other, tmp_path / "fw2", golden=windows(other, 1)), cache=tmp_path / "cache")
    X = windows(other, 4)
    assert (second.raw(X) == interpret(other, X)).all()
    assert (first.raw(X) != second.raw(X)).any()


def test_a_cache_that_cannot_be_written(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write compiled libraries into .*pass cache="):
        runtime.load(made, cache=tmp_path / "file" / "cache")


def test_the_users_cache_folder(made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert runtime.load(made).library.parent == tmp_path / "xdg" / "trimcap"


def test_two_processes_and_two_threads_at_once(made, tmp_path):
    call = f"runtime.load({str(made)!r}, cache={str(tmp_path / 'cache')!r})"
    code = f"from trimcap import runtime; print({call}.library)"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(str(runtime.load(made, cache=tmp_path / "cache").library)))
        for _ in range(2)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    found += [p.communicate()[0].strip() for p in started]
    assert len(set(found)) == 1
    assert len(found) == 4
    name = found[0].rsplit("/", 1)[1]
    assert {p.name for p in (tmp_path / "cache").iterdir()} == {name, name.replace(".so", ".sha256")}
