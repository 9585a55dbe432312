"""`trimcap baselines`: what has to be beaten, before any network is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimcap.cli.io import inputs
from trimcap.cli.io.answer import Answer, typed
from trimcap.cli.io.show import table
from trimcap.study.recipe.shipped import recipe_path

RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="A .toml file, or the name of a shipped recipe.")]
Out = Annotated[Path | None, typer.Option("--out", help="CSV of every fold, baseline and subject.")]
_SHOWN = ("accuracy", "balanced_accuracy", "f1", "kappa", "auroc", "trial_vote", "trial_mean")


def baselines(recipe: RecipeFile, out: Out = None) -> Answer:
    """Score a recipe's baselines on its folds, as a run does, without training a network."""
    from trimcap.study.recipe.recipe import load_recipe
    from trimcap.study.results.plain import write_csv
    from trimcap.study.results.statistics import summary
    from trimcap.study.run.baselines import baselines_alone

    inputs.see_here()
    with typed():
        content = load_recipe(recipe_path(recipe))
    found = baselines_alone(content)
    scores = summary(found)
    names = [str(name) for name in scores.index]
    rows = [(name, *(float(scores[(key, "mean")].loc[name]) for key in _SHOWN)) for name in names]
    heads = ("baseline", "accuracy", "balanced", "F1", "kappa", "AUROC", "trials, vote", "trials, mean p")
    title = f"window accuracy, mean over {found.subject.nunique()} subjects"
    lines: list[object] = [table(heads, rows, title=title)]
    if out is not None:
        write_csv(out, found.to_dict("records"))  # type: ignore[arg-type]  # columns have names
        lines.append(f"written: {out}")
    return Answer({"recipe": content.name, "baselines": [dict(zip(heads, row, strict=True)) for row in rows]}, lines)
