"""Where, when and with which versions the pieces of a run were made, and where they differ from its first start."""

from __future__ import annotations

from trimcap.study.results.gathered import Gathered
from trimcap.study.results.words import listed

#: what a piece says beside versions; names of hosts stay in the run folder
_PLACE = {"processor": "processor {}", "threads": "OMP_NUM_THREADS={}", "host": "another computer"}


def made_rows(run: Gathered) -> list[tuple[str, str]]:
    """Versions of the first start, and from when to when trials were worked on."""
    times = sorted(made["time"] for trial in run.trials for made in trial.get("made", ()) if "time" in made)
    span = [("made", times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}")] if times else []
    return [*run.header["versions"].items(), *span]


def elsewhere_said(run: Gathered) -> tuple[str, ...]:
    """What was made with other versions or on another machine than the first start of the run, and of which trials."""
    pieces = [(_name(trial), made) for trial in run.trials for made in trial.get("made", ())]
    by_time = sorted((made for _, made in pieces), key=lambda made: made.get("time", ""))
    earliest = by_time[0] if by_time else {}
    first = {**{key: earliest[key] for key in _PLACE if key in earliest}, **run.header["versions"]}
    found: dict[str, dict[str, None]] = {}
    for name, made in pieces:
        for key, value in first.items():
            if (other := made.get(key, value)) != value:
                words = _PLACE.get(key, f"{key} {{}}").format(other or "not set")
                found.setdefault(words, {})[name] = None
    parts = (f"{words} for {listed(list(names))}" for words, names in found.items())
    text = "; ".join(parts)
    return (f"Not all was made as at the first start, which the table shows: {text}.",) if text else ()


def _name(trial: dict[str, object]) -> str:
    return f"fold {trial['fold']}, seed {trial['seed']}"
