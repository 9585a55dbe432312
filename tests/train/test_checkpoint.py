"""A resumed training ends in the same bits as one that was never interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from trimcap._errors import ArtifactError
from trimcap.models import GridCNN
from trimcap.train import fit


class Stopped(Exception):
    """What interrupts."""


def stop_at(step: int):
    def hook(_model, _epoch, now):
        if now == step:
            raise Stopped

    return hook


def same(a, b) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


OPTIONS = {"epochs": 6, "batch_size": 16, "schedule": "cosine", "seed": 5}


@pytest.mark.parametrize("network", ["eegnet", "grid_cnn"])
@pytest.mark.parametrize("step", [3, 8, 9, 23])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "torch.optim:RMSprop"])
def test_interrupted_and_resumed(network, step, optimizer, request, make_windows, tmp_path):
    model = request.getfixturevalue(network)
    train, valid = make_windows(50, model.input_shape), make_windows(20, model.input_shape, seed=1)
    options = OPTIONS | {"optimizer": optimizer}
    whole = fit(model, train, valid, **options)
    file = tmp_path / "run" / "checkpoint.safetensors"
    with pytest.raises(Stopped):
        fit(model, train, valid, checkpoint=file, hooks=[stop_at(step)], **options)
    assert file.exists() == (step > 4)
    seen = []
    resumed = fit(model, train, valid, checkpoint=file, hooks=[lambda _m, e, _s: seen.append(e)], **options)
    assert sorted(set(seen)) == list(range((step - 1) // 4 + 1, 7))
    assert same(resumed.model, whole.model)
    assert resumed.best_epoch == whole.best_epoch
    assert resumed.history.drop(columns="seconds").equals(whole.history.drop(columns="seconds"))


def test_without_the_optimizers_state_the_bits_differ(grid_cnn, make_windows, tmp_path, monkeypatch):
    """The twin that must fail: the comparison above notices a moment that was not restored."""
    train = make_windows(50, (3, 5, 4))
    whole = fit(grid_cnn, train, **OPTIONS)
    file = tmp_path / "checkpoint"
    with pytest.raises(Stopped):
        fit(grid_cnn, train, checkpoint=file, hooks=[stop_at(9)], **OPTIONS)
    monkeypatch.setattr("trimcap.train.checkpoint._load_optimizer", lambda *_: None)
    assert not same(fit(grid_cnn, train, checkpoint=file, **OPTIONS).model, whole.model)


def test_a_finished_run_is_not_trained_again(eegnet, make_windows, tmp_path):
    train, valid = make_windows(50), make_windows(20, seed=1)
    options = OPTIONS | {"patience": 1, "learning_rate": 0.05, "epochs": 40}
    first = fit(eegnet, train, valid, checkpoint=tmp_path / "c", **options)
    again = fit(eegnet, train, valid, checkpoint=tmp_path / "c", hooks=[stop_at(1), stop_at(161)], **options)
    assert first.stopped_early
    assert again.stopped_early
    assert same(first.model, again.model)


def test_checkpoint_every(eegnet, make_windows, tmp_path):
    written = []

    def look(_model, epoch, _step):
        written.append((epoch, (tmp_path / "c").exists()))

    fit(eegnet, make_windows(20), epochs=5, checkpoint=tmp_path / "c", checkpoint_every=3, epoch_hooks=[look])
    assert written == [(1, False), (2, False), (3, False), (4, True), (5, True)]


def test_model_with_tied_weights_and_no_validation(make_windows, tmp_path):
    torch.manual_seed(0)
    model = GridCNN(3, 5, 4, 2, widths=(4, 4), hidden=8)
    model.twin = model.hidden
    train = make_windows(50, (3, 5, 4))
    with pytest.raises(Stopped):
        fit(model, train, checkpoint=tmp_path / "c", hooks=[stop_at(9)], **OPTIONS)
    resumed = fit(model, train, checkpoint=tmp_path / "c", **OPTIONS)
    assert same(resumed.model, fit(model, train, **OPTIONS).model)
    assert resumed.model.twin.weight is resumed.model.hidden.weight


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.01}, r"learning_rate was 0\.001, now 0\.01"),
        ({"seed": 6}, "seed was 5, now 6"),
        ({"epochs": 7}, "epochs was 6, now 7"),
        ({"schedule": None}, "schedule was 'cosine', now None"),
        ({"loss": torch.nn.functional.l1_loss}, "loss was 'cross_entropy', now 'torch.nn.functional:l1_loss'"),
    ],
)
def test_checkpoint_of_other_settings(eegnet, make_windows, tmp_path, change, message):
    train = make_windows(20)
    fit(eegnet, train, checkpoint=tmp_path / "c", **OPTIONS)
    with pytest.raises(ValueError, match=rf"belongs to another run: {message}\. Use the same settings"):
        fit(eegnet, train, checkpoint=tmp_path / "c", **{**OPTIONS, **change})


def test_checkpoint_of_other_model_or_data(eegnet, make_windows, tmp_path):
    train = make_windows(20)
    fit(eegnet, train, checkpoint=tmp_path / "c", **OPTIONS)
    with pytest.raises(ValueError, match=r"another run: training windows was '"):
        fit(eegnet, make_windows(20, seed=1), checkpoint=tmp_path / "c", **OPTIONS)
    eegnet.spatial_dropout.p = 0.4
    with pytest.raises(ValueError, match=r"another run: architecture was '"):
        fit(eegnet, train, checkpoint=tmp_path / "c", **OPTIONS)
    eegnet.spatial_dropout.p = 0.25
    eegnet.dense.bias.data += 1
    with pytest.raises(ValueError, match=r"another run: initial weights was '"):
        fit(eegnet, train, checkpoint=tmp_path / "c", **OPTIONS)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_unreadable_checkpoint(eegnet, make_windows, tmp_path, content):
    file = tmp_path / "c"
    fit(eegnet, make_windows(20), checkpoint=file, **OPTIONS)
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ArtifactError, match=r"checkpoint '.*c' cannot be read .* delete it to start"):
        fit(eegnet, make_windows(20), checkpoint=file, **OPTIONS)


PROGRAM = """
    import os, signal, sys
    import numpy as np, pandas as pd, torch
    from trimcap.data.windows import Windows
    from trimcap.models import build
    from trimcap.train import fit
    from safetensors.torch import save_file

    checkpoint, out, kill = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"subject": "1", "session": "1", "trial": "1", "start": np.arange(80.0)})
    X = rng.standard_normal((80, 4, 64)).astype("f4")
    w = Windows(X, rng.integers(0, 2, 80), table, ("a", "b", "c", "d"), 64.0, ("a", "b"), 1.0)

    def die(model, epoch, step):
        if step == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    model = build("eegnet", w)
    fitted = fit(model, w.take(range(60)), w.take(range(60, 80)), epochs=6, batch_size=16,
                 checkpoint=checkpoint or None, hooks=[die])
    save_file(fitted.model.state_dict(), out)
"""


@pytest.mark.slow
def test_killed_and_resumed_in_other_processes(tmp_path):
    def run(checkpoint: Path | str, out: Path, kill: int) -> int:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(checkpoint), str(out), str(kill)]
        return subprocess.run(command, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode

    assert run("", tmp_path / "whole", 0) == 0
    assert run(tmp_path / "c", tmp_path / "resumed", 6) == -signal.SIGKILL
    assert run(tmp_path / "c", tmp_path / "resumed", 19) == -signal.SIGKILL
    assert not (tmp_path / "resumed").exists()
    assert run(tmp_path / "c", tmp_path / "resumed", 0) == 0
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
