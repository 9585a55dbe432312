"""Two classes from a rating, by a rule that is written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimcap._errors import unknown

Side = Literal[">", ">="]


@dataclass(frozen=True)
class Rule:
    """Which ratings are class 1.

    Parameters
    ----------
    label : what was rated
    threshold : on the scale of the set
    side : ">" puts a rating that equals the threshold into class 0, ">=" into class 1
    lowest, highest : of the scale
    """

    label: str
    threshold: float
    side: Side
    lowest: float
    highest: float

    @property
    def classes(self) -> tuple[str, str]:
        """Names of class 0 and 1."""
        return f"low {self.label}", f"high {self.label}"

    def __str__(self) -> str:
        return f"{self.label} {self.side} {self.threshold:g}"

    def apply(self, rating: float, where: str) -> int | None:
        """The class of a rating; None for NaN, which is never turned into a class.

        Raises
        ------
        ValueError : the rating is not on the scale.
        """
        if math.isnan(rating):
            return None
        if not self.lowest <= rating <= self.highest:
            raise ValueError(
                f"{where}: {self.label} is rated {rating:g}, outside {self.lowest:g} to {self.highest:g}; "
                "the file is damaged or its columns are in another order"
            )
        return int(rating >= self.threshold if self.side == ">=" else rating > self.threshold)


def rule(
    label: str, threshold: float, side: str, *, known: Sequence[str], lowest: float, highest: float, what: str
) -> Rule:
    """A checked `Rule`.

    Raises
    ------
    ValueError : unknown label or side; a threshold that puts every rating into one class.
    """
    if label not in known:
        raise ValueError(unknown(f"{what} label", label, known))
    if side not in (">", ">="):
        raise ValueError(unknown("side", side, [">", ">="]))
    if not (lowest <= threshold < highest if side == ">" else lowest < threshold <= highest):
        raise ValueError(
            f"{what}: {label} {side} {threshold:g} puts all ratings from {lowest:g} to {highest:g} into one class"
        )
    return Rule(label, float(threshold), ">=" if side == ">=" else ">", lowest, highest)
