"""What lies in a place that is no published data set: EEG files, BIDS, windows, arrays; and what to type next."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from trimcap.cli.io.answer import Answer, Misuse
from trimcap.cli.io.show import table

if TYPE_CHECKING:
    from trimcap.data.files.survey.look import FileFacts, Survey

_SHOWN = 8
_WINDOW = 4.0  # s, the default of `prepare`
_BY = {
    "header": "their headers", "bids": "BIDS names", "folder": "their folders", "file": "file names up to the first _",
}  # fmt: skip
_FEWEST = 4  # electrodes to interpolate from
_FILES = 12  # one line each; of more only a count


def surveyed(place: Path) -> Answer:
    """EEG files or BIDS, windows in arrays, or pictures.

    Raises
    ------
    Misuse : nothing that trimcap knows.
    """
    from trimcap.data.arrays.find import is_item, items_in

    if is_item(place):
        return _arrays([place], place)
    from trimcap.data.files.survey.look import survey

    try:
        return _answer(survey(place, progress=_tell if sys.stderr.isatty() else None))
    except FileNotFoundError as error:
        try:
            items = items_in(place)
        except FileNotFoundError:
            from trimcap.cli.io.pictures import pictures

            if (found := pictures(place)) is not None:
                return found
            raise Misuse(f"{error}. It has the layout of no published set and no arrays either") from None
        return _arrays(items, place)


def _tell(file: str, done: int, total: int) -> None:
    typer.echo(f"reading {file} ({done + 1} of {total})", err=True)


def _answer(found: Survey) -> Answer:
    from trimcap.data.files.survey.notes import notes_of

    steps, problems = _next(found), _problems(found)
    rates = sorted({one.rate for one in found.files})
    facts = {
        "kind": found.kind, "folder": found.folder, "recordings": [_row(one) for one in found.files],
        "subjects": list(dict.fromkeys(one.subject for one in found.files)),
        "sessions": sorted({one.session for one in found.files}), "rates": rates, "channels": list(found.channels),
        "events": found.events, "table": found.table, "balance": dict(found.balance), "unlabelled": found.unlabelled,
        "participants": dict(found.participants), "damaged": dict(found.damaged), "lost": list(found.lost),
        "subjects_by": found.way, "notes": (notes := notes_of(found)), "problems": problems, "next": steps,
    }  # fmt: skip
    lines = [table(("what", "value"), _overview(found, facts)), *([_files(found.files)] if found.files else [])]
    told = [*(f"note: {text}" for text in notes), *(f"next: {text}" for text in steps)]
    return Answer(facts, [*lines, *told], "\n".join(problems))


def _row(one: FileFacts) -> dict[str, Any]:
    own = {name: value for name, value in asdict(replace(one, sketch=None)).items() if name not in ("onsets", "sketch")}
    events = {name: len(times) for name, times in one.onsets.items()}
    return {
        **own,
        "events": events,
        "channels": len(one.channels),
        "names": list(one.channels),
        "unusable": list(one.unknown),
    }


def _overview(found: Survey, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    what = {"bids": "BIDS data set", "files": "EEG files"}[found.kind]
    total = len(found.files) + len(found.damaged)
    seconds = [one.seconds for one in found.files] or [0.0]
    rows = [
        ("what", what),
        ("folder", str(found.folder)),
        ("recordings", f"{len(found.files)} of {total} can be read, {min(seconds):g} … {max(seconds):g} s"),
        ("subjects", f"{len(facts['subjects'])} by {_BY[found.way]}: {_some(facts['subjects'])}"),
        ("sessions", f"{len(facts['sessions'])}: {_some(facts['sessions'])}"),
        ("rate", ", ".join(f"{rate:g} Hz" for rate in facts["rates"])),
        ("channels", f"{len(found.channels)} in all files: {', '.join(found.channels)}"),
        ("events", _counted(found.events) or "none"),
    ]
    if found.kind == "files":
        rows.append(("labels table", found.table.name if found.table else "none"))
    if found.balance:
        rows.append(("classes", _counted(found.balance) + f"; {found.unlabelled} rows without a label"))
    rows += [(f"participants:{name}", _counted(values)) for name, values in found.participants.items()]
    return [*rows, ("unreadable", _some(list(found.damaged)) or "none"), ("lost parts", _some(found.lost) or "none")]


def _files(files: Sequence[FileFacts]) -> Any:
    cells = [
        (one.file, one.subject, one.seconds, one.rate, len(one.channels), ", ".join(one.unknown), ", ".join(one.bad))
        for one in files[:_FILES]
    ]
    title = f"the first {_FILES} of {len(files)} files" if len(files) > _FILES else ""
    return table(("file", "subject", "s", "Hz", "EEG channels", "unknown electrodes", "bad"), cells, title=title)


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _counted(values: Mapping[str, int]) -> str:
    total = max(sum(values.values()), 1)
    return _some([f"{name} {n:,} ({100 * n / total:.0f} %)" for name, n in values.items()])


def _problems(found: Survey) -> list[str]:
    """What makes the check fail."""
    dead = [
        f"{one.file}: channel {', '.join(one.dead)} is constant or holds NaN; leave it out with --channels"
        for one in found.files
        if one.dead
    ]
    lost = [f"{name}: the header that it belongs to (.vhdr, .set) is missing" for name in found.lost]
    return [*found.damaged.values(), *dead, *lost, *([found.problem] if found.problem else [])]


def _next(found: Survey) -> list[str]:
    """What to type now."""
    from trimcap.data.files.sizes import AGAIN
    from trimcap.data.files.survey.notes import drifts, unit_of

    if not found.files:
        return []
    place = shlex.quote(str(found.folder))
    if found.damaged:
        again = any(AGAIN in text for text in found.damaged.values())
        what = "copy or download the damaged files again" if again else "do what is said of the files above"
        return [f"{what}, or move them away; then `trimcap data check {place}`"]
    words = ["trimcap", "data", "prepare", found.kind, "--path", place, *_labelling(found)]
    usable = _usable(found)
    if usable != tuple(found.files[0].channels) or any(one.dead or one.unknown for one in found.files):
        words += ["--channels", shlex.quote(",".join(usable))] if usable else ["--option", "any_names=true"]
    if any(one.bad for one in found.files):
        words += ["--bad-channels", "interpolate" if all(_mendable(one) for one in found.files) else "drop"]
    rates = {one.rate for one in found.files}
    shortest = min(one.seconds for one in found.files)
    length = _gap(found.files, _repeated(found)) if "--events" in words else min(shortest, _WINDOW)
    if unit := unit_of(found):
        words += ["--option", f"unit={unit}"]
    if drifts(found):
        edges = f"low=1 high={min(40.0, 0.4 * min(rates)):g} phase=zero"
        words += ["--do", f"'bandpass {edges}'", "--do", f"'windows seconds={length:g}'"]
        words += ["--option", f"rate={min(rates):g}"] if len(rates) > 1 else []
    else:
        words += ["--window", f"{length:g}"] if length < _WINDOW else []
        words += ["--rate", f"{min(rates):g}"]
    line = " ".join([*words, "--out", "windows.npz"])
    if _labelling(found) or found.table is not None:
        return [line]
    return [f"say what the classes are, by a table of file and label or by events: {line} --labels TABLE.csv"]


def _mendable(one: FileFacts) -> bool:
    """Whether there are electrodes enough to interpolate the bad ones from."""
    return not one.bad or len(set(one.channels) - {*one.bad, *one.unknown}) >= _FEWEST


def _usable(found: Survey) -> tuple[str, ...]:
    """Electrodes that all files have and that vary in all."""
    out = {name for one in found.files for name in (*one.unknown, *one.dead)}
    return tuple(name for name in found.channels if name not in out)


def _labelling(found: Survey) -> list[str]:
    """The words that say what is a trial of which class."""
    if found.table is not None:
        return [] if found.folder == found.table else ["--labels", shlex.quote(str(found.table))]
    events = _repeated(found)
    if events:
        names = ",".join(f"{_word(name)}={name}" for name in events)
        return ["--events", shlex.quote(names), "--start", "0", "--stop", f"{_gap(found.files, events):g}"]
    if found.kind == "bids":
        return ["--option", f"label=participants:{next(iter(found.participants))}"] if found.participants else []
    tails = _tails(found.files)
    return [word for tail in tails for word in ("--class", shlex.quote(f"{_word(tail)}=*{tail}"))]


def _repeated(found: Survey) -> list[str]:
    """Events that occur about as often as each other, in most files and, inside files, more than once."""
    files = len(found.files)
    least = files if found.kind == "bids" else 2 * files
    often = [name for name in found.events if 2 * sum(name in one.onsets for one in found.files) > files]
    often = [name for name in often if found.events[name] >= least]
    most = sorted((found.events[name] for name in often), reverse=True)
    often = [name for name in often if 2 * found.events[name] >= most[1 if len(most) > 1 else 0]]
    return sorted(sorted(often, key=lambda name: (-found.events[name], name))[:_SHOWN]) if len(often) > 1 else []


def _gap(files: Sequence[FileFacts], events: Sequence[str]) -> float:
    """How long trials after some events may be without sharing samples, s; a window at most."""
    gaps = [_WINDOW]
    for one in files:
        onsets = sorted(onset for name in events for onset in one.onsets.get(name, ()) if onset < one.seconds)
        gaps += [b - a for a, b in pairwise([*onsets, one.seconds]) if b > a]
    return max(math.floor(min(gaps) * 100) / 100, 0.01)


def _tails(files: Sequence[FileFacts]) -> list[str]:
    """What file names have after the subject, if several subjects have the same few: `_1.edf` and `_2.edf`."""
    from trimcap.data.files.identity import who

    paths = [Path(one.file) for one in files]
    names = [path.name.removeprefix(who(path, "file", None)) for path in paths]
    tails = sorted(set(names))
    alike = all(names.count(tail) > 1 and tail for tail in tails)
    return tails if alike and 1 < len(tails) <= _SHOWN else []


def _word(event: str) -> str:
    """A class name of an event's description, or of the end of a file's name."""
    bare = event.split("/")[-1].rsplit(".", 1)[0]
    return "".join(c if c.isalnum() else "-" for c in bare).strip("-") or "other"


def _arrays(items: Sequence[Path], place: Path) -> Answer:
    from trimcap.data.arrays.read import arrays_facts

    found, problems = {}, []
    for item in items:
        try:
            found[str(item)] = arrays_facts(item)
        except (ValueError, ImportError, FileNotFoundError) as error:
            problems.append(str(error))
    problems += [f"{name}: {text}" for name, facts in found.items() for text in facts["problems"]]
    rows = [
        (Path(name).name, facts["kind"], "×".join(map(str, facts["shape"])), len(facts["subjects"]), facts["rate"],
         len(facts["channels"]), _counted(facts.get("classes", {})))
        for name, facts in found.items()
    ]  # fmt: skip
    shown = table(("array", "kind", "shape", "subjects", "Hz", "channels", "classes"), rows)
    steps = [] if problems else [_read_arrays(name) for name in list(found)[:1]]
    answer = {"kind": "arrays", "folder": place, "arrays": found, "problems": problems, "next": steps}
    return Answer(answer, [shown, *(f"next: {text}" for text in steps)], "\n".join(problems))


def _read_arrays(name: str) -> str:
    place = shlex.quote(name)
    if name.endswith(".npz"):
        return f"trimcap data info {place}, or train on it: trimcap train eegnet --data {place} --out net"
    return (
        f"train on it: trimcap train eegnet --data {place} --out net; or cut each row into windows: "
        f"trimcap data prepare arrays --path {place} --out windows.npz"
    )
