"""Bad input of pruning in a recipe: refused before training where the recipe says so, else with trial and stage."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from test_run import TINY
from torch import nn

from trimcap._errors import PlanError
from trimcap.prune.saliency.scores import Scores
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.before_training import check_axes
from trimcap.study.run.prepare import prepare
from trimcap.study.run.run import run

HEAD = TINY[: TINY.index("[[steps]]")].replace("seeds = [0]", "seeds = [3]")
PRUNE = '[[steps]]\nkind = "prune"\nsparsity = 0.5\n'


def nan(network, *, axes=None):
    return Scores({a.name: np.full(a.size, np.nan) for a in network.axes.hidden}, "nan")


def too_few(network, *, axes=None):
    return Scores({a.name: np.ones(a.size - 1) for a in network.axes.hidden}, "too few")


class Sorted(nn.Module):
    """No axis of it can be pruned, and it trains."""

    def __init__(self, n_channels, n_times, n_classes):
        super().__init__()
        self.head = nn.Linear(n_channels, n_classes)

    def forward(self, x):
        return self.head(x.mean(-1).sort(1)[0])


def says(tmp_path, head, steps):
    with pytest.raises((PlanError, ValueError, ValidationError)) as caught:
        run(parse_recipe(head + steps), tmp_path / "r", only=[(0, 3)])
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())]), tmp_path / "r"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (PRUNE + 'saliency = "taylr"\n', "unknown saliency 'taylr'; did you mean 'taylor'"),
        (PRUNE + 'saliency = "taylor"\noptions = {windows = "test"}\n', "must not be chosen on the test set"),
        (PRUNE.replace("0.5", "1.0"), "less than 1"),
        (PRUNE.replace("0.5", "nan"), "sparsity"),
        ('[[steps]]\nkind = "soft"\nsparsity = 1.0\n', "less than 1"),
        ('[[steps]]\nkind = "mask"\nsparsity = 0.5\nlayers = ["linera"]\n', "layers"),
        (
            PRUNE + 'saliency = "d_step"\noptions = {ties = "ordnal"}\n',
            "unknown ties 'ordnal'; did you mean 'ordinal'?",
        ),
        (PRUNE + 'saliency = "taylor"\noptions = {of = "gate"}\n', "unknown of 'gate'; did you mean 'gates'?"),
        (PRUNE + 'saliency = "d_step"\noptions = {tie = "ordinal"}\n', "unknown option 'tie'; did you mean 'ties'?"),
        (PRUNE + 'axes = "linera"\n', "stage 'pruned': unknown axis or kind of layer 'linera'; did you mean 'linear'?"),
        (
            PRUNE + 'options = {axes = "conv"}\n',
            "options.axes = 'conv' is no list of names; write axes = 'conv' beside",
        ),
        (PRUNE + 'axes = ["times"]\n', "can't be pruned: times of the input"),
        (PRUNE + "at_most = {tempral = 0.5}\n", "unknown axis 'tempral'"),
        (PRUNE + 'saliency = "taylor"\naxes = "recurrent"\n', "as it is for a kind of layer"),
        ('[[steps]]\nkind = "prune"\nelectrodes = 50\n', "cannot keep 50 of"),
        ('[[steps]]\nkind = "rewrite"\n' + PRUNE + 'axes = "temporl"\n', "unknown axis or kind of layer 'temporl'"),
        (PRUNE + PRUNE + 'axes = ["model.temporl"]\n', "stage 'pruned 2': unknown axis or kind of layer"),
        (
            "[compare]\nsparsities = [0.3, 0.5]\n"
            '[[compare.methods]]\nname = "a"\nsteps = [{kind = "prune", axes = "x"}]\n',
            "stage 'a 30 %: pruned': unknown axis or kind of layer 'x'",
        ),
    ],
)
def test_before_anything_is_trained(tmp_path, monkeypatch, steps, message):
    def never(*_, **__):
        raise AssertionError("something was trained")

    monkeypatch.setattr("trimcap.study.steps.fitting.train", never)
    found, folder = says(tmp_path, HEAD, steps)
    assert message in found
    assert not list(folder.glob("**/networks"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (PRUNE + 'saliency = "hrank"\n', "the rank of such a matrix is 0 or 1 whatever it contains. Use 'chip'"),
        (PRUNE + 'saliency = "test_bad_pruning:nan"\n', "are not finite at slices [0"),
        (PRUNE + 'saliency = "test_bad_pruning:too_few"\n', "scores and"),
        ('[[steps]]\nkind = "mask"\nsparsity = 0.5\nlayers = ["recurrent"]\n', "has no weights of layers recurrent"),
    ],
)
def test_at_the_stage_that_meets_it(tmp_path, steps, message):
    found, _ = says(tmp_path, HEAD, steps)
    assert message in found
    assert "in fold 0, seed 3" in found
    assert "stage 'pruned'" in found or "stage 'masked'" in found


def test_a_model_of_which_nothing_can_be_pruned(tmp_path):
    head = HEAD[: HEAD.index("[model]")] + '[model]\nname = "test_bad_pruning:Sorted"\n'
    head += HEAD[HEAD.index("[train]") :] if "[train]" in HEAD else "[train]\nepochs = 1\n"
    found, _ = says(tmp_path, head, PRUNE)
    assert "no axis inside" in found
    assert "ordered by" in found


@pytest.mark.parametrize(
    "steps",
    [
        '[[steps]]\nkind = "rewrite"\n' + PRUNE + 'axes = ["model.temporal"]\n',
        PRUNE + PRUNE + 'axes = ["model.spatial"]\n',  # model.spatial.depth, if it is the only axis of its layer
        PRUNE + PRUNE + 'axes = "linear"\n',
        '[[steps]]\nkind = "recover"\nepochs = 1\n' + PRUNE + 'axes = "model.spatial.depth"\n',
        PRUNE + 'at_most = {"model.temporal" = 0.5}\n',
        '[[steps]]\nkind = "prune"\nelectrodes = 4\n',
    ],
)
def test_what_may_be_there_later_is_not_refused(steps):
    recipe = parse_recipe(HEAD + steps)
    train = prepare(recipe).windows
    check_axes(recipe, train)
    text = steps.replace("model.", "modle.") if "model." in steps else steps.replace("linear", "linera")
    if text != steps:
        with pytest.raises(ValueError, match="unknown axis"):
            check_axes(parse_recipe(HEAD + text), train)


def test_a_refused_recipe_leaves_no_folder(tmp_path):
    _, folder = says(tmp_path, HEAD, PRUNE + 'axes = "linera"\n')
    assert not folder.exists()
