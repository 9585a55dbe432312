"""EEG files of the formats that MNE reads, and BIDS, on the command line: how they are labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimcap.cli.io.answer import Misuse, spoken, typed
from trimcap.cli.io.values import names_of

# options of `files_source` with an option of their own here, and those without
_OWN = "labels|events|start|stop|subject|session|channels|bad_channels|rate"
_BY_OPTION = "on_bad|on_overlap|missing_events|unit|any_names"


def options_of(
    *,
    classes: Sequence[str] | None = None,
    labels: str | None = None,
    events: Sequence[str] | None = None,
    start: float | None = None,
    stop: float | None = None,
    subject: str | None = None,
    session: str | None = None,
    channels: str | None = None,
    bad_channels: str | None = None,
) -> dict[str, Any]:
    """Options of `files_source` or `bids_source` from what was typed; those that were not are left out.

    Parameters
    ----------
    classes : NAME=PATTERN of file names
    events : NAME=EVENT, commas between several; a name that is repeated has several events

    Raises
    ------
    Misuse : what can't be read so.
    """
    found = {
        "patterns": _patterns(classes or ()) or None,
        "labels": labels,
        "events": _events(events or ()) or None,
        "start": start,
        "stop": stop,
        "subject": subject,
        "session": session,
        "channels": list(names_of(channels)) if channels else None,
        "bad_channels": bad_channels,
    }
    return {name: value for name, value in found.items() if value is not None}


def source_of(sources: Sequence[str], options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options of what was typed for SOURCE: one name, or EEG files or a labels table: the source `files`.

    Raises
    ------
    Misuse : several names; a file that is not there, or that no pattern fits; options that files do not have.
    """
    from trimcap._named import check_options
    from trimcap.data.files.labelled import files_source
    from trimcap.data.files.labels import is_table
    from trimcap.data.files.names import class_by_name, named_files
    from trimcap.data.files.raws import is_eeg

    if sources[0] != "bids":  # which has sessions by name
        for option in ("subject", "session"):
            _check_pattern(f"--{option}", options.get(option))
    if len(sources) == 1 and is_table(Path(sources[0])):
        return "files", {**options, "labels": sources[0]}
    if not all(is_eeg(Path(source)) for source in sources):
        if len(sources) > 1:
            raise Misuse(f"give one data set by name, or EEG files; got {', '.join(sources)}")
        return sources[0], options
    with typed():
        check_options("source files", files_source, options, given=("path", "subjects"))
        for file in named_files(sources):
            if "patterns" in options:
                class_by_name(file, options["patterns"], None)
    return "files", {"files": list(sources), **options}


@contextmanager
def worded() -> Iterator[None]:
    """Errors and warnings inside name options of Python (`channels=…`), outside those of the command line."""
    with spoken(_here):
        try:
            yield
        except ValueError as error:
            raise ValueError(_here(str(error))) from error


def _here(text: str) -> str:
    text = re.sub(rf"(?<![\w-])({_OWN})=", lambda m: f"--{m[1].replace('_', '-')} ", text)
    text = re.sub(r"(?<![\w-])(rename|types)=(\{[^}]*\})", lambda m: f'--option "{m[1]}={_toml(m[2])}"', text)
    return re.sub(rf"(?<![\w-])({_BY_OPTION})=", r"--option \1=", text).replace("any_names=True", "any_names=true")


def _toml(table: str) -> str:
    return table.replace("': ", "' = ")


def _patterns(classes: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in classes]
    if any(not name or not pattern for name, _, pattern in pairs):
        raise Misuse("write --class NAME=PATTERN, such as --class rest='*_1.edf'")
    return {name: pattern for name, _, pattern in pairs}


def _events(texts: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        for part in re.split(r",(?=[^,=]+=)", text):
            name, _, event = part.partition("=")
            if not name.strip() or not event.strip():
                raise Misuse(f"cannot read --events {text!r}; write NAME=EVENT, such as --events left=769,right=770")
            found.setdefault(name.strip(), []).append(event.strip())
    return found


def _check_pattern(option: str, text: str | None) -> None:
    from trimcap.data.files.identity import WAYS

    try:
        groups = 1 if text is None or text in WAYS else re.compile(text).groups
    except re.error as error:
        raise Misuse(f"{option} {text!r} is no regular expression: {error}") from error
    if not groups:
        raise Misuse(f"{option} {text!r} is a regular expression without a group; write for example '(S[0-9]+)'")
