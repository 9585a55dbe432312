"""Trials around events in files of every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from every_format import BOTH, EVENTS, WRITERS, write
from mne_files import LSB, counts

from trimcap.data.files.labelled import read_files
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.preprocess.windows.cut import cut


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "cnt"])
def test_trials_around_events(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path, events=EVENTS)
    made = read_files(path, events=BOTH, start=-0.5, stop=1.5)
    assert [(r.trial, r.classes[r.label]) for r in made] == [
        ("S1_a-001", "left"), ("S1_a-002", "right"), ("S1_a-003", "left"),
    ]  # fmt: skip
    for recording, (onset, _, text) in zip(made, EVENTS, strict=True):
        first = round((onset - 0.5) * 100)
        np.testing.assert_allclose(recording.signal, counts()[:, first : first + 200] * LSB, rtol=1e-6, atol=1e-6)
        assert recording.info["event"].split("/")[-1] == text
        assert (recording.info["start"], recording.info["end"]) == pytest.approx((onset - 0.5, onset + 1.5))
    if kind != "bdf":  # whose codes have no durations
        assert [r.duration for r in read_files(path, events=BOTH)] == [2.0, 2.0, 1.0]


def test_only_the_stretches_that_are_trials_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("edf", tmp_path, events=EVENTS)
    asked = []
    whole = mne.io.BaseRaw.get_data

    def get_data(self: Any, picks: Any = None, start: int = 0, stop: int | None = None, **more: Any) -> Any:
        asked.append((start, stop))
        return whole(self, picks, start, stop, **more)

    monkeypatch.setattr(mne.io.BaseRaw, "get_data", get_data)
    read_files(path, events=BOTH, stop=1)
    assert asked == [(100, 200), (400, 500), (750, 850)]


def test_a_trial_is_resampled_with_its_surroundings(tmp_path: Path) -> None:
    path = write("edf", tmp_path, values=counts(3000), rate=250, events=((4.0, 2.0, "x"), (7.012, 2.0, "x")))
    made = read_files(path, events={"x": "x"}, rate=100)
    whole = resample(read_files(path)[0], 100).signal
    np.testing.assert_allclose(made[0].signal, whole[:, 400:600], atol=1e-3)
    assert [r.signal.shape for r in made] == [(4, 200)] * 2
    # 7.012 s is no sample at 100 Hz: the trial keeps its own start
    assert np.abs(made[1].signal - whole[:, 701:901]).max() > 1
    alone = resample(read_files(path, events={"x": "x"})[0], 100).signal
    assert np.abs(alone[:, 0] - whole[:, 400]).max() > 1  # what the margin is for


def test_overlapping_trials(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=EVENTS)
    with pytest.raises(ValueError, match=r"2 trials overlap in time, first S1_a-001 and S1_a-002"):
        read_files(path, events=BOTH, start=-1, stop=2.4)
    read_files(path, events=BOTH, stop=2.4)
    with pytest.warns(UserWarning, match="2 trials overlap"):
        made = read_files(path, events=BOTH, start=-1, stop=2.4, on_overlap="flag")
    assert [r.info.get("overlaps") for r in made] == [("S1_a-002",), ("S1_a-001",), None]


def test_back_to_back_trials_do_not_overlap(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=tuple((k * 0.1, 0.1, "x") for k in range(0, 100, 2)))
    assert len(read_files(path, events={"x": "x"}, stop=0.2)) == 50


def test_bad_stretches_and_boundaries(tmp_path: Path) -> None:
    marks = (*EVENTS, (1.5, 0.1, "BAD_blink"), (4.0, 0.0, "boundary"), (7.4, 0.2, "bad_jump"))
    path = write("edf", tmp_path, events=tuple(sorted(marks)))
    made = read_files(path, events=BOTH, stop=1)
    marks = {r.trial: [(round(a, 3), round(b, 3), name) for a, b, name in r.info.get("marked_bad", ())] for r in made}
    assert marks == {
        "S1_a-001": [(0.5, 0.6, "BAD_blink")], "S1_a-002": [], "S1_a-003": [(-0.1, 0.1, "bad_jump")],
    }  # fmt: skip
    windows = cut(made, seconds=0.25)
    assert [len(windows.take(windows.metadata.trial == name)) for name in marks] == [3, 4, 3]
    assert windows.steps[-1].endswith("(marked bad 2)")
    with pytest.warns(UserWarning, match=r"2 trials left out \(S1_a-001: 'BAD_blink'.*; S1_a-003: 'bad_jump'"):
        made = read_files(path, events=BOTH, stop=1, on_bad="drop")
    assert [r.trial for r in made] == ["S1_a-002"]  # a boundary where a trial starts is not in it
    with pytest.raises(ValueError, match=r"trial S1_a-001: 'boundary' at 4 s lies in it; pass on_bad='drop'"):
        read_files(path, events={"left": "769"}, stop=4)
    kept = read_files(path, events=BOTH, stop=1, on_bad="keep")
    assert [r.info.get("bad", "")[:7] for r in kept] == ["'BAD_bl", "", "'bad_ju"]
    # what is asked for by name is no flaw
    assert len(read_files(path, events={"blink": "BAD_blink"})) == 1


def test_trials_beyond_the_ends(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=((0.5, 1, "a"), (3, 1, "a"), (9.5, 0.4, "a")))
    with pytest.raises(ValueError, match=r"S1_a-001: it is to last from -0.5 s to 1.5 s, but the file has 10 s"):
        read_files(path, events={"a": "a"}, start=-1, stop=1)
    for on_bad in ("drop", "keep"):
        with pytest.warns(UserWarning, match="2 trials left out"):
            made = read_files(path, events={"a": "a"}, start=-1, stop=1, on_bad=on_bad)
        assert [r.trial for r in made] == ["S1_a-002"]


def test_constant_channel(tmp_path: Path) -> None:
    values = counts()
    values[2, 400:600] = 7
    path = write("edf", tmp_path, values=values, events=EVENTS)
    with pytest.raises(ValueError, match=r"S1_a.edf: recording S1/1/S1_a-002: channel Cz holds one value.*on_bad"):
        read_files(path, events=BOTH)
    with pytest.warns(UserWarning, match="1 trials left out"):
        assert len(read_files(path, events=BOTH, on_bad="drop")) == 2
    assert len(read_files(path, events=BOTH, on_bad="keep")) == 3


def test_unknown_event_lists_those_there_are(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=EVENTS)
    with pytest.raises(ValueError, match=r"has no event 'T2'; its events are '769' \(2\), '770' \(1\)"):
        read_files(path, events={"left": "769", "right": "T2"}, stop=1)
    made = read_files(path, events={"left": "769", "right": "T2"}, stop=1, missing_events="allow")
    assert [r.classes[r.label] for r in made] == ["left", "left"]
    with pytest.raises(ValueError, match=r"its events are none"):
        read_files(write("cnt", tmp_path), events=BOTH, stop=1)


def test_events_by_code_name(tmp_path: Path) -> None:
    events = ((1.0, 0.0, "Stimulus/S  1"), (3.0, 0.0, "Response/R  1"), (5.0, 0.0, "Comment/S  2"))
    path = write("brainvision", tmp_path, events=events)
    made = read_files(path, events={"a": "S1", "b": ["R  1", "Comment/S  2"]}, stop=1)
    assert [r.label for r in made] == [0, 1, 1]
    with pytest.raises(ValueError, match=r"event 'S1' .*can mean|lasts 0.01 s"):
        read_files(path, events={"a": "S1"}, start=0.5)
    twice = write("brainvision", tmp_path, "S2_a", events=((1.0, 0.0, "A/S  1"), (3.0, 0.0, "B/S 1")))
    with pytest.raises(ValueError, match=r"event 'S1' can mean 'A/S  1' or 'B/S 1'"):
        read_files(twice, events={"a": "S1"}, stop=1)


def test_trigger_channels(tmp_path: Path) -> None:
    path = write("bdf", tmp_path, events=EVENTS)
    assert len(read_files(path, events=BOTH, stop=1, stim="Status")) == 3
    with pytest.raises(ValueError, match="unknown trigger channel 'status'; did you mean 'Status'"):
        read_files(path, events=BOTH, stop=1, stim="status")
    with pytest.raises(ValueError, match=r"event '769' at 1 s lasts 0 s, which makes no trial"):
        read_files(path, events=BOTH)


def test_fif_counts_from_its_first_sample_with_and_without_a_date(tmp_path: Path) -> None:
    path = write("fif", tmp_path, events=EVENTS)
    raw = mne.io.read_raw(path, verbose="error")
    raw.set_meas_date(None)
    raw.save(tmp_path / "S2_raw.fif", fmt="double", verbose="error")
    one, two = (read_files(p, events=BOTH, stop=1) for p in (path, tmp_path / "S2_raw.fif"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.signal, b.signal)


def test_annotations_in_another_alphabet(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=((1.0, 1.0, "Augen zu"),))
    path.write_bytes(path.read_bytes().replace(b"Augen zu", "Auge zuü".encode("latin-1")))
    assert [r.info["event"] for r in read_files(path, events={"closed": "Auge zuü"})] == ["Auge zuü"]
