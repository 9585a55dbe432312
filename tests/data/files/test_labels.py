"""Tables that label files and stretches of files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mne_files import LSB, counts, write_edf_plus

from trimcap.data.files.labelled import files_source, read_files
from trimcap.data.files.labels import read_labels


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a", "b", "c")):
        write_edf_plus(tmp_path / f"{name}.edf", counts(seed=seed))
    return tmp_path


def table(place: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    path = place / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_rows_are_trials(place: Path, separator: str, encoding: str) -> None:
    number = {";": "2,5"}.get(separator, "2.5")
    lines = [
        "File,Label,subject,session,trial,onset,duration,stimulus", f"b.edf,sad,P2,1,t1,{'#'},3,影片 1",
        "a.edf,happy,P1,2,t9,,,clip 2", "b.edf,happy,P2,1,t0,0,2.5,clip 2",
    ]  # fmt: skip
    text = "\r\n".join(lines).replace("2.5", number).replace(",", separator) if separator != ";" else ""
    if separator == ";":
        text = "\r\n".join(lines).replace(",", ";").replace("2.5", "2,5")
    path = table(place, text.replace("#", number), encoding=encoding)
    made = read_files(path)
    assert [(r.name, r.classes[r.label]) for r in made] == [
        ("P2/1/t0", "happy"), ("P2/1/t1", "sad"), ("P1/2/t9", "happy"),
    ]  # fmt: skip
    assert made[0].classes == ("happy", "sad")
    assert [r.info.get("stimulus") for r in made] == ["clip 2", "影片 1", "clip 2"]
    for recording, seed, first, last in zip(made, (1, 1, 0), (0, 250, 0), (250, 550, 1000), strict=True):
        np.testing.assert_allclose(recording.signal, counts(seed=seed)[:, first:last] * LSB, rtol=1e-6, atol=1e-6)


def test_rows_without_a_label_are_counted_and_no_class(place: Path) -> None:
    path = table(place, "file,label\na.edf,NaN\nb.edf,1\nc.edf,\n")
    with pytest.warns(UserWarning, match="2 of 3 rows have no label; left out"):
        made = read_files(path)
    assert [(r.subject, r.label, r.classes) for r in made] == [("b", 0, ("1",))]


def test_trials_are_numbered_in_time_and_keep_their_numbers(place: Path) -> None:
    text = "file,label,onset,duration\na.edf,x,6,2\na.edf,{},3,2\na.edf,y,0,2\n"
    made = read_files(table(place, text.format("x"), "one.csv"))
    assert [(r.trial, r.info["start"]) for r in made] == [("a-001", 0.0), ("a-002", 3.0), ("a-003", 6.0)]
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        made = read_files(table(place, text.format("n/a"), "two.csv"))
    assert [r.trial for r in made] == ["a-001", "a-003"]


def test_classes_are_ordered_by_number(place: Path) -> None:
    assert read_labels(table(place, "file,label\na.edf,10\nb.edf,2\nc.edf,1\n")).classes == ("1", "2", "10")


def test_folder_and_table_lie_apart(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = table(tmp_path_factory.mktemp("elsewhere"), "file,label\na.edf,x\nb.edf,y\n")
    with pytest.warns(UserWarning, match=r"does not name 1 of the files: c.edf; left out"):
        source = files_source(place, labels=path)
    assert [r.trial for r in source] == ["a", "b"]
    assert source.also == (path,)
    table(place, "file,label\na.edf,x\nb.edf,y\nc.edf,y\n")
    assert len(files_source(place, labels="labels.csv")) == 3  # beside the files
    (place / "sub").mkdir()
    shutil.copy(place / "a.edf", place / "sub" / "d.edf")
    assert read_files(table(place, "file,label\nsub\\d.edf,x\n"))[0].trial == "d"


def test_subjects_of_one_file(place: Path) -> None:
    path = table(place, "file,label,subject,onset,duration\na.edf,x,P1,0,2\na.edf,y,P2,2,2\nb.edf,x,P2,0,2\n")
    assert [r.name for r in read_files(path, subjects=["P2"])] == ["P2/1/a-002", "P2/1/b"]
    assert [r.name for r in read_files(path, subjects=1)] == ["P1/1/a-001"]


def test_an_edited_table_is_read_again(place: Path) -> None:
    path = table(place, "file,label\na.edf,x\n")
    assert read_labels(path).classes == ("x",)
    table(place, "file,label\na.edf,yy\n")
    assert read_labels(path).classes == ("yy",)


BAD = [
    ("file\na.edf\n", r"has no column label; its first line is file\. A labels table"),
    ("", "has no column file or label; its first line is empty"),
    ("file,label\n", "has no rows"),
    ("file,label,onsets\na.edf,x,1\n", r"unknown column 'onsets'; did you mean 'onset'"),
    ("file,label,label\na.edf,x,x\n", "has two columns label"),
    ("file,label\na.edf,x,y\n", "line 2 has 3 cells, the first line 2"),
    ("file,label\n,x\n", "line 2 names no file"),
    ("file,label,onset\na.edf,x,soon\n", "line 2: onset is 'soon', which is no number"),
    ("file,label,onset\na.edf,x,inf\n", "line 2: onset is 'inf'"),
    ("file,label,onset\na.edf,x,-1\n", "line 2: onset is -1 s"),
    ("file,label,duration\na.edf,x,0\n", "line 2: duration is 0 s"),
    ("file,label\na.edf,x\nb.edf,y\na.edf,x\n", "lines 2 and 4 are the same stretch of a.edf"),
    ("file,label\na.edf,Left\nb.edf,left\n", "the labels 'Left' and 'left' mean the same"),
    ("file,label\na.edf,1\nb.edf,1.0\n", "the labels '1' and '1.0' mean the same"),
    ("file,label\na.edf,3.5\nb.edf,7\n", "the labels are ratings"),
    ("file,label\na.edf,NaN\n", "no row has a label"),
    ("file,label,trial\na.edf,x,1/2\n", "trial '1/2' has a / or @"),
    ('file,label\n"a.edf,x\n', "correct the quotes"),
    ("file,label,onset\na.edf,x,10.5\n", r"a.edf: trial a: it is to last from 10.5 s to 10 s, but the file has 10 s"),
    ("file,label,onset,duration\na.edf,x,9,1.5\n", r"to last from 9 s to 10.5 s, but the file has 10 s"),
    ("file,label,onset,duration\na.edf,x,1,3\na.edf,y,3,3\n", "2 trials overlap in time, first a-001 and a-002"),
    ("file,label,onset\na.edf,x,1\na.edf,y,3\n", "2 trials overlap in time"),
    ("file,label,subject,trial\na.edf,x,P,1\nb.edf,x,P,1\n", "two trials are called P/1/1"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_tables_are_refused_with_a_reason(place: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_files(table(place, text))


def test_files_and_tables_that_are_not_there(place: Path) -> None:
    text = "file,label\na.edf,x\n" + "".join(f"no{i}.edf,x\n" for i in range(7))
    with pytest.raises(FileNotFoundError, match=r"names 7 files that are not there: .*no0.edf' \(line 3\).*and 2 more"):
        read_files(table(place, text))
    for options in ({"path": place / "none.csv"}, {"labels": place / "none.csv"}):
        with pytest.raises(FileNotFoundError, match="no labels table"):
            read_files(**options)


@pytest.mark.parametrize(
    "content", ["file,label\na.edf,glücklich\n".encode("latin-1"), b"\xff\xfef\0i\0", b"file,la\0bel\n"]
)
def test_other_encodings_are_refused(place: Path, content: bytes) -> None:
    path = place / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="save it as 'CSV UTF-8'"):
        read_labels(path)


def test_two_tables_are_one_too_many(place: Path) -> None:
    path = table(place, "file,label\na.edf,x\n")
    with pytest.raises(ValueError, match="is a labels table, and labels= names another"):
        read_files(path, labels=path)
    options: dict[str, Any] = {"labels": path, "events": {"a": "x"}}
    with pytest.raises(ValueError, match="three ways"):
        read_files(place, **options)
