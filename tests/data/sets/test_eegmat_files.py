"""Finding, checking and downloading the EEGMAT files."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pooch
import pytest
from edf_files import write_subject

from trimcap._files import sha256
from trimcap.data.sets import eegmat_files
from trimcap.data.sources import read_set


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A local server with one subject, whose hashes stand in for the pinned ones."""
    folder = write_subject(tmp_path / "published")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hashes = [sha256(folder / f"Subject00{e}") for e in eegmat_files.ENDINGS]
    row = {"sha256": hashes, "age": 21, "sex": "F", "subtractions": 9.7, "quality": 0}
    table = {"url": f"http://127.0.0.1:{server.server_port}/", "subjects": {"Subject00": row}}
    monkeypatch.setattr(eegmat_files, "pinned", lambda: table)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_table_pins_two_files_of_26_subjects() -> None:
    table = eegmat_files.pinned()
    assert table["url"] == "https://physionet.org/files/eegmat/1.0.0/"
    assert len(table["subjects"]) == 26
    hashes = [h for row in table["subjects"].values() for h in row["sha256"]]
    assert len(set(hashes)) == 52
    assert all(len(h) == 64 and set(h) <= set("0123456789abcdef") for h in hashes)
    assert "Zyma" in table["attribution"][0]


@pytest.mark.real
def test_pinned_hashes_and_facts_are_those_of_the_real_files(eegmat_folder: Path) -> None:
    paths = sorted(eegmat_folder.glob("Subject*.edf"))
    subjects = eegmat_files.pinned()["subjects"]
    for path in paths:
        assert sha256(path) == subjects[path.name[:9]]["sha256"][path.name.endswith("_2.edf")]
    assert len(paths) >= 2
    if (eegmat_folder / "subject-info.csv").is_file():
        for subject, row in eegmat_files.facts(eegmat_folder).items():
            assert row == {key: value for key, value in subjects[subject].items() if key != "sha256"}


def test_environment_names_the_folder_else_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("TRIMCAP_DATA", raising=False)
    assert eegmat_files.locate(None) == (tmp_path / "cache" / "trimcap" / "eegmat", True)
    monkeypatch.setenv("TRIMCAP_DATA", str(tmp_path))
    assert eegmat_files.locate(None)[1]
    (tmp_path / "eegmat").mkdir()
    assert eegmat_files.locate(None) == (tmp_path / "eegmat", False)
    assert eegmat_files.locate("elsewhere") == (Path("elsewhere"), False)
    monkeypatch.setenv("TRIMCAP_DATA", str(tmp_path / "typo"))
    with pytest.raises(FileNotFoundError, match=r"TRIMCAP_DATA is '.*typo', which is no folder; correct it"):
        eegmat_files.locate(None)


def test_default_subjects_are_those_present_but_all_pinned_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_subject(tmp_path, "Subject05")
    monkeypatch.setattr(eegmat_files, "fetch", lambda name, *_, **__: (Path(name),))
    assert list(eegmat_files.fetched(tmp_path).files) == ["Subject05"]
    assert len(eegmat_files.fetched(tmp_path, everything=True).files) == 26
    assert len(eegmat_files.fetched(tmp_path / "none").files) == 26
    monkeypatch.setattr(eegmat_files, "locate", lambda _: (tmp_path, True))
    assert len(eegmat_files.fetched(None).files) == 26


def test_missing_files_are_downloaded_and_kept(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    first = read_set("eegmat", target)
    assert sorted(p.name for p in target.iterdir()) == ["Subject00_1.edf", "Subject00_2.edf"]
    assert first[0].info["age"] == 21
    (published / "Subject00_1.edf").unlink()  # the second read must not need the server
    assert len(read_set("eegmat", target)) == 2


def test_download_with_another_hash_is_refused(published: Path, tmp_path: Path) -> None:
    with (published / "Subject00_2.edf").open("ab") as file:
        file.write(b"edited")
    with pytest.raises(OSError, match=r"could not download .*Subject00_2\.edf.*hash.*TRIMCAP_DATA"):
        read_set("eegmat", tmp_path / "target")
    assert not (tmp_path / "target" / "Subject00_2.edf").exists()


def test_absent_server_file_says_what_to_do(published: Path, tmp_path: Path) -> None:
    (published / "Subject00_1.edf").unlink()
    with pytest.raises(OSError, match=r"could not download .*404.*put the file into .*target by hand"):
        read_set("eegmat", tmp_path / "target")


def test_missing_file_without_download_is_named(tmp_path: Path) -> None:
    (write_subject(tmp_path) / "Subject00_2.edf").unlink()
    with pytest.raises(FileNotFoundError, match=r"Subject00_2\.edf is missing and download=False"):
        read_set("eegmat", tmp_path, download=False)


def test_subject_without_a_pinned_hash_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Subject01_1\.edf is missing and the SHA-256 .* is not on record"):
        read_set("eegmat", tmp_path, subjects=[1])
    write_subject(tmp_path, "Subject01")
    assert read_set("eegmat", tmp_path, subjects=[1])[0].info == {"file": "Subject01_1.edf"}


def test_read_only_cache_is_named(published: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(OSError, match="cannot write into folder"):
        read_set("eegmat", blocker / "eegmat")


def test_table_of_the_folder_wins(tmp_path: Path) -> None:
    write_subject(tmp_path)
    (tmp_path / "subject-info.csv").write_text(
        "Subject,Age,Gender,Recording year,Number of subtractions,Count quality\nSubject00,33,M,2011,5,1\n"
    )
    info = read_set("eegmat", tmp_path)[0].info
    assert info == {"file": "Subject00_1.edf", "age": 33, "sex": "M", "subtractions": 5, "quality": 1}


@pytest.mark.parametrize(
    ("content", "message"), [("Subject,Age\nSubject00,21\n", "lacks the columns Gender"), ("", "not a readable CSV")]
)
def test_broken_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    write_subject(tmp_path)
    (tmp_path / "subject-info.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"subject-info\.csv.*{message}"):
        read_set("eegmat", tmp_path)
