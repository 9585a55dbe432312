"""Write what headsets' programs write: OpenBCI GUI, Mind Monitor, EMOTIV, and XDF of LabStreamingLayer."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

MUSE = ("TP9", "AF7", "AF8", "TP10")


def noise(n: int, channels: int, *, offset: float = 0.0, seed: int = 0) -> np.ndarray:
    """µV with three decimals, (n, channels)."""
    return (offset + np.random.default_rng(seed).normal(0, 20, (n, channels))).round(3)


def openbci(
    path: Path, values: np.ndarray, index: np.ndarray, times: np.ndarray, *, rate: str = "250 Hz", **options
) -> Path:
    """Version 5 and 6: µV (n, channels), packet numbers, times (s). `marker`: a column of its own."""
    marker, columns, newline = options.get("marker"), values.shape[1], options.get("newline", "\n")
    head = [
        "%OpenBCI Raw EXG Data",
        f"%Number of channels = {columns}",
        f"%Sample Rate = {rate}",
        "%Board = OpenBCI_GUI$X",
    ]
    head = [line for line in head if "Sample Rate" not in line or rate]
    names = ["Sample Index", *(f"EXG Channel {i}" for i in range(columns)), "Accel Channel 0", "Other", "Other"]
    names += [*(["Marker Channel 0"] if marker is not None else []), "Timestamp", "Timestamp (Formatted)"]
    rows = []
    for i, row in enumerate(values):
        cells = [f"{index[i]:.1f}", *(f"{v:.4f}" for v in row), "0.1", "192", "0"]
        cells += [
            *([f"{marker[i]}"] if marker is not None else []),
            f"{1.7e9 + times[i]:.6f}",
            "2024-01-01 00:00:00.000",
        ]
        rows.append(", ".join(cells))
    path.write_bytes(newline.join([*head, ", ".join(names), *rows, ""]).encode())
    return path


def muse(
    path: Path, values: np.ndarray, times: np.ndarray, *, elements: dict[float, str] | None = None, **options
) -> Path:
    """Mind Monitor: µV (n, 4), times (s); `elements`: s → text, in rows of their own."""
    names = ["TimeStamp", "Delta_TP9", *(f"RAW_{name}" for name in MUSE), "AUX_RIGHT", "Battery", "Elements"]
    lines = [
        (t, [_clock(t), "0.5", *(f"{v:.3f}" for v in row), "850.0", "80", ""])
        for t, row in zip(times, values, strict=True)
    ]
    lines += [(t, [_clock(t), *[""] * (len(names) - 2), text]) for t, text in (elements or {}).items()]
    rows = [names, *(cells for _, cells in sorted(lines, key=lambda line: line[0]))]
    order = options.get("order") or range(len(names))
    rows = [[row[i] for i in order] for row in rows]
    separator, decimal = options.get("separator", ","), options.get("decimal", ".")
    text = options.get("newline", "\n").join(separator.join(row) for row in rows) + "\n"
    text = text.replace(".", decimal) if decimal != "." else text
    path.write_bytes(options.get("mark", b"") + text.encode(options.get("encoding", "utf-8")))
    return path


def _clock(t: float) -> str:
    ms = round(1000 * t)
    return f"2024-01-01 10:{ms // 60000:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def emotiv(
    path: Path, values: np.ndarray, counter: np.ndarray, *, names: tuple[str, ...] = ("AF3", "F7"), **options
) -> Path:
    """TestBench: µV (n, channels), COUNTER; `interpolated` and `marker` columns; `pro`: EmotivPRO's two lines."""
    interpolated = options.get("interpolated", np.zeros(len(values)))
    marker = options.get("marker", np.zeros(len(values)))
    if options.get("pro"):
        head = (
            f"title:rec,start timestamp:1.7,headset type:EPOCX,sampling rate:eeg_{options['pro']};mot_32,version:2.0\n"
        )
        head += ",".join(["Timestamp", "EEG.Counter", "EEG.Interpolated", *(f"EEG.{name}" for name in names)])
        head += ",EEG.RawCq,EEG.Battery,MarkerValueInt,CQ.AF3,POW.AF3.Theta"
        stamps = [f"{1.7e9 + i / options['pro']:.6f}" for i in range(len(values))]
        marks = [f"{one:g}" if one else "" for one in marker]
        rows = [
            [
                stamps[i],
                f"{counter[i]:g}",
                f"{interpolated[i]:g}",
                *map(str, values[i]),
                "0",
                "90",
                marks[i],
                "4",
                "1.5",
            ]
            for i in range(len(values))
        ]
    else:
        head = "title: rec, recorded: 24.01.01 10.00.00, sampling:128, subject: {}, labels:{}, chan:6, units:{}".format(
            options.get("subject", ""), " ".join(["COUNTER", "INTERPOLATED", *names, "GYROX", "MARKER"]),
            options.get("unit", "emotiv"),
        )  # fmt: skip
        rows = [
            [f"{counter[i]:g}", f"{interpolated[i]:g}", *map(str, values[i]), "1700", f"{marker[i]:g}"]
            for i in range(len(values))
        ]
    path.write_text("\n".join([head, *(",".join(row) for row in rows), ""]))
    return path


def xdf(path: Path, streams: list[dict]) -> Path:
    """`streams`: name, type, rate, labels, unit, stamps (s), values: (n, channels), or a list of texts."""
    out = b"XDF:" + _chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    for number, s in enumerate(streams, 1):
        texts = isinstance(s["values"], list)
        n = 1 if texts else s["values"].shape[1]
        one = "<channel><label>{}</label><unit>{}</unit><type>{}</type></channel>"
        kinds = s.get("kinds", ["EEG"] * n)
        desc = "".join(
            one.format(*row) for row in zip(s.get("labels", ()), [s.get("unit", "")] * n, kinds, strict=False)
        )
        facts = {"name": s["name"], "type": s["type"], "channel_count": n, "nominal_srate": s["rate"]}
        facts |= {"channel_format": "string" if texts else "float32"}
        xml = "<?xml version='1.0'?><info>" + "".join(f"<{key}>{fact}</{key}>" for key, fact in facts.items())
        xml += f"<desc><channels>{desc}</channels></desc></info>"
        out += _chunk(2, struct.pack("<I", number) + xml.encode())
        body = b""
        for at, value in zip(s["stamps"], s["values"], strict=True):
            body += b"\x08" + struct.pack("<d", at)
            data = value.encode() if texts else np.asarray(value, "<f4").tobytes()
            body += (b"\x04" + struct.pack("<I", len(data)) if texts else b"") + data
        out += _chunk(3, struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(s["stamps"])) + body)
        footer = f"<?xml version='1.0'?><info><sample_count>{len(s['stamps'])}</sample_count></info>"
        out += _chunk(6, struct.pack("<I", number) + footer.encode())
    path.write_bytes(out)
    return path


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content
