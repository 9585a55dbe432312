"""What the figures of a sensitivity analysis draw; how they look is for eyes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.choose.sensitivity import Curve, Sensitivity
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_weights import d_score, l1
from trimcap.study.report.figures.filter_scalp import eeg_figure
from trimcap.study.report.figures.filters import filters_figure, maps_figure
from trimcap.study.report.figures.sensitivity import sensitivity_figure, sign_comparison_figure, sign_figure
from trimcap.study.results.filters import kernels, negative_share, ranked, shown, spatial, temporal

NAMES = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")


@pytest.fixture(scope="module")
def eegnet():
    torch.manual_seed(0)
    model = EEGNet(6, 128, 2, F1=4, D=2, kernel=32).eval()
    with torch.no_grad():  # the second temporal filter is 10 Hz at 128 Hz
        model.get_parameter("temporal.weight")[1, 0, 0] = torch.sin(2 * torch.pi * 10 * torch.arange(32) / 128)
    return trace(model, torch.randn(2, 6, 128), channels=NAMES)


@pytest.fixture(scope="module")
def grid():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 25, 10), nn.ReLU(), nn.Linear(10, 2)
    )
    return trace(model, torch.randn(2, 4, 5, 5))


def test_temporal_and_spatial_filters_are_the_weights(eegnet):
    axis = eegnet.axes["temporal"]
    (course,) = temporal(eegnet, axis)
    np.testing.assert_allclose(course.values, eegnet.tensors["temporal.weight"][:, 0, 0].double())
    assert course.slices.tolist() == [0, 1, 2, 3]
    assert course.share == 1
    gain = np.abs(np.fft.rfft(course.values[1], 1024))
    assert np.fft.rfftfreq(1024, 1 / 128)[gain.argmax()] == pytest.approx(10, abs=0.5)
    (heads,) = spatial(eegnet, axis)
    np.testing.assert_allclose(heads.values, eegnet.tensors["spatial.weight"][:, 0, :, 0].double())
    assert heads.slices.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    (depth,) = spatial(eegnet, eegnet.axes["spatial.depth"])
    assert depth.slices.tolist() == [0, 1] * 4
    # what comes after the spatial filters is neither
    assert not temporal(eegnet, eegnet.axes["separable_point"])
    assert not spatial(eegnet, eegnet.axes["separable_point"])


def test_mixed_filters_by_their_first_singular_vector():
    """Filters over electrodes and time: rank 1 is given back, and the share says how much is not shown."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(6, 5, 9), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 56, 2))
    pattern, course = torch.randn(6), torch.randn(9)
    with torch.no_grad():
        model[0].weight[:] = torch.outer(pattern, course)
    network = trace(model, torch.randn(2, 6, 64))
    (heads,), (courses,) = spatial(network, network.axes["0"]), temporal(network, network.axes["0"])
    for found, want in ((heads, pattern), (courses, course)):
        assert found.share == pytest.approx(1)
        assert abs(np.corrcoef(found.values[0], want.numpy())[0, 1]) == pytest.approx(1)
    model[0].weight.data = torch.randn(5, 6, 9)
    network = trace(model, torch.randn(2, 6, 64))
    (heads,) = spatial(network, network.axes["0"])
    assert 0.2 < heads.share < 0.9


def test_kernels_and_negative_share(grid):
    weight = grid.tensors["0.weight"].double().numpy()
    np.testing.assert_allclose(kernels(grid, grid.axes["0"]), weight.sum(1))
    assert kernels(grid, grid.axes["3"]) is None
    counted = [sum(int(v < 0) for v in weight[j].ravel()) / weight[j].size for j in range(6)]
    np.testing.assert_allclose(negative_share(grid, grid.axes["0"]), counted)


def test_shown_takes_both_ends():
    assert shown(range(10), 4) == ([0, 1, 8, 9], 6)
    assert shown(range(10), 5) == ([0, 1, 7, 8, 9], 5)
    assert shown(range(3), 4) == ([0, 1, 2], 0)


def sens(metric="accuracy"):
    curves = {
        "a": Curve(10, tuple(range(10)), (10.0, 50.0, 90.0), (1, 5, 9), (0.9, 0.8, 0.5)),
        "b": Curve(4, tuple(range(4)), (25.0, 75.0), (1, 3), (0.7, 0.6)),
    }
    return Sensitivity(curves, 0.92, metric, "l1", "one_shot", 77)


def lines_of(monkeypatch, draw):
    """Every line that is drawn: label → (x, y)."""
    from matplotlib.axes import Axes

    seen, plot = {}, Axes.plot

    def spy(self, x, y, *args, **kwargs):
        seen[kwargs.get("label") or f"unnamed {len(seen)}"] = (np.atleast_1d(x), np.atleast_1d(y), args, kwargs)
        return plot(self, x, y, *args, **kwargs)

    monkeypatch.setattr(Axes, "plot", spy)
    return draw(), seen


def test_curves_start_at_the_whole_network(monkeypatch):
    found, seen = lines_of(monkeypatch, lambda: sensitivity_figure(sens(), target=0.75))
    x, y, *_ = seen["a (10)"]
    np.testing.assert_allclose(x, [0, 10, 50, 90])
    np.testing.assert_allclose(y, [0.92, 0.9, 0.8, 0.5])
    rings = [(x[0], y[0]) for x, y, _, options in seen.values() if options.get("markersize") == 9]
    assert rings == [(50.0, 0.8)]  # axis b has none to lose
    assert "77 validation windows" in found.caption
    assert found.png.startswith(b"\x89PNG")


def test_names_that_matplotlib_would_hide_are_in_the_legend(monkeypatch):
    """A label that begins with `_` once was in no legend."""
    from matplotlib.figure import Figure

    said, save = [], Figure.savefig

    def spy(self, *args, **kwargs):
        said.append([text.get_text() for axes in self.axes for text in axes.get_legend().get_texts()])
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    found = sens()
    sensitivity_figure(replace(found, curves={f"_{name}": curve for name, curve in found.curves.items()}))
    assert said[0] == [" _a (10)", " _b (4)"]


def test_colours_of_the_paper(monkeypatch):
    _, seen = lines_of(monkeypatch, lambda: sensitivity_figure(sens(), look="d_score"))
    assert [seen[name][3]["color"] for name in ("a (10)", "b (4)")] == ["#ff0000", "#008000"]
    with pytest.raises(ValueError, match="did you mean 'd_score'"):
        sensitivity_figure(sens(), look="dscore")


def frames_of(monkeypatch, draw):
    """Titles of tiles that are drawn bold."""
    from matplotlib.axes import Axes

    seen, set_title = [], Axes.set_title

    def spy(self, label, *args, **kwargs):
        if kwargs.get("weight") == "bold":
            seen.append(label)
        return set_title(self, label, *args, **kwargs)

    monkeypatch.setattr(Axes, "set_title", spy)
    return draw(), seen


def test_pruned_tiles_are_framed_in_rank_order(grid, monkeypatch):
    scores = l1(grid)
    plan = keep_top(grid, scores, 0.5)
    for draw in (
        lambda: filters_figure(grid, scores, plan, "0"),
        lambda: maps_figure(grid, scores, plan, "0", np.ones((4, 5, 5), np.float32)),
    ):
        with monkeypatch.context() as patch:
            figure, framed = frames_of(patch, draw)
        assert framed == [str(j) for j in ranked(scores, "0")[:3]]
        assert "framed: pruned" in figure.caption
    assert filters_figure(grid, scores, plan, "3") is None
    assert maps_figure(grid, scores, plan, "3", np.ones((4, 5, 5), np.float32)) is None  # single numbers


def test_eeg_figure(eegnet, grid, monkeypatch):
    scores = d_score(eegnet)
    plan = keep_top(eegnet, scores, 0.5)
    titles = []
    from matplotlib.axes import Axes

    keep = Axes.set_title
    monkeypatch.setattr(Axes, "set_title", lambda self, text, **k: titles.append(text) or keep(self, text, **k))
    found = eeg_figure(eegnet, scores, plan, "temporal", rate=128.0)
    assert "singular" not in found.caption
    place = ranked(scores, "temporal").index(1)
    assert titles[place].endswith(" Hz")
    assert float(titles[place].split()[0]) == pytest.approx(10, abs=0.5)
    assert eeg_figure(eegnet, scores, plan, "separable_point", rate=128.0) is None
    assert eeg_figure(grid, l1(grid), Plan({}, {}), "0", rate=128.0) is None


def test_signs(grid):
    a = l1(grid)
    plan = keep_top(grid, a, 0.5)
    assert "orange: pruned" in sign_figure(grid, a, plan, "3").caption
    with pytest.raises(ValueError, match="keep the same slices"):
        sign_comparison_figure(grid, {"l1": plan, "again": plan}, "3")
    with pytest.raises(ValueError, match="two plans are compared, got 1"):
        sign_comparison_figure(grid, {"l1": plan}, "3")
    other = Plan({"3": tuple(sorted(set(range(10)) - set(plan.keep["3"])))}, {"3": 10})
    assert "only l1 or d_score keeps" in sign_comparison_figure(grid, {"l1": plan, "d_score": other}, "3").caption
    whole = Plan({"3": tuple(range(10))}, {"3": 10})  # one keeps all that the other keeps, and more
    assert sign_comparison_figure(grid, {"l1": plan, "whole": whole}, "3").png
