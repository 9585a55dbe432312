"""The steps that a chain may consist of, by name."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trimcap._canonical import plain, thaw
from trimcap._named import check_options, first_parameter, named
from trimcap.data.preprocess.assemble import CutWindows
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Online
from trimcap.data.preprocess.recordings.crop import KeepFirst
from trimcap.data.preprocess.recordings.filters import Bandpass, Notch
from trimcap.data.preprocess.recordings.rereference import Pick, Rereference
from trimcap.data.preprocess.recordings.resample import Resample
from trimcap.data.preprocess.recordings.running import RunningZScore, SubtractBaselineMean
from trimcap.data.preprocess.step import Step
from trimcap.data.preprocess.windows.artefacts import Reject
from trimcap.data.preprocess.windows.features import BandPower, DifferentialEntropy, LogVariance
from trimcap.data.preprocess.windows.scaling import SubjectZScore
from trimcap.data.preprocess.windows.windowwise import Frames, SubtractBaseline, ToGrid, WindowZScore

#: the built-in steps: to add one is to write its class and to name it here
STEPS: Mapping[str, type[Step]] = MappingProxyType(
    {
        step.name: step
        for step in (
            KeepFirst, Pick, Rereference, Notch, Bandpass, Resample, SubtractBaselineMean, RunningZScore,
            CutWindows, Reject,
            DifferentialEntropy, BandPower, LogVariance, SubtractBaseline, WindowZScore, ToGrid, Frames, SubjectZScore,
        )
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Own(Step):
    """A function from outside as a step. It says by attributes what a built-in step says by its class.

    `function.effect` is an `Effect`; `function.online`, of one on recordings, is (rate, channels, **options) →
    `Online`; `function.per_window` is True of one on windows that treats each of them for itself.
    """

    name: str
    function: Callable[..., Any]
    given: Mapping[str, Any] = field(default_factory=dict)

    level = "own"

    def __post_init__(self) -> None:
        title = f"step {self.name}"
        options = {
            **check_options(title, self.function, self.given, given=[first_parameter(self.function)]),
            **self.given,
        }
        options = {key: plain(value, f"{title}, option {key}") for key, value in options.items()}
        effect = getattr(self.function, "effect", None)
        if effect is not None and not isinstance(effect, Effect):
            raise ValueError(f"{title}: its attribute effect is {effect!r}; it must be a trimcap.data.Effect")
        per_window = bool(getattr(self.function, "per_window", False))
        found = {"given": options, "effect": effect, "per_window": per_window, "source": source_of(self.function)}
        for key, value in found.items():
            object.__setattr__(self, key, value)

    @property
    def options(self) -> Mapping[str, Any]:
        """All options by name."""
        return MappingProxyType(dict(self.given))

    def apply(self, given: Any, /) -> Any:
        """What the function makes of a recording or of windows."""
        return self.function(given, **self.options)

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        """What the function's attribute `online` makes; refuses a function without it."""
        make: Callable[..., Online] | None = getattr(self.function, "online", None)
        if make is None:
            raise ValueError(
                "a function on whole recordings; give it an attribute `online`, a function "
                "(rate, channels, **options) → trimcap.data.preprocess.online.Online, or leave it out"
            )
        return make(rate, channels, **self.options)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(make_step, self.name, **thaw(self.options)), ()


def make_step(function: str | Callable[..., Any], /, **options: Any) -> Step:
    """A step of a chain by its name.

    Parameters
    ----------
    function : a key of `STEPS`; "package.module:function"; or a function that can be imported by its name
    options : plain values: numbers, text, lists, mappings; all others have their defaults

    Raises
    ------
    ValueError : unknown name or option; an impossible value.

    Examples
    --------
    >>> make_step("bandpass", low=4, high=45).words
    'band-pass 4–45 Hz (Butterworth, order 4, causal)'
    """
    name = function if isinstance(function, str) else name_of(function)
    if name in ("z_score", "scale", "standardize", "standardise"):
        raise ValueError(
            f"step {name!r} would need the training windows, which a chain does not know: use fold.scaled() after the "
            "split, or the steps running_z_score (causal), window_z_score, or subject_z_score (transductive)"
        )
    found = named("step", name, STEPS)
    if name not in STEPS:
        return Own(name, found, options)
    check_options(f"step {name}", found, options)
    step: Step = found(**options)
    return step


def name_of(function: Callable[..., Any], what: str = "step") -> str:
    """The name under which a function is found again; `what` it is, for the message.

    Raises
    ------
    ValueError : the function has no such name: a lambda, a local function, one of `__main__`.
    """
    step = getattr(function, "step", None)
    if isinstance(step, type) and issubclass(step, Step):
        return step.name
    module, qualified = getattr(function, "__module__", None), getattr(function, "__qualname__", "<unnamed>")
    if module in (None, "__main__") or "<" in qualified:
        raise ValueError(
            f"{what} {function!r} has no name that another process could find it by; define it with `def` at the top "
            "of an importable module (not a lambda, a local function or a notebook cell)"
        )
    name = f"{module}:{qualified}"
    if named(what, name, {}) is not function:
        raise ValueError(f"{what} {function!r} is not what '{name}' imports; give the function its own name there")
    return name


def source_of(function: Callable[..., Any]) -> str:
    """Sha256 of the file that a function was defined in; "no source" for a compiled one."""
    try:
        file = inspect.getsourcefile(function)
    except TypeError:  # compiled
        file = None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else "no source"
