"""`[compare]`: every method from the same network, as if it were alone."""

from __future__ import annotations

import re

import pytest
from compared_methods import COMPARE, HEAD, recipe, rows_of

from trimcap.data.splits.protocols.subjects import k_fold_subjects
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import load_recipe, parse_recipe
from trimcap.study.recipe.shipped import shipped
from trimcap.study.run import trial
from trimcap.study.run.folding import protocol_facts
from trimcap.study.run.prepare import prepare
from trimcap.study.run.run import run
from trimcap.study.steps import slices
from trimcap.study.steps.kind import ancestors, slug

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
    found = [s.name for s in ancestors(plan_of(recipe()), "Taylor 80 %: recovered")]
    assert found == ["dense", "Taylor 80 %: pruned"]
    assert ancestors(plan_of(recipe()), "dense") == ()


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


@pytest.mark.parametrize(
    ("title", "steps"),
    [
        ("LFP 80 %", '[[steps]]\nkind = "prune"\nsparsity = 0.8\n'),
        ("Taylor 30 %", '[[steps]]\nkind = "prune"\nsaliency = "taylor"\nsparsity = 0.3\n'),
        ("UMWP 50 %", '[[steps]]\nkind = "mask"\nsparsity = 0.5\n'),
    ],
)
def test_a_method_gives_what_it_gives_alone(compared, tmp_path, title, steps):
    alone = run(
        parse_recipe(HEAD + steps + '[[steps]]\nkind = "recover"\nepochs = 2\nbatch_size = 8\n'),
        tmp_path / "alone", only=[(0, 3)],
    )  # fmt: skip
    own, together = rows_of(alone), rows_of(compared)
    for stage in [s for s in own if s in ("pruned", "masked", "recovered")]:
        same = together[f"{title}: {stage}"]
        assert {k: same[k] for k in ("sha256", "macs", "budget_epochs", "budget_macs")} == {
            k: own[stage][k] for k in ("sha256", "macs", "budget_epochs", "budget_macs")
        }
        assert same["method"] == title.split(" ")[0]
    other = together["random 80 %: recovered"]
    assert other["sha256"] != own["recovered"]["sha256"]


def test_networks_of_methods_are_removed_and_plans_stay(compared):
    trial = compared.trial(0, 3).path
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
    real = slices.score
    monkeypatch.setattr(slices, "score", lambda *a, **k: counted.append(a[1]) or real(*a, **k))
    found = run(recipe(), tmp_path / "r", only=[(0, 3)])
    assert counted.count("taylor") == 1
    assert counted.count("l1") == 1  # of LFP at two sparsities, and of scratch
    saw = [row for row in found.trial(0, 3).read("trial")["audit"]["rows"] if row["stage"] == "saliency"]
    assert saw
    assert all(row["test"] == 0 for row in saw)


def test_it_goes_on_in_the_middle_of_a_method(compared, tmp_path):
    folder, text = tmp_path / "r", recipe()
    calls = []

    def stop(task, stage, state):
        calls.append(stage.name)
        if stage.name == "random 30 %: recovered":
            raise KeyboardInterrupt
        return real(task, stage, state)

    real = trial.make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "make", stop)
        with pytest.raises(KeyboardInterrupt):
            run(text, folder, only=[(0, 3)])
    before = list(calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "make", lambda *a: calls.append(a[1].name) or real(*a))
        again = run(text, folder, only=[(0, 3)])
    assert set(calls[len(before) :]) == {s.name for s in plan_of(text)} - set(before[:-1])
    one, two = rows_of(compared), rows_of(again)
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


def test_the_dense_network_trained_on_is_a_method_that_prunes_nothing(tmp_path):
    text = """
[compare]
[[compare.methods]]
name = "trained on"
steps = [{kind = "recover", epochs = 3, batch_size = 8}]
[[compare.methods]]
name = "distilled"
steps = [{kind = "recover", epochs = 3, batch_size = 8, arm = "distil"}]
"""
    folder = run(recipe(text), tmp_path / "r", only=[(0, 3)])
    rows = rows_of(folder)
    dense, on, distilled = (rows[name] for name in ("dense", "trained on: recovered", "distilled: recovered"))
    assert {row["parameters"] for row in (dense, on, distilled)} == {dense["parameters"]}
    assert on["budget_epochs"] == distilled["budget_epochs"] == dense["budget_epochs"] + 3
    assert len({row["sha256"] for row in (dense, on, distilled)}) == 3


def test_the_controls_of_the_distilled_study_differ_in_one_thing_each():
    study, controls = (load_recipe(shipped()[f"ijcnn-eegmat-ccnn-{name}"]) for name in ("distil", "controls"))
    theirs, ours = study.model_dump(), controls.model_dump()
    assert {key for key in ours if ours[key] != theirs[key]} == {"name", "compare", "report"}
    own, random, longer, _ = (method.at(0.8 if method.asks else None) for method in controls.compare.methods)
    assert own == study.compare.methods[0].at(0.8)
    assert random[0].model_copy(update={"saliency": "l1"}) == own[0]
    assert random[1:] == own[1:]
    assert longer[0].epochs == own[1].epochs
