"""What a leaky split would have claimed: the scores of a run beside those of its leaky twin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trimcap.study.results.gathered import Gathered, gather
from trimcap.study.results.statistics import Paired, compare
from trimcap.study.results.store import BASELINES

#: where a run folder keeps its twin
FOLDER = "leaky"


@dataclass(frozen=True)
class Inflation:
    """A classifier under the honest protocol and under the leaky one, over the same subjects.

    Parameters
    ----------
    honest, leaky : mean and standard deviation over subjects of their accuracy over all windows and seeds
    paired : leaky minus honest
    """

    classifier: str
    honest: tuple[float, float]
    leaky: tuple[float, float]
    paired: Paired


def inflations(honest: Gathered, leaky: Gathered) -> tuple[Inflation, ...]:
    """Every classifier that both runs have, with the seeds that the twin has, over the subjects that both have."""
    seeds = set(leaky.subjects.seed)
    ours = _accuracies(honest.subjects[honest.subjects.seed.isin(seeds)])
    theirs = _accuracies(leaky.subjects)
    found = []
    for stage in (s for s in ("dense", *BASELINES[1:]) if s in ours and s in theirs):
        both = pd.concat([ours[stage], theirs[stage]], axis=1, keys=["honest", "leaky"]).dropna()
        if len(both):
            means, sds = both.mean(), both.std(ddof=1)
            found.append(
                Inflation(
                    stage,
                    (float(means.honest), float(sds.honest)),
                    (float(means.leaky), float(sds.leaky)),
                    compare(both.leaky, both.honest),
                )
            )
    return tuple(found)


def twin_facts(folder: Path | str) -> list[dict[str, Any]]:
    """Honest and leaky accuracy of every classifier of a run that has a finished twin, for JSON.

    Raises
    ------
    FileNotFoundError : no run, no twin, or nothing finished.
    """
    folder = Path(folder)
    return [
        {
            "classifier": one.classifier,
            "honest": one.honest[0],
            "LEAKY": one.leaky[0],
            "inflation": one.paired.difference,
            "interval": one.paired.interval,
        }
        for one in inflations(gather(folder), gather(folder / FOLDER))
    ]


def _accuracies(subjects: pd.DataFrame) -> pd.DataFrame:
    """Subject × stage: accuracy over all test windows, however many folds they were in."""
    hits = subjects.assign(hits=subjects.accuracy * subjects.n)
    sums = hits.groupby(["subject", "stage"])[["hits", "n"]].sum()
    return (sums.hits / sums.n).unstack("stage")
