"""What the fuzz tests have in common: small files of every set, damage, and what a reader may answer."""

from __future__ import annotations

import pickle
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from set_files import (
    CNT_62,
    folder,
    noise,
    write_amigos,
    write_cnt,
    write_dasps,
    write_deap,
    write_dreamer,
    write_faced,
    write_faced_features,
    write_seed,
    write_seed_features,
    write_seed_iv,
    write_seed_v_features,
)

import trimcap.data.sets.deap as deap
import trimcap.data.sets.seed_v as seed_v
from trimcap.data.recording import Recording
from trimcap.data.sources import open_windows, read_set
from trimcap.data.windows import Windows

#: electrodes and other signals of EEGMAT, as edf_files has them; written here because that module is a folder up
EEGMAT_LABELS = [f"EEG {c}" for c in "Fp1 Fp2 F3 F4 F7 F8 T3 T4 C3 C4 T5 T6 P3 P4 O1 O2 Fz Cz Pz A2-A1".split()] + [  # noqa: SIM905
    "ECG ECG"
]


@dataclass(frozen=True)
class Set:
    """A small set: `write` gives the file to attack; `sums`: the format has checksums, so no wrong number may pass."""

    write: Callable[[Path], Path]
    read: Callable[[Path], list[Recording] | Windows]
    sums: bool = False
    flips: int = 60
    cuts: int = 30


def small_deap() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {"labels": np.round(rng.uniform(1, 9, (3, 4)), 2), "data": rng.normal(0, 10, (3, 40, 392))}


def _deap_mat(out: Path) -> Path:
    path = folder(out, "data_preprocessed_matlab") / "s01.mat"
    savemat(path, small_deap(), do_compression=False)
    return path


def _deap_mat_packed(out: Path) -> Path:
    savemat(_deap_mat(out), small_deap(), do_compression=True)
    return out / "data_preprocessed_matlab" / "s01.mat"


def _first(out: Path, write: Callable[[Path], Any], pattern: str) -> Path:
    write(out)
    return next(path for path in sorted(out.rglob(pattern)) if path.is_file())


def _seed_iv(out: Path, pattern: str) -> Path:
    return next(write_seed_iv(out, sessions=(2,), samples=9).glob(pattern))


def _seed_v(out: Path) -> Path:
    counts = np.random.default_rng(1).integers(-500, 500, (len(CNT_62), 16_000))
    return write_cnt(out / "EEG_raw" / "1_1_20180804.cnt", counts)


def write_eegmat(out: Path, *, rate: int = 500, unit: str = "uV") -> Path:
    """Both files of a subject, 4 s; gives the second."""
    for ending, seed in (("1", 1), ("2", 2)):
        path = folder(out) / f"Subject00_{ending}.edf"
        path.write_bytes(edf(noise(seed, 21, 4 * rate, scale=300).astype("<i2"), rate=rate, unit=unit))
    return path


def edf(counts: np.ndarray, *, rate: int = 500, unit: str = "uV", labels: list[str] = EEGMAT_LABELS) -> bytes:
    """1 count = 0.02 µV; written from the published description of the format."""
    n, records = len(counts), counts.shape[1] // rate
    columns = [
        *([f"{label:<16}" for label in labels], [" " * 80] * n, [f"{unit:<8}"] * n, [f"{-655.36:<8}"] * n),
        *([f"{655.34:<8}"] * n, [f"{-32768:<8}"] * n, [f"{32767:<8}"] * n, [" " * 80] * n, [f"{rate:<8}"] * n),
        [" " * 32] * n,
    ]
    head = f"{'0':<8}{'X X X X':<80}{'Startdate X X X X':<80}01.01.1200.00.00{256 * (n + 1):<8}{'':<44}"
    head += f"{records:<8}{1:<8}{n:<4}" + "".join("".join(column) for column in columns)
    return head.encode() + counts.reshape(n, records, rate).transpose(1, 0, 2).tobytes()


def _set(name: str) -> Callable[[Path], list[Recording]]:
    return partial(read_set, name)


def _features(name: str) -> Callable[[Path], Windows]:
    return partial(open_windows, f"{name}-features")


SETS: dict[str, Set] = {
    "deap": Set(lambda p: write_deap(p, 1, small_deap()), lambda p: read_deap_small(p)),
    "deap protocol 2": Set(lambda p: write_deap(p, 1, small_deap(), protocol=2), lambda p: read_deap_small(p)),
    "deap mat": Set(_deap_mat, lambda p: read_deap_small(p)),
    "deap mat packed": Set(_deap_mat_packed, lambda p: read_deap_small(p), sums=True),
    "seed": Set(lambda p: write_seed(p, {"1_20131027": "djc"}, samples=9) / "1_20131027.mat", _set("seed"), sums=True),
    "seed labels": Set(lambda p: write_seed(p, {"1_20131027": "djc"}, samples=9) / "label.mat", _set("seed")),
    "seed features": Set(
        lambda p: write_seed_features(p, kinds=("de",)) / "1_20131027.mat", _features("seed"), sums=True
    ),
    "seed-iv": Set(lambda p: _seed_iv(p, "eeg_raw_data/2/*.mat"), _set("seed-iv"), sums=True),
    "seed-iv features": Set(lambda p: _seed_iv(p, "eeg_feature_smooth/2/*.mat"), _features("seed-iv"), sums=True),
    "seed-v": Set(_seed_v, lambda p: read_seed_v_short(p), flips=40, cuts=20),
    "seed-v features": Set(write_seed_v_features, _features("seed-v"), sums=True),
    "dreamer": Set(lambda p: write_dreamer(p, subjects=1, samples=8), _set("dreamer"), sums=True),
    "dreamer plain": Set(lambda p: write_dreamer(p, subjects=1, samples=8, compress=False), _set("dreamer")),
    "amigos": Set(write_amigos, _set("amigos"), sums=True, flips=20, cuts=15),
    "faced": Set(write_faced, _set("faced"), flips=10, cuts=8),
    "faced features": Set(
        lambda p: _first(p, write_faced_features, "*.pkl.pkl"), _features("faced"), flips=30, cuts=15
    ),
    "dasps": Set(lambda p: _first(p, write_dasps, "*.mat"), _set("dasps"), sums=True, flips=20, cuts=15),
    "eegmat": Set(write_eegmat, lambda p: read_set("eegmat", p, rate=None, download=False)),
}  # fmt: skip


def read_deap_small(place: Path) -> list[Recording]:
    return read_set("deap", place, label="liking")


def read_seed_v_short(place: Path) -> list[Recording]:
    return read_set("seed-v", place, rate=None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three trials of DEAP, 15 trials of SEED-V that last one second."""
    monkeypatch.setattr(deap, "_SHAPES", {"data": (3, 40, 392), "labels": (3, 4)})
    monkeypatch.setattr(seed_v, "STARTS", dict.fromkeys("123", tuple(range(15))))
    monkeypatch.setattr(seed_v, "ENDS", dict.fromkeys("123", tuple(range(1, 16))))


# ---- what a reader may answer


def facts(read: list[Recording] | Windows) -> list[Any]:
    """Everything but the numbers: names, labels, electrodes, rates, shapes."""
    if isinstance(read, Windows):
        return [read.shape, read.channels, read.rate, read.classes, read.y.tolist(), read.ids.tolist(), read.unit]
    return [
        (r.name, r.label, r.classes, r.channels, r.rate, r.signal.shape, r.info.get("stimulus"), r.info.get("ratings"))
        for r in read
    ]


def numbers(read: list[Recording] | Windows) -> np.ndarray:
    return read.X.ravel() if isinstance(read, Windows) else np.concatenate([r.signal.ravel() for r in read])


def answer(work: Callable[[], list[Recording] | Windows], *names: str) -> list[Recording] | Windows | None:
    """What was read, or None for a refusal that names a file and says why. Everything else is a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*trials left out")
        message = ""
        try:
            return work()
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
    assert any(name in message for name in names), f"no file is named: {message}"
    assert 20 < len(message) < 2000, message
    return None


def cuts(size: int, n: int, rng: random.Random, boundaries: Iterable[int] = ()) -> list[int]:
    """Lengths to cut a file to: at its ends, around boundaries, and anywhere."""
    around = [b + d for b in boundaries for d in (-1, 0, 1)]
    lengths = {0, 1, 8, 127, 128, 129, 136, 256, 512, size // 2, size - 8, size - 1, *around}
    lengths |= {rng.randrange(size) for _ in range(n)}
    return sorted(length for length in lengths if 0 <= length < size)


def flipped(whole: bytes, n: int, rng: random.Random) -> Iterator[tuple[int, bytes]]:
    """One bit or one byte changed: half of them in the first and last 2000 bytes, where the headers are."""
    for i in range(n):
        edge = rng.choice([rng.randrange(min(2000, len(whole))), max(0, len(whole) - 1 - rng.randrange(2000))])
        place = edge if i % 2 else rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8) if i % 3 else rng.randrange(1, 256)
        yield place, bytes(damaged)


def forge(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path
