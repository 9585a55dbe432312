"""What came out of `[compare]`: statistics, tables, figures and words of methods side by side."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from compared_methods import HEAD, rows_of

from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.figures import methods as method_figures
from trimcap.study.report.findings import caveats
from trimcap.study.report.method_report import method_headline, method_tiles
from trimcap.study.report.method_tables import against_table, budget_table, outcome_table, pivot_table, scores_table
from trimcap.study.report.report import report
from trimcap.study.report.tables import audit_table
from trimcap.study.results.gathered import gather
from trimcap.study.results.method_results import fewer, holm, outcomes, smallest, trunk_of
from trimcap.study.results.statistics import compare_stages
from trimcap.study.results.words import points
from trimcap.study.run.run import run

# ---- statistics and report ----


def test_holm_is_the_definition():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 30):
        p = rng.uniform(0, 0.2, n)
        order = sorted(range(n), key=lambda i: p[i])
        expected, worst = {}, 0.0
        for rank, i in enumerate(order, start=1):
            worst = max(worst, min(1.0, (n - rank + 1) * p[i]))
            expected[i] = worst
        np.testing.assert_allclose(holm(p), [expected[i] for i in range(n)], rtol=1e-12)
    np.testing.assert_allclose(holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])
    assert (holm([0.02, 0.02]) != [0.02, 0.02]).any()


def test_outcomes_are_paired_with_dense_and_with_the_reference(compared):
    whole = gather(compared.path)
    found = {o.title: o for o in outcomes(whole)}
    assert set(found) == {
        "LFP 30 %", "LFP 80 %", "Taylor 30 %", "Taylor 80 %", "random 30 %", "random 80 %", "UMWP 50 %", "scratch",
    }  # fmt: skip
    table = whole.subjects.pivot_table(index="subject", columns="stage", values="accuracy")
    own = found["LFP 80 %"]
    difference = (table["LFP 80 %: recovered"] - table["dense"]).mean()
    assert own.pair.difference == pytest.approx(difference, abs=1e-9)
    against = (table["LFP 80 %: recovered"] - table["random 80 %: recovered"]).mean()
    assert own.against is not None
    assert own.against.difference == pytest.approx(against, abs=1e-9)
    assert found["random 80 %"].against is None
    assert found["UMWP 50 %"].against is None  # random was not run at 50 %
    assert (own.first, own.last) == ("LFP 80 %: pruned", "LFP 80 %: recovered")
    assert {o.title for o in found.values() if o.passes} <= {o.title for o in found.values() if o.pair.non_inferior}
    assert trunk_of(whole).networks == ("dense",)


def test_scratch_does_not_pay_for_dense(compared):
    rows = rows_of(compared)
    assert rows["LFP 80 %: recovered"]["budget_epochs"] == rows["dense"]["budget_epochs"] + 2
    assert rows["scratch: recovered"]["budget_epochs"] == rows["dense"]["budget_epochs"] + 2
    assert rows["scratch: recovered"]["budget_macs"] < rows["LFP 80 %: recovered"]["budget_macs"]


def test_the_report_sets_methods_side_by_side(compared):
    page = report(compared.path)
    html, text = page.read_text(), page.with_suffix(".md").read_text()
    for heading in ("Methods side by side", "Every network", "Against random", "What the training cost", "Accuracy"):
        assert f"## {heading}" in text
        assert heading in html
    assert re.search(r"\| LFP \| 0\.\d{3} ± 0\.\d{3}.* \| 0\.\d{3}.* \| – \| – \|", text)
    assert "| dense | 0." in text  # the trunk's own table
    assert "| LFP 30 %: pruned | 0." not in text[text.index("## Accuracy") : text.index("## Audit")]
    for name in ("methods", "networks", "against", "budgets"):
        assert (compared.path / "tables" / f"{name}.tex").is_file()
    for name in ("methods", "recovery"):
        assert (compared.path / "figures" / f"{name}.png").stat().st_size > 10_000
    assert "dense against dense" not in text  # its only stage
    assert not (compared.path / "figures" / "cost.png").exists()


def test_the_legend_of_recovery_has_every_method(compared, monkeypatch):
    drawn = []
    monkeypatch.setattr(method_figures, "drawing", lambda name, figure, text: drawn.append(figure))
    whole = gather(compared.path)
    method_figures.recovery_figure(whole, outcomes(whole))
    (legend,) = drawn[0].legends
    assert [entry.get_text() for entry in legend.get_texts()] == ["LFP", "Taylor", "random", "UMWP"]


@pytest.mark.parametrize("draw", [method_figures.recovery_figure, method_figures.methods_figure])
def test_a_method_with_an_underscore_is_in_the_legend(compared, monkeypatch, draw):
    """Matplotlib leaves labels that begin with `_` out; a recipe may call a method so."""
    drawn = []
    monkeypatch.setattr(method_figures, "drawing", lambda name, figure, text: drawn.append(figure))
    whole = gather(compared.path)
    found = outcomes(whole)
    first = found[0].method
    draw(whole, tuple(replace(one, method=f"_{first}") if one.method == first else one for one in found))
    (legend,) = drawn[0].legends
    assert f" _{first}" in [entry.get_text() for entry in legend.get_texts()]


def test_tables_say_what_was_measured(compared):
    whole = gather(compared.path)
    found = outcomes(whole)
    rows = {row[0]: row for row in outcome_table(whole, found).rows}
    assert rows["UMWP 50 %"][9:11] == ("–", "–")
    assert "B" in rows["UMWP 50 %"][12]
    assert rows["LFP 80 %"][12] == "–"
    macs = rows_of(compared)
    share = 1 - macs["LFP 80 %: recovered"]["macs"] / macs["dense"]["macs"]
    assert rows["LFP 80 %"][10] == f"{100 * share:.1f} %" == fewer(1.0, 1 - share)
    beside = ["linear baseline", "nearest neighbours", "covariance baseline"]
    methods = ["LFP", "Taylor", "random", "UMWP", "scratch"]
    assert [row[0] for row in pivot_table(whole, found).rows] == [*methods, *beside, "dense"]
    assert list(rows)[:3] == beside
    assert [row[0] for row in scores_table(whole, found).rows] == [*beside, "dense", *(o.title for o in found)]
    assert {len(row) for row in outcome_table(whole, found).rows} == {len(outcome_table(whole, found).columns)}
    linear = compare_stages(whole.subjects[whole.subjects.stage.isin(["linear baseline", "dense"])])["linear baseline"]
    assert rows["linear baseline"][3] == points(linear.difference)
    against = against_table(whole, found)
    assert against is not None
    assert [row[0] for row in against.rows] == [
        *("LFP 30 %", "LFP 80 %", "Taylor 30 %", "Taylor 80 %"),
        *(f"{name}, against random {percent} %" for percent in (30, 80) for name in beside),
    ]
    budgets = budget_table(whole, found)
    assert budgets is not None
    assert budgets.rows[0][0] == "dense"


def learned(run):
    """The same run, with networks that are 0.1 to 0.2 better than the majority class."""
    better = run.subjects.copy()
    rows = better.stage != "majority class"
    better.loc[rows, "accuracy"] = 0.6 + 0.1 * better[rows].subject.str[-1].astype(int) / 9
    return replace(run, subjects=better)


def test_nothing_passes_beside_a_network_that_has_learned_nothing(compared):
    whole = gather(compared.path)
    equal = whole.subjects.copy()
    equal["accuracy"] = 0.5 + 0.02 * equal.subject.str[-1].astype(int)
    whole = replace(whole, subjects=equal)
    found = outcomes(whole)
    assert all(o.pair.non_inferior for o in found)
    assert not any(o.passes or o.passes_alone for o in found)
    assert "✓" not in str(pivot_table(whole, found).rows)
    assert method_headline(whole, found).startswith("AT CHANCE, no result: 5 methods, ")
    assert method_tiles(whole, found) == ()
    assert caveats(trunk_of(whole))[0].startswith("AT CHANCE. At chance: dense has ")
    good = learned(whole)
    assert "✓" in str(pivot_table(good, outcomes(good)).rows)
    assert method_tiles(good, outcomes(good))
    assert not [c for c in caveats(trunk_of(good)) if "CHANCE" in c]


def test_at_chance_is_said_only_where_the_interval_holds_chance(compared):
    whole = gather(compared.path)
    for shift, label in ((-0.05, "NOT SHOWN ABOVE CHANCE"), (0.0, "AT CHANCE")):
        moved = whole.subjects.copy()
        moved["accuracy"] = 0.5 + 0.02 * moved.subject.str[-1].astype(int)
        moved.loc[moved.stage != "majority class", "accuracy"] += shift
        run = replace(whole, subjects=moved)
        assert method_headline(run, outcomes(run)).startswith(f"{label}, no result: ")


def test_a_network_below_the_linear_baseline_is_called_so(compared):
    good = learned(gather(compared.path))
    better = good.subjects.copy()
    better.loc[better.stage == "linear baseline", "accuracy"] += 0.01
    (said,) = [c for c in caveats(trunk_of(replace(good, subjects=better))) if c.startswith("Linear: ")]
    assert "is below the linear baseline" in said


def test_the_headline_names_the_smallest_that_passes_or_says_none(compared):
    whole = learned(gather(compared.path))
    found = outcomes(whole)
    none = tuple(replace(o, holm=1.0) for o in found)
    assert smallest(whole, none) is None
    assert "None is shown to be within 2 points" in method_headline(whole, none)
    every = tuple(replace(o, holm=0.0) for o in found)
    best = smallest(whole, every)
    assert best is not None
    assert best.sparsity == 0.8
    assert f"the smallest is {best.title} with" in method_headline(whole, every)
    assert "RANDOM" not in method_headline(whole, every)
    data = whole.header["data"]
    drawn = whole.header | {"data": data | {"steps": [*data["steps"], "RANDOM labels, seed 0"]}}
    assert method_headline(replace(whole, header=drawn), every).startswith("RANDOM LABELS, a control: 5 methods, ")


def test_a_run_without_methods_has_none(tmp_path):
    folder = run(parse_recipe(HEAD), tmp_path / "r")
    assert outcomes(gather(folder.path)) == ()
    assert "Methods side by side" not in report(folder.path).read_text()
    facts = json.loads((folder.path / "results.json").read_text())
    assert "method" not in facts[0]


def test_the_audit_table_says_once_what_many_methods_saw(compared):
    whole = gather(compared.path)
    (trial, *_) = whole.trials
    rows = [row[1:] for row in audit_table(whole).rows if row[0] == f"{trial['fold']} · {trial['seed']}"]
    assert sum(int(row[1]) for row in rows) == len(trial["audit"]["rows"])
    assert len({(row[0].split(" (")[0], row[-1]) for row in rows}) == len(rows)
    tested = [row for row in rows if row[3] != "0"]
    assert all(row[0].startswith("evaluate") for row in tested)
    assert int(tested[0][1]) > 5
