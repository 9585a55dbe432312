"""Files of the SEED family with other content than their name promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from set_files import (
    CNT_62,
    SEED_LABELS,
    cells,
    noise,
    seed_trials,
    seed_v_tables,
    write_cnt,
    write_seed,
    write_seed_v_features,
)

from attacks import answer, folder, small  # noqa: F401
from trimcap.data.sets.seed import LENGTHS
from trimcap.data.sources import open_windows, read_set

pytestmark = pytest.mark.usefixtures("small")


def seed_file(out: Path, change: dict[str, Any] | None = None, factor: float = 0.0) -> None:
    good: dict[str, Any] = {f"djc_eeg{t}": x for t, x in seed_trials(1, 0, 15, 9).items()}
    if factor:
        good = {f"djc_eeg{t}": np.ones((62, round(n * factor)), "i1") for t, n in enumerate(LENGTHS, start=1)}
        good |= {k: v + (np.arange(v.shape[1]) % 7).astype("i1") for k, v in good.items()}
    savemat(folder(out) / "1_20131027.mat", good | (change or {}), do_compression=True)


@pytest.mark.parametrize(
    "change",
    [
        {"djc_eeg4": noise(0, 62, 9).T}, {"djc_eeg4": noise(0, 62, 9) * 1j}, {"djc_eeg4": noise(0, 62, 9) > 0},
        {"djc_eeg4": "text"}, {"djc_eeg4": cells((1, 2), [np.eye(2), np.eye(2)])}, {"djc_eeg4": {"x": 1.0}},
        {"djc_eeg4": noise(0, 62, 9, 2)}, {"djc_eeg4": np.zeros((62, 0))}, {"djc_eeg04": noise(0, 62, 9)},
    ],
    ids=["transposed", "complex", "bool", "text", "cell", "struct", "three axes", "empty", "twice"],
)  # fmt: skip
def test_seed_of_another_content_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    seed_file(tmp_path, change)
    if isinstance(change.get("djc_eeg4"), np.ndarray) and change["djc_eeg4"].dtype == bool:
        read = answer(lambda: read_set("seed", tmp_path), "1_20131027.mat")  # MATLAB's logical is stored as numbers
        assert read is None or np.array_equal(read[3].signal, change["djc_eeg4"])  # type: ignore[index]
        return
    assert answer(lambda: read_set("seed", tmp_path), "1_20131027.mat") is None


@pytest.mark.parametrize(("factor", "said"), [(0.64, "128"), (1.28, "256"), (0.5, "100")])
def test_seed_at_another_rate_is_noticed_by_the_lengths_of_its_trials(tmp_path: Path, factor: float, said: str) -> None:
    seed_file(tmp_path, factor=factor)
    with pytest.raises(ValueError, match=rf"1_20131027\.mat: all trials have {factor} times .* about {said} Hz"):
        read_set("seed", tmp_path)


def test_seed_as_published_or_cut_short_is_read(tmp_path: Path) -> None:
    seed_file(tmp_path, factor=1.0)
    assert [r.signal.shape[1] for r in read_set("seed", tmp_path)] == list(LENGTHS)
    seed_file(tmp_path)
    assert len(read_set("seed", tmp_path)) == 15


@pytest.mark.parametrize(
    "labels", [SEED_LABELS[:14], [*SEED_LABELS, 1], [0.5, *SEED_LABELS[1:]], [np.nan, *SEED_LABELS[1:]],
               [np.inf, *SEED_LABELS[1:]], [2, *SEED_LABELS[1:]], []],
    ids=["14", "16", "half", "nan", "inf", "two", "none"],
)  # fmt: skip
def test_seed_labels_that_are_none_are_refused(tmp_path: Path, labels: list[float]) -> None:
    target = write_seed(tmp_path, {"1_20131027": "djc"}, samples=9)
    savemat(target / "label.mat", {"label": np.array([labels])})
    assert answer(lambda: read_set("seed", tmp_path), "label.mat") is None
    savemat(target / "label.mat", {"label": "1 0 -1"})
    assert answer(lambda: read_set("seed", tmp_path), "label.mat") is None
    savemat(target / "label.mat", {"other": np.array([SEED_LABELS])})
    assert answer(lambda: read_set("seed", tmp_path), "label.mat") is None


def test_cnt_with_electrodes_in_another_order_is_put_in_order(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(-500, 500, (len(CNT_62), 16_000))
    path = write_cnt(tmp_path / "1_1_20180804.cnt", counts)
    straight = [r.signal for r in read_set("seed-v", tmp_path, rate=None)]
    write_cnt(path, counts[::-1], CNT_62[::-1])
    for ours, before in zip(read_set("seed-v", tmp_path, rate=None), straight, strict=True):
        np.testing.assert_array_equal(ours.signal, before)
    for change in ({"rate": 500}, {"names": ["CZ", *CNT_62[1:]]}):
        write_cnt(path, counts, **change)  # type: ignore[arg-type]
        assert answer(lambda: read_set("seed-v", tmp_path, rate=None), path.name) is None


def test_seed_v_features_of_another_content_are_refused(tmp_path: Path) -> None:
    data, labels = seed_v_tables()
    for change in (
        {"data": data | {7: data[7].T}}, {"data": data | {7: data[7] * 1j}}, {"data": data | {7: "x"}},
        {"data": data | {7: np.zeros((0, 310))}, "label": labels | {7: np.zeros(0)}}, {"data": [1, 2]},
        {"label": labels | {7: labels[7] + 0.5}}, {"label": labels | {7: np.full(len(labels[7]), np.nan)}},
        {"label": labels | {7: labels[7][:-1]}}, {"label": labels | {7: None}},
        {"label": labels | {7: [[0.0], [1.0, 2.0]]}}, {"label": labels | {45: labels[7]}}, {"data": data | {"x": 1}},
    ):  # fmt: skip
        write_seed_v_features(tmp_path, **change)
        assert answer(lambda: open_windows("seed-v-features", tmp_path), "1_123.npz") is None, change.keys()
