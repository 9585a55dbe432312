"""Files of headsets' own programs: values, rates, lost samples, markers, and what is refused."""

from __future__ import annotations

import codecs
import contextlib
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest
from headset_texts import MUSE, emotiv, muse, noise, openbci, xdf

from trimcap.data.files.events import events_of
from trimcap.data.files.identity import who
from trimcap.data.files.labelled import files_source, read_files
from trimcap.data.files.raws import list_raws, open_raw
from trimcap.data.files.recorders.timeline import by_counter, by_time, measured_rate
from trimcap.data.files.survey.look import survey
from trimcap.data.preprocess.chain import make_chain

NO_EEG = "not EEG, so not read"


def opened(path: Path) -> tuple[mne.io.BaseRaw, list[str]]:
    """The file, and what was warned of but for the columns that are no EEG."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        raw = open_raw(path)
    return raw, [str(one.message).removeprefix(f"{path}: ") for one in caught if NO_EEG not in str(one.message)]


def microvolts(raw: mne.io.BaseRaw) -> np.ndarray:
    return raw.get_data() * 1e6


def names_at(raw: mne.io.BaseRaw, path: Path) -> list[tuple[float, str]]:
    return [(round(event.onset, 3), event.name) for event in events_of(raw, path)]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_openbci(tmp_path: Path, newline: str) -> None:
    values, marker = noise(700, 8, offset=-2e4), np.zeros(700)
    marker[[250, 251, 500]] = 3
    path = openbci(
        tmp_path / "OpenBCI-RAW-a.txt",
        values,
        np.arange(700) % 256,
        np.arange(700) / 250,
        marker=marker,
        newline=newline,
    )
    with pytest.warns(UserWarning, match=r"not read: Accel Channel 0, Other, Other$"):
        raw = open_raw(path)
    assert (raw.info["sfreq"], raw.n_times, raw.ch_names[:2]) == (250, 700, ["EXG Channel 0", "EXG Channel 1"])
    np.testing.assert_allclose(microvolts(raw), values.T, atol=1e-3)
    assert names_at(raw, path) == [(1.0, "3"), (2.0, "3")]
    rename = {f"EXG Channel {i}": name for i, name in enumerate(("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"))}
    with pytest.warns(UserWarning, match=NO_EEG):
        (recording,) = read_files(path, rename=rename)
    assert recording.channels[:2] == ("Fp1", "Fp2")


def test_openbci_lost_and_repeated_packets(tmp_path: Path) -> None:
    n = 1000
    values, index, times = noise(n, 4), np.arange(n) % 256, np.arange(n) / 250
    keep = np.r_[0:100, 130:400, 400, 400:600, 900:1000]  # 30 lost, one twice, 300 lost: more than a round
    path = openbci(tmp_path / "a.txt", values[keep], index[keep], times[keep])
    raw, told = opened(path)
    assert raw.n_times == n
    assert told == [
        "1 packet there twice; the first of each is read",
        "330 samples lost, in 2 places; trials over them count as bad",
    ]
    there = np.r_[0:100, 130:600, 900:1000]
    np.testing.assert_allclose(microvolts(raw)[:, there], values.T[:, there], atol=1e-3)
    notes = [(round(o * 250), round(d * 250), t) for o, d, t in zip(*_columns(raw), strict=True)]
    assert notes == [(100, 30, "BAD lost: 30 samples"), (600, 300, "BAD lost: 300 samples")]


def _columns(raw):
    return raw.annotations.onset, raw.annotations.duration, raw.annotations.description


@pytest.mark.parametrize(
    ("index", "usual"),
    [
        (np.arange(0, 1200, 2) % 256, "Daisy: every second number"),
        (np.repeat(np.arange(300) % 100 + 1, 2), "Ganglion: two samples a packet, 1 … 100"),
        (np.arange(600) % 129, "EPOC: 0 … 128"),
        (np.arange(600), "no wrap"),
        (np.zeros(600), "no numbers"),
    ],
)
def test_counters_without_losses_have_no_gaps(index: np.ndarray, usual: str) -> None:
    grid, keep, notes = by_counter(index.astype(float), 250.0, np.arange(600) / 250)
    assert (grid.n, grid.gaps, keep.all(), notes) == (600, (), True, []), usual


def test_counters_with_losses() -> None:
    daisy = np.delete(np.arange(0, 1200, 2) % 256, np.s_[100:110])
    assert by_counter(daisy.astype(float), 125.0)[0].gaps == ((100, 10),)
    pairs = np.delete(np.repeat(np.arange(300) % 100 + 1, 2), np.s_[200:210])
    assert by_counter(pairs.astype(float), 200.0)[0].gaps == ((200, 10),)
    new_start = np.r_[np.arange(300) % 256, np.arange(300) % 256].astype(float)
    times = np.r_[np.arange(300) / 250, 20 + np.arange(300) / 250]
    assert by_counter(new_start, 250.0, times)[0].gaps == ((300, 4700),)


def test_openbci_of_version_3(tmp_path: Path) -> None:
    values = noise(300, 8)
    head = [
        "%OpenBCI Raw EEG Data",
        "%",
        "%Sample Rate = 250.0 Hz",
        "%Number of channels = 8",
        "%First Column = SampleIndex",
    ]
    rows = [
        f"{i % 256}, {', '.join(f'{v:.2f}' for v in row)}, 0.1, 0.2, 0.9, 12:00:{i / 250:06.3f}"
        for i, row in enumerate(values)
    ]
    path = tmp_path / "old.txt"
    path.write_text("\n".join([*head, *rows]))
    raw, told = opened(path)
    assert (raw.n_times, len(raw.ch_names), told) == (300, 8, [])
    np.testing.assert_allclose(microvolts(raw), values.T, atol=0.01)


LAYOUTS = [
    {},
    {"mark": codecs.BOM_UTF8, "newline": "\r\n"},
    {"separator": ";", "decimal": ","},
    {"separator": "\t"},
    {"encoding": "utf-16"},
    {"order": [8, 5, 4, 0, 3, 2, 1, 7, 6]},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_muse(tmp_path: Path, layout: dict) -> None:
    values = noise(2560, 4, offset=850)
    elements = {2.0: "/muse/elements/blink", 5.0: "/Marker/2"}
    path = muse(tmp_path / "a.csv", values, np.arange(2560) / 256, elements=elements, **layout)
    raw, told = opened(path)
    assert (raw.info["sfreq"], raw.n_times, told) == (256, 2560, [])
    order = [raw.ch_names.index(name) for name in MUSE]
    np.testing.assert_allclose(microvolts(raw)[order], values.T, atol=1e-3)
    assert names_at(raw, path) == [(2.0, "blink"), (5.0, "Marker/2")]
    with pytest.warns(UserWarning, match="not read: .*Delta_TP9"):
        (recording,) = read_files(path, events={"b": "2"}, stop=2.0)
    assert recording.duration == 2


@pytest.mark.filterwarnings("ignore:.*(lost|not read)")
@pytest.mark.parametrize("burst", [1, 12])
def test_muse_gaps_are_seen_in_the_times(tmp_path: Path, burst: int) -> None:
    n, lost = 5120, np.s_[1000:1600]
    times = np.arange(n) // burst * burst / 256
    keep = np.delete(np.arange(n), lost)
    values = noise(n, 4, offset=850)
    path = muse(tmp_path / "a.csv", values[keep], times[keep])
    raw, told = opened(path)
    (gap,) = [(o * 256, d * 256) for o, d, _ in zip(*_columns(raw), strict=True)]
    assert gap[0] == pytest.approx(1000, abs=1)
    assert gap[1] == pytest.approx(600, abs=burst + 1)
    assert "samples lost, in 1 place" in told[0]
    muse(path, values[keep], times[keep], elements={3.0: "/Marker/1"})
    (trial,) = read_files(path, events={"a": "Marker/1"}, stop=2.0)
    assert [name[:8] for _, _, name in trial.info["marked_bad"]] == ["BAD lost"]
    assert len(make_chain([{"name": "windows", "seconds": 0.5}]).apply([trial])) == 1  # 3 to 3.5 s, before the gap


def test_muse_averages_and_two_days_are_refused(tmp_path: Path) -> None:
    path = muse(tmp_path / "a.csv", noise(100, 4), np.arange(100.0))
    with pytest.raises(ValueError, match=r"1 rows a second: averages") as caught:
        open_raw(path)
    assert "download it again" not in str(caught.value)
    times = np.r_[np.arange(600) / 256, 3000 + np.arange(600) / 256]
    path = muse(tmp_path / "b.csv", noise(1200, 4), times)
    with pytest.raises(ValueError, match="two recordings"):
        open_raw(path)


def test_empty_cells_are_lost_samples_and_empty_columns_no_channel(tmp_path: Path) -> None:
    values = noise(1000, 4, offset=800)
    gone = values.copy()
    gone[300:310, 1], gone[:, 3], gone[0, 0] = np.nan, np.nan, np.nan
    path = muse(tmp_path / "a.csv", gone, np.arange(1000) / 256)
    path.write_text(path.read_text().replace("nan", ""))
    raw, told = opened(path)
    assert (raw.ch_names, raw.n_times, told) == (
        ["TP9", "AF7", "AF8"], 1000, ["11 samples lost, in 2 places; trials over them count as bad"]
    )  # fmt: skip
    there = np.r_[1:300, 310:1000]
    np.testing.assert_allclose(microvolts(raw)[:, there], values.T[:3, there], atol=1e-3)


def test_muselsl(tmp_path: Path) -> None:
    values = noise(600, 4, offset=800)
    rows = ["timestamps,TP9,AF7,AF8,TP10,Right AUX"]
    rows += [f"{1.7e9 + i / 256:.6f},{','.join(map(str, row))},0.0" for i, row in enumerate(values)]
    path = tmp_path / "EEG_recording.csv"
    path.write_text("\n".join(rows))
    raw, _ = opened(path)
    assert (raw.ch_names, raw.info["sfreq"]) == (list(MUSE), 256)
    np.testing.assert_allclose(microvolts(raw), values.T, atol=1e-6)


@pytest.mark.parametrize("pro", [None, 256])
def test_emotiv(tmp_path: Path, pro: int | None) -> None:
    n = 1000
    period, marker, made_up = (128 if pro else 129), np.zeros(n), np.zeros(n)
    marker[300:303], made_up[500:510] = 7, 1
    keep = np.delete(np.arange(n), np.s_[700:720])
    values, counter = noise(n, 2, offset=4200), np.arange(n) % period
    path = emotiv(
        tmp_path / "a.csv",
        values[keep],
        counter[keep],
        marker=marker[keep],
        interpolated=made_up[keep],
        pro=pro,
        subject="Eva",
    )
    if pro:  # its times go on as if nothing were lost
        path.write_text(path.read_text().replace("Timestamp,", "Nothing,"))
    raw, told = opened(path)
    rate = pro or 128
    assert (raw.ch_names, raw.info["sfreq"], raw.n_times) == (["AF3", "F7"], rate, n)
    np.testing.assert_allclose(microvolts(raw)[:, keep], values[keep].T, atol=1e-3)
    assert told == ["20 samples lost, in 1 place; trials over them count as bad"]
    assert names_at(raw, path) == [
        (round(300 / rate, 3), "7"), (round(500 / rate, 3), "BAD interpolated"),
        (round(700 / rate, 3), "BAD lost: 20 samples"),
    ]  # fmt: skip
    assert who(path, "header", None) == ("" if pro else "Eva")


def test_emotiv_units(tmp_path: Path) -> None:
    values = noise(300, 2, offset=4.2)
    raw, _ = opened(emotiv(tmp_path / "a.csv", values, np.arange(300) % 129, unit="mV"))
    np.testing.assert_allclose(microvolts(raw), 1e3 * values.T)
    with pytest.raises(ValueError, match="its unit is 'counts'"):
        open_raw(emotiv(tmp_path / "b.csv", values, np.arange(300) % 129, unit="counts"))


def eeg_stream(values: np.ndarray, *, rate: float = 250.0, unit: str = "microvolts", **more) -> dict:
    stamps = 1000 + np.arange(len(values)) / rate
    labels = more.pop("labels", ["C3", "C4", "TRIG"])
    return {
        "name": "amp",
        "type": "EEG",
        "rate": rate,
        "unit": unit,
        "labels": labels,
        "stamps": stamps,
        "values": values,
    } | more


def test_xdf(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf")
    values = noise(1000, 3)
    marks = {"name": "m", "type": "Markers", "rate": 0, "stamps": [1001.0, 1003.5], "values": ["left", "right"]}
    other = {"name": "acc", "type": "ACC", "rate": 50, "stamps": 1000 + np.arange(50) / 50, "values": noise(50, 3)}
    path = xdf(tmp_path / "a.xdf", [marks, eeg_stream(values), other])
    with pytest.warns(UserWarning, match="not read: TRIG, acc"):
        raw = open_raw(path)
    assert (raw.ch_names, raw.info["sfreq"], raw.n_times) == (["C3", "C4"], 250, 1000)
    np.testing.assert_allclose(microvolts(raw), values.T[:2], atol=1e-4)
    assert names_at(raw, path) == [(1.0, "left"), (3.5, "right")]
    raw, _ = opened(xdf(tmp_path / "b.xdf", [eeg_stream(values * 1e-6, unit="volts")]))
    np.testing.assert_allclose(microvolts(raw), values.T[:2], atol=1e-4)
    assert [p.name for p in list_raws(tmp_path)] == ["a.xdf", "b.xdf"]


def test_xdf_with_a_gap_and_what_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf")
    values, stream = noise(2000, 3), eeg_stream(noise(2000, 3))
    late = stream["stamps"] + np.where(np.arange(2000) < 1200, 0, 4.0)
    raw, told = opened(xdf(tmp_path / "a.xdf", [eeg_stream(values, stamps=late)]))
    assert [(round(o * 250), round(d * 250)) for o, d, _ in zip(*_columns(raw), strict=True)] == [(1200, 1000)]
    assert any("1000 samples lost" in text for text in told)
    with pytest.raises(ValueError, match=r"2 EEG streams among amp \(EEG, 2000 samples\)"):
        open_raw(xdf(tmp_path / "b.xdf", [stream, stream]))
    with pytest.raises(ValueError, match="no EEG stream with samples"):
        open_raw(xdf(tmp_path / "c.xdf", [eeg_stream(values, type="Gaze")]))
    with pytest.raises(ValueError, match="'parsec', which is no unit"):
        open_raw(xdf(tmp_path / "d.xdf", [eeg_stream(values, unit="parsec")]))
    whole = xdf(tmp_path / "e.xdf", [stream]).read_bytes()
    for content in (whole[:-9000], whole[:200], b"XDF:", b"no XDF at all", whole[:300] + b"\xff" * 50 + whole[350:]):
        (tmp_path / "e.xdf").write_bytes(content)
        with pytest.raises(ValueError, match=r"e.xdf"):
            open_raw(tmp_path / "e.xdf")


def test_clocks() -> None:
    times = np.arange(3000) / 256
    assert measured_rate(times) == 256
    assert measured_rate(np.round(times, 3)) == 256
    assert measured_rate(times + np.where(np.arange(3000) > 700, 60, 0)) == 256
    assert measured_rate(np.arange(100) / 173) == pytest.approx(173, rel=1e-3)
    with pytest.raises(ValueError, match="no sampling rate"):
        measured_rate(np.zeros(100))
    grid, notes = by_time(times - np.where(np.arange(3000) > 700, 3600, 0), 256)
    assert grid.gaps == ()
    assert "the clock goes back by 3.6e+03 s at sample 701" in notes[0]
    wandering = times * 1.0003 + np.random.default_rng(0).normal(0, 0.01, 3000)
    assert by_time(wandering, 256)[0].gaps == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.split("\n", 1)[0] + "\n", "has a header and no samples"),
        (lambda text: text.replace("RAW_AF7", "RAW_TP9"), "two channels TP9"),
        (
            lambda text: text.replace("\n2024-01-01 10:00:00.004,0.5,", "\n2024-01-01 10:00:00.004,0.5,x", 1),
            "which is no number",
        ),
        (lambda text: text.replace("TimeStamp", "When"), "no column TimeStamp"),
        (
            lambda text: text.replace(",850.0,80", ",850.0,1,2,3", 3).replace(",850.0,1,2,3", ",850.0,80", 2),
            "row 3 has more cells than the 9 columns",
        ),
        (lambda text: text.replace("10:00:0", "??:00:0"), "no sampling rate is given"),
    ],
)
def test_texts_that_are_refused(tmp_path: Path, change, words: str) -> None:
    path = muse(tmp_path / "a.csv", noise(600, 4), np.arange(600) / 256)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=words) as caught:
        open_raw(path)
    assert str(caught.value).startswith(str(path))
    assert "download it again" not in str(caught.value)


def test_a_cut_last_line_and_flipped_bytes(tmp_path: Path) -> None:
    path = muse(tmp_path / "a.csv", noise(600, 4), np.arange(600) / 256)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert opened(path)[0].n_times == 599
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for at in rng.integers(0, 400, 3):
            content[at] = int(rng.integers(256))
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError, FileNotFoundError):  # and nothing else
                read_files(path)


def test_a_folder_of_headset_files(tmp_path: Path) -> None:
    muse(tmp_path / "anna_1.csv", noise(600, 4, offset=800), np.arange(600) / 256)
    muse(tmp_path / "ben_1.csv", noise(600, 4, offset=800, seed=1), np.arange(600) / 256)
    (tmp_path / "notes.txt").write_text("nothing of a headset")
    (tmp_path / "labels.csv").write_text("file,label,subject\nanna_1.csv,a,anna\nben_1.csv,b,ben\n")
    assert [p.name for p in list_raws(tmp_path)] == ["anna_1.csv", "ben_1.csv"]
    found = survey(tmp_path)
    assert ([one.subject for one in found.files], found.balance, found.damaged) == (
        ["anna", "ben"],
        {"a": 1, "b": 1},
        {},
    )
    with pytest.warns(UserWarning, match=NO_EEG):
        assert [r.subject for r in files_source(tmp_path / "labels.csv")] == ["anna", "ben"]


def test_epochs(tmp_path: Path) -> None:
    info = mne.create_info(["C3", "C4"], 100, "eeg")
    values = noise(20 * 100, 2).T.reshape(2, 20, 100).transpose(1, 0, 2)
    events = np.c_[np.arange(20) * 300, np.zeros(20, int), np.arange(20) % 2 + 1]
    path = tmp_path / "S1-epo.fif"
    made = mne.EpochsArray(values * 1e-6, info, events, 0, {"left": 1, "right": 2}, verbose="error")
    made.save(path, overwrite=True, verbose="error")
    assert list_raws(tmp_path) == [path]
    recordings = read_files(path, events={"left": "left", "right": "right"})
    assert [r.label for r in recordings] == [0, 1] * 10
    np.testing.assert_allclose(recordings[3].signal, values[3], atol=1e-3)
    with pytest.raises(ValueError, match="boundary between epochs"):
        read_files(path, events={"left": "left"}, start=0.3, stop=1.2)
    events[:, 0] = np.arange(20) * 50
    mne.EpochsArray(values * 1e-6, info, events, 0, {"left": 1, "right": 2}, verbose="error").save(
        path, overwrite=True, verbose="error"
    )
    with pytest.raises(ValueError, match=r"its epochs overlap \(1 s long, 0.5 s apart\)"):
        read_files(path, events={"left": "left"})
