"""Sources of SEED-V, of generated recordings and of features; every set has one."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "sets"))

from every_set import WINDOWS, same
from set_files import (
    CNT_62,
    deap_arrays,
    write_cnt,
    write_deap,
    write_faced_features,
    write_seed_features,
    write_seed_iv,
    write_seed_v_features,
)

from trimcap.data.cache.cache import cache_info
from trimcap.data.cache.key import describe_reader
from trimcap.data.cache.make import make_windows
from trimcap.data.generated.sources import fingerprint, synthetic
from trimcap.data.generated.synthetic import make_fingerprint, make_synthetic
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.sets.seed_v import ENDS
from trimcap.data.sets.table import data_sets
from trimcap.data.sources import WINDOW_SOURCES, check_source, open_source, open_windows


def write_seed_v(place: Path) -> None:
    for name, session in (("1_2_20180810", "2"), ("1_1_20180804", "1")):
        n = (ENDS[session][-1] + 1) * 50  # a file of 50 Hz and so a refusal would be cheaper, but no proof
        rng = np.random.default_rng(int(session))
        write_cnt(place / "EEG_raw" / f"{name}.cnt", rng.integers(-50, 50, (len(CNT_62), n)).astype("i4"), rate=50)


def test_seed_v_files_are_sessions_in_order(tmp_path: Path) -> None:
    write_seed_v(tmp_path)
    source = open_source("seed-v", tmp_path)
    assert [item.name for item in source.items] == ["1_1_20180804.cnt", "1_2_20180810.cnt"]
    assert describe_reader(source.read)["options"] == {"options": {"pairs": [["on_bad", "raise"], ["rate", 200]]}}
    with pytest.raises(ValueError, match=r"1_1_20180804\.cnt has 50 Hz; SEED-V was recorded at 1000 Hz"):
        next(iter(source))
    write_cnt(tmp_path / "EEG_raw" / "1_1_20190101.cnt", np.zeros((len(CNT_62), 10), "i4"))
    with pytest.raises(ValueError, match="are one session; keep one"):
        open_source("seed-v", tmp_path)


def test_generated_recordings_are_those_of_the_functions() -> None:
    for name, make in (("synthetic", make_synthetic), ("fingerprint", make_fingerprint)):
        got = open_source(name, subjects=2, seconds=2, seed=5)
        for a, b in zip(got, make(2, seconds=2, seed=5), strict=True):
            same(a, b)
        assert len({r.subject for r in open_source(name, seconds=1)}) == 8
        with pytest.raises(ValueError, match=f"subjects of {name} recordings are a number"):
            open_source(name, subjects=["S01"])
        with pytest.raises(ValueError, match=f"{name} recordings are generated; leave out the path"):
            open_source(name, "somewhere")
    with pytest.raises(ValueError, match="source synthetic: unknown option 'efect'; did you mean 'effect'"):
        synthetic(efect=3)
    with pytest.raises(ValueError, match="wrong type"):
        fingerprint(seconds="long")


FEATURES = {
    "seed-features": (write_seed_features, partial(open_windows, "seed-features"), {"feature": "psd_movingAve"}, "01"),
    "seed-iv-features": (write_seed_iv, partial(open_windows, "seed-iv-features"), {"feature": "de_LDS"}, "01"),
    "seed-v-features": (write_seed_v_features, partial(open_windows, "seed-v-features"), {}, "01"),
    "faced-features": (write_faced_features, partial(open_windows, "faced-features"), {"label": "emotion"}, "sub000"),
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_by_name_are_what_the_reader_gives(tmp_path: Path, name: str) -> None:
    write, read, options, subject = FEATURES[name]
    write(tmp_path)
    expected = read(tmp_path, **options)
    for wanted in (None, 1, [subject]):
        got = open_windows(name, tmp_path, subjects=wanted, **options)
        np.testing.assert_array_equal(got.X, expected.X)
        np.testing.assert_array_equal(got.y, expected.y)
        assert got.metadata.equals(expected.metadata)
        assert (got.steps, got.channels, got.unit) == (expected.steps, expected.channels, expected.unit)
    with pytest.raises(ValueError, match="2 subjects asked for, but there are 1"):
        open_windows(name, tmp_path, subjects=2)
    with pytest.raises(ValueError, match=f"{name} holds windows, not recordings; use open_windows"):
        open_source(name, tmp_path)


def test_recordings_in_memory_are_cached_on_request(tmp_path: Path) -> None:
    source = open_source("synthetic", subjects=2, seconds=1)
    cached, plain = make_windows(WINDOWS, source, cache=tmp_path), make_windows(WINDOWS, source)
    assert len(cache_info(tmp_path)) == 1
    np.testing.assert_array_equal(cached.X, plain.X)


def test_every_source_refuses_what_is_no_option_before_it_reads() -> None:
    for entry in data_sets():
        check_source(entry.name, dict.fromkeys(vars(entry.options())))
        with pytest.raises(ValueError, match=f"source {entry.name}: unknown option 'x'"):
            check_source(entry.name, {"x": 1})
    for name in WINDOW_SOURCES:
        check_source(name, {})
        with pytest.raises(ValueError, match=f"source {name} has no options|source {name}: unknown option 'x'"):
            check_source(name, {"x": 1})
    with pytest.raises(ValueError, match="unknown source of windows 'deap'"):
        open_windows("deap")


def test_nan_before_a_filter_says_where_to_drop_it(tmp_path: Path) -> None:
    arrays = deap_arrays(1)
    arrays["data"][2, 5, 4000] = np.nan
    write_deap(tmp_path, arrays=arrays)
    chain = Chain((make_step("bandpass", low=4, high=45), make_step("windows", seconds=1, on_bad="drop")))
    with pytest.raises(ValueError, match=r"s01/1/03: channel FC1 has NaN .*on_bad='drop' of a published set's reader"):
        make_windows(chain, open_source("deap", tmp_path, on_bad="keep"))
    with pytest.warns(UserWarning, match="1 trials left out"):
        windows = make_windows(chain, open_source("deap", tmp_path, on_bad="drop"))
    assert len(windows) == 39 * 60


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    from set_files import write_dasps

    write_dasps(tmp_path / "sets", 1)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(open_source("dasps", "~/sets")) == 1
