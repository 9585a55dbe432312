"""Every entrance of data into a network takes what fits, brings it into the network's form, and refuses the rest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from trimcap import runtime
from trimcap.data import from_arrays, k_fold_subjects
from trimcap.data.expected import Expected
from trimcap.data.libraries.door import to_input
from trimcap.data.rows.lazy import lazy_array
from trimcap.data.windows import Windows
from trimcap.export.artifact import export
from trimcap.export.build import host_compiler
from trimcap.export.verify import verify
from trimcap.graph.network import Network
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.program.interpret import interpret, quantize_input
from trimcap.program.lower.lower import lower
from trimcap.program.program import Program
from trimcap.program.save import load_program, save_program
from trimcap.prune import score, shrink
from trimcap.prune.plan import make_plan
from trimcap.quantize.network import quantize_network
from trimcap.train import fit, predict, probabilities
from trimcap.train.re_estimate import re_estimate_batch_norm

CHANNELS, RATE, TIMES = ("Fz", "T7", "P8", "Oz"), 64.0, 32


def windows_of(n: int = 24, *, rate: float = RATE, times: int = TIMES, scale: float = 20.0) -> Windows:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, len(CHANNELS), times)) * scale * np.array([1, 2, 0.5, 1])[:, None]
    subjects = [f"s{i % 6}" for i in range(n)]
    return from_arrays(X, np.arange(n) % 2, channels=CHANNELS, rate=rate, subject=subjects, classes=("a", "b"))


def epochs_of(windows: Windows, *, names: tuple[str, ...] = CHANNELS, rate: float = RATE) -> mne.EpochsArray:
    """In volts, with a trigger channel in front and the electrodes in the order and by the names given."""
    rows = [CHANNELS.index({"T3": "T7", "T6": "P8"}.get(name, name)) for name in names]
    X = np.concatenate([np.zeros((len(windows), 1, windows.shape[1])), windows.X[:, rows] * 1e-6], axis=1)
    info = mne.create_info(["STI", *names], rate, ["stim", *["eeg"] * len(names)])
    return mne.EpochsArray(X, info, verbose="error")


@dataclass(frozen=True)
class World:
    """One trained network in all its forms."""

    windows: Windows
    model: nn.Module
    network: Network
    program: Program
    whole: Program
    artifact: Path
    runner: Any


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    windows = windows_of()
    torch.manual_seed(0)
    bare = nn.Sequential(nn.BatchNorm1d(4), nn.Conv1d(4, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(84, 2))
    model = fit(bare, windows, epochs=1).model
    network = trace(model, windows)
    whole = quantize_network(network, windows).program
    artifact = export(whole, tmp_path_factory.mktemp("door") / "c", golden=windows.take(range(4)))
    runner = None
    if host_compiler():
        runner = runtime.load(artifact, cache=tmp_path_factory.mktemp("cache"))
    return World(windows, model, network, lower(network), whole, artifact, runner)


Entrance = Callable[[World, Any, Path], NDArray[Any]]


def _runner(w: World) -> Any:
    return w.runner or pytest.skip("no C compiler found")


def _verified(w: World, given: Any, tmp: Path) -> NDArray[Any]:
    _runner(w)
    return np.asarray([verify(w.artifact, windows=given, targets=["host"], save=tmp).rows[0].windows])


#: what takes Windows, Epochs, arrays and tensors, and what comes out of it
ENTRANCES: dict[str, Entrance] = {
    "predict a module": lambda w, given, _: predict(w.model, given),
    "predict a network": lambda w, given, _: predict(w.network.module(), given),
    "predict an artifact": lambda w, given, _: predict(_runner(w), given),
    "probabilities": lambda w, given, _: probabilities(w.model, given),
    "interpret": lambda w, given, _: interpret(w.program, given),
    "interpret integers": lambda w, given, _: interpret(w.whole, given),
    "quantize_input": lambda w, given, _: quantize_input(w.whole, given),
    "runtime": lambda w, given, _: _runner(w)(given),
    "runtime, raw": lambda w, given, _: _runner(w).raw(given),
    "calibration": lambda w, given, _: np.asarray(list(quantize_network(w.network, given).ranges.bounds.values())),
    "golden windows": lambda w, given, tmp: interpret(w.program, load_golden(export(w.program, tmp, golden=given))),
    "verify": _verified,
}
#: what takes Windows only
OF_WINDOWS: dict[str, Entrance] = {
    "saliency": lambda w, given, _: np.concatenate(list(score(w.network, "taylor", windows=given).values.values())),
    "batch norm": lambda w, given, _: re_estimate_batch_norm(w.network, given).tensors["0.running_mean"].numpy(),
    "fit": lambda w, given, _: fit(w.network.module(), given, epochs=1).model.tensor("4.weight").detach().numpy(),
}
#: they stand for what NaN becomes in the arithmetic
NAN_IS_DEFINED = ("interpret", "interpret integers", "quantize_input", "verify")


def load_golden(folder: Path) -> NDArray[np.float32]:
    from safetensors.numpy import load_file

    return np.asarray(load_file(folder / "golden.safetensors")["x"])


def shuffled(w: Windows) -> Windows:
    return w.pick(("Oz", "P8", "Fz", "T7"))


FITS: dict[str, Callable[[Windows], Any]] = {
    "an array": lambda w: w.X,
    "float64": lambda w: w.X.astype(np.float64),
    "a tensor": lambda w: torch.from_numpy(w.X).double().requires_grad_(),
    "a list": lambda w: w.X.tolist(),
    "shuffled electrodes": shuffled,
    "other names of the sites": lambda w: replace(shuffled(w), channels=("OZ", "T6", "EEG Fz-REF", "T3")),
    "not in memory": lambda w: replace(w, X=lazy_array(lambda rows: w.X[rows], w.X.shape)),
    "epochs": epochs_of,
    "epochs, shuffled": lambda w: epochs_of(w, names=("Oz", "T6", "Fz", "T3")),
}
REFUSED: dict[str, tuple[Callable[[Windows], Any], str]] = {
    "volts": (lambda w: w.X * 1e-6, "1e[+]06 times smaller.*volts: multiply by 1e6"),
    "millivolts": (lambda w: w.X * 1e-3, "1e[+]03 times smaller.*millivolts: multiply by 1e3"),
    "windows in volts": (lambda w: replace(w, X=w.X * np.float32(1e-6)), "times smaller"),
    "nanovolts": (lambda w: w.X * 1e3, "1e[+]03 times larger.*nanovolts"),
    "epochs in µV": (lambda w: epochs_of(replace(w, X=w.X * np.float32(1e6))), "1e[+]06 times larger"),
    "counts": (lambda w: (w.X * 45).astype(np.int32), "whole numbers .int32., which look like counts of an ADC"),
    "text": (lambda w: np.full(w.X.shape, "1"), "real numbers, got ndarray"),
    "complex": (lambda w: w.X * 1j, "real numbers, got ndarray"),
    "a missing electrode": (lambda w: w.pick(("Fz", "T7", "P8")), "Oz of them missing here"),
    "another electrode": (lambda w: replace(w, channels=("Fz", "T7", "P8", "Pz")), "Oz of them missing here"),
    "epochs, electrode missing": (lambda w: epochs_of(w, names=("Fz", "T3", "Oz")), "P8 of them missing here"),
    "another rate": (lambda w: replace(w, rate=128.0), "takes windows at 64 Hz, these have 128 Hz"),
    "epochs, another rate": (lambda w: epochs_of(w, rate=128.0), "takes 64 Hz, the Epochs have 128 Hz"),
    "another length": (lambda w: w.X[..., :30], r"must be \(n, 4, 32\), got \(24, 4, 30\)"),
    "epochs, another length": (lambda w: epochs_of(windows_of(times=33)), r"must be \(n, 4, 32\), got \(24, 4, 33\)"),
    "another unit": (lambda w: w.with_X(w.X, step="z-scored", unit="z"), "takes windows in µV, these are in z"),
    "features": (lambda w: w.X.reshape(24, 4, 4, 8), r"must be \(n, 4, 32\)"),
    "one window": (lambda w: w.X[0], r"must be \(n, 4, 32\), got \(4, 32\)"),
}
OTHERS: dict[str, tuple[Callable[[Windows], Any], str]] = {
    "a fold": (lambda w: k_fold_subjects(w, n_folds=3)[0], "whole Fold"),
    "a sealed test set": (lambda w: k_fold_subjects(w, n_folds=3)[0].test, "sealed"),
    "a Raw": (lambda w: mne.io.RawArray(w.X[0], mne.create_info(4, RATE), verbose="error"), "continuous"),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_what_fits_is_the_same_everywhere(world, tmp_path, entrance):
    wanted = ENTRANCES[entrance](world, world.windows, tmp_path / "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, (name, make) in enumerate(FITS.items()):
            got = ENTRANCES[entrance](world, make(world.windows), tmp_path / str(number))
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_what_does_not_fit_is_refused_everywhere(world, tmp_path, entrance):
    for name, (make, message) in REFUSED.items():
        with pytest.raises(ValueError, match=message):
            print(name, ENTRANCES[entrance](world, make(world.windows), tmp_path / "x"))
    for name, (make, message) in OTHERS.items():
        with pytest.raises(TypeError, match=message):
            print(name, ENTRANCES[entrance](world, make(world.windows), tmp_path / "x"))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("entrance", [name for name in ENTRANCES if name not in NAN_IS_DEFINED])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused(world, tmp_path, entrance, value):
    X = world.windows.X.copy()
    X[5, 2, 7] = value
    far = replace(world.windows, X=lazy_array(lambda rows: X[rows], X.shape))
    for given in (X, replace(world.windows, X=X), torch.from_numpy(X), far, X.astype(np.float64) * 1e300):
        with pytest.raises(ValueError, match=r"window 5 .*NaN|window 0"):
            ENTRANCES[entrance](world, given, tmp_path / "x")


@pytest.mark.parametrize("entrance", OF_WINDOWS)
def test_entrances_for_windows(world, tmp_path, entrance):
    run = OF_WINDOWS[entrance]
    wanted = run(world, world.windows, tmp_path)
    for make in (shuffled, FITS["other names of the sites"], FITS["not in memory"]):
        np.testing.assert_allclose(run(world, make(world.windows), tmp_path), wanted, rtol=1e-4, atol=1e-6)
    for name in ("a missing electrode", "another electrode"):
        with pytest.raises(ValueError, match=REFUSED[name][1]):
            run(world, REFUSED[name][0](world.windows), tmp_path)
    with pytest.raises(ValueError, match=r"must be \(n, 4, 32\)"):
        run(world, windows_of(times=30), tmp_path)


def test_a_door_that_knew_nothing_would_be_wrong(world):
    """The twin: without the record the same faults give other classes, and nobody says so."""
    blind = replace(world.program, expects=None)
    wanted = interpret(world.program, world.windows)
    for fault in (lambda w: w.X * 1e-6, shuffled, lambda w: replace(w, rate=128.0)):
        interpret(blind, fault(world.windows))
    assert np.abs(interpret(blind, world.windows.X * 1e-6) - wanted).max() > 0.1 * np.abs(wanted).max()
    with pytest.raises(ValueError, match="does not know what it was trained on"):
        interpret(blind, epochs_of(world.windows))


def test_what_is_odd_is_said(world):
    X = world.windows.X
    cases = {
        "100 times larger": X * 100,
        "electrode P8 differs in scale": X * np.array([1, 1, 1e4, 1], np.float32)[:, None],
        "lie around 4.2e[+]03 µV": X + 4200,
        "e[+]06 times larger": X[:1] * 1e6,  # one window may be an artefact
    }
    for message, given in cases.items():
        with pytest.warns(UserWarning, match=message):
            predict(world.model, given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for quiet in (X * 5, X / 5, X * 0, X * np.array([1, 1, 0, 1], np.float32)[:, None], X + 150):
            predict(world.model, quiet)


def test_the_record_goes_wherever_the_network_goes(world, tmp_path):
    record = world.model.expects
    assert (record.channels, record.rate, record.duration, record.unit, record.raw) == (CHANNELS, 64.0, 0.5, "µV", True)
    np.testing.assert_allclose(record.scale, [20, 40, 10, 20], rtol=0.1)
    assert world.network.expects == record
    assert load(save(world.network, tmp_path / "n")).expects == record
    assert world.whole.expects == record
    assert load_program(save_program(world.whole, tmp_path / "p")).expects == record
    assert trace(world.network.module(), world.windows.X).expects == record
    again = fit(world.network.module(), replace(world.windows, X=world.windows.X * 3), epochs=1).model
    np.testing.assert_allclose(again.extract().expects.scale, [60, 120, 30, 60], rtol=0.1)
    small = shrink(world.network, make_plan(world.network, {"electrodes": [3, 1]}))
    assert small.expects.channels == small.channels
    np.testing.assert_allclose(small.expects.scale, [record.scale[CHANNELS.index(c)] for c in small.channels])
    X = epochs_of(world.windows)
    np.testing.assert_allclose(predict(small.module(), X), predict(small.module(), world.windows), atol=1e-5)


def test_nothing_more_is_said_than_is_known(world):
    bare = nn.Sequential(nn.Flatten(), nn.Linear(4 * TIMES, 2))
    foreign = trace(bare, world.windows.X)
    assert foreign.expects is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predict(foreign.module(), world.windows.X * 1e-6).shape == (24, 2)
    with pytest.raises(ValueError, match="does not know what it was trained on"):
        predict(foreign.module(), epochs_of(world.windows))
    with pytest.raises(ValueError, match=r"must be \(n, 4, 32\)"):
        predict(foreign.module(), world.windows.X[..., 1:])
    named = trace(bare, epochs_of(world.windows, names=("Oz", "T6", "Fz", "T3")))
    assert (named.channels, named.expects.rate, named.expects.unit) == (("Oz", "T6", "Fz", "T3"), 64.0, "")
    with pytest.raises(ValueError, match="does not know what it was trained on"):
        predict(named.module(), epochs_of(world.windows))


def test_features_are_not_made_of_epochs(world):
    features = world.windows.with_X(world.windows.X[..., :5], step="differential entropy", unit="nat")
    record = Expected.of(features)
    assert (record.raw, len(record.scale)) == (False, 1)
    with pytest.raises(
        ValueError, match=r"takes windows in nat that were made by further steps .*differential entropy"
    ):
        to_input(epochs_of(world.windows), record, shape=(4, 5))
    with pytest.warns(UserWarning, match="lie around"):  # the entropy of volts
        to_input(features.X - 200, record, shape=(4, 5))
    assert to_input(shuffled(features), record, shape=(4, 5)).tolist() == features.X.tolist()


@pytest.mark.parametrize(
    "change",
    [{"unit": 3}, {"scale": ["1"]}, {"scale": [float("nan")]}, {"rate": True}, {"rate": -1}, {"raw": 1}, {"more": 1},
     {"channels": "Fz"}, {"steps": [1]}],
)  # fmt: skip
def test_a_forged_record_is_refused(world, change):
    good = world.network.expects.as_dict()
    assert Expected.from_dict(good) == world.network.expects
    with pytest.raises(ValueError, match="no record of a network's input"):
        Expected.from_dict({**good, **change})
