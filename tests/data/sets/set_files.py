"""Write small stand-ins of the published sets: noise in the exact layout of the files.

Nothing comes from the real data. Signals are short where the layout lets them be.
"""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

SEED_LABELS = [1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1]
FEATURE_ROWS = {"de": 62, "psd": 62, "dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
EMOTIV = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()  # noqa: SIM905
# the order of Neuroscan's 64-channel cap, with mastoids among the electrodes
CNT_62 = [
    "FP1", "FPZ", "FP2", "AF3", "AF4", "F7", "F5", "F3", "F1", "FZ", "F2", "F4",
    "F6", "F8", "FT7", "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "FT8", "T7",
    "C5", "C3", "C1", "CZ", "C2", "C4", "C6", "T8", "M1", "TP7", "CP5", "CP3",
    "CP1", "CPZ", "CP2", "CP4", "CP6", "TP8", "M2", "P7", "P5", "P3", "P1", "PZ",
    "P2", "P4", "P6", "P8", "PO7", "PO5", "PO3", "POZ", "PO4", "PO6", "PO8", "CB1",
    "O1", "OZ", "O2", "CB2", "HEO", "VEO",
]  # fmt: skip


def noise(seed: int, *shape: int, scale: float = 10.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) * scale


def cells(shape: tuple[int, ...], items: list[Any]) -> np.ndarray:
    array = np.empty(shape, dtype=object)
    for index, item in enumerate(items):
        array.flat[index] = item
    return array


def folder(*parts: Path | str) -> Path:
    path = Path(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def deap_arrays(subject: int) -> dict[str, np.ndarray]:
    """Cheap but different in every sample; exact in float32."""
    base = np.random.default_rng(subject).integers(-2000, 2000, 8064 * 4).astype(np.float64) / 16
    starts = np.random.default_rng(subject + 99).integers(0, 8064 * 3, (40, 40))
    data = np.stack([np.stack([base[s : s + 8064] for s in row]) for row in starts])
    return {"labels": np.round(np.random.default_rng(subject).uniform(1, 9, (40, 4)), 2), "data": data}


def write_deap(out: Path, subject: int = 1, arrays: dict[str, Any] | None = None, protocol: int = 4) -> Path:
    path = folder(out, "data_preprocessed_python") / f"s{subject:02d}.dat"
    path.write_bytes(pickle.dumps(deap_arrays(subject) if arrays is None else arrays, protocol=protocol))
    return path


def seed_trials(subject: int, session: int, trials: int, samples: int) -> dict[int, np.ndarray]:
    return {t: noise(1000 * subject + 100 * session + t, 62, samples + t) for t in range(1, trials + 1)}


def write_seed(out: Path, files: dict[str, str], *, samples: int = 50, labels: Any = SEED_LABELS) -> Path:
    """`files`: name without ending -> initials; the content is seeded by subject and the position in `files`."""
    target = folder(out, "SEED", "Preprocessed_EEG")
    if labels is not None:
        savemat(target / "label.mat", {"label": np.array([labels], "i2")})
    (target / "readme.txt").write_text("synthetic\n")
    for place, (name, initials) in enumerate(files.items()):
        content = seed_trials(int(name.split("_")[0]), place, 15, samples)
        variables = {f"{initials}_eeg{t}": content[t] for t in sorted(content, key=str)}  # not in the order of trials
        savemat(target / f"{name}.mat", variables, do_compression=True)
    return target


def feature(seed: int, trial: int, rows: int, windows: int) -> np.ndarray:
    return np.random.default_rng(seed * 100 + trial).normal(20, 3, (rows, windows, 5))


def write_seed_features(out: Path, name: str = "1_20131027", kinds: tuple[str, ...] = tuple(FEATURE_ROWS)) -> Path:
    target = folder(out, "SEED", "ExtractedFeatures")
    savemat(target / "label.mat", {"label": np.array([SEED_LABELS], "i2")})
    variables = {
        f"{kind}_{smoothing}{t}": feature(7 * k + s, t, FEATURE_ROWS[kind], 3 + t % 2)
        for k, kind in enumerate(kinds)
        for s, smoothing in enumerate(("movingAve", "LDS"))
        for t in range(1, 16)
    }
    savemat(target / f"{name}.mat", variables, do_compression=True)
    return target


def write_seed_iv(out: Path, sessions: tuple[int, ...] = (1, 2, 3), samples: int = 40) -> Path:
    for session in sessions:
        raw = folder(out, "SEED_IV", "eeg_raw_data", str(session))
        content = seed_trials(1, session, 24, samples)
        savemat(raw / "1_20160518.mat", {f"cz_eeg{t}": x for t, x in content.items()}, do_compression=True)
        smooth = folder(out, "SEED_IV", "eeg_feature_smooth", str(session))
        features = {f"de_LDS{t}": feature(session, t, 62, 2) for t in range(1, 25)}
        savemat(smooth / "1_20160518.mat", features, do_compression=True)
    return Path(out, "SEED_IV")


def seed_v_tables() -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    labels = [4, 1, 3, 2, 0] * 3 + [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0] * 2
    data = {i: noise(i, 2 + i % 3, 310) for i in range(45)}
    return data, {i: np.full(len(data[i]), labels[i], dtype=float) for i in range(45)}


def write_seed_v_features(out: Path, *, data: Any = None, label: Any = None) -> Path:
    target = folder(out, "EEG_DE_features") / "1_123.npz"
    good, labels = seed_v_tables()
    np.savez(target, data=pickle.dumps(data or good), label=pickle.dumps(label or labels))
    return target


def write_cnt(path: Path, counts: np.ndarray, names: list[str] = CNT_62, *, rate: int = 1000) -> Path:
    """`counts`: int32, shape (n_channels, n_times), 1 count = 1 µV. Offsets: Neuroscan's SETUP and ELECTLOC tables."""
    n, n_times = counts.shape
    head = bytearray(900)
    head[0:12] = b"Version 3.0\0"
    table = 900 + 75 * n + counts.size * 4
    head[225:235], head[235:247] = b"08/04/18  ", b"10:00:00    "
    struct.pack_into("<H", head, 370, n)
    struct.pack_into("<H", head, 376, rate)
    struct.pack_into("<i", head, 864, n_times)
    struct.pack_into("<i", head, 886, table)
    place = np.linspace(0, 2 * np.pi, n, endpoint=False)
    electrodes = b""
    for i, name in enumerate(names):
        one = bytearray(75)
        one[0 : len(name)] = name.encode()
        struct.pack_into("<ff", one, 19, float(np.cos(place[i])), float(np.sin(place[i])))
        struct.pack_into("<f", one, 59, 1.0)
        struct.pack_into("<f", one, 71, 204.8)
        electrodes += bytes(one)
    events = struct.pack("<bii", 1, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(head) + electrodes + counts.T.astype("<i4").tobytes() + events)
    return path


def dreamer_subject(number: int, samples: int, baseline: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(number)

    def signals(seed: int, channels: int, n: int) -> np.ndarray:
        return cells((18, 1), [noise(seed + t, n + t, channels) + 4200 for t in range(18)])

    def scores() -> np.ndarray:
        return rng.integers(1, 6, (18, 1)).astype("u1")

    eeg = {"baseline": signals(1000 * number, 14, baseline), "stimuli": signals(1000 * number + 500, 14, samples)}
    ecg = {"baseline": signals(0, 2, 8), "stimuli": signals(1, 2, 8)}
    scored = {"ScoreValence": scores(), "ScoreArousal": scores(), "ScoreDominance": scores()}
    return {"Age": "22", "Gender": "male", "EEG": eeg, "ECG": ecg, **scored}


def write_dreamer(
    out: Path, *, subjects: int = 2, samples: int = 60, baseline: int = 40, compress: bool = True, **changes: Any
) -> Path:
    content = [dreamer_subject(n + 1, samples, baseline) for n in range(subjects)]
    fields = {
        "Data": cells((1, subjects), content), "EEG_SamplingRate": 128, "ECG_SamplingRate": 256,
        "EEG_Electrodes": cells((1, 14), list(EMOTIV)), "noOfSubjects": subjects, "noOfVideoSequences": 18,
        "Disclaimer": "synthetic", "Provider": "synthetic", "Version": "0", "Acknowledgement": "synthetic",
    }  # fmt: skip
    path = folder(out) / "DREAMER.mat"
    savemat(path, {"DREAMER": fields | changes}, do_compression=compress)
    return path


def amigos_arrays(subject: int, samples: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(subject)
    trials = [noise(100 * subject + t, 640 + samples + t, 17) for t in range(20)]
    ratings = [np.r_[rng.uniform(1, 9, 5), rng.integers(0, 2, 7)][None].astype(float) for _ in range(20)]
    return trials, ratings


def write_amigos(
    out: Path, subject: int = 1, *, samples: int = 30, empty: tuple[int, ...] = (), nan: tuple[int, ...] = ()
) -> Path:
    trials, ratings = amigos_arrays(subject, samples)
    for t in empty:
        trials[t] = ratings[t] = np.zeros((0, 0))
    for t in nan:
        ratings[t][:] = np.nan
    path = folder(out, "AMIGOS", "data_preprocessed") / f"Data_Preprocessed_P{subject:02d}.mat"
    external = cells((1, 20), [np.ones((1, 2))] * 20)
    variables = {"joined_data": cells((1, 20), trials), "labels_selfassessment": cells((1, 20), ratings)}
    savemat(path, variables | {"labels_ext_annotation": external}, do_compression=True)
    return path


def faced_clips(subject: int) -> np.ndarray:
    base = np.random.default_rng(subject).integers(-2000, 2000, 30_000).astype(np.float32) / 16
    starts = np.random.default_rng(subject + 50).integers(0, 22_500, (28, 32))
    return np.stack([np.stack([base[s : s + 7500] for s in row]) for row in starts])


def write_faced(out: Path, subject: int = 0) -> Path:
    path = folder(out, "FACED", "Processed_data") / f"sub{subject:03d}.pkl"
    path.write_bytes(pickle.dumps(faced_clips(subject), protocol=4))
    return path


def write_faced_features(out: Path, subject: int = 0, kind: str = "DE") -> np.ndarray:
    values = np.random.default_rng(subject).normal(2, 1, (28, 32, 30, 5))
    path = folder(out, "FACED", "EEG_Features", kind) / f"sub{subject:03d}.pkl.pkl"
    path.write_bytes(pickle.dumps(values, protocol=4))
    return values


def write_dasps(
    out: Path, subject: int = 1, *, form: str = "preprocessed", labelled: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    data = noise(subject, 14, 1920, 12)
    labels = np.random.default_rng(subject).integers(0, 10, (12, 2)).astype(float)
    name = "Raw data.mat" if form == "raw" else "Preprocessed data .mat"
    ending = "" if form == "raw" else "preprocessed"
    held = {"data": data, **({"labels": labels, "hamilton": np.ones((1, 2))} if labelled else {})}
    write_v73(folder(out, name) / f"S{subject:02d}{ending}.mat", held)
    return data, labels


def write_v73(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """As MATLAB does: 512 bytes of its own, dimensions reversed, a class with every variable."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            data = file.create_dataset(name, data=np.ascontiguousarray(values.T), chunks=True, compression="gzip")
            data.attrs["MATLAB_class"] = np.bytes_("double")
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<H", 0x0200) + b"IM"
    path.write_bytes(bytes(content))
    return path
