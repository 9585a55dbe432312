"""What a step of a chain does to the meaning of the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: how the unit of windows begins after a step of one's own that does not declare its effect
UNDECLARED = "undeclared"


@dataclass(frozen=True)
class Effect:
    """What a step does; a step of one's own declares it: `my_step.effect = Effect(unit="z", scale=True)`.

    Parameters
    ----------
    numbers : it computes new numbers; False: it only chooses among those there are, so that an amplifier's own still
        reach the network
    unit : of the result, such as "z" or "nat"; None: that of what it gets
    scale : an amplitude after it says nothing of that at the electrode
    rate : the sampling rate is another one
    channels : the electrodes, or their reference, are others
    delay : in a stream the result lies behind the input; `trimcap.data.preprocess.online.Online.delay` says how far
    """

    numbers: bool = True
    unit: str | None = None
    scale: bool = False
    rate: bool = False
    channels: bool = False
    delay: bool = False


def unit_after(effect: Effect | None, unit: str, step: str) -> str:
    """The unit behind a step: the declared one, that before it, or the news that the step does not say."""
    return f"{UNDECLARED} (step {step})" if effect is None else effect.unit or unit


_CHOOSING = re.compile(
    r"cut into |electrodes (?!.* held at )|pairs of electrodes|the first |windows with a peak-to-peak|"
    r"\d+ of \d+ windows dropped|\d+ trials? without a usable label|classes by "
)


def computing(steps: Iterable[str]) -> tuple[str, ...]:
    """Those of `Windows.steps` that made new numbers; what is not known to choose only, counts as such."""
    return tuple(step for step in steps if not _CHOOSING.match(step))
