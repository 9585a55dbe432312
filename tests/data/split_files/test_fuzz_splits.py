"""Split files that are damaged, forged or of something else."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_windows import toy

from trimcap.data.split_files.audit import audit_split
from trimcap.data.split_files.file import read_splits, write_splits
from trimcap.data.split_files.rows import read_split
from trimcap.data.splits.protocols.named import split

WINDOWS = toy(subjects=4, trials=4)
ROWS = {"folds": [{"name": "a", "train": list(range(40)), "test": list(range(60, 80))}]}


def outcome(work: Callable[[], Any], *names: str) -> Any:
    """What was read, or None for a refusal that names the file; everything else is a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = ""
        try:
            return work()
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
    assert any(name in message for name in names), message
    assert len(message) < 2000
    return None


def folds_of(read: Any) -> Any:
    return [(fold.train.ids.tolist(), fold.valid.ids.tolist(), fold.name) for fold in read]


@pytest.mark.parametrize("n", [60, pytest.param(1500, marks=pytest.mark.long)])
def test_a_damaged_split_file_is_refused(tmp_path: Path, n: int) -> None:
    path = write_splits(split(WINDOWS, "leave_one_subject_out", seed=3), tmp_path / "s.json")
    whole, right = path.read_bytes(), folds_of(read_splits(path, WINDOWS))
    rng = random.Random(n)
    for i in range(n):
        content = bytearray(whole)
        if i % 4:
            content[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        else:
            content = content[: rng.randrange(len(whole) - 2)]  # without its last newline it is whole
        path.write_bytes(bytes(content))
        read = outcome(lambda: read_splits(path, WINDOWS), "s.json")
        assert read is None or folds_of(read) == right


SPLITS: dict[str, str] = {
    "empty": "",
    "a list": "[]",
    "deep": "[" * 100_000,
    "no folds": '{"folds": []}',
    "folds as a number": '{"folds": 3}',
    "folds as text": '{"folds": "abc"}',
    "a fold as a list": '{"folds": [[1, 2]]}',
    "no test": '{"folds": [{"train": [1]}]}',
    "a byte order mark": "\ufeff" + json.dumps(ROWS),
    "cut off": json.dumps(ROWS)[:-9],
}
SIDES: dict[str, Any] = {
    "one number": 5,
    "text": "0123",
    "null": None,
    "a mapping": {"0": 1},
    "empty": [],
    "rows of rows": [[0, 1], [2, 3]],
    "ragged": [[0], [1, 2]],
    "fractions": [0.5, 1.5],
    "texts": ["0", "1"],
    "mixed": [0, "1"],
    "nulls": [0, None],
    "negative": [-1, 2],
    "beyond": [0, 80],
    "huge": [0, 10**30],
    "NaN": [float("nan")],
    "a short mask": [True, False],
    "a long mask": [True] * 81,
    "an empty mask": [False] * 80,
    "infinity": [float("inf")],
}


@pytest.mark.parametrize("what", SPLITS)
def test_files_of_row_numbers_that_are_none(tmp_path: Path, what: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(SPLITS[what], encoding="utf-8")
    assert outcome(lambda: read_split(path, WINDOWS), "rows.json") is None


@pytest.mark.parametrize("side", ["train", "test"])
@pytest.mark.parametrize("what", SIDES)
def test_sides_that_are_none(tmp_path: Path, side: str, what: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"folds": [ROWS["folds"][0] | {side: SIDES[what]}]}))
    assert outcome(lambda: read_split(path, WINDOWS), "rows.json") is None


TABLE = "start_at,end_at,clip_id,subject_id,trial_id\n" + "".join(
    f"{128 * i},{128 * i + 128},{i},s{i % 2:02d},t\n" for i in range(6)
)
TABLES: dict[str, bytes] = {
    "empty": b"",
    "only a header": TABLE.splitlines()[0].encode(),
    "binary": bytes(range(256)) * 9,
    "zeros": b"\0" * 999,
    "another table": b"a,b\n1,2\n",
    "text for samples": TABLE.replace("128,", "x,").encode(),
    "too many columns": TABLE.encode() + b"1,2,3,4,5,6,7\n",
    "latin": TABLE.replace("s00", "ü").encode("latin-1"),
    "an open quote": TABLE.encode() + b'"1,2',
}


@pytest.mark.parametrize("what", TABLES)
def test_torcheeg_tables_that_are_none(tmp_path: Path, what: str) -> None:
    (tmp_path / "train_fold_0.csv").write_text(TABLE)
    (tmp_path / "test_fold_0.csv").write_bytes(TABLES[what])
    assert outcome(lambda: read_split(tmp_path), "test_fold_0.csv") is None


@pytest.mark.parametrize("n", [40, pytest.param(800, marks=pytest.mark.long)])
def test_flipped_tables_are_read_or_refused(tmp_path: Path, n: int) -> None:
    rng = random.Random(n)
    (tmp_path / "train_fold_0.csv").write_text(TABLE)
    for _ in range(n):
        content = bytearray(TABLE.encode())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (tmp_path / "test_fold_0.csv").write_bytes(bytes(content))
        read = outcome(lambda: read_split(tmp_path), "test_fold_0.csv")
        if read is not None:
            assert audit_split(read[0], unit="subject").n_test >= 1


def test_extra_files_in_a_folder_of_tables_do_not_matter(tmp_path: Path) -> None:
    for name in ("train_fold_0.csv", "test_fold_0.csv"):
        (tmp_path / name).write_text(TABLE)
    before = [fold.name for fold in read_split(tmp_path)]
    for name in (".DS_Store", "._test_fold_0.csv", "test_fold_1.csv", "Thumbs.db", "test.txt"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "train_fold_2.csv").mkdir()
    assert [fold.name for fold in read_split(tmp_path)] == before
