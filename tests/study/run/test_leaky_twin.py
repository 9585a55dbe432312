"""The leaky twin: run beside the honest run, shown beside its numbers, and nowhere else."""

import json

import numpy as np
import pytest

from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.report import report
from trimcap.study.results.gathered import gather
from trimcap.study.results.inflation import inflations
from trimcap.study.run.run import run
from trimcap.study.run.twin import leaky_twin, run_twin

# every trial can be recognised, no class can: whatever a leaky split claims here is memory
TEXT = """
name = "small"
seeds = [0, 4]
[data]
source = "fingerprint"
subjects = 5
rate = 128
seconds = 16
window = 2
features = "differential_entropy"
normalise = "none"
[data.options]
seed = 6
trials = 4
channels = ["Fp1", "F3", "C3", "C4", "O1", "O2"]
[protocol]
folds = 3
valid = 0.3
[model]
name = "test_leaky_twin:means"
[train]
epochs = 1
batch_size = 8
[[steps]]
kind = "rewrite"
"""


def means(n_channels, n_times, n_classes):
    """A network that is trained in a moment."""
    from torch import nn

    return nn.Sequential(nn.Conv1d(n_channels, 2, 1), nn.Flatten(), nn.Linear(2 * n_times, n_classes))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin") / "r"
    run(parse_recipe(TEXT), folder, text=TEXT)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    run_twin(folder)
    report(folder)
    return folder, before


def test_the_twin_is_a_run_of_its_own_and_leaves_the_honest_one_alone(both):
    folder, before = both
    assert {p: p.read_bytes() for p in before} == before
    twin = gather(folder / "leaky")
    assert twin.header["protocol"]["text"] == "LEAKY: windows shuffled, 3-fold (comparison only)"
    assert twin.verdict == "LEAKY"
    assert twin.stages == ("majority class", "linear baseline", "nearest neighbours", "dense")
    assert twin.results.leaky.all()
    assert set(twin.results.seed) == {0}
    assert len(twin.trials) == 3
    assert "# LEAKY twin of 'small'" in twin.header["text"]


def test_only_protocol_seeds_and_steps_differ(both):
    honest, twin = (json.loads((both[0] / place / "run.json").read_text())["recipe"] for place in (".", "leaky"))
    assert {key for key in honest if honest[key] != twin[key]} == {"protocol", "seeds", "steps"}
    assert {k for k, v in twin["protocol"].items() if honest["protocol"][k] != v} == {"name"}
    facts = [json.loads((both[0] / place / "run.json").read_text())["data"]["sha256"] for place in (".", "leaky")]
    assert facts[0] == facts[1]


def test_inflation_is_that_of_the_predictions(both):
    """Replica: accuracy per subject over all its windows, from the saved probabilities of the first seed."""
    honest, leaky = gather(both[0]), gather(both[0] / "leaky")
    found = {one.classifier: one for one in inflations(honest, leaky)}
    assert list(found) == ["dense", "linear baseline", "nearest neighbours"]
    for classifier, one in found.items():
        means = []
        for place in (both[0], both[0] / "leaky"):
            hits: dict[str, list[bool]] = {}
            for trial in sorted((place / "trials").glob("fold-*_seed-0")):
                with np.load(trial / "evaluated" / f"{classifier.replace(' ', '-')}.npz") as arrays:
                    right = arrays["probabilities"].argmax(axis=1) == arrays["y"]
                    for name, hit in zip(arrays["ids"].tolist(), right.tolist(), strict=True):
                        hits.setdefault(name.split("/")[0], []).append(hit)
            assert {len(h) for h in hits.values()} == {4 * 8}
            means.append(np.array([np.mean(hits[s]) for s in sorted(hits)]))
        assert (one.honest[0], one.leaky[0]) == pytest.approx((means[0].mean(), means[1].mean()))
        assert one.leaky[1] == pytest.approx(means[1].std(ddof=1))
        assert one.paired.difference == pytest.approx((means[1] - means[0]).mean())


def test_memory_is_what_the_leaky_split_claims(both):
    found = {one.classifier: one for one in inflations(gather(both[0]), gather(both[0] / "leaky"))}
    neighbours = found["nearest neighbours"]
    assert neighbours.leaky[0] > 0.9
    assert neighbours.honest[0] < 0.75
    assert neighbours.paired.interval[0] > 0


def test_the_report_shows_both_and_the_main_tables_only_the_honest(both):
    folder, _ = both
    markdown = (folder / "report.md").read_text()
    html = (folder / "report.html").read_text()
    start = markdown.index("## What a leaky split would have claimed")
    section = markdown[start : markdown.index("\n## ", start + 5)]
    rest = markdown.replace(section, "")
    neighbours = {o.classifier: o for o in inflations(gather(folder), gather(folder / "leaky"))}["nearest neighbours"]
    for one in inflations(gather(folder), gather(folder / "leaky")):
        assert f"| {one.classifier} | {one.honest[0]:.3f} ± " in section
        assert f"| {one.leaky[0]:.3f} ± " in section
    assert section.count("LEAKY") >= 5
    assert "LEAKY" not in rest
    assert f"{neighbours.leaky[0]:.3f}" in section
    assert f"{neighbours.leaky[0]:.3f} ±" not in rest
    assert "figures/leaky-twin.png" in section
    assert (folder / "figures" / "leaky-twin.png").is_file()
    assert 'id="leaky"' in html
    assert "LEAKY beside honest" in html
    tex = (folder / "tables" / "leaky.tex").read_text()
    assert "LEAKY" in tex
    assert f"{neighbours.leaky[0]:.3f}" in tex
    assert "LEAKY" not in (folder / "tables" / "accuracy.tex").read_text()
    assert "True" not in (folder / "results.csv").read_text()


def test_a_finished_twin_computes_nothing(both, monkeypatch):
    monkeypatch.setattr("trimcap.study.run.trial.run_trial", lambda *_, **__: pytest.fail("computed again"))
    lines = []
    run_twin(both[0], progress=lines.append)
    assert lines == ["3 of 3 trials were finished before"]


def test_an_unfinished_twin_says_so_and_goes_on(both, tmp_path):
    import shutil

    copy = tmp_path / "r"
    shutil.copytree(both[0], copy)
    shutil.rmtree(copy / "leaky" / "trials" / "fold-01_seed-0")
    from trimcap.study.results.store import RunFolder

    RunFolder(copy / "leaky").gather()
    assert "Unfinished: 2 of 3 leaky trials" in report(copy).read_text()
    run_twin(copy)
    text = report(copy).read_text()
    assert "Unfinished" not in text
    assert (copy / "report.md").read_bytes() == (both[0] / "report.md").read_bytes()


def test_without_a_twin_there_is_no_section(tmp_path):
    recipe = parse_recipe(TEXT.replace("seeds = [0, 4]", "seeds = [0]"))
    run(recipe, tmp_path / "r", only=[(0, 0)])
    assert "leaky split would have claimed" not in report(tmp_path / "r").read_text()
    asked = parse_recipe(TEXT.replace("seeds = [0, 4]", "seeds = [0]") + "\n[report]\nleaky_twin = true\n")
    run(asked, tmp_path / "r", only=[(0, 0)])
    assert "asks for a leaky twin, but it has no finished trial" in report(tmp_path / "r").read_text()


def test_seeds_of_the_twin():
    recipe = parse_recipe(TEXT)
    assert leaky_twin(recipe, folds=3).seeds == (0,)
    asked = parse_recipe(TEXT + "\n[report]\nleaky_twin = [4, 0]\n")
    assert leaky_twin(asked, folds=3).seeds == (4, 0)
    assert leaky_twin(parse_recipe(TEXT + "\n[report]\nleaky_twin = true\n"), folds=3).seeds == (0,)
    with pytest.raises(ValueError, match=r"leaky_twin: seeds \[7\] are not among the recipe's seeds \[0, 4\]"):
        parse_recipe(TEXT + "\n[report]\nleaky_twin = [7]\n")


@pytest.mark.parametrize("name", ["leaky_windows", "leaky_within_trial"])
def test_a_leaky_recipe_has_no_twin(name):
    recipe = parse_recipe(TEXT.replace("[protocol]", f'[protocol]\nname = "{name}"'))
    with pytest.raises(ValueError, match=f"{name} leaks itself"):
        leaky_twin(recipe, folds=3)


def test_what_inner_folds_choose_no_leaky_fold_can(both, tmp_path):
    text = TEXT.replace("[protocol]", "[protocol]\ninner = 2").replace(
        "[train]", "[choose]\nlearning_rate = [1e-3, 1e-2]\n[train]"
    )
    twin = leaky_twin(parse_recipe(text), folds=3)
    assert (twin.choose, twin.protocol.inner) == ({}, None)
    assert twin.hash == leaky_twin(parse_recipe(TEXT), folds=3).hash


def test_no_difference_is_not_called_memory(both):
    from dataclasses import replace

    from trimcap.study.report.twin import _said
    from trimcap.study.results.statistics import compare

    one = inflations(gather(both[0]), gather(both[0] / "leaky"))[2]
    assert "what it is worth to have seen other windows" in _said(one)
    none = replace(one, paired=compare([0.5, 0.6, 0.7], [0.6, 0.5, 0.7]))
    assert "can't be told from none" in _said(none)


def test_no_run_no_twin(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run\.json"):
        run_twin(tmp_path)


def test_random_labels_are_named_in_the_caveats(tmp_path):
    recipe = parse_recipe(TEXT.replace("[data]", '[data]\nlabels = "random"'))
    run(recipe, tmp_path / "r", only=[(0, 0)])
    page = report(tmp_path / "r").read_text()
    assert "RANDOM labels: every trial has a label that means nothing" in page
    assert "RANDOM LABELS, a control: " in page  # in the first sentence, not only among the caveats


def test_recorded_labels_are_not(both):
    assert "RANDOM" not in (both[0] / "report.html").read_text()
