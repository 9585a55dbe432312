"""Write small EDF files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHANNELS = "Fp1 Fp2 F3 F4 F7 F8 T3 T4 C3 C4 T5 T6 P3 P4 O1 O2 Fz Cz Pz".split()  # noqa: SIM905
EEGMAT_SIGNALS = (
    *(
        f"EEG {c}"
        for c in [
            "Fp1",
            "Fp2",
            "F3",
            "F4",
            "F7",
            "F8",
            "T3",
            "T4",
            "C3",
            "C4",
            "T5",
            "T6",
            "P3",
            "P4",
            "O1",
            "O2",
            "Fz",
            "Cz",
            "Pz",
        ]
    ),
    "EEG A2-A1",
    "ECG ECG",
)
LSB = 0.02  # µV


def write_edf(path: Path, counts: np.ndarray, *, labels: tuple[str, ...] = EEGMAT_SIGNALS, rate: int = 500) -> Path:
    """`counts`: int16, shape (n_signals, n_times), whole seconds; 1 count = 0.02 µV."""
    n, n_times = counts.shape
    records = n_times // rate
    fields = [
        [f"{label:<16}" for label in labels],
        [f"{'':<80}"] * n,
        [f"{'uV':<8}"] * n,
        [f"{-32768 * LSB:<8.2f}"] * n,
        [f"{32767 * LSB:<8.2f}"] * n,
        [f"{-32768:<8}"] * n,
        [f"{32767:<8}"] * n,
        [f"{'':<80}"] * n,
        [f"{rate:<8}"] * n,
        [f"{'':<32}"] * n,
    ]
    head = f"{'0':<8}{'X X X X':<80}{'Startdate X X X X':<80}01.01.1200.00.00{256 * (n + 1):<8}{'':<44}"
    head += f"{records:<8}{1:<8}{n:<4}" + "".join("".join(f) for f in fields)
    data = counts[:, : records * rate].astype("<i2").reshape(n, records, rate).transpose(1, 0, 2)
    path.write_bytes(head.encode("ascii") + data.tobytes())
    return path


def eegmat_counts(seconds: int = 8, *, padding: float = 2.0, seed: int = 0, rate: int = 500) -> np.ndarray:
    """Random signal that ends in padding with a step inside, as in the published files."""
    counts = np.random.default_rng(seed).integers(-2000, 2000, (len(EEGMAT_SIGNALS), seconds * rate))
    pad = int(padding * rate)
    if pad:
        counts[:, -pad:] = 7
        counts[:, -pad // 2] = 9
    return counts.astype(np.int16)


def write_subject(folder: Path, subject: str = "Subject00", *, rest: int = 10, task: int = 8) -> Path:
    """A subject's two files."""
    folder.mkdir(exist_ok=True)
    write_edf(folder / f"{subject}_1.edf", eegmat_counts(rest, seed=1))
    write_edf(folder / f"{subject}_2.edf", eegmat_counts(task, seed=2))
    return folder
