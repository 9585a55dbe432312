"""Folders as people have them: other files beside the set, other cases, other orders, other places."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from set_files import SEED_LABELS, write_deap, write_dreamer, write_seed, write_seed_iv

from attacks import SETS, answer, facts, numbers, small, small_deap, write_eegmat  # noqa: F401
from trimcap.data.sets.deap import DEAP
from trimcap.data.sets.recognise import recognise
from trimcap.data.sources import read_set

pytestmark = pytest.mark.usefixtures("small")
HERE = Path(__file__).parent
STRANGE = "脑电 数据 🧠 é\u0301 'a' & b"


def same(name: str, one: Path, other: Path) -> None:
    a, b = SETS[name].read(one), SETS[name].read(other)
    assert facts(a) == facts(b)
    np.testing.assert_array_equal(numbers(a), numbers(b))


@pytest.mark.parametrize("name", SETS)
def test_strange_places_other_files_and_orders_change_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    SETS[name].write(tmp_path / "plain")
    strange = tmp_path / STRANGE / ("long " * 40) / ("long " * 40)
    path = SETS[name].write(strange)
    for extra in (".DS_Store", f"._{path.name}", "Thumbs.db", "desktop.ini", f"{path.name}.part", f"{path.name}~"):
        (path.parent / extra).write_bytes(b"\0\5\x16\7")
    (path.parent / "notes").mkdir()
    (path.parent / "notes" / ("old.mat" if name == "amigos" else path.name)).write_bytes(b"an old copy")
    (path.parent / f"copy of {path.name}").mkdir()
    same(name, tmp_path / "plain", strange)
    rng = random.Random(7)
    there, listed = os.listdir, Path.iterdir

    def shuffled(*args: object) -> list[str]:
        names = list(there(*args))  # type: ignore[arg-type]
        rng.shuffle(names)
        return names

    def mixed(self: Path) -> object:
        paths = list(listed(self))
        rng.shuffle(paths)
        return iter(paths)

    monkeypatch.setattr(os, "listdir", shuffled)
    monkeypatch.setattr(Path, "iterdir", mixed)
    for _ in range(3):
        same(name, tmp_path / "plain", strange)


def test_amigos_with_a_copy_in_a_folder_is_refused(tmp_path: Path) -> None:
    """The folders of AMIGOS' download count, so a copy in one is a second file of the subject."""
    path = SETS["amigos"].write(tmp_path)
    (path.parent / "old").mkdir()
    shutil.copy(path, path.parent / "old")
    assert answer(lambda: SETS["amigos"].read(tmp_path), path.name) is None


@pytest.mark.parametrize("name", SETS)
def test_upper_case_suffixes_and_names_are_read(tmp_path: Path, name: str) -> None:
    SETS[name].write(tmp_path / "plain")
    SETS[name].write(tmp_path / "upper")
    for path in sorted((tmp_path / "upper").rglob("*"), key=lambda p: -len(p.parts)):
        if path.is_file():
            path.rename(path.with_name(path.name.upper()))
    try:
        same(name, tmp_path / "plain", tmp_path / "upper")
    except AssertionError:
        a, b = SETS[name].read(tmp_path / "plain"), SETS[name].read(tmp_path / "upper")
        assert facts(a) == facts(b)
        raise


def test_a_label_file_in_upper_case_counts(tmp_path: Path) -> None:
    target = write_seed(tmp_path, {"1_20131027": "djc"}, samples=9)
    (target / "label.mat").unlink()
    savemat(target / "LABEL.MAT", {"label": np.array([SEED_LABELS[::-1]])}, appendmat=False)
    assert [r.label - 1 for r in read_set("seed", tmp_path)] == SEED_LABELS[::-1]


def _set(name: str) -> Callable[[Path], object]:
    return partial(read_set, name)


COPIES: dict[str, tuple[Callable[[Path], object], str, str, Callable[[Path], object]]] = {
    "seed, other case": (
        lambda p: write_seed(p, {"1_20131027": "djc"}, samples=9), "1_20131027.mat", "1_20131027.MAT", _set("seed"),
    ),
    "seed, a leading zero": (
        lambda p: write_seed(p, {"1_20131027": "djc"}, samples=9), "1_20131027.mat", "01_20131027.mat", _set("seed"),
    ),
    "seed-iv": (lambda p: write_seed_iv(p, (2,), 9), "1_20160518.mat", "01_20160518.mat", _set("seed-iv")),
    "seed-iv, another date": (lambda p: write_seed_iv(p, (2,), 9), "1_20160518.mat", "1_20160519.mat", _set("seed-iv")),
    "deap": (lambda p: write_deap(p, 1, small_deap()), "s01.dat", "S01.dat", _set("deap")),
    "eegmat": (write_eegmat, "Subject00_2.edf", "SUBJECT00_2.EDF", lambda p: read_set("eegmat", p, download=False)),
}  # fmt: skip


@pytest.mark.parametrize("what", COPIES)
def test_a_subject_that_is_there_twice_is_refused(tmp_path: Path, what: str) -> None:
    write, name, copy, read = COPIES[what]
    write(tmp_path)
    path = next(path for path in sorted(tmp_path.rglob(name)) if path.parent.parent.name != "eeg_feature_smooth")
    shutil.copy(path, path.with_name(copy))
    if len(list(path.parent.glob("*"))) == 1:
        pytest.skip("the file system does not know case")
    assert answer(lambda: read(tmp_path), name) is None  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("name", SETS)
def test_links_and_read_only_folders_are_read(tmp_path: Path, name: str) -> None:
    path = SETS[name].write(tmp_path / "plain")
    SETS[name].write(tmp_path / "linked")
    other = tmp_path / "linked" / path.relative_to(tmp_path / "plain")
    store = tmp_path / "annex" / "SHA256E-s1--0"  # as git-annex lays files out
    store.parent.mkdir()
    other.rename(store)
    other.symlink_to(store)
    same(name, tmp_path / "plain", tmp_path / "linked")
    (tmp_path / "door").symlink_to(tmp_path / "linked", target_is_directory=True)
    for place in (other.parent, tmp_path / "linked"):
        place.chmod(0o555)
    try:
        same(name, tmp_path / "plain", tmp_path / "door")
    finally:
        for place in (tmp_path / "linked", other.parent):
            place.chmod(0o755)
    other.unlink()
    other.symlink_to(tmp_path / "nowhere")
    if name == "seed labels":
        return
    assert answer(lambda: SETS[name].read(tmp_path / "linked"), path.name, "no ", "No ") is None
    other.unlink()
    other.symlink_to(other)
    assert answer(lambda: SETS[name].read(tmp_path / "linked"), path.name, "no ", "No ") is None


def test_an_empty_folder_of_a_session_does_not_hide_the_session(tmp_path: Path) -> None:
    write_seed_iv(tmp_path, (1, 2), 9)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "notes.txt").write_text("mine")
    assert {r.session for r in read_set("seed-iv", tmp_path)} == {"1", "2"}


def test_missing_subjects_are_told_and_the_others_read(tmp_path: Path) -> None:
    for subject in (3, 11):
        write_deap(tmp_path, subject, small_deap())
    found = DEAP.files(tmp_path)
    assert (list(found.files), len(found.missing), found.missing[:3]) == (["s03", "s11"], 30, ("s01", "s02", "s04"))
    with pytest.raises(ValueError, match=r"subject 4 has no file in .*there are s03, s11"):
        read_set("deap", tmp_path, subjects=[4])
    (tmp_path / "data_preprocessed_python" / "s33.dat").write_bytes(b"")
    report = recognise(tmp_path)
    assert "s33" in report.damaged
    assert report.recordings == 6


def test_a_file_that_may_not_be_read_is_damaged_for_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its permissions would not stop root, so the error is put in where the system would raise it."""
    for subject in (1, 2):
        write_deap(tmp_path, subject, small_deap())
    real = Path.open

    def locked(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "s01.dat":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", locked)
    report = recognise(tmp_path)
    assert "s01.dat" in report.damaged["s01"]
    assert report.recordings == 3


CODE = """
import locale, sys
from pathlib import Path
from attacks import SETS, facts, numbers, deap, seed_v
deap._SHAPES = {"data": (3, 40, 392), "labels": (3, 4)}
seed_v.STARTS, seed_v.ENDS = (dict.fromkeys("123", tuple(range(a, a + 15))) for a in (0, 1))
names = [n for n in SETS if n not in ("faced",)]
import hashlib
for name in names:
    read = SETS[name].read(Path(sys.argv[1]) / name)
    print(name, hashlib.sha256(ascii(facts(read)).encode() + numbers(read).tobytes()).hexdigest())
"""


def test_locale_and_encoding_change_nothing(tmp_path: Path) -> None:
    place = tmp_path / STRANGE
    for name in SETS:
        SETS[name].write(place / name)
    answers = set()
    for settings in (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu"},
    ):
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])} | settings
        run = [sys.executable, "-W", "ignore", "-c", CODE, str(place)]
        done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
        answers.add(done.stdout)
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == len(SETS) - 1


def test_dreamer_is_found_in_any_case_and_depth(tmp_path: Path) -> None:
    write_dreamer(tmp_path / "dreamer", subjects=1, samples=8).rename(tmp_path / "dreamer" / "dreamer.MAT")
    assert len(read_set("dreamer", tmp_path)) == len(read_set("dreamer", tmp_path / "dreamer")) == 18
