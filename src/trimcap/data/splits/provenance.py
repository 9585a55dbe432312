"""What networks and fitted transforms had seen before a fold was made: the second of the audit's checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from trimcap.data.seen import Seen, content_of, trials_of
from trimcap.data.splits.findings import Finding, Severity
from trimcap.data.units import group_of, levels_of, plural
from trimcap.data.windows import Windows


def provenance(
    test: Windows,
    met: Iterable[tuple[str, Seen]],
    *,
    unit: str,
    stimuli: Mapping[str, str],
    allowed: frozenset[str] = frozenset(),
    leaky: bool = False,
) -> list[Finding]:
    """Findings on what saw test windows by content, or anything of their trials and groups by name.

    Parameters
    ----------
    test : sealed windows
    met : name and history of every network that was evaluated or started from
    unit, stimuli : as in `trimcap.data.audit`
    allowed : trials of test subjects that were given for calibration
    leaky : groups are shared by declaration
    """
    severity: Severity = "leaky" if leaky else "error"
    found = [Finding(severity, "scale", text, "provenance") for text in _transforms(test, unit, stimuli, allowed)]
    found += [Finding("warning", "scale", text, "provenance") for text in _unnamed(test)]
    for name, seen in met:
        for text in _overlap(test, seen, unit, stimuli, allowed):
            found.append(Finding(severity, "fit", f"network {name!r} {text}", "provenance"))
        if seen.outside:
            text = f"network {name!r}: unknown: {seen.outside}; nobody knows whether it saw test windows"
            found.append(Finding("unknown", "fit", text, "provenance"))
    return list(dict.fromkeys(found))


def _transforms(test: Windows, unit: str, stimuli: Mapping[str, str], allowed: frozenset[str]) -> Iterator[str]:
    for text in _overlap(test, test.seen, unit, stimuli, allowed):
        yield f"a transform of the windows {text}"


def _unnamed(test: Windows) -> Iterator[str]:
    """Steps that were fitted on something, where it is no longer known on what, as after a file."""
    for step in test.steps:
        if "fitted on" in step and not test.seen.trials:
            yield f"{step}: on which windows is not recorded, so test windows may be among them"


def _overlap(
    test: Windows, seen: Seen, unit: str, stimuli: Mapping[str, str], allowed: frozenset[str]
) -> Iterator[str]:
    same = np.isin(content_of(test), seen.windows) if len(seen.windows) else np.zeros(len(test), dtype=bool)
    if same.any():
        example = test.ids[int(same.argmax())]
        yield f"had seen {int(same.sum())} of {len(test)} test windows before, the first is {example}"
    named = {f"{trial}@": trial for trial in trials_of(test)}
    for stage, trials in seen.trials.items():
        for level in dict.fromkeys((*levels_of(unit), "trial")):
            if level == "stimulus" and not stimuli:
                continue
            known = {f"{trial}@" for trial in trials - allowed}
            if level == "stimulus":
                known = {name for name in known if name[:-1] in stimuli}
            groups = {group_of(name, level, stimuli) for name in known}
            both = sorted(groups & {group_of(name, level, stimuli) for name in named})
            if both:
                more = f" and {len(both) - 1} more test {plural(level)}" if len(both) > 1 else ""
                yield f"had seen {level} {both[0]}{more} before, by name (stage {stage!r})"
