"""A small study of methods side by side."""

from __future__ import annotations

from test_run import TINY

from trimcap.study.recipe.recipe import parse_recipe

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


def rows_of(folder, fold=0):
    return {row["stage"]: row for row in folder.trial(fold, 3).read("trial")["rows"]}
