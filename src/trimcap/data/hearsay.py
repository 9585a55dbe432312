"""What a reader says of its recordings that their windows must not lose: rules of classes, trials left out, doubts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

#: how a step of `Windows.steps` begins that says why their subjects are uncertain
DOUBT = "subjects in doubt: "


@dataclass(frozen=True)
class Hearsay:
    """What the readers of some recordings said.

    Parameters
    ----------
    rules : how ratings became classes, e.g. "valence > 5"; of recordings labelled in one way there is one, or none
    left_out : trials that a file has and nobody got, `subject/session/trial`
    doubts : why it is not certain who is who
    """

    rules: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    doubts: frozenset[str] = frozenset()

    @staticmethod
    def of(recording: Recording) -> Hearsay:
        """What stands in the `info` of a recording, as `rule`, `left_out` and `doubt`."""
        rule, lost, doubt = (recording.info.get(name) for name in ("rule", "left_out", "doubt"))
        return Hearsay(
            frozenset([str(rule)] if rule else []),
            frozenset(f"{recording.subject}/{name}" for name in lost) if isinstance(lost, Mapping) else frozenset(),
            frozenset([str(doubt)] if doubt else []),
        )

    @staticmethod
    def joined(several: Iterable[Hearsay]) -> Hearsay:
        """All of it, every rule and every trial once."""
        several = list(several)
        return Hearsay(
            frozenset().union(*(one.rules for one in several)),
            frozenset().union(*(one.left_out for one in several)),
            frozenset().union(*(one.doubts for one in several)),
        )

    def words(self) -> tuple[str, ...]:
        """For `Windows.steps`.

        Raises
        ------
        ValueError : recordings were labelled by different rules, so that one class would mean several things.
        """
        if len(self.rules) > 1:
            raise ValueError(
                f"the recordings were labelled by different rules ({', '.join(sorted(self.rules))}), so a class would "
                "mean several things; read all of them with one label, threshold and side"
            )
        n = len(self.left_out)
        lost = (f"{n} {'trial' if n == 1 else 'trials'} without a usable label or signal left out by the reader",)
        unsure = (f"{DOUBT}{doubt}" for doubt in sorted(self.doubts))
        return (*(f"classes by {rule}" for rule in self.rules), *(lost if n else ()), *unsure)


#: what readers of plain recordings say
NOTHING = Hearsay()


def metadata_of(parts: Iterable[Windows]) -> pd.DataFrame:
    """The rows of several windows as one table; a stimulus that only some of them name is "" for the others."""
    table = pd.concat([part.metadata for part in parts], ignore_index=True)
    if "stimulus" not in table or not table.stimulus.isna().any():
        return table
    missing = table.stimulus.isna().to_numpy()
    return table.assign(stimulus=np.where(missing, "", table.stimulus.to_numpy(dtype=object)))
