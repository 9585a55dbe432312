"""EDF+ with pauses, several rates, units of its own and odd annotations."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from edf_plus_files import noise, tal, write

from trimcap.data.files.edf.notes import edf_notes, in_signal, pauses
from trimcap.data.files.edf.raw import outside_of
from trimcap.data.files.events import events_of
from trimcap.data.files.labelled import read_files
from trimcap.data.files.raws import open_raw

LSB = 6000 / 65535  # µV


def paused(path: Path, *, notes=((62, "10", "go"),), **options) -> tuple[Path, np.ndarray]:
    """30 s, a pause of 30 s, 60 s; the signal names its own second."""
    c3 = noise(90, 128) + 1000 * np.arange(90)[:, None] % 30000
    starts = [*range(30), *range(60, 120)]
    return write(path, {"C3": c3, "C4": noise(90, 128, seed=1)}, starts=starts, notes=notes, **options), c3


def test_a_trial_after_a_pause_is_cut_where_it_is(tmp_path: Path) -> None:
    path, c3 = paused(tmp_path / "S1_a.edf")
    assert pauses(path) == ((30.0, 30.0),)
    (trial,) = read_files(path, events={"go": "go"}, subject="file")
    assert trial.duration == 10
    offset = (3000 - 3000) / 2 + LSB / 2  # the scale is not symmetric by half a count
    np.testing.assert_allclose(trial.signal[0], c3[32:42].ravel() * LSB + offset, atol=0.01)


def test_a_table_counts_by_the_clock_too(tmp_path: Path) -> None:
    path, c3 = paused(tmp_path / "S1_a.edf", notes=())
    table = tmp_path / "labels.csv"
    table.write_text(f"file,label,onset,duration\n{path.name},go,62,10\n{path.name},rest,0,10\n")
    second = read_files(table, subject="file")[1]
    np.testing.assert_allclose(second.signal[0], c3[32:42].ravel() * LSB + LSB / 2, atol=0.01)
    table.write_text(f"file,label,onset,duration\n{path.name},go,25,10\n{path.name},rest,0,10\n")
    with pytest.raises(ValueError, match="reaches into a pause"):
        read_files(table, subject="file")


@pytest.mark.parametrize(("onset", "duration"), [(25, "10"), (40, "5"), (25, "50")])
def test_a_trial_over_or_in_a_pause_is_refused(tmp_path: Path, onset: float, duration: str) -> None:
    path, _ = paused(tmp_path / "S1_a.edf", notes=((onset, duration, "go"), (70, "5", "go")))
    found = [event.name for event in events_of(open_raw(path), path)]
    assert "BAD boundary: a pause of 30 s" in found
    if onset == 40:  # nothing was recorded then
        assert "BAD in a pause: go" in found
        assert len(read_files(path, events={"go": "go"}, subject="file")) == 1
    else:
        with pytest.raises(ValueError, match="a pause of 30 s"):
            read_files(path, events={"go": "go"}, subject="file")


def test_records_that_go_back_or_say_no_time_are_refused(tmp_path: Path) -> None:
    signals = {"C3": noise(4, 128), "C4": noise(4, 128, seed=1)}
    write(tmp_path / "back.edf", signals, starts=[0, 1, 0.5, 3])
    with pytest.raises(ValueError, match=r"record 3 begins at 0.5 s, before record 2 ends"):
        read_files(tmp_path / "back.edf")
    path = write(tmp_path / "silent.edf", signals, starts=[0, 1, 2, 3])
    path.write_bytes(path.read_bytes().replace(tal(2), bytes(len(tal(2)))))
    with pytest.raises(ValueError, match="1 of 4 records do not say when they began"):
        read_files(path)


def test_in_signal() -> None:
    stops = ((30.0, 30.0), (50.0, 5.0))
    assert [in_signal(t, stops) for t in (0, 29, 30, 59, 60, 79, 80, 84, 85)] == [
        (0, False), (29, False), (30.0, True), (30.0, True), (30, False), (49, False), (50.0, True), (50.0, True),
        (50, False),
    ]  # fmt: skip


def test_other_rates_do_not_resample_the_eeg(tmp_path: Path) -> None:
    signals = {"C3": noise(6, 128), "C4": noise(6, 128, seed=1), "ECG": noise(6, 512), "Resp": noise(6, 10)}
    path = write(tmp_path / "S1_a.edf", signals, starts=None, kind="")
    (recording,) = read_files(path)
    assert (recording.rate, recording.channels) == (128, ("C3", "C4"))
    np.testing.assert_allclose(recording.signal[0], signals["C3"].ravel() * LSB + LSB / 2, atol=0.01)
    signals = {"C3": noise(6, 128), "C4": noise(6, 128, seed=1), "Cz": noise(6, 512), "Status": noise(6, 256)}
    path = write(tmp_path / "S2_a.edf", signals, starts=None, kind="")
    with pytest.warns(UserWarning, match=r"S2_a.edf: Cz \(512 Hz\), Status \(256 Hz\) left out; .* 128 Hz"):
        (recording,) = read_files(path)
    assert recording.channels == ("C3", "C4")


def test_annotations_beyond_the_end_are_counted(tmp_path: Path) -> None:
    signals = {"C3": noise(20, 128), "C4": noise(20, 128, seed=1)}
    notes = ((5, "2", "go"), (25, "2", "go"))
    path = write(tmp_path / "S1_a.edf", signals, starts=range(20), notes=notes, kind="EDF+C")
    with pytest.warns(UserWarning, match=r"S1_a.edf: 1 annotation outside the signal: 'go' at 25 s"):
        assert outside_of(open_raw(path)) == [(25.0, 2.0, "go")]
    with (
        pytest.warns(UserWarning, match="outside the signal"),
        pytest.raises(ValueError, match=r"S1_a-002: it is to last from 25 s to 27 s, but the file has 20 s"),
    ):
        read_files(path, events={"go": "go"})
    with pytest.warns(UserWarning, match="1 trials left out|outside the signal"):
        assert len(read_files(path, events={"go": "go"}, on_bad="drop")) == 1


def test_a_negative_duration_is_told(tmp_path: Path) -> None:
    signals = {"C3": noise(20, 128), "C4": noise(20, 128, seed=1)}
    path = write(tmp_path / "S1_a.edf", signals, starts=range(20), notes=((5, "-2", "go"),), kind="EDF+C")
    with pytest.warns(UserWarning, match=r"S1_a.edf: annotation 'go' at 5 s: its duration is '-2'"):
        assert events_of(open_raw(path), path)[0].onset == 5
    with (
        pytest.warns(UserWarning, match="its duration is"),
        pytest.raises(ValueError, match="lasts 0 s, which makes no trial"),
    ):
        read_files(path, events={"go": "go"})


def test_onsets_count_from_the_first_record(tmp_path: Path) -> None:
    signals = {"C3": noise(20, 128), "C4": noise(20, 128, seed=1)}
    notes = ((5.25, "2", "go"),)
    path = write(tmp_path / "S1_a.edf", signals, starts=[i + 0.25 for i in range(20)], notes=notes, kind="EDF+C")
    assert [(e.onset, e.name) for e in events_of(open_raw(path), path)] == [(5.0, "go")]
    assert edf_notes(path).starts[0] == 0.25


def test_warnings_of_mne_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "S1_a.edf", {"C3": noise(6, 128)}, starts=None, kind="")
    content = path.read_bytes()
    path.write_bytes(content[:236] + b"-1      " + content[244:])
    with pytest.warns(UserWarning, match=rf"^{re.escape(str(path))}: Number of records .* does not match"):
        open_raw(path)


def test_units_are_judged_channel_by_channel(tmp_path: Path) -> None:
    signals = {name: noise(6, 128, seed=i) for i, name in enumerate(("C3", "C4", "Cz", "Fz", "Pz"))}
    good = write(tmp_path / "S1_a.edf", signals, starts=None, kind="", units={"C4": "mV"}, limits={"C4": 3})
    spread = read_files(good)[0].signal.std(axis=1)
    assert 15 < spread.min() < spread.max() < 22  # mV in the header is read as such
    bare = write(tmp_path / "S2_a.edf", signals, starts=None, kind="", units={"C3": "", "Pz": ""})
    with pytest.raises(ValueError, match=r"channels C3, Pz vary by 1.8e\+07 µV, the other channels by 18 µV") as caught:
        read_files(bare)
    assert "unit={'C3': 'uV', 'Pz': 'uV'}" in str(caught.value)
    fixed = read_files(bare, unit={"C3": "uV", "Pz": "uV"})[0].signal
    np.testing.assert_array_equal(fixed[[0, 1]], read_files(good)[0].signal[[0, 1]])
    nothing = write(tmp_path / "S3_a.edf", signals, starts=None, kind="", units=dict.fromkeys(signals, ""))
    with pytest.raises(ValueError, match=r"pass unit='uV'; the header gives no unit for C3, C4, Cz, Fz, Pz"):
        read_files(nothing)
    with pytest.raises(ValueError, match="unit"):
        read_files(bare, unit={"C3": "kV"})
