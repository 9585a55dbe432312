"""Files of every format, read through one source."""

from __future__ import annotations

import contextlib
import shutil
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "sets"))  # set_files
from mne_files import (
    LSB,
    NAMES,
    counts,
    write_bdf,
    write_brainvision,
    write_edf_plus,
    write_fif,
    write_gdf,
    write_set,
)
from set_files import write_cnt

from trimcap.data.chain import make_chain
from trimcap.data.files import files_source, read_files
from trimcap.data.make import make_windows
from trimcap.data.resample import resample

EVENTS = ((1.0, 2.0, "769"), (4.0, 2.0, "770"), (7.5, 1.0, "769"))
BOTH = {"left": "769", "right": [770]}


def _bdf(path: Path, values: np.ndarray, *, events: Any = (), **options: Any) -> Path:
    rate = options.get("rate", 100)
    return write_bdf(path, values, codes={round(t * rate): int(text) for t, _, text in events}, **options)


def _cnt(path: Path, values: np.ndarray, *, names: Any = NAMES, rate: int = 100, events: Any = ()) -> Path:
    assert not events
    return write_cnt(path, values.astype(np.int32), list(names), rate=rate)


WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "edf": (".edf", write_edf_plus),
    "bdf": (".bdf", _bdf),
    "gdf1": (".gdf", write_gdf),
    "gdf2": (".gdf", partial(write_gdf, version="2.20")),
    "brainvision": (".vhdr", write_brainvision),
    "set": (".set", write_set),
    "fdt": (".set", partial(write_set, fdt=True)),
    "fif": (".fif", partial(write_fif, first=321)),
    "fif.gz": (".fif.gz", write_fif),
    "cnt": (".cnt", _cnt),
}


def write(kind: str, place: Path, stem: str = "S1_a", **options: Any) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    ending, writer = WRITERS[kind]
    return writer(place / f"{stem}{ending}", options.pop("values", counts()), **options)


def unit_of(kind: str) -> float:
    return 1.0 if kind == "cnt" else LSB  # 1 µV per count in our CNT


@pytest.mark.parametrize("kind", WRITERS)
def test_values_are_read_back_exactly(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path / "脑电 数据")
    (made,) = read_files(tmp_path / "脑电 数据")
    np.testing.assert_allclose(made.signal, counts() * unit_of(kind), rtol=1e-6, atol=1e-6)
    assert made.signal.dtype == np.float32
    assert (made.name, made.channels, made.rate, made.classes) == ("S1/1/S1_a", NAMES, 100.0, ("0",))
    assert made.info == {"file": path.name}


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


def test_channels_go_by_name_not_by_place(tmp_path: Path) -> None:
    write("edf", tmp_path, "S1_a")
    turned = [2, 0, 3, 1]
    write("edf", tmp_path, "S2_a", values=counts()[turned], names=[NAMES[i] for i in turned])
    one, two = read_files(tmp_path)
    assert one.channels == two.channels == NAMES
    np.testing.assert_array_equal(one.signal, two.signal)
    picked = read_files(tmp_path, channels=["O2", "Fp1"])
    assert [r.channels for r in picked] == [("O2", "Fp1")] * 2
    np.testing.assert_array_equal(picked[1].signal, one.signal[[3, 0]])


def test_names_are_tidied_and_types_told(tmp_path: Path) -> None:
    names = ("EEG FP1-REF", "t3-LE", "Fc5.", "EEG X1")
    path = write("edf", tmp_path, names=names)
    with pytest.raises(ValueError, match=r"unknown electrodes EEG X1; name the channels to read \(channels=Fp1,T3,FC5"):
        files_source(path)
    assert files_source(path, types={"EEG X1": "misc"}).read.keywords["channels"] == ("Fp1", "T3", "FC5")
    assert read_files(path, rename={"EEG X1": "Cz"})[0].channels == ("Fp1", "T3", "FC5", "Cz")
    assert read_files(path, any_names=True)[0].channels == ("Fp1", "T3", "FC5", "EEG X1")
    assert read_files(path, channels=["T7", "Fp1"])[0].channels == ("T7", "Fp1")
    with pytest.raises(ValueError, match=r"unknown channel to rename 'EEG X2'; did you mean 'EEG X1'"):
        files_source(path, rename={"EEG X2": "Cz"})
    with pytest.raises(ValueError, match="channels EEG FP1-REF, EEG X1 would both be called Fp1"):
        files_source(path, rename={"EEG X1": "Fp1", "EEG FP1-REF": "Fp1"})
    with pytest.raises(ValueError, match=r"unknown type of channel 'EEG X1' 'eye'"):
        files_source(path, types={"EEG X1": "eye"})


def test_channels_that_say_what_they_are_are_no_eeg(tmp_path: Path) -> None:
    names = ("C3", "C4", "ECG ECG", "EOG-left", "HEO", "EMG Chin1", "Resp", "GSR1", "EXG1", "Temp")
    path = write("edf", tmp_path, names=names, values=counts(n=len(names)))
    assert read_files(path)[0].channels == ("C3", "C4")


@pytest.mark.parametrize("kind", ["edf", "brainvision", "fif"])
def test_rates(tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path, "S1_a", values=counts(2000), rate=200)
    write(kind, tmp_path, "S2_a", values=counts(1000), rate=100)
    with pytest.raises(ValueError, match=r"S2_a.* has 100 Hz, the first file 200 Hz; resample all \(rate=100\)"):
        read_files(tmp_path)
    one, two = read_files(tmp_path, rate=100)
    np.testing.assert_array_equal(two.signal, read_files(tmp_path / f"S2_a{WRITERS[kind][0]}")[0].signal)
    (whole,) = read_files(tmp_path / f"S1_a{WRITERS[kind][0]}")
    np.testing.assert_allclose(one.signal, resample(whole, 100).signal, atol=1e-4)


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


def test_order_subjects_sessions(tmp_path: Path) -> None:
    for name in ("S10_ses2_run1", "S2_ses1_run1", "S10_ses1_run1", ".hidden_a", "S2_ses2_run2"):
        write("edf", tmp_path / name.split("_")[0], name)
    (tmp_path / "S2" / "notes.txt").write_text("mine")
    names = [r.name for r in files_source(tmp_path, session="ses([0-9])")]
    assert names == [
        "S2/1/S2_ses1_run1", "S2/2/S2_ses2_run2", "S10/1/S10_ses1_run1", "S10/2/S10_ses2_run1",
    ]  # fmt: skip
    assert {r.subject for r in files_source(tmp_path, subjects=1)} == {"S2"}
    assert [r.subject for r in files_source(tmp_path, subjects=["S10", "S2"])] == ["S10", "S10", "S2", "S2"]
    with pytest.raises(ValueError, match="unknown files subject 'S1'"):
        files_source(tmp_path, subjects=["S1"])
    with pytest.raises(ValueError, match="3 subjects asked for, but there are 2"):
        files_source(tmp_path, subjects=3)


def test_names_in_the_path(tmp_path: Path) -> None:
    for subject in ("S1", "S2"):
        write("edf", tmp_path / subject, "rec")
    with pytest.raises(ValueError, match=r"two trials are called rec/1/rec .*tell them apart with subject="):
        files_source(tmp_path)
    assert [r.name for r in files_source(tmp_path, subject="(S[0-9])/")] == ["S1/1/rec", "S2/1/rec"]
    with pytest.raises(ValueError, match=r"subject '\(Q\)' finds nothing in 'S1/rec.edf'"):
        files_source(tmp_path, subject="(Q)")
    with pytest.raises(ValueError, match="is no regular expression with a group"):
        files_source(tmp_path, subject="S[0-9]")
    with pytest.raises(ValueError, match="has a / or @ in it"):
        files_source(tmp_path, subject="(S1/rec)")


def test_classes_by_name(tmp_path: Path) -> None:
    for name in ("S1_1", "S1_2"):
        write("edf", tmp_path / "x", name)
    made = read_files(tmp_path, patterns={"rest": "*_1.edf", "task": "x/*"})
    assert [(r.trial, r.classes[r.label]) for r in made] == [("S1_1", "rest"), ("S1_2", "task")]
    with pytest.raises(ValueError, match=r"no class fits 'x/S1_2.edf'; the patterns are \*_1.edf"):
        files_source(tmp_path, patterns={"rest": "*_1.edf"})
    with pytest.raises(ValueError, match="three ways to label files"):
        files_source(tmp_path, patterns={"rest": "*"}, events={"a": "b"})


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
    with pytest.raises(ValueError, match=r"trial S1_a-001: 'BAD_blink' at 1.5 s lies in it; pass on_bad='drop'"):
        read_files(path, events=BOTH, stop=1)
    with pytest.warns(UserWarning, match=r"2 trials left out \(S1_a-001: 'BAD_blink'.*; S1_a-003: 'bad_jump'"):
        made = read_files(path, events=BOTH, stop=1, on_bad="drop")
    assert [r.trial for r in made] == ["S1_a-002"]  # a boundary where a trial starts is not in it
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


def fif(path: Path, change: Callable[[Any], None], *, values: np.ndarray | None = None, names: Any = NAMES) -> Path:
    raw = mne.io.RawArray(
        (counts() if values is None else values) * LSB * 1e-6, mne.create_info(list(names), 100, "eeg"), verbose="error"
    )
    change(raw)
    raw.save(path, fmt="double", verbose="error")
    return path


def test_bad_channels(tmp_path: Path) -> None:
    names = ("Fz", "FC1", "FCz", "FC2", "Cz", "Pz")
    place = np.linspace(0, 2 * np.pi, 1000)
    smooth = np.stack([np.sin(9 * place + 0.1 * k) for k in range(6)]) * 500  # a field that changes slowly in space
    broken = smooth.copy()
    broken[2] = counts(n=1)[0]
    fif(tmp_path / "S1_raw.fif", lambda raw: raw.info["bads"].append("FCz"), values=broken, names=names)
    fif(tmp_path / "S2_raw.fif", lambda raw: raw.info["bads"].append("Pz"), values=smooth, names=names)
    with pytest.raises(ValueError, match="channels FCz are marked bad; pass bad_channels='interpolate' or 'drop'"):
        read_files(tmp_path)
    one, two = read_files(tmp_path, bad_channels="interpolate")
    assert one.channels == names
    assert np.corrcoef(one.signal[2], smooth[2])[0, 1] > 0.99
    assert abs(np.corrcoef(broken[2], smooth[2])[0, 1]) < 0.2
    np.testing.assert_allclose(one.signal[[0, 1, 3, 4, 5]], smooth[[0, 1, 3, 4, 5]] * LSB, rtol=1e-5, atol=1e-4)
    assert (one.info["interpolated"], two.info["interpolated"]) == (("FCz",), ("Pz",))
    assert [r.channels for r in read_files(tmp_path, bad_channels="drop")] == [("Fz", "FC1", "FC2", "Cz")] * 2
    # from all electrodes of the file, not only from those that are read
    picked = read_files(tmp_path, bad_channels="interpolate", channels=["FCz"], subjects=["S1"])
    np.testing.assert_allclose(picked[0].signal[0], one.signal[2], atol=1e-5)
    with pytest.raises(ValueError, match="unknown bad_channels 'mend'"):
        read_files(tmp_path, bad_channels="mend")


def test_too_few_electrodes_to_interpolate(tmp_path: Path) -> None:
    fif(tmp_path / "S1_raw.fif", lambda raw: raw.info["bads"].append("Cz"))
    with pytest.raises(ValueError, match=r"can't interpolate the bad channels Cz: only 3 good electrodes"):
        read_files(tmp_path, bad_channels="interpolate")


def test_units(tmp_path: Path) -> None:
    path = fif(tmp_path / "S1_raw.fif", lambda raw: raw.apply_function(lambda x: x * 1e6))
    with pytest.raises(ValueError, match=r"median spread of 1.7e\+08 µV.*if the numbers in the file are uV, pass unit"):
        read_files(path)
    np.testing.assert_allclose(read_files(path, unit="uV")[0].signal, counts() * LSB, rtol=1e-6, atol=1e-6)
    milli = fif(tmp_path / "S2_raw.fif", lambda raw: raw.apply_function(lambda x: x * 120))  # 20 µV written as 20 mV
    with pytest.raises(ValueError, match=r"median spread of 2.1e\+04 µV.*if the numbers in the file are mV, pass unit"):
        read_files(milli)
    np.testing.assert_allclose(read_files(milli, unit="mV")[0].signal, counts() * LSB * 0.12, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="unknown unit 'volts'"):
        read_files(path, unit="volts")


def test_extra_and_missing_channels(tmp_path: Path) -> None:
    write("edf", tmp_path, "S1_a")
    write("edf", tmp_path, "S2_a", names=("Fp1", "C3", "Cz", "O1"))
    with pytest.raises(ValueError, match=r"S2_a.edf: channel O2 missing; the file has Fp1, C3, Cz, O1"):
        read_files(tmp_path)
    write("edf", tmp_path, "S2_a", names=(*NAMES, "Pz"), values=counts(n=5))
    with pytest.raises(ValueError, match=r"S2_a.edf has EEG channels that the first file has not: Pz; name those"):
        read_files(tmp_path)
    assert len(read_files(tmp_path, channels=NAMES)) == 2


def test_fif_counts_from_its_first_sample_with_and_without_a_date(tmp_path: Path) -> None:
    path = write("fif", tmp_path, events=EVENTS)
    raw = mne.io.read_raw(path, verbose="error")
    raw.set_meas_date(None)
    raw.save(tmp_path / "S2_raw.fif", fmt="double", verbose="error")
    one, two = (read_files(p, events=BOTH, stop=1) for p in (path, tmp_path / "S2_raw.fif"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.signal, b.signal)


def test_split_and_other_fif_files_are_not_taken_twice(tmp_path: Path) -> None:
    info = mne.create_info(list(NAMES), 100, "eeg")
    values = counts(80_000)
    raw = mne.io.RawArray(values * LSB * 1e-6, info, verbose="error")
    raw.save(tmp_path / "S1_raw.fif", fmt="double", split_size="2MB", verbose="error")
    assert (tmp_path / "S1_raw-1.fif").exists()
    mne.Epochs(raw, np.array([[100, 0, 1]]), tmin=0, tmax=1, baseline=None, verbose="error").save(
        tmp_path / "S1-epo.fif", verbose="error"
    )
    source = files_source(tmp_path)
    assert [p.name for p in source.items] == ["S1_raw.fif"]
    assert "S1_raw-1.fif" in {p.name for p in source.also}
    np.testing.assert_allclose(next(iter(source)).signal, values * LSB, rtol=1e-6, atol=1e-6)


CUTS = (1, 7, 255, 256, 300, 1000, -1)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("cut", CUTS)
def test_truncated_files_are_refused(tmp_path: Path, kind: str, cut: int) -> None:
    events = () if kind == "cnt" else (*EVENTS, (9.98, 0.01, "771"))
    path = write(kind, tmp_path, events=events)
    read_files(path)
    target = path.with_suffix({"brainvision": ".eeg", "fdt": ".fdt"}.get(kind, path.suffix))
    whole = target.read_bytes()
    cut = cut - 100 if kind == "fif" and cut < 0 else cut  # its last tag says nothing
    target.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=r"is truncated|is not a readable|ends before") as caught:
        read_files(path)
    assert str(target) in str(caught.value) or str(path) in str(caught.value)
    half = len(whole) // 2
    target.write_bytes(whole[:half])
    with pytest.raises(ValueError, match=r"is truncated|is not a readable|ends before"):
        read_files(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_empty_and_foreign_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{path.name} is empty"):
        read_files(path)
    path.write_bytes(b"no EEG at all, but long enough to be taken for a header " * 50)
    with pytest.raises(ValueError, match="is not a readable"):
        read_files(path)


def test_flipped_bits_give_values_or_a_message(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("edf", "bdf", "gdf1", "gdf2", "fif", "cnt"):
        path = write(kind, tmp_path / kind, values=counts(200))
        whole = path.read_bytes()
        for _ in range(40):
            content = bytearray(whole)
            content[int(rng.integers(min(1200, len(whole))))] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(ValueError, FileNotFoundError):  # and nothing else
                    read_files(path)


def test_missing_parts_wrong_names_and_nothing(tmp_path: Path) -> None:
    path = write("brainvision", tmp_path)
    path.with_suffix(".eeg").rename(tmp_path / "other.eeg")
    with pytest.raises(FileNotFoundError, match=r"names 'S1_a.eeg', which is not beside it"):
        read_files(path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read_files(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no EEG files"):
        read_files((tmp_path / "empty").mkdir() or tmp_path / "empty")
    shutil.copy(write("edf", tmp_path, "S5_a"), tmp_path / "S5_a.xyz")
    with pytest.raises(ValueError, match=r"not a readable .xyz file \(Unsupported file type"):
        read_files(tmp_path / "S5_a.xyz")
    shutil.copy(tmp_path / "S5_a.edf", tmp_path / "S6_a.bdf")  # a wrong suffix
    with pytest.raises(ValueError, match=r"S6_a.bdf is (not a readable .bdf file|truncated)"):
        read_files(tmp_path / "S6_a.bdf")
    with pytest.raises(ValueError, match="is named twice"):
        files_source(files=[tmp_path / "S5_a.edf"] * 2)
    with pytest.raises(FileNotFoundError, match="no file"):
        files_source(files=[tmp_path / "S7_a.edf"])


def test_annotations_in_another_alphabet(tmp_path: Path) -> None:
    path = write("edf", tmp_path, events=((1.0, 1.0, "Augen zu"),))
    path.write_bytes(path.read_bytes().replace(b"Augen zu", "Auge zuü".encode("latin-1")))
    assert [r.info["event"] for r in read_files(path, events={"closed": "Auge zuü"})] == ["Auge zuü"]


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    path = write("cnt", tmp_path)
    content = bytearray(path.read_bytes())
    content[864:868] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable"):
        read_files(path)
    path = write("edf", tmp_path, "S2_a")
    content = bytearray(path.read_bytes())
    content[236:244] = b"99999999"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="truncated"):
        read_files(path)


def test_a_source_reads_one_file_at_a_time_and_is_cached(tmp_path: Path) -> None:
    for name in ("S1_a", "S2_a"):
        write("edf", tmp_path / "in", name, events=EVENTS)
    source = files_source(tmp_path / "in", events=BOTH, stop=1)
    chain = make_chain([{"name": "windows", "seconds": 0.5}])
    made = make_windows(chain, source, cache=tmp_path / "cache")
    assert (len(made), made.classes) == (12, ("left", "right"))
    again = make_windows(chain, files_source(tmp_path / "in", events=BOTH, stop=1), cache=tmp_path / "cache")
    np.testing.assert_array_equal(made.X, again.X)
    write("edf", tmp_path / "in", "S2_a", events=EVENTS, values=counts(seed=5))
    other = make_windows(chain, files_source(tmp_path / "in", events=BOTH, stop=1), cache=tmp_path / "cache")
    assert not np.array_equal(other.X, made.X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": {"a": "x", "b": "x"}}, "gives event 'x' to two classes"),
        ({"events": {}}, "names no event"),
        ({"events": {"a": "x"}, "start": 2, "stop": 1}, "stop must be later"),
        ({"stop": 1}, "start= and stop= count from events"),
        ({"events": {"a": "x"}, "missing_events": "no"}, "unknown missing_events 'no'"),
        ({"on_bad": "skip"}, "unknown on_bad 'skip'"),
        ({"rate": 0}, "rate is 0 Hz"),
        ({"channels": ["Cz", "Cz"]}, "name Cz twice"),
        ({"channels": ["C9"]}, "channel C9 missing"),
    ],
)
def test_options_that_mean_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write("edf", tmp_path)
    with pytest.raises(ValueError, match=message):
        read_files(path, **options)


def test_nothing_or_both_to_read(tmp_path: Path) -> None:
    for options in ({}, {"path": tmp_path, "files": ["a"]}):
        with pytest.raises(ValueError, match="pass the path of a folder"):
            files_source(**options)
