"""What a firmware must know of the input, as macros that it can compile against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trimcap.export.c.text import comment
from trimcap.program.program import Program


@dataclass(frozen=True)
class About:
    """Facts about the input of an artifact.

    Parameters
    ----------
    unit : of the numbers that the network takes
    channels : electrodes in order, () if unknown
    rate : of a window's samples, or of the signal behind its features, Hz; None if unknown
    steps : what must be done to the signal before the network, in words
    computing : those of them that make new numbers; without them the network takes what the amplifier gives
    chain : sha256 of the chain of these steps, "" if it is not known
    delay : s by which the chain's output lies behind the signal; None if it is not known
    """

    unit: str = "µV"
    channels: tuple[str, ...] = ()
    rate: float | None = None
    steps: tuple[str, ...] = ()
    computing: tuple[str, ...] = field(default=())
    chain: str = ""
    delay: float | None = None

    @property
    def from_counts(self) -> bool:
        """Whether counts of an ADC become the network's input by one multiplication."""
        return self.unit == "µV" and not self.computing


def about_macros(program: Program, upper: str, about: About, digest: str) -> str:
    """C macros; names of people and files are text of a short list of characters only."""
    lines = [("UNIT", _text(about.unit)), ("PROGRAM_SHA256", _text(digest))]
    if about.channels:
        lines += [("CHANNELS", str(len(about.channels))), ("CHANNEL_NAMES", _texts(about.channels))]
    if about.rate is not None:
        lines.append(("RATE_HZ", f"{about.rate:.9g}"))
    if about.chain:
        lines.append(("CHAIN_SHA256", _text(about.chain)))
    if about.delay is not None:
        lines.append(("CHAIN_DELAY_S", f"{about.delay:.9g}"))
    lines.append(("STEPS_BEFORE", str(len(about.computing))))
    macros = "".join(f"#define {upper}_{name} {value}\n" for name, value in lines)
    return f"\n/* what the input is */\n{macros}{_recipe(program, upper, about)}"


def _recipe(program: Program, upper: str, about: About) -> str:
    if not about.from_counts:
        steps = "; ".join(map(comment, about.computing)) or f"the unit is {comment(about.unit)}"
        return f"/* counts of an ADC are not the input: {steps} */\n"
    if not program.integer:
        return "/* from an ADC: x = counts * lsb, lsb in uV */\n"
    scale = "scales[channel]" if program.values[program.input].scales else f"{upper}_INPUT_SCALE"
    return (
        "/* from an ADC, lsb in uV: x = counts * lsb, then quantize. Without floats, where not every bit must be that\n"
        f"   of quantize: q = clamp(round(counts * (lsb / {scale})) + {upper}_INPUT_ZERO_POINT, -128, 127), which\n"
        "   may differ by one where the product is within its rounding error of a half. */\n"
    )


def _text(value: str) -> str:
    return f'"{comment(value)}"'


def _texts(values: Sequence[str]) -> str:
    return "{" + ", ".join(map(_text, values)) + "}"
