"""Figures and files of electrode curves."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from trimcap.data.electrodes.headsets import HEADSETS, fit_headset
from trimcap.data.electrodes.names import TEN_TWENTY
from trimcap.prune.electrodes.caps import Cap, ElectrodeCurve
from trimcap.study.report.electrode_report import planned, write_electrodes
from trimcap.study.report.figures.electrode_maps import caps_figure, flat_places
from trimcap.study.report.figures.electrodes import electrodes_figure, summaries


def curve(
    channels=TEN_TWENTY, *, seed=0, trained=True, worn=("forehead_2", "muse_4", "unicorn_8", "cyton_8", "epoc_14")
):
    """Made-up numbers, in all the places where a curve has some."""
    rng = np.random.default_rng(seed)
    n = len(channels)
    order = tuple(rng.permutation(channels).tolist())
    epochs = (0, 5) if trained else (0,)
    caps = [Cap("dense", "all", channels, 0.8, 0.75, epochs=e) for e in epochs]
    for e in epochs:
        for k in range(1, n) if e == 0 else (2, 4, 8):
            kept = tuple(c for c in channels if c in order[-k:])
            caps.append(Cap("saliency", "greedy", kept, 0.7, 0.5 + 0.01 * k + 0.05 * seed, epochs=e))
            caps += [Cap("random", "random", kept, 0.5, 0.5 + 0.02 * i, draw=i, epochs=e) for i in range(3)]
    fittings = {name: fit_headset(name, channels) for name in worn} if channels == TEN_TWENTY else {}
    caps += [Cap("headset", name, f.channels, 0.6, 0.55, epochs=e) for e in epochs for name, f in fittings.items()]
    return ElectrodeCurve(
        tuple(caps), tuple(channels), "accuracy", 0.5, {"greedy": order}, fittings, "", seed, 100, 120
    )  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """The figure as it is when it is saved: texts of its legends and titles, and its lines."""
    seen = {}

    def look(name: str, figure: Figure, caption: str):
        axes = figure.axes
        legends = [t.get_text() for a in axes if a.get_legend() for t in a.get_legend().get_texts()]
        seen.update(legend=legends, titles=[a.get_title(loc) for a in axes for loc in ("left", "center")])
        seen["lines"] = {
            (i, line.get_label()): line.get_xydata().copy() for i, a in enumerate(axes) for line in a.lines
        }
        seen["faces"] = {line.get_label(): line.get_markerfacecolor() for a in axes for line in a.lines}
        seen["patches"] = [len(a.patches) for a in axes]
        return keep(name, figure, caption)

    import trimcap.study.report.figures.electrode_maps as maps
    import trimcap.study.report.figures.electrodes as figures

    keep = figures.drawing
    monkeypatch.setattr(figures, "drawing", look)
    monkeypatch.setattr(maps, "drawing", look)
    return seen


def test_lines_are_the_numbers(drawn):
    found = curve()
    figure = electrodes_figure(found)
    line = drawn["lines"][0, "greedy"]
    np.testing.assert_allclose(line, [(c.count, c.test) for c in found.line("greedy")])
    after = drawn["lines"][1, "greedy"]
    np.testing.assert_allclose(after[:-1], [(c.count, c.test) for c in found.line("greedy", recovered=True)])
    np.testing.assert_allclose(after[-1], (19, 0.75))  # ends at the whole network, trained on as long
    np.testing.assert_allclose(drawn["lines"][0, "random"][:, 1], 0.52)
    assert drawn["legend"][:4] == ["greedy", "all electrodes", "random", "chance"]
    assert drawn["legend"][4:] == [
        "forehead 2", "Muse 4 (4 replaced)", "Unicorn 8 (3 replaced)", "Cyton 8", "EPOC 14 (4 replaced)",
    ]  # fmt: skip
    assert drawn["faces"]["Muse 4 (4 replaced)"] == "white"
    assert drawn["faces"]["forehead 2"] != "white"
    xs = [drawn["lines"][0, name][0, 0] for name in ("Unicorn 8 (3 replaced)", "Cyton 8")]
    assert abs(xs[0] - xs[1]) >= 0.5  # side by side
    assert np.mean(xs) == 8
    assert figure.png.startswith(b"\x89PNG")
    assert "stand in" in figure.caption


def test_one_panel_without_recovery(drawn):
    electrodes_figure(curve(trained=False, worn=()))
    assert {panel for panel, _ in drawn["lines"]} == {0}
    assert drawn["legend"] == ["greedy", "all electrodes", "random", "chance"]


def test_several_networks_are_averaged(drawn):
    figure = electrodes_figure([curve(seed=0), curve(seed=1)])
    assert "mean of 2 networks" in figure.caption
    line = drawn["lines"][0, "greedy"]
    np.testing.assert_allclose(line[:, 1], [0.5 + 0.01 * k + 0.025 for k in range(1, 19)])
    (two, *_) = [s for s in summaries([curve(seed=0), curve(seed=1)], "saliency", "greedy") if s.count == 2]
    assert (two.n, two.mean) == (2, pytest.approx(0.545))
    assert two.sd == pytest.approx(0.05 / np.sqrt(2))


def test_curves_that_do_not_belong_together():
    with pytest.raises(ValueError, match="differ in metric"):
        electrodes_figure([curve(), replace(curve(), metric="loss")])
    with pytest.raises(ValueError, match="differ in channels"):
        caps_figure([curve(), curve(TEN_TWENTY[:8])])
    with pytest.raises(ValueError, match="at least one curve"):
        electrodes_figure([])


def test_maps_show_the_caps(drawn):
    found = curve()
    caps_figure(found)
    titles = [t for t in drawn["titles"] if t]
    assert titles[:4] == ["order by greedy", "2 by greedy: 0.520", "4 by greedy: 0.540", "8 by greedy: 0.580"]
    assert titles[4:] == ["forehead 2: 0.550", "Muse 4: 0.550", "Unicorn 8: 0.550", "Cyton 8: 0.550", "EPOC 14: 0.550"]
    # a head and its nose, a dot for each electrode, and another on top of those that are kept
    assert drawn["patches"][1:4] == [2 + 19 + 2, 2 + 19 + 4, 2 + 19 + 8]
    assert drawn["patches"][4:6] == [2 + 19 + 2, 2 + 19 + 4]


def test_no_maps_without_places_on_the_head():
    assert caps_figure(curve(("E1", "E2", "E3", "E4", "E5"))) is None
    assert caps_figure(curve(("Fp1", "Fp2", "Cz"))) is None
    empty = replace(curve(worn=()), orders={})
    assert caps_figure(empty) is None


def test_places_are_where_one_expects():
    names = ("Cz", "Fpz", "Oz", "T7", "T8", "C3", "Fz")
    place = dict(zip(names, flat_places(names), strict=True))
    assert np.hypot(*place["Cz"]) < 0.25
    for name, direction in (("Fpz", (0, 1)), ("Oz", (0, -1)), ("T7", (-1, 0)), ("T8", (1, 0))):
        np.testing.assert_allclose(place[name], direction, atol=0.22)
        assert np.hypot(*place[name]) < 1.02
    assert place["T7"][0] < place["C3"][0] < place["Cz"][0]
    assert place["Fpz"][1] > place["Fz"][1] > place["Cz"][1]


def test_files(tmp_path):
    found = curve()
    (tmp_path / "plan-l1-3.json").write_text("{}")
    written = {path.name for path in write_electrodes(found, tmp_path)}
    assert written == {path.name for path in tmp_path.iterdir()}  # no plan of another analysis is left
    assert written == {
        "electrodes.json", "electrodes.csv", "electrodes.png", "electrodes.svg", "caps.png", "caps.svg"
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "electrodes.csv")
    assert list(table.columns) == [
        "kind", "name", "electrodes", "epochs", "draw", "valid_accuracy", "test_accuracy", "names"
    ]  # fmt: skip
    assert len(table) == len(found.caps) == len(json.loads((tmp_path / "electrodes.json").read_text())["caps"])
    counts = sorted((cap.name, cap.count) for cap in planned(found, [2, 8]))
    assert counts == sorted(
        [("greedy", 2), ("greedy", 8), *((n, len(HEADSETS[n].electrodes)) for n in found.headsets)]
    )  # fmt: skip
