"""Two classes from a rating, by a rule that is written down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from trimcap._errors import unknown
from trimcap.data.sets.record import check_choices
from trimcap.data.sets.trials import OnBad

Side = Literal[">", ">="]
Baseline = Literal["drop", "keep", "apart"]


@dataclass(frozen=True)
class Scale:
    """What the subjects of a set rated, in the order of the file, and from where to where."""

    what: str
    ratings: tuple[str, ...]
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class Rated:
    """Options of a set whose classes come from ratings: class 0 is "low valence", class 1 "high valence".

    Parameters
    ----------
    label : which rating
    threshold : on the scale of the set
    side : which ratings are class 1: those `side` the threshold. ">" puts a rating that equals it into class 0, ">="
        into class 1
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Raises
    ------
    ValueError : an unknown value; a threshold that puts every rating into one class.
    """

    scale: ClassVar[Scale]
    label: str = "valence"
    threshold: float = 5.0
    side: Side = ">"
    on_bad: OnBad = "raise"

    def __post_init__(self) -> None:
        check_choices(self)
        what, low, high = self.scale.what, self.scale.lowest, self.scale.highest
        if self.label not in self.scale.ratings:
            raise ValueError(unknown(f"{what} label", self.label, self.scale.ratings))
        if not (low <= self.threshold < high if self.side == ">" else low < self.threshold <= high):
            raise ValueError(f"{what}: {self.rule} puts all ratings from {low:g} to {high:g} into one class")

    @property
    def classes(self) -> tuple[str, str]:
        """Names of class 0 and 1."""
        return f"low {self.label}", f"high {self.label}"

    @property
    def rule(self) -> str:
        """The rule in words: "valence > 5"."""
        return f"{self.label} {self.side} {self.threshold:g}"

    def apply(self, rating: float, where: str) -> int | None:
        """The class of a rating; None for NaN, which is never turned into a class.

        ValueError: the rating is not on the scale.
        """
        if math.isnan(rating):
            return None
        if not self.scale.lowest <= rating <= self.scale.highest:
            raise ValueError(
                f"{where}: {self.label} is rated {rating:g}, outside {self.scale.lowest:g} to {self.scale.highest:g}; "
                "the file is damaged or its columns are in another order"
            )
        return int(rating >= self.threshold if self.side == ">=" else rating > self.threshold)
