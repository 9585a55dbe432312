"""`[compare]`: every method from the same network, as if it were alone; its tests and its report."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from test_run import TINY

from trimcap.data.protocols import k_fold_subjects
from trimcap.study import method_figures, pruning, trial
from trimcap.study.findings import caveats
from trimcap.study.folding import protocol_facts
from trimcap.study.gathered import gather
from trimcap.study.method_report import method_headline, method_tiles
from trimcap.study.method_results import fewer, holm, outcomes, smallest, trunk_of
from trimcap.study.method_tables import against_table, budget_table, outcome_table, pivot_table
from trimcap.study.plan import ancestors, plan_of
from trimcap.study.prepare import prepare
from trimcap.study.recipe import parse_recipe
from trimcap.study.report import report
from trimcap.study.run import run
from trimcap.study.store import slug
from trimcap.study.tables import audit_table

HEAD = TINY[: TINY.index("[[steps]]")].replace("seeds = [0]", "seeds = [3]")
RECOVER = '{kind = "recover", epochs = 2, batch_size = 8}'
COMPARE = f"""
[compare]
sparsities = [0.3, 0.8]
reference = "random"
[[compare.methods]]
name = "LFP"
steps = [{{kind = "prune"}}, {RECOVER}]
[[compare.methods]]
name = "Taylor"
steps = [{{kind = "prune", saliency = "taylor"}}, {RECOVER}]
[[compare.methods]]
name = "random"
steps = [{{kind = "prune", saliency = "random"}}, {RECOVER}]
[[compare.methods]]
name = "UMWP"
sparsities = [0.5]
steps = [{{kind = "mask"}}, {RECOVER}]
[[compare.methods]]
name = "scratch"
steps = [{{kind = "prune", sparsity = 0.5}}, {{kind = "recover", epochs = 2, batch_size = 8, arm = "scratch_epochs"}}]
"""


def recipe(compare=COMPARE, head=HEAD):
    return parse_recipe(head + compare)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(recipe(), tmp_path_factory.mktemp("compare") / "r")


# ---- the plan ----


def test_every_method_at_every_sparsity_goes_on_from_the_last_step():
    stages = plan_of(parse_recipe(HEAD + '[[steps]]\nkind = "re_estimate"\n' + COMPARE))
    assert [s.name for s in stages[:4]] == ["dense", "re-estimated", "LFP 30 %: pruned", "LFP 30 %: recovered"]
    assert [s.name for s in stages if s.method == "UMWP"] == ["UMWP 50 %: masked", "UMWP 50 %: recovered"]
    assert [s.name for s in stages if s.method == "scratch"] == ["scratch: pruned", "scratch: recovered"]
    assert {s.parent for s in stages if s.method and s.name.endswith(("pruned", "masked"))} == {"re-estimated"}
    assert len(stages) == 2 + 2 * (3 * 2 + 1 + 1)
    assert [s.step.sparsity for s in stages if s.name.startswith("LFP") and s.name.endswith("pruned")] == [0.3, 0.8]
    assert len({slug(s.name) for s in stages}) == len(stages)


def test_ancestors_are_of_the_same_method():
    found = [s.name for s in ancestors(recipe(), "Taylor 80 %: recovered")]
    assert found == ["dense", "Taylor 80 %: pruned"]
    assert ancestors(recipe(), "dense") == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "Taylor"', 'name = "LFP"', "[compare] two methods are called 'LFP'"),
        ('name = "Taylor"', 'name = "lf,p"', "[compare] two methods are called 'LFP', or as good as"),
        ('reference = "random"', 'reference = "randm"', "reference = 'randm' is no method; methods: LFP, Taylor"),
        ("sparsities = [0.3, 0.8]", "", "method 'LFP' prunes, but nothing says how much"),
        ("sparsities = [0.3, 0.8]", "sparsities = [0.3, 0.3]", "are not distinct"),
        ("sparsities = [0.3, 0.8]", "sparsities = [0.3, 1.0]", "[compare] sparsities"),
        ('saliency = "taylor"', 'salience = "taylor"',
         "[compare] method 'Taylor', step 1 (prune): unknown key 'salience'; did you mean 'saliency'?"),
        ('saliency = "taylor"', 'saliency = "taylor", macs = 0', "'Taylor', step 1 (prune): macs = 0"),
        ('{kind = "mask"}', '{kind = "maks"}', "method 'UMWP', step 1: unknown kind 'maks'"),
        ('name = "UMWP"', 'name = "a/b"', "[[compare.methods]] number 4 name = 'a/b'"),
        ('name = "UMWP"', 'nam = "UMWP"', "[[compare.methods]] number 4 unknown key 'nam'; did you mean 'name'?"),
        ('[{kind = "mask"}, ', '[{kind = "mask"}, {kind = "prune"}, ', "method 'UMWP': steps: 'prune' cannot follow"),
        ('{kind = "mask"}', '{kind = "mask", sparsity = 0.7}', "method 'UMWP' has sparsities, but each of its steps"),
        ('name = "scratch"', 'name = "LFP 30"',
         "stages 'LFP 30 %: pruned' and 'LFP 30: pruned' would share the files 'lfp-30-pruned'"),
        ("sparsities = [0.3, 0.8]", "sparsities = [0.3, 0.30001]", "would share the files 'lfp-30-pruned'"),
        ("[compare]", "[compare]\nkeep_network = 1", "[compare] unknown key 'keep_network'; did you mean 'keep_net"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(old, new, says):
    assert COMPARE.count(old) >= 1
    with pytest.raises(ValueError, match=re.escape(says)):
        recipe(COMPARE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('saliency = "taylor"', 'salience = "taylor"', "step 1 (prune): unknown key 'salience'; did you mean 'sali"),
        ('saliency = "taylor"', 'saliency = "taylor", sparsity = 1.5', "step 1 (prune): sparsity = 1.5: input"),
        ('{kind = "prune", saliency = "taylor"}', '{kind = "prun"}', "step 1: unknown kind 'prun'; did you mean 'prun"),
        ("epochs = 2, batch_size = 8}]\n[[compare.methods]]\nname = \"random\"",
         'arm = "distill"}]\n[[compare.methods]]\nname = "random"', "step 2 (recover): arm: unknown value 'distill';"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_method_is_one_line(old, new, says):
    assert COMPARE.count(old) == 1
    with pytest.raises(ValueError, match=r"^") as caught:
        recipe(COMPARE.replace(old, new))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"recipe: [compare] method 'Taylor', {says}")


def test_every_mistake_is_said_at_once():
    text = COMPARE.replace('"taylor"', '"taylor", scpe = "axis"').replace('{kind = "mask"}', '{kind = "maks"}')
    text = text.replace('reference = "random"', 'reference = "radnom"')
    with pytest.raises(ValueError, match="radnom") as caught:
        parse_recipe(re.sub("epochs = [0-9]+", "epochs = 0", HEAD) + text)
    starts = [
        "recipe: [train] epochs = 0", "recipe: [compare] reference = 'radnom' is no method",
        "recipe: [compare] method 'Taylor', step 1 (prune): unknown key 'scpe'",
        "recipe: [compare] method 'UMWP', step 1: unknown kind 'maks'",
    ]  # fmt: skip
    lines = str(caught.value).splitlines()
    assert len(lines) == len(starts)
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))
    with pytest.raises(ValueError, match="distinct") as caught:
        parse_recipe(HEAD.replace("[3]", "[3, 3]") + '[[steps]]\nkind = "verify"\n' + COMPARE)
    assert len(str(caught.value).splitlines()) == 2


def test_a_method_cannot_follow_integers():
    with pytest.raises(ValueError, match=r"\[compare\] method 'LFP': steps: 'prune' cannot follow 'quantize'"):
        recipe(head=HEAD + '[[steps]]\nkind = "quantize"\n')


def test_a_method_shares_no_files_with_the_steps_before():
    head = HEAD + '[[steps]]\nkind = "soft"\nsparsity = 0.5\n'
    assert recipe(head=head)
    with pytest.raises(ValueError, match=r"stages 'soft-pruned' and 'soft: pruned' would share the files"):
        recipe(COMPARE.replace('name = "scratch"', 'name = "soft"'), head=head)


def test_methods_are_asked_for_calibration_trials_before_anything_is_trained(monkeypatch):
    steps = '[compare]\n[[compare.methods]]\nname = "few"\nsteps = [{kind = "calibrate"}]\n'
    own = parse_recipe(HEAD.replace("[protocol]", '[protocol]\nname = "mine:mine"') + steps)
    folds = k_fold_subjects(prepare(recipe()).windows, n_folds=2, valid=0.5)
    with pytest.raises(ValueError, match="2 of 2 folds have none"):
        protocol_facts(folds, own)


def test_an_inherited_reference_can_be_taken_back():
    assert recipe(COMPARE.replace('reference = "random"', 'reference = "dense"')).compare.reference is None


def test_the_hash_is_of_what_decides_numbers():
    one = recipe()
    assert recipe(COMPARE.replace('reference = "random"\n', "keep_networks = true\n")).hash == one.hash
    assert recipe(COMPARE.replace('{kind = "prune"}', '{kind = "prune", saliency = "l1"}')).hash == one.hash
    for old, new in (("[0.3, 0.8]", "[0.3, 0.7]"), ('name = "LFP"', 'name = "LF"'), ('"taylor"', '"fisher"')):
        assert recipe(COMPARE.replace(old, new)).hash != one.hash
    assert parse_recipe(HEAD).hash not in {one.hash}


# ---- the run ----


def rows_of(folder, fold=0):
    return {row["stage"]: row for row in folder.trial(fold, 3).read("trial")["rows"]}


@pytest.mark.parametrize(
    ("title", "steps"),
    [
        ("LFP 80 %", '[[steps]]\nkind = "prune"\nsparsity = 0.8\n'),
        ("Taylor 30 %", '[[steps]]\nkind = "prune"\nsaliency = "taylor"\nsparsity = 0.3\n'),
        ("UMWP 50 %", '[[steps]]\nkind = "mask"\nsparsity = 0.5\n'),
    ],
)
def test_a_method_gives_what_it_gives_alone(finished, tmp_path, title, steps):
    alone = run(
        parse_recipe(HEAD + steps + '[[steps]]\nkind = "recover"\nepochs = 2\nbatch_size = 8\n'),
        tmp_path / "alone", only=[(0, 3)],
    )  # fmt: skip
    own, together = rows_of(alone), rows_of(finished)
    for stage in [s for s in own if s in ("pruned", "masked", "recovered")]:
        same = together[f"{title}: {stage}"]
        assert {k: same[k] for k in ("sha256", "macs", "budget_epochs", "budget_macs")} == {
            k: own[stage][k] for k in ("sha256", "macs", "budget_epochs", "budget_macs")
        }
        assert same["method"] == title.split(" ")[0]
    other = together["random 80 %: recovered"]
    assert other["sha256"] != own["recovered"]["sha256"]


def test_networks_of_methods_are_removed_and_plans_stay(finished):
    trial = finished.trial(0, 3).path
    assert [p.name for p in (trial / "networks").iterdir()] == ["dense"]
    assert not list((trial / "masks").iterdir())
    assert (trial / "plans" / "LFP-80-pruned.json").is_file()


def test_networks_of_methods_are_removed_by_the_next_run_if_killed_before(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            run(recipe(), tmp_path / "r", only=[(0, 3)])
    folder = tmp_path / "r" / "trials" / "fold-00_seed-3"
    assert (folder / "trial.json").is_file()
    assert len(list((folder / "networks").iterdir())) > 1
    run(recipe(), tmp_path / "r", only=[(0, 3)])
    assert [p.name for p in (folder / "networks").iterdir()] == ["dense"]
    assert not list((folder / "masks").iterdir())


def test_networks_of_methods_stay_on_demand(tmp_path):
    found = run(recipe(COMPARE.replace("[compare]", "[compare]\nkeep_networks = true")), tmp_path / "r", only=[(0, 3)])
    assert (found.trial(0, 3).path / "networks" / "LFP-80-recovered").is_dir()
    assert (found.trial(0, 3).path / "masks" / "UMWP-50-masked.safetensors").is_file()


def test_a_saliency_is_computed_once_for_all_sparsities_and_seen_by_the_audit(tmp_path, monkeypatch):
    counted = []
    real = pruning.score
    monkeypatch.setattr(pruning, "score", lambda *a, **k: counted.append(a[1]) or real(*a, **k))
    found = run(recipe(), tmp_path / "r", only=[(0, 3)])
    assert counted.count("taylor") == 1
    assert counted.count("l1") == 1  # of LFP at two sparsities, and of scratch
    saw = [row for row in found.trial(0, 3).read("trial")["audit"]["rows"] if row["stage"] == "saliency"]
    assert saw
    assert all(row["test"] == 0 for row in saw)


def test_it_goes_on_in_the_middle_of_a_method(finished, tmp_path):
    folder, text = tmp_path / "r", recipe()
    calls = []

    def stop(task, name, step, state):
        calls.append(name)
        if name == "random 30 %: recovered":
            raise KeyboardInterrupt
        return real(task, name, step, state)

    real = trial.make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "make", stop)
        with pytest.raises(KeyboardInterrupt):
            run(text, folder, only=[(0, 3)])
    before = list(calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "make", lambda *a: calls.append(a[1]) or real(*a))
        again = run(text, folder, only=[(0, 3)])
    assert set(calls[len(before) :]) == {s.name for s in plan_of(text)} - set(before[:-1])
    one, two = rows_of(finished), rows_of(again)
    assert {s: r["sha256"] for s, r in two.items()} == {s: r["sha256"] for s, r in one.items()}


def test_every_artifact_has_its_own_verification(tmp_path):
    out = '{kind = "export", golden = 4}'
    text = f"""
[compare]
[[compare.methods]]
name = "verified"
steps = [{out}, {{kind = "verify", windows = 4, sanitize = false}}]
[[compare.methods]]
name = "not verified"
steps = [{out}]
"""
    rows = rows_of(run(recipe(text), tmp_path / "r", only=[(0, 3)]))
    assert (rows["verified: C"]["verified"], rows["verified: C"]["verified_windows"]) == ("within 1e-05 (host)", 4)
    assert (rows["not verified: C"]["verified"], rows["not verified: C"]["verified_windows"]) == ("", None)


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


def test_outcomes_are_paired_with_dense_and_with_the_reference(finished):
    whole = gather(finished.path)
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


def test_scratch_does_not_pay_for_dense(finished):
    rows = rows_of(finished)
    assert rows["LFP 80 %: recovered"]["budget_epochs"] == rows["dense"]["budget_epochs"] + 2
    assert rows["scratch: recovered"]["budget_epochs"] == rows["dense"]["budget_epochs"] + 2
    assert rows["scratch: recovered"]["budget_macs"] < rows["LFP 80 %: recovered"]["budget_macs"]


def test_the_report_sets_methods_side_by_side(finished):
    page = report(finished.path)
    html, text = page.read_text(), page.with_suffix(".md").read_text()
    for heading in ("Methods side by side", "Every network", "Against random", "What the training cost", "Accuracy"):
        assert f"## {heading}" in text
        assert heading in html
    assert re.search(r"\| LFP \| 0\.\d{3} ± 0\.\d{3}.* \| 0\.\d{3}.* \| – \| – \|", text)
    assert "| dense | 0." in text  # the trunk's own table
    assert "| LFP 30 %: pruned | 0." not in text[text.index("## Accuracy") : text.index("## Audit")]
    for name in ("methods", "networks", "against", "budgets"):
        assert (finished.path / "tables" / f"{name}.tex").is_file()
    for name in ("methods", "recovery"):
        assert (finished.path / "figures" / f"{name}.png").stat().st_size > 10_000
    assert "dense against dense" not in text  # its only stage
    assert not (finished.path / "figures" / "cost.png").exists()


def test_the_legend_of_recovery_has_every_method(finished, monkeypatch):
    drawn = []
    monkeypatch.setattr(method_figures, "drawing", lambda name, figure, text: drawn.append(figure))
    whole = gather(finished.path)
    method_figures.recovery_figure(whole, outcomes(whole))
    (legend,) = drawn[0].legends
    assert [entry.get_text() for entry in legend.get_texts()] == ["LFP", "Taylor", "random", "UMWP"]


def test_tables_say_what_was_measured(finished):
    whole = gather(finished.path)
    found = outcomes(whole)
    rows = {row[0]: row for row in outcome_table(whole, found).rows}
    assert rows["UMWP 50 %"][8:10] == ("–", "–")
    assert "B" in rows["UMWP 50 %"][11]
    assert rows["LFP 80 %"][11] == "–"
    macs = rows_of(finished)
    share = 1 - macs["LFP 80 %: recovered"]["macs"] / macs["dense"]["macs"]
    assert rows["LFP 80 %"][9] == f"{100 * share:.1f} %" == fewer(1.0, 1 - share)
    assert len(pivot_table(whole, found).rows) == 5
    against = against_table(whole, found)
    assert against is not None
    assert [row[0] for row in against.rows] == ["LFP 30 %", "LFP 80 %", "Taylor 30 %", "Taylor 80 %"]
    budgets = budget_table(whole, found)
    assert budgets is not None
    assert budgets.rows[0][0] == "dense"


def learned(run):
    """The same run, with networks that are 0.1 to 0.2 better than the majority class."""
    better = run.subjects.copy()
    rows = better.stage != "majority class"
    better.loc[rows, "accuracy"] = 0.6 + 0.1 * better[rows].subject.str[-1].astype(int) / 9
    return replace(run, subjects=better)


def test_nothing_passes_beside_a_network_that_has_learned_nothing(finished):
    whole = gather(finished.path)
    equal = whole.subjects.copy()
    equal["accuracy"] = 0.5 + 0.02 * equal.subject.str[-1].astype(int)
    whole = replace(whole, subjects=equal)
    found = outcomes(whole)
    assert all(o.pair.non_inferior for o in found)
    assert not any(o.passes or o.passes_alone for o in found)
    assert "✓" not in str(pivot_table(whole, found).rows)
    assert method_headline(whole, found).startswith("AT CHANCE, no result: 5 methods, ")
    assert method_tiles(whole, found) == ()
    assert caveats(trunk_of(whole))[0].startswith("AT CHANCE: dense is not shown to be above chance: ")
    good = learned(whole)
    assert "✓" in str(pivot_table(good, outcomes(good)).rows)
    assert method_tiles(good, outcomes(good))
    assert not [c for c in caveats(trunk_of(good)) if "CHANCE" in c]


def test_a_network_below_the_linear_baseline_is_called_so(finished):
    good = learned(gather(finished.path))
    better = good.subjects.copy()
    better.loc[better.stage == "linear baseline", "accuracy"] += 0.01
    (said,) = [c for c in caveats(trunk_of(replace(good, subjects=better))) if c.startswith("Linear: ")]
    assert "is below the linear baseline" in said


def test_the_headline_names_the_smallest_that_passes_or_says_none(finished):
    whole = learned(gather(finished.path))
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


def test_the_audit_table_says_once_what_many_methods_saw(finished):
    whole = gather(finished.path)
    (trial, *_) = whole.trials
    rows = [row[1:] for row in audit_table(whole).rows if row[0] == f"{trial['fold']} · {trial['seed']}"]
    assert sum(int(row[1]) for row in rows) == len(trial["audit"]["rows"])
    assert len({(row[0].split(" (")[0], row[-1]) for row in rows}) == len(rows)
    tested = [row for row in rows if row[3] != "0"]
    assert all(row[0].startswith("evaluate") for row in tested)
    assert int(tested[0][1]) > 5
