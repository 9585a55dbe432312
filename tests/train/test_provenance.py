"""A network knows for good whose windows it has seen, and the audit asks it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap.data.preprocess.windows.scaling import fit_scaler
from trimcap.data.seen import NOTHING, OUTSIDE, Seen, from_json, united
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.protocols.named import split
from trimcap.data.windows import Windows
from trimcap.graph.module import mark
from trimcap.graph.origin import followed, seen_of, untrained
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.models import EEGNet
from trimcap.models.build import MODELS, build
from trimcap.models.scaled import Scaled
from trimcap.program.lower.lower import lower
from trimcap.program.save import load_program, save_program
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.table import score
from trimcap.prune.shrink import shrink
from trimcap.quantize.network import quantize_network
from trimcap.train.fit import fit
from trimcap.train.fresh import fresh
from trimcap.train.losses.attention_transfer import attention_transfer
from trimcap.train.losses.losses import distillation
from trimcap.train.predict import predict
from trimcap.train.re_estimate import re_estimate_batch_norm

UNKNOWN = "unknown: trained outside"


def make_windows(subjects=("s0", "s1", "s2", "s3"), *, per_trial=5) -> Windows:
    rows = [(s, "0", f"t{t}", 1.0 * k, t % 2) for s in subjects for t in range(2) for k in range(per_trial)]
    table = pd.DataFrame(rows, columns=["subject", "session", "trial", "start", "y"])
    X = np.random.default_rng(len(subjects)).standard_normal((len(table), 4, 64)).astype(np.float32)
    y = table.pop("y").to_numpy(np.int64)
    return Windows(X, y, table, ("Fz", "Cz", "Pz", "Oz"), 64.0, ("a", "b"), 1.0)


WINDOWS = make_windows()
OPTIONS = {"epochs": 1, "batch_size": 16}


def eegnet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EEGNet(4, 64, 2, F1=2, D=2, F2=4, kernel=8, separable_kernel=4)


def fold() -> Fold:
    """Of subject s0, with others for training and validation."""
    return next(f for f in split(WINDOWS, "leave_one_subject_out") if f.name == "subject s0")


@pytest.fixture(scope="module")
def honest():
    own = fold()
    return fit(eegnet(), own.train, own.valid, **OPTIONS)


@pytest.fixture(scope="module")
def cheat():
    """Trained on everything."""
    return fit(eegnet(), WINDOWS, **OPTIONS)


def verdict(model, **networks):
    own = fold()
    own.ledger.record("fit", own.train)
    predict(model, own.test.open("evaluate", "it"))
    return own.audit(networks)


def test_what_fit_saw_is_what_the_model_says(honest):
    own = fold()
    assert seen_of(honest.model) is honest.seen
    assert honest.seen.subjects() == {
        "fit": sorted(set(own.train.metadata.subject)), "early stopping": sorted(set(own.valid.metadata.subject)),
    }  # fmt: skip
    assert len(honest.seen.windows) == len(own.train) + len(own.valid)
    assert verdict(honest.model).verdict == "passed"


def test_a_model_that_was_trained_on_test_windows_fails_the_audit(cheat):
    audit = verdict(cheat.model)
    assert audit.checks == {"access": "passed", "provenance": "failed", "content": "passed"}
    texts = [f.text for f in audit.findings if f.check == "provenance"]
    assert any("had seen 10 of 10 test windows before, the first is s0/0/t0@0.0000" in t for t in texts)
    assert any("had seen subject s0 before, by name (stage 'fit')" in t for t in texts)


def test_names_do_not_fool_it(cheat):
    """The windows are found under other names; and by their names where they were filtered."""
    renamed = replace(WINDOWS, metadata=WINDOWS.metadata.assign(subject="x" + WINDOWS.metadata.subject))
    for windows, word in ((renamed, "test windows before"), (replace(WINDOWS, X=WINDOWS.X * 1.5), "by name")):
        own = split(windows, "leave_one_subject_out")[0]
        own.ledger.record("fit", own.train)
        audit = own.audit({"cheat": cheat})
        assert audit.verdict == "failed"
        assert all(word in f.text for f in audit.findings if f.severity == "error")


def transformed(network, tmp_path):
    """Every public way from a network to another one."""
    windows = fold().train
    plan = keep_top(network, score(network, "l1"), 0.5)
    student = shrink(network, plan)
    quantized = quantize_network(network, windows)
    float_program = lower(network)
    yield "module", network.module()
    yield "deep copy", copy.deepcopy(network.module())
    yield "pickled", pickle.loads(pickle.dumps(network.module()))
    yield "extracted", network.module().extract()
    yield "traced again", trace(network.module(), windows)
    yield "saved", load(save(network, tmp_path / "n"))
    yield "rewritten", rewrite(network).network
    yield "pruned", student
    yield "re-estimated", re_estimate_batch_norm(network, windows)
    yield "wrapped", trace(Scaled(network.module(), np.zeros((4, 1)), np.ones((4, 1))), windows)
    yield "lowered", float_program
    yield "quantized", quantized.program
    yield "a method", float_program.with_name("x")
    yield "saved program", load_program(save_program(quantized.program, tmp_path / "p"))
    yield "trained on", fit(student.module(), windows, **OPTIONS).model
    yield "followed", fit(eegnet(), windows, **OPTIONS, loss=distillation(network.module())).model
    yield "followed as a module", fit(eegnet(), windows, **OPTIONS, loss=distillation(network.module())).seen
    yield "attention", fit(student.module(), windows, **OPTIONS, loss=attention_transfer(network)).model


def test_every_transformation_keeps_it(cheat, honest, tmp_path):
    for which, wanted in ((cheat, "failed"), (honest, "passed")):
        network = trace(which.model, WINDOWS)
        assert network.seen is which.seen
        for name, made in transformed(network, tmp_path / wanted):
            seen = made if isinstance(made, Seen) else seen_of(made)
            own = fold()
            own.ledger.record("fit", own.train)
            own.ledger.meet(name, seen)
            assert own.audit().verdict == wanted, name


def test_new_weights_have_seen_nothing(cheat):
    network = trace(cheat.model, WINDOWS)
    assert fresh(network, seed=0).seen is NOTHING
    scaler = fit_scaler(WINDOWS)
    scaled = fit(Scaled(eegnet(), scaler.mean, scaler.std), WINDOWS, **OPTIONS).model
    assert fresh(trace(scaled, WINDOWS), seed=0).seen.subjects()["fit"] == ["s0", "s1", "s2", "s3"]  # its scaling


def trained_elsewhere(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for _ in range(3):
        model(torch.from_numpy(WINDOWS.X)).square().sum().backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("start", ["new", "fitted", "traced"])
def test_training_elsewhere_is_unknown_and_never_passes(start, honest):
    model = {
        "new": eegnet,
        "fitted": lambda: copy.deepcopy(honest.model),
        "traced": lambda: trace(honest.model, WINDOWS).module(),
    }[start]()
    trained_elsewhere(model)
    for one in (model, trace(model, WINDOWS).module(), lower(trace(model, WINDOWS))):
        assert seen_of(one).outside == "trained outside"
    audit = verdict(model)
    assert audit.verdict == audit.checks["provenance"] == UNKNOWN
    assert not audit.passed
    # training on from there does not wash it clean, and the ledger says so before anything is evaluated
    own = fold()
    fit(model, own.train, **OPTIONS, ledger=own.ledger)
    assert own.audit().verdict == UNKNOWN


def test_foreign_functions_and_models_are_unknown():
    assert verdict(lambda x: np.zeros((len(x), 2))).verdict == UNKNOWN
    own = fold()
    own.ledger.record("fit", own.train)
    assert own.audit({"somebody's": object()}).verdict == UNKNOWN
    assert Seen().outside == ""
    assert united([NOTHING, OUTSIDE]).outside


@pytest.mark.parametrize("name", sorted(MODELS))
def test_new_models_count_as_untrained_and_trained_ones_do_not(name):
    grids = ("ccnn", "fbccnn", "grid_cnn")
    shape = (4, 9, 9) if name in grids else (3, 32, 32) if name in ("frame_cnn", "resnet", "vgg16") else (8, 256)
    channels = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")
    X = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float32)
    table = pd.DataFrame({"subject": "s", "session": "0", "trial": "0", "start": np.arange(4.0)})
    windows = Windows(X, np.arange(4) % 2, table, channels, 128.0, ("a", "b"), 2.0)
    try:
        model = build(name, windows, seed=0)
    except (ValueError, TypeError):
        pytest.skip("takes other windows")
    assert untrained(list(model.modules()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()(torch.from_numpy(X)).square().sum().backward()
    optimizer.step()
    assert not untrained(list(model.modules()))


def test_teachers_are_found_where_a_loss_keeps_them(cheat):
    teacher = cheat.model

    class Loss:
        def __init__(self):
            self.teacher = teacher

        def __call__(self, model, x, y):
            return nn.functional.mse_loss(model(x), self.teacher(x))

        def method(self, model, x, y):
            return self(model, x, y)

    def by_default(model, x, y, teacher=teacher):
        return nn.functional.mse_loss(model(x), teacher(x))

    for loss in (distillation(teacher), Loss(), Loss().method, by_default, lambda m, x, y: teacher(x).sum()):
        assert len(followed(loss).windows) == len(WINDOWS)
    assert not len(followed("cross_entropy").windows)


def test_what_was_written_is_read_again_or_refused(cheat):
    content = cheat.seen.to_json()
    again = from_json(content)
    assert again.trials == cheat.seen.trials
    np.testing.assert_array_equal(again.windows, cheat.seen.windows)
    for blob in ("?", "AAAA", "ä"):
        with pytest.raises(ValueError, match="hashes of the windows"):
            from_json({**content, "windows": blob})


def test_marks_do_not_go_to_state_dicts():
    model = eegnet()
    mark(model, NOTHING)
    assert model.state_dict().keys() == eegnet().state_dict().keys()


# ---- transforms


@pytest.mark.parametrize("when", ["mapped", "before"])
def test_a_scaler_that_was_fitted_on_everything_fails(when):
    scaler = fit_scaler(WINDOWS)
    if when == "mapped":
        own = fold().map(scaler.apply)
    else:
        own = next(f for f in split(scaler.apply(WINDOWS), "leave_one_subject_out") if f.name == "subject s0")
    own.ledger.record("fit", own.train)
    audit = own.audit()
    assert audit.checks["provenance"] == "failed"
    assert any("a transform of the windows had seen subject s0 before" in f.text for f in audit.findings)
    # twins: fitted on what may be seen
    for honest in (fold().scaled(), fold().map(fit_scaler(fold().train).apply)):
        honest.ledger.record("fit", honest.train)
        assert honest.audit().passed
        assert honest.train.steps == ("standardised per channel, fitted on 20 windows",)


def test_a_transform_whose_windows_are_forgotten_is_named():
    windows = replace(WINDOWS, steps=("standardised per channel, fitted on 40 windows",))
    own = next(f for f in split(windows, "leave_one_subject_out") if f.name == "subject s0")
    own.ledger.record("fit", own.train)
    (finding,) = [f for f in own.audit().findings if f.severity == "warning"]
    assert "on which windows is not recorded" in finding.text
