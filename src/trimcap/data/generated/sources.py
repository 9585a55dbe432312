"""Generated recordings as sources by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trimcap._named import check_options, first_parameter
from trimcap.data.generated.synthetic import make_fingerprint, make_synthetic
from trimcap.data.recording import Recording
from trimcap.data.source import Wanted


def synthetic(path: Path | None = None, *, subjects: Wanted = None, seed: int = 0, **options: Any) -> list[Recording]:
    """`make_synthetic`, of eight subjects if no number is given."""
    return _made("synthetic", make_synthetic, path, subjects, {"seed": seed, **options})


def fingerprint(path: Path | None = None, *, subjects: Wanted = None, seed: int = 0, **options: Any) -> list[Recording]:
    """`make_fingerprint`, of eight subjects if no number is given."""
    return _made("fingerprint", make_fingerprint, path, subjects, {"seed": seed, **options})


def _made(
    name: str, make: Callable[..., list[Recording]], path: Path | None, subjects: Wanted, options: dict[str, Any]
) -> list[Recording]:
    if path is not None:
        raise ValueError(f"{name} recordings are generated; leave out the path {path}")
    if subjects is not None and not isinstance(subjects, int):
        raise ValueError(f"subjects of {name} recordings are a number, e.g. subjects = 8")
    check_options(f"source {name}", make, options, given=(first_parameter(make),))
    try:
        return make(8 if subjects is None else subjects, **options)
    except TypeError as error:  # text where a number is needed
        raise ValueError(f"an option of {name} has the wrong type ({error})") from error
