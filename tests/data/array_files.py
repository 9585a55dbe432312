"""The same windows in every layout of arrays, by the libraries' own writers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from trimcap.data.arrays.npz import write_npz
from trimcap.data.windows import Windows

CHANNELS = ("Fz", "Cz", "Pz", "Oz")


def make() -> Windows:
    """40 windows (4, 64) of 2 subjects × 4 trials."""
    rows = [(f"{s + 1:02d}", "0", f"t{t}", float(k), f"{t:03d}") for s in range(2) for t in range(4) for k in range(5)]
    table = pd.DataFrame(rows, columns=["subject", "session", "trial", "start", "stimulus"])
    X = np.random.default_rng(0).standard_normal((40, 4, 64)).astype(np.float32) * 10
    y = (np.arange(40) // 5 % 2).astype(np.int64)
    return Windows(X, y, table, CHANNELS, 64.0, ("calm", "tense"), 1.0)


def trials(n=8):
    windows = make().take(np.arange(0, 40, 5)[:n])
    return replace(windows, metadata=windows.metadata.drop(columns="stimulus").assign(start=0.0))


def same(a, b):
    np.testing.assert_array_equal(np.asarray(a.X), np.asarray(b.X))
    np.testing.assert_array_equal(a.y, b.y)
    assert a.ids.tolist() == b.ids.tolist()
    for field in ("channels", "rate", "classes", "duration", "unit"):
        assert getattr(a, field) == getattr(b, field), field


def facts(windows):
    return {"channels": list(windows.channels), "rate": windows.rate, "classes": list(windows.classes)}


def save_folder(windows, folder):
    place = folder / "arrays"
    place.mkdir()
    np.save(place / "X.npy", windows.X)
    np.save(place / "y.npy", windows.y)
    windows.metadata.to_csv(place / "metadata.csv", index=False)
    (place / "info.json").write_text(json.dumps(facts(windows)), encoding="utf-8")
    return place


def save_npz(windows, folder):
    return write_npz(windows, folder / "arrays.npz")


def save_parquet(windows, folder, *, nested=False, fixed=False):
    import pyarrow as pa
    from pyarrow import parquet

    flat = windows.X.reshape(len(windows), -1)
    X = pa.array(windows.X.tolist(), pa.list_(pa.list_(pa.float32()))) if nested else pa.array(list(flat))
    if fixed:
        X = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    columns = {name: pa.array(windows.metadata[name].tolist()) for name in windows.metadata}
    table = pa.table({"X": X, "y": windows.y, **columns})
    table = table.replace_schema_metadata({b"trimcap": json.dumps(facts(windows)).encode()})
    parquet.write_table(table, folder / "arrays.parquet", row_group_size=7)
    return folder / "arrays.parquet"


def save_zarr(windows, folder, *, version):
    import zarr

    place = folder / "arrays.zarr"
    group = zarr.create_group(str(place), zarr_format=version)
    X = group.create_array("X", shape=windows.X.shape, dtype="float32", chunks=(7, *windows.shape))
    X[:] = windows.X
    group.create_array("y", data=windows.y)
    for name in windows.metadata:
        values = windows.metadata[name].to_numpy()
        if values.dtype.kind != "f":
            values = np.asarray(values.tolist(), dtype=np.dtypes.StringDType())
        group.create_array(name, data=values)
    group.attrs.update(facts(windows))
    return place


LAYOUTS = {
    "folder": save_folder,
    "npz": save_npz,
    "parquet": save_parquet,
    "nested parquet": lambda w, p: save_parquet(w, p, nested=True),
    "fixed parquet": lambda w, p: save_parquet(w, p, fixed=True),
    "zarr2": lambda w, p: save_zarr(w, p, version=2),
    "zarr3": lambda w, p: save_zarr(w, p, version=3),
}


def info(place, **changes):
    path = place / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
