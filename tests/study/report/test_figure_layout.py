"""Nothing lies on anything else in a figure: boxes of texts and legends after drawing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from fabricated import make_run
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import nn

from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.prune.choose.compare import POOLED, Comparison
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.choose.sensitivity import Curve, Sensitivity
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_weights import l1
from trimcap.study.report.criteria import comparison_figure
from trimcap.study.report.figures.draw import style, subjects_figure
from trimcap.study.report.figures.filter_scalp import eeg_figure
from trimcap.study.report.figures.filters import maps_figure
from trimcap.study.report.figures.map_sides import samples_of, time_side
from trimcap.study.report.figures.sensitivity import sensitivity_figure, sign_comparison_figure, sign_figure
from trimcap.study.report.sensitivity_report import write_filters
from trimcap.study.results.gathered import gather

NAMES = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")


@pytest.fixture
def kept(monkeypatch):
    """Call it for the figure that was saved last, drawn."""
    figures, savefig = [], Figure.savefig

    def keep(self, *args, **kwargs):
        figures.append(self)
        self.clear = lambda: None
        return savefig(self, *args, **kwargs)

    def last():
        figures[-1].canvas.draw()
        return figures[-1]

    last.notes = lambda: {figure.get_supxlabel() for figure in figures}
    monkeypatch.setattr(Figure, "savefig", keep)
    return last


@pytest.fixture(scope="module")
def eegnet():
    torch.manual_seed(0)
    model = EEGNet(6, 128, 2, F1=4, D=2, kernel=32).eval()
    return trace(model, torch.randn(2, 6, 128), channels=NAMES)


def box(artist):
    return artist.get_window_extent(artist.figure.canvas.get_renderer())


def texts(figure):
    return {text.get_text() for text in figure.findobj(Text)}


def test_legend_of_signs_is_not_on_the_title(kept, eegnet):
    scores = l1(eegnet)
    for axis in ("temporal", "separable_point"):
        sign_figure(eegnet, scores, keep_top(eegnet, scores, 0.5), axis)
        (axes,) = kept().axes
        legend, title = axes.get_legend(), axes._left_title
        assert [t.get_text() for t in legend.get_texts()] == ["pruned", "kept"]
        assert not box(legend).overlaps(box(title))
        assert not box(legend).overlaps(box(axes))
        assert box(axes.xaxis.label).width <= box(axes).width


def test_titles_of_compared_signs_stand_apart(kept, eegnet):
    whole, one = tuple(range(1, 16)), (0, 1)
    plans = {name: Plan({"separable_point": keep}, {"separable_point": 16})
             for name, keep in (("taylor_gate", one), ("reconstruction", whole))}  # fmt: skip
    sign_comparison_figure(eegnet, plans, "separable_point")
    first, second = (axes._left_title for axes in kept().axes)
    assert not box(first).overlaps(box(second))


def test_target_has_three_digits_and_no_curve_on_it(kept):
    curve = Curve(10, tuple(range(10)), (10.0, 50.0, 90.0), (1, 5, 9), (0.9, 0.8, 0.4852))
    found = sensitivity_figure(
        Sensitivity({"a": curve}, 0.92, "accuracy", "l1", "one_shot", 77), target=0.485208
    )  # fmt: skip
    (axes,) = kept().axes
    (label,) = [t for t in kept().findobj(Text) if "target" in t.get_text()]
    assert label.get_text() == "target 0.485"
    assert not box(label).overlaps(box(axes))
    assert "worse than 0.485." in found.caption


def comparison():
    sizes = {"model.temporal": 8, "spatial.depth": 2, POOLED: 10}
    rows = [{"saliency": name, "axis": axis, "slices": n, "spearman": 1.0, "kendall": 1.0}
            for name in ("oracle", "l1", "fpgm") for axis, n in sizes.items()]  # fmt: skip
    rows += [{"saliency": "bn", "axis": axis, "slices": 0, "spearman": np.nan, "kendall": np.nan} for axis in sizes]
    costs = pd.DataFrame([{"saliency": name, "seconds": 1.0} for name in ("oracle", "l1", "fpgm", "bn")])
    return Comparison(pd.DataFrame(rows), costs, {}, 0.8, (5, 5))


def test_axes_of_few_slices_are_not_compared(kept):
    found = comparison_figure(comparison())
    plot, bar = kept().axes
    assert [t.get_text() for t in plot.get_xticklabels()] == ["all axes (10)", "model.temporal (8)"]
    assert "spatial.depth (2)" in found.caption
    assert "fewer than 4 slices" in found.caption
    assert box(plot).height > 0.3 * box(kept()).height  # names and colour bar leave room
    assert not box(bar).overlaps(box(plot))


def test_scalp_figure_says_what_it_leaves_out(kept, eegnet):
    scores = l1(eegnet)
    eeg_figure(eegnet, scores, Plan({}, {}), "spatial.depth", rate=128.0)
    assert "the first" not in " ".join(texts(kept())).replace("the first to go", "")  # all four are there
    torch.manual_seed(0)
    wide = trace(EEGNet(6, 128, 2, F1=11, D=2, kernel=32).eval(), torch.randn(2, 6, 128), channels=NAMES)
    found = eeg_figure(wide, l1(wide), Plan({}, {}), "spatial.depth", rate=128.0)
    (title,) = [t for t in texts(kept()) if t.startswith("Filters of")]
    assert "first 8 of up to 11 spatial filters" in title
    assert "first 8 of up to 11" in found.caption


def test_maps_say_window_time_electrodes_and_scale(kept, eegnet):
    window = np.random.default_rng(0).normal(0, 1, (6, 128)).astype(np.float32)
    scores, about = l1(eegnet), "the first of 9: S3, trial t at 2 s, class left"
    found = maps_figure(eegnet, scores, Plan({}, {}), "temporal", window, rate=128.0, about=about)
    first = kept().axes[0]
    assert [t.get_text() for t in first.get_yticklabels()] == ["Fp1", "O2"]
    assert [t.get_text() for t in first.get_xticklabels()] == ["0.004", "0.996 s"]
    slice_ = int(first.get_title("left"))
    name = next(node.name for node in eegnet.nodes if node.kind == "batch_norm")
    value = eegnet.module().run(torch.from_numpy(window[None]), keep=True)[name][0, slice_].detach()
    assert first.get_title("right") == f"±{float(value.abs().max()):.2g}"
    note = " ".join(kept().get_supxlabel().split())
    for part in (about, "across: time", "from the top: electrodes", "own scale"):
        assert part in note
        assert part in found.caption
    for one, other in combinations([t for t in kept().findobj(Text) if t.get_text() and t.get_visible()], 2):
        assert not box(one).overlaps(box(other)), (one, other)


def test_maps_without_a_rate_have_positions(kept):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 70, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(70 * 81, 2))
    network = trace(model, torch.randn(2, 4, 9, 9))
    window = 1000 * np.random.default_rng(0).normal(0, 1, (4, 9, 9)).astype(np.float32)
    maps_figure(network, l1(network), Plan({}, {}), "0", window, rate=128.0)
    assert [t.get_text() for t in kept().axes[-1].get_xticklabels()] == ["1", "9"]
    assert "across: positions" in kept().get_supxlabel()
    for axes in kept().axes:
        assert not box(axes._left_title).overlaps(box(axes._right_title))


def test_bands_are_no_seconds(kept, tmp_path):
    torch.manual_seed(0)
    network = trace(nn.Sequential(nn.Conv1d(6, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(20, 2)), torch.randn(2, 6, 5))
    rows = pd.DataFrame({"subject": ["S1"], "session": ["1"], "trial": ["t7"], "start": [4.0]})
    bands = Windows(
        np.ones((1, 6, 5), np.float32), np.zeros(1, np.int64), rows, NAMES, 128.0, ("rest", "task"), 4.0, unit="nat"
    )
    write_filters(network, l1(network), None, bands, tmp_path)
    (note,) = [t for t in kept.notes() if "All on one window" in t]
    assert "(the first of 1: S1, trial t7 at 4 s, class rest)" in " ".join(note.split())
    assert "across: positions" in note


def test_time_of_a_map_is_where_its_samples_come_from():
    """Centre of the samples that reach a step, found by switching single samples on."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(3, 5, 9, stride=2, dilation=2), nn.ReLU(), nn.MaxPool1d(3, 2, 1), nn.Conv1d(5, 4, 4, padding="same"),
        nn.AvgPool1d(2), nn.Flatten(), nn.Linear(4 * 6, 2),
    )  # fmt: skip
    network = trace(model, torch.randn(2, 3, 64))
    name = next(node.name for node in network.nodes if node.kind == "avg_pool1d")
    first, step = samples_of(network, name)
    x = torch.randn(1, 3, 64, requires_grad=True)
    hidden = x
    for layer in list(model)[:5]:
        hidden = nn.functional.avg_pool1d(hidden, 3, 2, 1) if isinstance(layer, nn.MaxPool1d) else layer(hidden)
        hidden = hidden if not isinstance(layer, nn.ReLU) else hidden * 1.0
    for i in (2, 3):  # not at the borders
        (gradient,) = torch.autograd.grad(hidden[0, :, i].abs().sum(), x, retain_graph=True)
        reached = torch.nonzero(gradient[0].abs().sum(0))
        assert float(reached.min() + reached.max()) / 2 == pytest.approx(first + step * i)
    assert time_side(network, name, rate=0.0) is None
    flat = next(node.name for node in network.nodes if node.kind == "reshape")
    assert samples_of(network, flat) is None


def test_numbers_of_stages_are_under_them(kept, tmp_path):
    make_run(tmp_path / "r")
    with style():
        subjects_figure(gather(tmp_path / "r"))
    left, right = kept().axes
    labels = [t.get_text() for t in left.get_xticklabels()]
    assert labels[0].startswith("dense\n0.")
    assert not left.texts  # nothing over lines and bars
    for one, other in combinations(left.get_xticklabels(), 2):
        assert not box(one).overlaps(box(other))
    for label in left.get_xticklabels():
        assert not box(label).overlaps(box(left.get_legend()))
    assert not box(left.get_legend()).overlaps(box(right.get_legend()))
