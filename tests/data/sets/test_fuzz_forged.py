"""Files made to do harm: pickles that run code, files that ask for all memory, numbers of another class."""

from __future__ import annotations

import copyreg
import functools
import importlib
import json
import operator
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bombs
import h5py
import numpy as np
import pytest
from set_files import noise, write_seed_v_features

from attacks import folder, forge, small  # noqa: F401
from trimcap.data.foreign.matlab import read_numbers
from trimcap.data.sources import open_windows, read_set

pytestmark = pytest.mark.usefixtures("small")
HERE = Path(__file__).parent


# ---- pickles that run code


class Gadget:
    """Pickled as what `reduced` gives."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def gadgets(flag: str) -> dict[str, object]:
    touch = f"open({flag!r}, 'w').close()"
    return {
        "os.system": Gadget(os.system, (f"touch {flag}",)),
        "subprocess": Gadget(subprocess.check_call, (["touch", flag],)),
        "eval": Gadget(eval, (touch,)),
        "exec": Gadget(exec, (touch,)),
        "open": Gadget(open, (flag, "w")),
        "import": Gadget(importlib.import_module, ("this",)),
        "numpy that runs text": Gadget(getattr(np.testing, "rundocs"), (flag,)),  # noqa: B009
        "numpy that writes": Gadget(np.savetxt, (flag, [1.0])),
        "numpy that maps a file": Gadget(np.memmap, (flag, "u1", "w+", 0, (1,))),
        "numpy that unpickles": Gadget(np.load, (flag, None, True)),
        "partial": Gadget(functools.partial, (os.system, f"touch {flag}")),
        "caller": Gadget(operator.methodcaller, ("write", flag)),
        "copyreg": Gadget(copyreg.__newobj__, (Gadget,)),
        "state": Gadget(functools.partial, (print,), {"func": eval, "args": (touch,), "keywords": {}}),
        "items": Gadget(list, (), None, iter([Gadget(os.system, (f"touch {flag}",))])),
        "deep": {"data": [({"x": [Gadget(eval, (touch,))]},)], "labels": np.ones((40, 4))},
        "in an object array": np.array([Gadget(eval, (touch,)), 1], dtype=object),
    }


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "deap": ("s01.dat", partial(read_set, "deap")),
    "faced": ("sub000.pkl", partial(read_set, "faced")),
    "faced features": ("sub000.pkl.pkl", lambda p: open_windows("faced-features", p)),
}


@pytest.mark.parametrize("gadget", gadgets("x"))
@pytest.mark.parametrize("name", READERS)
def test_no_gadget_runs(tmp_path: Path, name: str, gadget: str) -> None:
    file, read = READERS[name]
    flag = tmp_path / "ran"
    out = folder(tmp_path, "DE" if file.endswith(".pkl.pkl") else "set")
    before = set(sys.modules)
    for protocol in (0, 2, 4):
        forge(out / file, gadgets(str(flag))[gadget], protocol)
        with pytest.raises(
            ValueError, match=rf"{file}: .*(no NumPy array and could run code|only numbers|do not need)"
        ):
            read(out)
    assert not flag.exists()
    assert "this" not in set(sys.modules) - before


@pytest.mark.parametrize("key", ["data", "label"])
def test_no_gadget_runs_in_an_archive(tmp_path: Path, key: str) -> None:
    flag = tmp_path / "ran"
    for gadget in gadgets(str(flag)).values():
        write_seed_v_features(tmp_path, **{key: {0: gadget}})
        with pytest.raises(ValueError, match=rf"1_123\.npz: {key}: "):
            open_windows("seed-v-features", tmp_path)
    np.savez(tmp_path / "EEG_DE_features" / "1_123.npz", data=np.array([Gadget(eval, ("1",))], dtype=object))
    with pytest.raises(ValueError, match=r"1_123\.npz"):
        open_windows("seed-v-features", tmp_path)
    assert not flag.exists()


def test_the_gadgets_are_some(tmp_path: Path) -> None:
    ran = 0
    for name in ("os.system", "eval", "exec", "open", "numpy that writes", "items", "deep", "in an object array"):
        flag = tmp_path / name.replace(" ", "_")
        made = pickle.loads(pickle.dumps(gadgets(str(flag))[name]))
        ran += flag.exists()
        getattr(made, "close", lambda: None)()
    assert ran == 8


# ---- files that ask for all memory


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.long)])
def test_bombs_are_refused_at_once_and_without_memory(tmp_path: Path, heavy: bool) -> None:
    names = bombs.write_all(tmp_path, heavy=heavy)
    (tmp_path / "names.json").write_text(json.dumps(names))
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = [sys.executable, str(HERE / "bombs.py"), str(tmp_path)]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=240)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in told] == list(names), done.stderr[-2000:]
    for number, (name, text, seconds, peak) in enumerate(told, start=1):
        assert f"{tmp_path / str(number)}{os.sep}" in text, f"{name}: {text}"
        assert seconds < 30, name  # seconds on any machine, where the attack takes hours
        assert peak < 900, f"{name}: {peak} MiB"


# ---- numbers that MATLAB does not write


@pytest.mark.parametrize(
    ("kind", "stored", "values", "fits"),
    [
        (6, 9, np.array([0.5, -3.0]), True),  # doubles as doubles
        (6, 2, np.array([5, 250], "u1"), True),  # whole doubles in one byte
        (7, 3, np.array([-5, 250], "i2"), True),
        (12, 3, np.array([-5, 250], "i2"), True),
        (12, 9, np.array([0.5, -3.0]), False),  # a flipped bit in the class would cut fractions off
        (8, 9, np.array([1000.0, 2.0]), False),
        (7, 9, np.array([0.1, 2.0]), False),
        (9, 5, np.array([256, 2], "i4"), False),
        (12, 9, np.array([np.nan, 2.0]), False),
    ],
)  # fmt: skip
def test_numbers_that_their_class_can_not_hold_are_refused(
    tmp_path: Path, kind: int, stored: int, values: np.ndarray, fits: bool
) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(bombs.mat(bombs.matrix(b"x", kind, (1, 2), bombs.element(stored, values.tobytes()))))
    if fits:
        np.testing.assert_array_equal(read_numbers(path, "x"), values[None])
        return
    with pytest.raises(ValueError, match=r"a\.mat: x is stored as .*, which its class .* can't hold"):
        read_numbers(path, "x")


def test_a_part_of_hdf5_that_was_never_written_is_not_zero(tmp_path: Path) -> None:
    values = noise(0, 14, 1920, 12)
    for chunks in (None, (4, 480, 7)):
        with h5py.File(tmp_path / "S01preprocessed.mat", "w") as file:
            file["labels"] = np.full((2, 12), 5.0)
            data = file.create_dataset("data", (12, 1920, 14), "<f8", chunks=chunks)
            if chunks:
                data[:, 480:] = values.T[:, 480:]
        with pytest.raises(ValueError, match=r"S01preprocessed\.mat: variable data lacks a part of its numbers"):
            read_set("dasps", tmp_path)
        with h5py.File(tmp_path / "S01preprocessed.mat", "a") as file:
            file["data"][...] = values.T
        np.testing.assert_array_equal(read_set("dasps", tmp_path)[3].signal, values[:, :, 3].astype(np.float32))
