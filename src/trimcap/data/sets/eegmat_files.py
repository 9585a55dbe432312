"""Where the EEGMAT recordings lie, and how missing ones are fetched."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from trimcap._files import make_folder
from trimcap.data.sets.folders import Found, Subjects, find

#: endings of a subject's two files: rest, arithmetic
ENDINGS = ("_1.edf", "_2.edf")
_FACTS = {"Age": "age", "Gender": "sex", "Number of subtractions": "subtractions", "Count quality": "quality"}


@cache
def pinned() -> Mapping[str, Any]:
    """The data set's address, attribution, and what is known of each subject, with the files' SHA-256."""
    text = Path(__file__).with_name("eegmat.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def locate(folder: Path | str | None) -> tuple[Path, bool]:
    """The folder to read, and whether it is the download cache. FileNotFoundError: TRIMCAP_DATA names no folder."""
    if folder is not None:
        return Path(folder), False
    root = os.environ.get("TRIMCAP_DATA")
    if root:
        if not Path(root).is_dir():  # a typing error must not start a download
            raise FileNotFoundError(
                f"TRIMCAP_DATA is '{root}', which is no folder; correct it, or unset it to download"
            )
        if (Path(root) / "eegmat").is_dir():
            return Path(root) / "eegmat", False
    import pooch

    return Path(pooch.os_cache("trimcap")) / "eegmat", True


def find_eegmat(folder: Path) -> Found:
    """The files that are there."""
    return find(
        "EEGMAT", folder, places=("eegmat",), pattern=r"Subject([0-9]{2})_[12]\.edf", name="Subject{:02d}",
        published=range(36), known=r"subject-info\.csv|RECORDS|LICENSE\.txt|SHA256SUMS\.txt|ANNOTATORS", parts=2,
    )  # fmt: skip


def fetched(
    path: Path | str | None, subjects: Subjects = None, *, download: bool = True, everything: bool = False
) -> Found:
    """The files of the subjects asked for; missing ones are downloaded.

    Without `subjects`: those in the folder; in an empty folder or the cache, or with `everything`, the 26 whose files
    are pinned.

    ValueError: a subject that neither the folder nor the data set has, none, or one twice.
    FileNotFoundError, OSError: as `fetch`.
    """
    folder, is_cache = locate(path)
    there = _files(folder)
    present = sorted({name[: -len(ENDINGS[0])] for name in there})
    offered = present if present and not (is_cache or everything) else sorted(pinned()["subjects"])
    if subjects is not None and not isinstance(subjects, int):
        offered = sorted({*present, *pinned()["subjects"], *(f"Subject{n:02d}" for n in range(36))})
    asked = Found("EEGMAT", folder, dict.fromkeys(offered, ())).choose(subjects)
    return Found("EEGMAT", folder, {name: fetch(name, folder, download=download) for name in asked})


def fetch(subject: str, folder: Path, *, download: bool) -> tuple[Path, Path]:
    """The subject's files of rest and arithmetic; missing ones are downloaded into `folder` and checked.

    FileNotFoundError: a file is missing and may not be downloaded; says why.
    OSError: the download failed or what came is not the published file.
    """
    there = _files(folder)
    rest, task = (there.get(f"{subject}{ending}", folder / f"{subject}{ending}") for ending in ENDINGS)
    hashes = pinned()["subjects"].get(subject, {}).get("sha256")
    for place, path in enumerate((rest, task)):
        if path.is_file():
            continue
        if not download:
            raise FileNotFoundError(f"{path} is missing and download=False; put the file there or allow downloading")
        if hashes is None:
            raise FileNotFoundError(
                f"{path} is missing and the SHA-256 of the published file is not on record, so it is not "
                f"downloaded unchecked. Fetch it from {pinned()['url']}{path.name} yourself, or choose among "
                f"{', '.join(pinned()['subjects'])}"
            )
        _download(path, hashes[place])
    return rest, task


def facts(folder: Path) -> dict[str, dict[str, object]]:
    """Subject -> age, sex, subtractions (how many), quality (1: good count), from `subject-info.csv`.

    The recorded facts of the pinned subjects serve where the folder has no such file.

    ValueError: the file is not PhysioNet's table.
    """
    path = folder / "subject-info.csv"
    keys = tuple(_FACTS.values())
    if not path.is_file():
        return {s: {key: row[key] for key in keys} for s, row in pinned()["subjects"].items()}
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable CSV table ({error}); fetch it again from PhysioNet") from error
    missing = [column for column in ("Subject", *_FACTS) if column not in table.columns]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; fetch it again from PhysioNet")
    rows = table.rename(columns=_FACTS).set_index("Subject")[list(keys)].astype(object)
    return {str(subject): {key: row[key] for key in keys} for subject, row in rows.iterrows()}


def _files(folder: Path) -> dict[str, Path]:
    """Published name → file, whatever the case of its letters (some systems write SUBJECT00_1.EDF)."""
    try:
        found = find_eegmat(folder)
    except FileNotFoundError:
        return {}
    here = (path for paths in found.files.values() for path in paths)
    return {path.name.capitalize(): path for path in here if path.parent == folder}


def _download(path: Path, digest: str) -> None:
    import pooch

    make_folder(path.parent)
    address = pinned()["url"] + path.name
    try:
        pooch.retrieve(address, known_hash=f"sha256:{digest}", fname=path.name, path=path.parent)
    except (OSError, ValueError) as error:  # requests' exceptions are OSErrors; a wrong hash is a ValueError
        raise OSError(
            f"could not download {address}: {error}. Try again, or put the file into {path.parent} by hand, "
            "or set TRIMCAP_DATA to a folder that holds eegmat/"
        ) from error
