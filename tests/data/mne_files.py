"""Write small EEG files of the formats that MNE reads: values are counts of 0.1 µV."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

LSB = 0.1  # µV per count
NAMES = ("Fp1", "C3", "Cz", "O2")
#: s, duration (s), what
Events = tuple[tuple[float, float, str], ...]


def counts(n_times: int = 1000, *, n: int = len(NAMES), seed: int = 0) -> np.ndarray:
    """Whole numbers that differ in every channel and sample."""
    return np.random.default_rng(seed).integers(-3000, 3000, (n, n_times))


def write_edf_plus(path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, events: Events = ()) -> Path:
    """EDF+C: 1-s records and a signal of annotations."""
    n, seconds = len(names), values.shape[1] // rate
    tal = [f"+{second}\x14\x14\0".encode() for second in range(seconds)]
    for onset, duration, text in events:
        place = min(int(onset), seconds - 1)
        tal[place] += f"+{onset:g}\x15{duration:g}\x14{text}\x14\0".encode()
    width = 60
    assert max(map(len, tal)) <= 2 * width
    limit = 32767
    rows = [
        [f"{name:<16}" for name in (*names, "EDF Annotations")],
        [f"{'':<80}"] * (n + 1),
        [f"{'uV':<8}"] * n + [f"{'':<8}"],
        [f"{-limit * LSB:<8.1f}"] * n + [f"{-1:<8}"],
        [f"{limit * LSB:<8.1f}"] * n + [f"{1:<8}"],
        [f"{-limit:<8}"] * n + [f"{-32768:<8}"],
        [f"{limit:<8}"] * n + [f"{32767:<8}"],
        [f"{'':<80}"] * (n + 1),
        [f"{rate:<8}"] * n + [f"{width:<8}"],
        [f"{'':<32}"] * (n + 1),
    ]
    head = f"{'0':<8}{'X X X X':<80}{'Startdate X X X X':<80}01.01.1200.00.00{256 * (n + 2):<8}{'EDF+C':<44}"
    head += f"{seconds:<8}{1:<8}{n + 1:<4}" + "".join("".join(row) for row in rows)
    body = b"".join(
        values[:, r * rate : (r + 1) * rate].astype("<i2").tobytes() + tal[r].ljust(2 * width, b"\0")
        for r in range(seconds)
    )
    path.write_bytes(head.encode("ascii") + body)
    return path


def write_bdf(path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, codes: dict[int, int] | None = None):
    """BDF: 24-bit samples, and the Status channel with `codes` (sample → code), each 10 samples long."""
    n, records = len(names), values.shape[1] // rate
    status = np.full(values.shape[1], 1 << 16)  # the bit that BioSemi sets when an epoch begins
    for sample, code in (codes or {}).items():
        status[sample : sample + 10] |= code
    limit = 8388607
    rows = [
        [f"{name:<16}" for name in (*names, "Status")],
        [f"{'Active Electrode':<80}"] * n + [f"{'Triggers and Status':<80}"],
        [f"{'uV':<8}"] * n + [f"{'Boolean':<8}"],
        [f"{-838860:<8}"] * n + [f"{-8388608:<8}"],
        [f"{838860:<8}"] * n + [f"{8388607:<8}"],
        [f"{-8388600:<8}"] * n + [f"{-8388608:<8}"],
        [f"{8388600:<8}"] * n + [f"{limit:<8}"],
        [f"{'':<80}"] * (n + 1),
        [f"{rate:<8}"] * (n + 1),
        [f"{'':<32}"] * (n + 1),
    ]
    head = b"\xffBIOSEMI" + f"{'':<80}{'':<80}01.01.1200.00.00{256 * (n + 2):<8}{'24BIT':<44}".encode()
    head += f"{records:<8}{1:<8}{n + 1:<4}".encode() + "".join("".join(row) for row in rows).encode()
    both = np.vstack([values, status]).reshape(n + 1, records, rate).transpose(1, 0, 2).astype("<i4")
    path.write_bytes(head + both.reshape(-1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return path


def write_gdf(
    path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, events: Events = (), version: str = "1.25"
) -> Path:
    """GDF 1.25 or 2.20: 16-bit samples in 1-s records, and a table of events with durations."""
    n, records, limit = len(names), values.shape[1] // rate, 32767
    v1 = version.startswith("1")
    limits = [np.full(n, sign * limit * LSB) for sign in (-1, 1)] + [np.full(n, sign * limit) for sign in (-1, 1)]
    labels = b"".join(name.encode().ljust(16) for name in names)
    if v1:
        fixed = f"GDF {version}".encode() + b"X X".ljust(80) + b" ".ljust(80) + b"2020010112000000"
        fixed += struct.pack("<q", 256 * (n + 1)) + bytes(24 + 20) + struct.pack("<qIII", records, 1, 1, n)
        channels = labels + bytes(80 * n) + b"uV      " * n
        channels += b"".join(x.astype("<f8").tobytes() for x in limits[:2])
        channels += b"".join(x.astype("<i8").tobytes() for x in limits[2:])
        channels += b" " * 80 * n + np.full(n, rate, "<i4").tobytes() + np.full(n, 3, "<i4").tobytes() + bytes(32 * n)
    else:
        fixed = f"GDF {version}".encode() + b"X X".ljust(66) + bytes(10 + 4 + 64 + 4 + 12 + 8 + 8)
        fixed += struct.pack("<H", n + 1) + bytes(6 + 8 + 6 + 6 + 12 + 12)
        fixed += struct.pack("<qIIHH", records, 1, 1, n, 0)
        channels = labels + bytes(80 * n) + b" " * 6 * n + np.full(n, 4275, "<u2").tobytes()
        channels += b"".join(x.astype("<f8").tobytes() for x in limits) + bytes(68 * n)
        channels += np.zeros(3 * n, "<f4").tobytes() + np.full(n, rate, "<i4").tobytes()
        channels += np.full(n, 3, "<i4").tobytes() + bytes(12 * n) + bytes(20 * n)
    assert (len(fixed), len(channels)) == (256, 256 * n)
    body = values.astype("<i2").reshape(n, records, rate).transpose(1, 0, 2).tobytes()
    head = struct.pack("<B", 3) + (
        struct.pack("<I", rate)[:3] + struct.pack("<I", len(events))
        if v1
        else struct.pack("<I", len(events))[:3] + struct.pack("<f", rate)
    )
    table = head + b"".join(
        np.asarray(column, kind).tobytes()
        for column, kind in (
            ([round(e[0] * rate) + 1 for e in events], "<u4"),
            ([int(e[2]) for e in events], "<u2"),
            ([0] * len(events), "<u2"),
            ([round(e[1] * rate) for e in events], "<u4"),
        )
    )
    path.write_bytes(fixed + channels + body + table)
    return path


def write_brainvision(path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, events: Events = ()) -> Path:
    """`path` is the .vhdr; multiplexed INT_16, 0.1 µV per count; markers `Stimulus`, or the type before a "/"."""
    header = [
        "Brain Vision Data Exchange Header File Version 1.0", "", "[Common Infos]", "Codepage=UTF-8",
        f"DataFile={path.stem}.eeg", f"MarkerFile={path.stem}.vmrk", "DataFormat=BINARY",
        "DataOrientation=MULTIPLEXED", f"NumberOfChannels={len(names)}", f"SamplingInterval={1e6 / rate:g}", "",
        "[Binary Infos]", "BinaryFormat=INT_16", "", "[Channel Infos]",
        *(f"Ch{i + 1}={name},,{LSB},µV" for i, name in enumerate(names)), "",
    ]  # fmt: skip
    path.write_text("\n".join(header), encoding="utf-8")
    marks = ["Mk1=New Segment,,1,1,0,20200101120000000000"]
    for i, (onset, duration, text) in enumerate(events):
        kind, _, name = text.rpartition("/")
        marks.append(f"Mk{i + 2}={kind or 'Stimulus'},{name},{round(onset * rate) + 1},{round(duration * rate) or 1},0")
    text = ["Brain Vision Data Exchange Marker File, Version 1.0", "", "[Common Infos]", "Codepage=UTF-8"]
    text += [f"DataFile={path.stem}.eeg", "", "[Marker Infos]", *marks, ""]
    path.with_suffix(".vmrk").write_text("\n".join(text), encoding="utf-8")
    path.with_suffix(".eeg").write_bytes(values.T.astype("<i2").tobytes())
    return path


def write_set(
    path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, events: Events = (), fdt: bool = False
) -> Path:
    """EEGLAB: a MATLAB v5 struct, the signal inside or in an .fdt beside it."""
    from scipy.io import savemat

    n, n_times = values.shape
    signal = (values * LSB).astype("<f4")
    chanlocs = np.array([(name, "EEG") for name in names], dtype=[("labels", object), ("type", object)])
    kinds = [("type", object), ("latency", object), ("duration", object)]
    event = np.array([(text, onset * rate + 1.0, duration * rate) for onset, duration, text in events], dtype=kinds)
    eeg = {
        "setname": "test", "nbchan": float(n), "pnts": float(n_times), "trials": 1.0, "srate": float(rate), "xmin": 0.0,
        "xmax": (n_times - 1) / rate, "chanlocs": chanlocs, "event": event, "epoch": np.zeros((0, 0)),
        "data": path.with_suffix(".fdt").name if fdt else signal,
    }  # fmt: skip
    savemat(path, {"EEG": eeg}, appendmat=False)
    if fdt:
        path.with_suffix(".fdt").write_bytes(signal.T.tobytes())
    return path


def write_fif(path: Path, values: np.ndarray, *, names=NAMES, rate: int = 100, events: Events = (), first: int = 0):
    """FIF in single precision, with a measurement date and a first sample as acquisition systems have."""
    import mne

    info = mne.create_info(list(names), rate, "eeg")
    raw = mne.io.RawArray(values * LSB * 1e-6, info, first_samp=first, verbose="error")
    raw.set_meas_date(1577880000)
    if events:
        onsets, durations, texts = zip(*events, strict=True)
        notes = mne.Annotations(onsets, durations, texts, orig_time=None)
        raw.set_annotations(notes, verbose="error")
    raw.save(path, fmt="double", overwrite=True, verbose="error")
    return path
