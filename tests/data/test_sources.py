"""Recordings by name: the same as the readers', file by file, and cached wherever the files lie."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from every_set import OPTIONS, READ, WINDOWS, WRITE, same

from trimcap.data.cache.cache import cache_info
from trimcap.data.cache.key import describe_reader
from trimcap.data.cache.make import make_windows
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.recording import Recording
from trimcap.data.source import Source
from trimcap.data.sources import open_source, read_set


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sets, each in a folder of its name, under a name that needs care."""
    root = tmp_path_factory.mktemp("sets") / "a b 脑电"
    for name, write in WRITE.items():
        (root / name).mkdir(parents=True)
        write(root / name)
    return root


@pytest.mark.parametrize("name", WRITE)
def test_file_by_file_is_what_the_reader_gives(place: Path, name: str) -> None:
    for options in ({}, OPTIONS[name]) if name != "dasps" else (OPTIONS[name],):
        source = open_source(name, place / name, **options)
        expected = READ[name](place / name, **options)
        assert isinstance(source, Source)
        assert source.name == name
        got = list(source)
        assert len(got) == len(expected) > 0
        for a, b in zip(got, expected, strict=True):
            same(a, b)


@pytest.mark.parametrize("name", WRITE)
def test_a_process_elsewhere_can_read_an_item(place: Path, name: str) -> None:
    source = open_source(name, place / name, **OPTIONS[name])
    read = pickle.loads(pickle.dumps(source.read))
    for a, b in zip(read(source.items[-1]), source.read(source.items[-1]), strict=True):
        same(a, b)
    assert str(place) not in str(describe_reader(source.read))


@pytest.mark.parametrize("name", [name for name in WRITE if name != "dreamer"])
def test_no_more_than_the_first_item_is_read_for_the_first_recording(place: Path, name: str, tmp_path: Path) -> None:
    copy = shutil.copytree(place / name, tmp_path / name)
    source = open_source(name, copy, **OPTIONS[name])
    for item in source.items[1:]:
        item.unlink()
    assert next(iter(source)).subject == next(iter(open_source(name, place / name, **OPTIONS[name]))).subject


@pytest.mark.parametrize("name", WRITE)
def test_subjects_by_number_or_by_name(place: Path, name: str) -> None:
    everything = READ[name](place / name, **OPTIONS[name])
    subjects = list(dict.fromkeys(r.subject for r in everything))
    many = len(subjects) > 1
    first, last = subjects[0], subjects[-1]
    for wanted, expected in ((1, [first]), ([last], [last]), ((last, first), [last, first]) if many else (1, [first])):
        got = list(open_source(name, place / name, subjects=wanted, **OPTIONS[name]))
        # a file of all subjects is read in its own order
        expected = sorted(expected) if name == "dreamer" else expected
        assert list(dict.fromkeys(r.subject for r in got)) == expected
        for a, b in zip(got, [r for s in expected for r in everything if r.subject == s], strict=True):
            same(a, b)
    with pytest.raises(ValueError, match=f"99 subjects asked for, but there are {len(subjects)}"):
        open_source(name, place / name, subjects=99, **OPTIONS[name])
    with pytest.raises(ValueError, match=r"unknown .* subject 'nobody'"):
        open_source(name, place / name, subjects=["nobody"], **OPTIONS[name])


def test_a_number_of_subjects_is_how_many_not_which(place: Path) -> None:
    assert {r.subject for r in open_source("amigos", place / "amigos", subjects=2)} == {"P01", "P12"}
    assert {r.subject for r in read_set("amigos", place / "amigos", subjects=[12])} == {"P12"}


@pytest.mark.parametrize("name", ["deap", "seed", "seed-iv", "dreamer", "eegmat"])
def test_a_moved_folder_is_found_in_the_cache_and_an_option_is_not(place: Path, name: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = {"deap": {"label": "arousal"}, "dreamer": {"label": "arousal"}, "eegmat": {"seconds": 2}}
    first = make_windows(WINDOWS, open_source(name, place / name), cache=cache)
    moved = shutil.copytree(place / name, tmp_path / "moved" / name)
    again = make_windows(WINDOWS, open_source(name, moved), cache=cache)
    assert len(cache_info(cache)) == 1
    np.testing.assert_array_equal(first.X, again.X)
    plain = make_windows(WINDOWS, open_source(name, moved))
    np.testing.assert_array_equal(first.X, plain.X)
    assert plain.metadata.equals(again.metadata)
    assert (plain.steps, plain.y.tolist()) == (again.steps, again.y.tolist())
    make_windows(WINDOWS, open_source(name, moved, **options.get(name, {"subjects": 1, "on_bad": "keep"})), cache=cache)
    assert len(cache_info(cache)) == 2


def test_labels_beside_the_files_count_for_the_cache(place: Path, tmp_path: Path) -> None:
    from scipy.io import savemat

    copy = shutil.copytree(place / "seed", tmp_path / "seed")
    before = make_windows(WINDOWS, open_source("seed", copy), cache=tmp_path / "cache")
    (table,) = open_source("seed", copy).also
    savemat(table, {"label": np.array([[0] * 15], "i2")})
    after = make_windows(WINDOWS, open_source("seed", copy), cache=tmp_path / "cache")
    assert set(after.y.tolist()) == {1}
    assert set(before.y.tolist()) == {0, 1, 2}
    table.unlink()
    assert make_windows(WINDOWS, open_source("seed", copy), cache=tmp_path / "cache").y.tolist() == before.y.tolist()


def test_without_a_path_the_common_folder_or_how_to_get_the_set(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRIMCAP_DATA", str(place))
    assert len(open_source("faced")) == 2
    monkeypatch.setenv("TRIMCAP_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"deap: no path was given, and .*deap is no folder either.*licence"):
        open_source("deap")
    monkeypatch.delenv("TRIMCAP_DATA")
    with pytest.raises(FileNotFoundError, match=r"seed: no path was given, and TRIMCAP_DATA is not set either"):
        open_source("seed")


def test_baseline_and_signal_are_not_mixed_up(place: Path) -> None:
    subtract = Chain((make_step("windows", seconds=1, baseline=3), make_step("subtract_baseline")))
    with pytest.raises(ValueError, match="has a baseline of 3 s, but the reader left the baseline out; read with"):
        make_windows(subtract, open_source("deap", place / "deap", subjects=1))
    kept = open_source("deap", place / "deap", subjects=1, baseline="keep")
    for first in (make_step("windows", seconds=1), make_step("windows", seconds=1, start=2)):
        with pytest.raises(ValueError, match=r"begins with a baseline of 3 s, but windows would start at [02] s"):
            make_windows(Chain((first,)), kept)
    assert len(make_windows(subtract, kept)) == 40 * 60
    later = make_windows(Chain((make_step("windows", seconds=1, start=3),)), kept)
    dropped = make_windows(Chain((make_step("windows", seconds=1),)), open_source("deap", place / "deap", subjects=1))
    np.testing.assert_array_equal(later.X, dropped.X)


def test_a_chain_does_not_take_a_clip_of_dreamer_for_its_baseline(place: Path) -> None:
    subtract = Chain((make_step("windows", seconds=0.1, baseline=0.1), make_step("subtract_baseline")))
    with pytest.raises(ValueError, match="the reader left the baseline out; read with"):
        make_windows(subtract, open_source("dreamer", place / "dreamer", subjects=1))


def test_a_chain_takes_the_baseline_of_dreamer_that_the_reader_kept(place: Path) -> None:
    """0.1 s are 12.8 samples: the reader and the windows step round alike."""
    cut = make_step("windows", seconds=0.1, baseline=0.1)
    kept = open_source("dreamer", place / "dreamer", subjects=1, baseline="keep", baseline_seconds=0.1)
    windows = make_windows(Chain((cut, make_step("subtract_baseline"))), kept)
    raw = make_windows(WINDOWS, open_source("dreamer", place / "dreamer", subjects=1))
    apart = open_source("dreamer", place / "dreamer", subjects=1, baseline="apart", baseline_seconds=0.1)
    before = {recording.trial: recording.info["baseline"] for recording in apart}
    expected = raw.X - np.stack([before[trial] for trial in raw.metadata.trial])
    np.testing.assert_allclose(windows.X, expected, atol=1e-3)
    whole = open_source("dreamer", place / "dreamer", subjects=1, baseline="keep")
    with pytest.raises(ValueError, match=r"01/1/01 begins with a baseline of 0.3125 s, but windows would start at 0.1"):
        make_windows(Chain((cut, make_step("subtract_baseline"))), whole)


def test_progress_shows_files_and_subjects(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from trimcap.data.cache.reading import read_items

    calls: list[tuple[str, int]] = []
    totals: list[int] = []

    class Bar:
        def __enter__(self):
            return lambda name, by=1: calls.append((name, by))

        def __exit__(self, *_):
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trimcap.data.cache.reading.bar", lambda show, total: Bar())
        source = open_source("dreamer", place / "dreamer")
        assert len(list(read_items(source.items, source.read, progress=True))) == 36
    assert [name for name, by in calls if by] == ["DREAMER.mat"]
    assert list(dict.fromkeys(name for name, by in calls if not by)) == ["DREAMER.mat 01", "DREAMER.mat 02"]
    del calls[:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trimcap.data.cache.reading.bar", lambda show, total: totals.append(total) or Bar())
        make_windows(WINDOWS, source, progress=True)
        make_windows(WINDOWS, source, cache=tmp_path / "other", progress=True)
        make_windows(WINDOWS, open_source("dreamer", place / "dreamer", subjects=["02"]), progress=True)
        make_windows(WINDOWS, open_source("deap", place / "deap"), progress=True)
    # one file holds all subjects: the bar counts them, so that there is a time left before the end
    assert totals == [2, 2, 1, 2]
    both = ["DREAMER.mat 02", "DREAMER.mat"]
    assert [name for name, by in calls if by] == [*both, *both, "DREAMER.mat", "s01.dat", "s02.dat"]
    make_windows(WINDOWS, source, cache=tmp_path, progress=True)
    assert capsys.readouterr().out == ""


# ---- functions of the user


def ours(path: Path, *, n: int = 2, rate: float = 100.0) -> list[Recording]:
    """As a user writes it today: nothing but a path and options."""
    assert path == Path("x")
    return [_one(f"p{s}", rate) for s in reversed(range(n))]


def chooses(path: Path | None = None, *, subjects: list[str] | None = None, scale: float = 1.0) -> list[Recording]:
    names = ["a", "b", "c"] if subjects is None else [name.lower() for name in subjects]
    return [_one(name, scale) for name in names]


def of_files(path: Path, *, subjects: int | list[str] | None = None) -> Source:
    from trimcap.data.source import choose_subjects

    files = [path / f"{name}.txt" for name in choose_subjects(["a", "b", "c"], subjects, what="mine")]
    return Source("mine", tuple(files), _from_text)


def nothing(path: Path | None = None) -> int:
    return 3


def _from_text(path: Path) -> list[Recording]:
    return [_one(path.stem, float(path.read_text()))]


def _one(subject: str, scale: float) -> Recording:
    signal = np.random.default_rng(ord(subject[-1])).standard_normal((2, 200)).astype(np.float32)
    return Recording(scale * signal, 100.0, ("Fz", "Cz"), subject, label=0, classes=("a", "b"))


def test_a_function_of_path_and_options_keeps_working() -> None:
    name = "test_sources:ours"
    assert [r.subject for r in open_source(name, "x", n=3)] == ["p2", "p1", "p0"]
    assert [r.subject for r in open_source(name, "x", n=3, subjects=2)] == ["p1", "p0"]
    assert [r.subject for r in open_source(name, "x", n=3, subjects=("p2",))] == ["p2"]
    with pytest.raises(ValueError, match="4 subjects asked for, but there are 3"):
        open_source(name, "x", n=3, subjects=4)
    with pytest.raises(ValueError, match="unknown test_sources:ours subject 'p9'"):
        open_source(name, "x", n=3, subjects=["p9"])


def test_a_function_that_chooses_subjects_is_asked_to() -> None:
    assert [r.subject for r in open_source("test_sources:chooses", subjects=["B"])] == ["b"]
    assert [r.subject for r in open_source("test_sources:chooses", subjects=2)] == ["a", "b"]
    assert len(open_source("test_sources:chooses")) == 3


def test_files_of_anybody_are_cached(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("3.0")
    source = open_source("test_sources:of_files", tmp_path, subjects=2)
    assert [item.name for item in source.items] == ["a.txt", "b.txt"]
    assert len(open_source("test_sources:of_files", tmp_path, subjects=["c"])) == 1
    before = make_windows(WINDOWS, source, cache=tmp_path / "cache")
    (tmp_path / "b.txt").write_text("2.0")
    after = make_windows(WINDOWS, source, cache=tmp_path / "cache")
    np.testing.assert_array_equal(before.X[:20], after.X[:20])
    np.testing.assert_allclose(before.X[20:] / 3, after.X[20:] / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("daep", {}, "unknown source 'daep'; did you mean 'deap'.*or write"),
        ("deap", {"labl": "arousal"}, "source deap: unknown option 'labl'; did you mean 'label'"),
        ("deap", {"label": "arosal"}, "unknown DEAP label 'arosal'; did you mean 'arousal'"),
        ("deap", {"on_bad": "ignore"}, "on_bad"),
        ("test_sources:nothing", {"x": 1}, "source test_sources:nothing has no options"),
        ("test_sources:nothing", {}, "gave a int; it must return a Source or recordings"),
        ("test_sources:our", {}, "has no 'our'; did you mean 'ours'"),
        ("test_sources:WRITE", {}, "is a dict, not a function"),
        ("no_such_module:read", {}, "cannot import 'no_such_module'"),
    ],
)
def test_what_is_misspelt_is_named(place: Path, name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_source(name, None if "test" in name else place / "deap", **options)
