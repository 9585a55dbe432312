"""baselines: the numbers of a run, without its networks."""

import pandas as pd
import pytest

RECIPE = """
name = "tiny"
[data]
source = "synthetic"
subjects = 4
seconds = 6
window = 2
[data.options]
trials_per_class = 2
[protocol]
folds = 2
valid = 0.5
[baselines]
signal = "evoked"
"""


def test_baselines_of_a_recipe(call, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    ended = call("baselines", tmp_path / "tiny.toml", "--out", tmp_path / "b.csv", "--json", ok=True)
    rows = pd.read_csv(tmp_path / "b.csv")
    names = ["majority class", "linear baseline", "nearest neighbours", "evoked baseline"]
    assert list(dict.fromkeys(rows.stage)) == names == [row["baseline"] for row in ended.json["baselines"]]
    assert len(rows) == 4 * 4
    linear = rows[rows.stage == "linear baseline"]
    assert ended.json["baselines"][1]["accuracy"] == pytest.approx(linear.accuracy.mean())
    assert set(linear.C) <= {1e-4, 1e-3, 1e-2, 1e-1, 1.0}
    assert linear.trials.tolist() == [4] * 4
