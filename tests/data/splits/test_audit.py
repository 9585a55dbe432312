from __future__ import annotations

import pytest

from trimcap._errors import AuditError
from trimcap.data.ledger import STAGES, Ledger
from trimcap.data.splits.audit import audit
from trimcap.data.splits.findings import Finding
from trimcap.data.units import group_of


def ids(subject, trial="t", session="0", starts=range(3)):
    return [f"{subject}/{session}/{trial}@{s:.4f}" for s in starts]


TEST = ids("s3")


def ledger_of(*entries):
    ledger = Ledger()
    for stage, names, *note in entries:
        ledger.record(stage, names, *note)
    return ledger


def errors(result):
    return [f.text for f in result.findings if f.severity == "error"]


HONEST = (("scale", ids("s1")), ("fit", ids("s1")), ("early stopping", ids("s2")), ("evaluate", TEST, "dense"))


def test_honest_run_passes_and_lists_every_stage():
    result = audit(TEST, ledger_of(*HONEST), unit="subject")
    assert result.passed
    assert result.verdict == "passed"
    assert not result.findings
    assert [(r["stage"], r["n"], r["test"]) for r in result.rows] == [
        ("scale", 3, 0),
        ("fit", 3, 0),
        ("early stopping", 3, 0),
        ("evaluate", 3, 3),
    ]
    result.raise_if_failed()


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"evaluate"}))
def test_every_stage_but_evaluate_fails_on_a_single_test_window(stage):
    result = audit(TEST, ledger_of(*HONEST, (stage, [*ids("s1"), TEST[1]], "net")), unit="subject")
    assert not result.passed
    assert f"stage '{stage}' (net) saw 1 of 3 test windows before the evaluation" in errors(result)
    with pytest.raises(AuditError, match=f"{stage}.*test windows"):
        result.raise_if_failed()


def test_other_windows_of_the_test_subject_fail():
    result = audit(TEST, ledger_of(*HONEST, ("saliency", ids("s3", trial="other"))), unit="subject")
    assert errors(result) == ["subject s3 is in the test set and was seen by stage 'saliency'"]
    # the twin: under trial-grouped folds the same entry is honest
    assert audit(TEST, ledger_of(*HONEST, ("saliency", ids("s3", trial="other"))), unit="trial").passed


def test_other_sessions_are_honest_only_when_sessions_are_the_unit():
    entries = (*HONEST, ("plan", ids("s3", session="1", trial="u")))
    assert audit(TEST, ledger_of(*entries), unit="session").passed
    assert not audit(TEST, ledger_of(*entries), unit="subject").passed


@pytest.mark.parametrize("unit", ["trial", "session", "subject"])
def test_overlapping_windows_across_the_boundary_are_found_by_their_trial(unit):
    between = ids("s3", starts=[0.5, 1.5])  # not test windows, but they share samples with them
    result = audit(TEST, ledger_of(*HONEST, ("fit", between)), unit=unit)
    assert any("trial s3/0/t is in the test set" in e for e in errors(result))


def test_how_many_groups_are_shared_is_said():
    test = ids("s3") + ids("s4") + ids("s5")
    result = audit(test, ledger_of(("fit", ids("s3", trial="x") + ids("s5", trial="x"))), unit="subject")
    assert errors(result) == ["subject s3 is in the test set and was seen by stage 'fit' (2 of 3 test subjects)"]


def test_declared_leak_is_labelled_not_passed_and_not_refused():
    entries = (("fit", ids("s3", starts=[7, 8])), ("evaluate", TEST))
    result = audit(TEST, ledger_of(*entries), unit="trial", leaky=True, protocol="LEAKY: windows shuffled")
    assert result.verdict == "LEAKY"
    assert not result.passed
    (finding,) = [f for f in result.findings if f.severity == "leaky"]
    assert finding.text.startswith("LEAKY protocol (LEAKY: windows shuffled): 1 of 1 test trials")
    result.raise_if_failed()
    # the same entries without the declaration fail
    assert audit(TEST, ledger_of(*entries), unit="trial").verdict == "failed"


def test_declared_leak_does_not_excuse_test_windows_themselves():
    result = audit(TEST, ledger_of(("fit", TEST)), unit="trial", leaky=True)
    assert result.verdict == "failed"


def test_evaluations_of_several_stages_are_listed():
    entries = (*HONEST, ("evaluate", TEST, "pruned"), ("evaluate", TEST, "int8"))
    result = audit(TEST, ledger_of(*entries), unit="subject")
    assert result.passed
    assert [(f.severity, f.text) for f in result.findings] == [
        ("note", "test set evaluated 3 times: dense, pruned, int8")
    ]


def test_evaluating_the_same_stage_twice_is_a_warning():
    result = audit(TEST, ledger_of(*HONEST, ("evaluate", TEST, "dense")), unit="subject")
    assert result.passed
    assert [f.severity for f in result.findings if "2 times as 'dense'" in f.text] == ["warning"]


def test_empty_ledger_cannot_pass():
    result = audit(TEST, Ledger(), unit="subject")
    assert result.verdict == "unknown: trained outside"
    assert not result.passed
    assert [f.text for f in result.findings if f.severity == "unknown"] == [
        "no 'fit' is recorded: what the network was trained on is unknown"
    ]
    assert [f.text for f in result.findings if f.severity == "note"] == ["the test set was never evaluated"]


def test_every_check_has_a_verdict_and_the_worst_counts():
    def audited(*severities):
        more = [Finding(severity, "", "found", "content") for severity in severities]
        return audit(TEST, ledger_of(*HONEST), unit="subject", more=more)

    for severities, verdict in (
        ((), "passed"),
        (("note", "warning"), "passed"),
        (("unknown",), "unknown: trained outside"),
        (("unknown", "leaky"), "LEAKY"),
        (("leaky", "error"), "failed"),
    ):
        result = audited(*severities)
        assert result.verdict == result.checks["content"] == verdict
        assert result.checks["access"] == result.checks["provenance"] == "passed"


def test_audit_survives_json():
    ledger = ledger_of(*HONEST)
    again = Ledger.from_rows(ledger.to_rows())
    assert audit(TEST, again, unit="subject") == audit(TEST, ledger, unit="subject")


def test_unknown_unit_and_malformed_id():
    with pytest.raises(ValueError, match="unknown unit 'person'"):
        audit(TEST, Ledger(), unit="person")
    with pytest.raises(ValueError, match="not of the form"):
        group_of("window 7", "subject")


STIMULI = {"s1/0/a": "film1", "s1/0/b": "film2", "s3/0/t": "film1", "s3/0/u": "film2"}


def test_a_stimulus_on_both_sides_fails_only_where_stimuli_are_the_unit():
    entries = (("fit", ids("s1", trial="a")),)
    for unit in ("stimulus", "subject+stimulus"):
        result = audit(TEST, ledger_of(*entries), unit=unit, stimuli=STIMULI)
        assert errors(result) == ["stimulus film1 is in the test set and was seen by stage 'fit'"]
        assert audit(TEST, ledger_of(("fit", ids("s1", trial="b"))), unit=unit, stimuli=STIMULI).passed
    known = audit(TEST, ledger_of(*entries), unit="subject", stimuli=STIMULI)
    assert known.passed
    assert "1 of 1 test stimuli were also seen in training, in other trials" in [f.text for f in known.findings]


def test_both_levels_of_subject_and_stimulus_are_checked():
    same_subject = ledger_of(("fit", ids("s3", trial="u")))
    result = audit(TEST, same_subject, unit="subject+stimulus", stimuli=STIMULI)
    assert errors(result) == ["subject s3 is in the test set and was seen by stage 'fit'"]
    assert audit(TEST, same_subject, unit="stimulus", stimuli=STIMULI).passed


def test_stimuli_that_nobody_named_cannot_pass():
    with pytest.raises(ValueError, match="the stimulus of trial s3/0/t is unknown"):
        audit(TEST, ledger_of(*HONEST), unit="stimulus")


def test_only_personal_stages_may_see_the_calibration_windows():
    own = ids("s3", trial="u")
    honest = (*HONEST[:-1], ("calibrate", own))
    assert audit(TEST, ledger_of(*honest), unit="subject", calibration_ids=own).passed
    # twins: not set aside by the protocol; another stage; a trial that is tested; other trials of the subject
    assert not audit(TEST, ledger_of(*honest), unit="subject").passed
    assert audit(TEST, ledger_of(*honest, ("calibration", own)), unit="subject", calibration_ids=own).passed
    for stage in ("fit", "early stopping", "scale", "saliency", "choose"):
        result = audit(TEST, ledger_of(*honest, (stage, own)), unit="subject", calibration_ids=own)
        assert errors(result) == [f"subject s3 is in the test set and was seen by stage '{stage}'"]
    half = ids("s3", starts=[7, 8])
    result = audit(TEST, ledger_of(*HONEST[:-1], ("calibrate", half)), unit="subject", calibration_ids=half)
    assert errors(result) == ["trial s3/0/t is in the test set and was seen by stage 'calibrate'"]
    more = [*own, *ids("s3", trial="v")]
    assert not audit(TEST, ledger_of(*HONEST[:-1], ("calibrate", more)), unit="subject", calibration_ids=own).passed


def test_calibration_may_be_kept_apart_by_stimulus():
    ledger = ledger_of(*HONEST[:-1], ("calibrate", ids("s3", trial="w")))
    options = {"unit": "subject", "calibration_ids": ids("s3", trial="w"), "stimuli": STIMULI | {"s3/0/w": "film1"}}
    assert audit(TEST, ledger, **options).passed
    result = audit(TEST, ledger, calibration_unit="stimulus", **options)
    assert errors(result) == ["stimulus film1 is in the test set and was seen by stage 'calibrate'"]
