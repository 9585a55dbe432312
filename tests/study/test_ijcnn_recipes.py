"""The recipes of the four-method study, on files laid out as DEAP and SEED are, and on EEGMAT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from trimcap.study.recipe.recipe import Recipe, load_recipe
from trimcap.study.recipe.shipped import shipped
from trimcap.study.run.run import run

sys.path.insert(0, str(Path(__file__).parents[1] / "data" / "sets"))
from set_files import write_deap, write_seed

PUBLISHED = {
    "ijcnn-deap-ccnn": 6_233_602, "ijcnn-deap-fbccnn": 2_118_230, "ijcnn-deap-tsception": 12_563,
    "ijcnn-seed-ccnn": 6_234_627, "ijcnn-seed-fbccnn": 2_118_359, "ijcnn-seed-tsception": 12_596,
}  # fmt: skip
#: scales of batch norm, of which NSFP removes exactly ⌊s·n⌋
SCALES = {"fbccnn": 652, "tsception": 45}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("gated")
    for subject in (1, 2, 3):
        write_deap(place / "deap", subject)
    names = {f"{subject}_2013102{session}": "xx" for subject in (1, 2, 3) for session in (1, 2, 3)}
    write_seed(place / "seed", names, samples=1500)
    yield {"deap": place / "deap", "seed": place / "seed"}
    for path in place.rglob("*.dat"):  # 100 MB each
        path.unlink()


def small(name: str, path: Path | None, *, step: float | None) -> Recipe:
    """A shipped recipe with one epoch, one sparsity and few windows; all else as it is shipped."""
    table = load_recipe(shipped()[name]).model_dump(mode="json")
    table["seeds"], table["protocol"]["folds"] = [0], 3
    table["protocol"]["valid"] = 0.4
    table["train"] |= {"epochs": 1, "patience": None}
    table["compare"]["sparsities"] = [0.8]
    for method in table["compare"]["methods"]:
        method["steps"] = [
            one | ({"epochs": 1, "patience": None} if one["kind"] in ("recover", "soft") else {})
            for one in method["steps"]
        ]
    if path is not None:
        table["data"] |= {"path": str(path), "cache": False}
    if step is not None:
        table["data"]["chain"] = [
            one | {"step": step} if isinstance(one, dict) and one["name"] == "windows" else one
            for one in table["data"]["chain"]
        ]
    return Recipe.model_validate(table)


LONG = ("ijcnn-seed-ccnn", "ijcnn-seed-fbccnn")  # the networks of DEAP, with a third class


def marked(*names: str) -> list[object]:
    return [pytest.param(n, marks=pytest.mark.long if n in (*LONG, "ccnn") else pytest.mark.slow) for n in names]


@pytest.mark.parametrize("name", marked(*PUBLISHED))
def test_it_runs_on_files_of_that_layout(name, folders, tmp_path):
    data, model = name.split("-")[1:]
    recipe = small(name, folders[data], step=20.0 if data == "deap" else 2.0)
    trial = run(recipe, tmp_path / "r", only=[(0, 0)]).trial(0, 0)
    facts = trial.read("trial")
    rows = {row["stage"]: row for row in facts["rows"]}
    assert facts["audit"]["verdict"] == "passed"
    assert rows["dense"]["parameters"] == PUBLISHED[name]
    assert rows["LFP 80 %: recovered"]["macs"] < 0.2 * rows["dense"]["macs"]
    assert rows["UMWP 80 %: recovered"]["parameters"] == PUBLISHED[name]
    assert rows["UMWP 80 %: recovered"]["compressed"] < 0.35 * rows["dense"]["flash"]
    assert trial.read("built/SFP-80-soft-pruned")["compaction_error"] < 1e-5
    if model in SCALES:
        plan = json.loads((trial.path / "plans" / "NSFP-80-pruned.json").read_text())
        sizes = plan["sizes"]
        assert sum(sizes.values()) == SCALES[model]
        assert sum(sizes.values()) - sum(map(len, plan["keep"].values())) == int(0.8 * SCALES[model])
    else:
        assert rows["LFP scratch 80 %: recovered"]["budget_epochs"] == 2


@pytest.mark.real
@pytest.mark.parametrize("model", marked("ccnn", "fbccnn", "tsception"))
def test_it_runs_on_eegmat(model, eegmat_folder, tmp_path):
    recipe = small(f"ijcnn-eegmat-{model}", None, step=None)
    table = recipe.model_dump(mode="json")
    table["data"] |= {"subjects": 6, "cache": False, "path": str(eegmat_folder)}
    trial = run(Recipe.model_validate(table), tmp_path / "r", only=[(0, 0)]).trial(0, 0)
    facts = trial.read("trial")
    assert facts["audit"]["verdict"] == "passed"
    methods = {row["method"] for row in facts["rows"] if row.get("method")}
    assert methods == {method["name"] for method in table["compare"]["methods"]}
