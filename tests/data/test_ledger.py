from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import pytest
from toy_windows import toy

from trimcap._errors import AuditError
from trimcap.data.ledger import STAGES, Ledger


def test_entry_holds_stage_ids_hash_and_note():
    windows = toy()
    ledger = Ledger()
    ledger.record("fit", windows, "dense")
    ledger.record("calibration", ["b/0/t@1.0000", "a/0/t@0.0000"])
    first, second = ledger.entries
    assert (first.stage, first.note, set(first.ids)) == ("fit", "dense", set(windows.ids))
    assert second.ids == ("a/0/t@0.0000", "b/0/t@1.0000")
    assert second.sha256 == hashlib.sha256(b"a/0/t@0.0000\nb/0/t@1.0000").hexdigest()


def test_hash_does_not_depend_on_order_but_on_content():
    windows = toy()
    ledger = Ledger()
    ledger.record("fit", windows)
    ledger.record("fit", windows.take(range(len(windows))[::-1]))
    ledger.record("fit", windows.take(range(1, len(windows))))
    a, b, c = (e.sha256 for e in ledger.entries)
    assert a == b != c


def test_unknown_stage():
    with pytest.raises(ValueError, match="unknown stage 'salience'; did you mean 'saliency'"):
        Ledger().record("salience", [])


def test_all_stages_of_the_journey_are_known():
    journey = {"scale", "fit", "early stopping", "saliency", "sensitivity", "plan", "calibration", "verify", "evaluate"}
    assert journey <= set(STAGES)


def test_entries_cannot_be_taken_back():
    ledger = Ledger()
    ledger.record("fit", ["a/0/t@0.0000"])
    assert isinstance(ledger.entries, tuple)
    with pytest.raises(AttributeError):
        ledger.entries = ()  # type: ignore[misc]


def test_json_round_trip_writes_equal_ids_once():
    windows = toy()
    ledger = Ledger()
    ledger.record("fit", windows, "dense")
    ledger.record("saliency", windows.take(range(7)))
    ledger.record("fit", windows, "pruned")
    rows = json.loads(json.dumps(ledger.to_rows()))
    assert ["ids" in r for r in rows] == [True, True, False]
    assert [r["n"] for r in rows] == [120, 7, 120]
    assert Ledger.from_rows(rows).entries == ledger.entries


@pytest.mark.parametrize("edit", ["remove an id", "other id", "drop ids", "count"])
def test_edited_rows_are_refused(edit):
    ledger = Ledger()
    ledger.record("fit", toy())
    (row,) = ledger.to_rows()
    if edit == "remove an id":
        row["ids"].pop()
    elif edit == "other id":
        row["ids"][0] = "x/y/z@0.0000"
    elif edit == "drop ids":
        del row["ids"]
    else:
        row["n"] = 3
    with pytest.raises(AuditError, match=r"ledger row 0 \(stage 'fit'\)"):
        Ledger.from_rows([row])


def test_merge_appends_what_a_worker_recorded():
    ledger = Ledger()
    ledger.record("scale", ["a/0/t@0.0000"])
    worker = pickle.loads(pickle.dumps(ledger))
    fresh = Ledger()
    fresh.record("fit", ["a/0/t@0.0000"])
    worker.merge(fresh)
    assert [e.stage for e in worker.entries] == ["scale", "fit"]
    assert len(ledger) == 1


@pytest.mark.parametrize("what", [np.zeros((3, 2, 8)), "s01/0/rest@0.0000", [3, 4]])
def test_only_windows_and_ids_are_recorded(what):
    """An array of signals would become ids that no audit can compare with the test set."""
    with pytest.raises(TypeError, match="stage 'calibration' can't be recorded: a ledger takes Windows or their ids"):
        Ledger().record("calibration", what)


def test_since_is_what_was_added_and_a_copy():
    ledger = Ledger()
    ledger.record("fit", ["a@0.0000"], "dense")
    before = len(ledger)
    assert len(ledger.since(before)) == 0
    ledger.record("saliency", ["b@0.0000"], "pruned")
    new = ledger.since(before)
    assert [(e.stage, e.ids, e.note) for e in new.entries] == [("saliency", ("b@0.0000",), "pruned")]
    new.record("fit", ["c@0.0000"])
    assert len(ledger) == 2
    assert Ledger.from_rows(new.to_rows()).entries == new.entries
