"""Whether a number can be believed: the audit of a fold. It looks at the ledger itself, and is given the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from trimcap.data.ledger import Entry, Ledger, sorted_ids
from trimcap.data.splits.findings import Audit, Finding
from trimcap.data.units import LEVELS, group_of, levels_of, plural

Group = Callable[[str, str], str]

#: stages that may see labelled trials which a new subject gave for them: they tune weights and quantizer ranges
_PERSONAL = ("calibrate", "calibration")


def audit(
    test_ids: Iterable[str],
    ledger: Ledger,
    *,
    unit: str,
    leaky: bool = False,
    protocol: str = "",
    stimuli: Mapping[str, str] | None = None,
    calibration_ids: Iterable[str] = (),
    calibration_unit: str = "trial",
    more: Sequence[Finding] = (),
) -> Audit:
    """Check that nothing before the final evaluation saw the test set.

    Parameters
    ----------
    test_ids : ids of the sealed windows, `subject/session/trial@start`
    ledger : what every stage saw
    unit : group that the protocol keeps apart: "subject", "session", "trial", "stimulus" or "subject+stimulus".
        Trials are always checked as well, because windows of one trial may overlap.
    leaky : the protocol shares trials by declaration; it is then labelled instead of failed
    protocol : its description, for the text
    stimuli : trial (`subject/session/trial`) → stimulus; needed where stimuli are kept apart
    calibration_ids : windows of test subjects that the stages "calibrate" and "calibration" may see, and no others
    calibration_unit : what these may not share with the test windows: "trial" or "stimulus"
    more : findings on content and provenance; `Fold.audit` finds them

    Returns
    -------
    Audit; it has an error if a stage other than "evaluate" saw a test window or if a group is on both
    sides, and is unknown if no "fit" is recorded (then nothing is known about the training).
    """
    levels = {*levels_of(unit), "trial"}
    test = sorted_ids(test_ids)
    allowed = frozenset(calibration_ids)
    before = [e for e in ledger.entries if e.stage != "evaluate"]
    personal = [e for e in before if e.stage in _PERSONAL and allowed.issuperset(e.ids)]
    general = [e for e in before if e not in personal]
    members = set(test)

    def group(window_id: str, level: str) -> str:
        return group_of(window_id, level, stimuli)

    findings = [
        *_seen_test(before, members),
        *(_declared_leak(before, test, protocol) if leaky else _shared_groups(general, test, levels, group)),
        *_shared_groups(personal, test, {*levels_of(calibration_unit), "trial"}, group),
        *(() if "stimulus" in levels or leaky else _known_stimuli(general, test, stimuli or {})),
        *_untrained(before),
        *_evaluations(ledger.entries, members),
    ]
    rows = tuple(
        {"stage": e.stage, "note": e.note, "n": len(e.ids), "test": len(members & set(e.ids)), "sha256": e.sha256}
        for e in ledger.entries
    )
    return Audit((*findings, *more), rows)


def _seen_test(before: Sequence[Entry], test: set[str]) -> list[Finding]:
    counts = [len(test & set(e.ids)) for e in before]
    return [
        Finding("error", e.stage, f"stage {_label(e)} saw {n} of {len(test)} test windows before the evaluation")
        for e, n in zip(before, counts, strict=True)
        if n
    ]


def _shared_groups(before: Sequence[Entry], test: Sequence[str], levels: Iterable[str], group: Group) -> list[Finding]:
    findings = []
    for level in sorted(levels, key=list(LEVELS).index):
        in_test = {group(i, level) for i in test}
        for e in before:
            both = sorted(in_test & {group(i, level) for i in e.ids})
            if both:
                text = f"{level} {both[0]} is in the test set and was seen by stage {_label(e)}"
                more = f" ({len(both)} of {len(in_test)} test {plural(level)})" if len(both) > 1 else ""
                findings.append(Finding("error", e.stage, text + more))
    return findings


def _known_stimuli(before: Sequence[Entry], test: Sequence[str], stimuli: Mapping[str, str]) -> list[Finding]:
    """A protocol that does not keep stimuli apart is told how many were known."""
    in_test = {stimuli[t] for t in {group_of(i, "trial") for i in test} & stimuli.keys()}
    seen = in_test & {stimuli[t] for t in {group_of(i, "trial") for e in before for i in e.ids} & stimuli.keys()}
    if not seen:
        return []
    text = f"{len(seen)} of {len(in_test)} test stimuli were also seen in training, in other trials"
    return [Finding("note", "", text)]


def _declared_leak(before: Sequence[Entry], test: Sequence[str], protocol: str) -> list[Finding]:
    trials = {group_of(i, "trial") for i in test}
    seen = trials & {group_of(i, "trial") for e in before for i in e.ids}
    text = (
        f"LEAKY protocol ({protocol}): {len(seen)} of {len(trials)} test trials were also seen in "
        "training; the numbers measure memory of trials, not generalisation; for comparison only"
    )
    return [Finding("leaky", "", text)]


def _untrained(before: Sequence[Entry]) -> list[Finding]:
    if any(e.stage in ("fit", "recovery") for e in before):
        return []
    return [Finding("unknown", "fit", "no 'fit' is recorded: what the network was trained on is unknown", "provenance")]


def _evaluations(entries: Sequence[Entry], test: set[str]) -> list[Finding]:
    notes = [e.note for e in entries if e.stage == "evaluate" and test & set(e.ids)]
    if not notes:
        return [Finding("note", "evaluate", "the test set was never evaluated")]
    findings = []
    if len(notes) > 1:
        names = ", ".join(n or "unnamed" for n in notes)
        findings.append(Finding("note", "evaluate", f"test set evaluated {len(notes)} times: {names}"))
    findings += [
        Finding("warning", "evaluate", f"test set evaluated {n} times as {note or 'unnamed'!r}; was one chosen?")
        for note, n in Counter(notes).items()
        if n > 1
    ]
    return findings


def _label(entry: Entry) -> str:
    return f"{entry.stage!r} ({entry.note})" if entry.note else repr(entry.stage)
