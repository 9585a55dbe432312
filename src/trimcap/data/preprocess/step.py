"""What a step of a chain is: a frozen dataclass whose fields are its options. The steps are in the folders below."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Concatenate, Literal, ParamSpec

from trimcap._canonical import canonical_json, plain, thaw
from trimcap.data.preprocess.effects import Effect, unit_after
from trimcap.data.preprocess.online import Online, whole
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

#: what a step is given: a recording, the cutting itself, windows of one recording, or all windows of a subject
Level = Literal["recording", "windows", "window", "subject", "own"]
Options = ParamSpec("Options")


class Step(ABC):
    """A step of a chain: what it does, and the options it does it with, which can't be changed.

    Attributes
    ----------
    name : in a chain
    level : what it is given; "own", of a function from outside, is decided by its place in the chain
    effect : what it does to the meaning of the numbers; None of a function from outside that does not declare it
    per_window : a step on windows that treats each row for itself, and so can stream
    source : sha256 of the file of a function from outside; editing it changes the chain's hash

    Raises
    ------
    ValueError : an option that can't be hashed, or an impossible one.
    """

    name: str
    level: Level
    effect: Effect | None
    per_window: bool = True
    source: str = ""

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "name") and not hasattr(cls, "effect"):
            raise TypeError(f"step {cls.name} must declare its effect: effect = Effect(…)")

    def __post_init__(self) -> None:
        for key, value in self.options.items():
            object.__setattr__(self, key, plain(value, f"step {self.name}, option {key}"))
        try:
            self.check()
        except TypeError as error:
            raise ValueError(f"step {self.name}: an option has the wrong type ({error})") from error

    @property
    def options(self) -> Mapping[str, Any]:
        """All options by name."""
        return MappingProxyType({field.name: getattr(self, field.name) for field in fields(self)})  # type: ignore[arg-type]

    def check(self) -> None:  # noqa: B027
        """Refuse impossible options, as far as they do not depend on the rate; numbers are finite here."""

    @abstractmethod
    def apply(self, given: Any, /) -> Any:
        """The step done offline: to a whole recording, or to windows."""

    @property
    def words(self) -> str:
        """What the step does."""
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in thaw(self.options).items())})"

    def declared(self) -> dict[str, Any]:
        """Name and all options as JSON values, in a canonical form; of a function from outside also its source."""
        source = {"source": self.source} if self.source else {}
        return {"step": self.name, "options": {k: canonical_json(v) for k, v in sorted(self.options.items())}, **source}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.declared() == other.declared()

    def __hash__(self) -> int:
        return hash(json.dumps(self.declared(), sort_keys=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **thaw(self.options)), ()


class SignalStep(Step):
    """A step on recordings. What it does to samples as they come is what it does to a whole recording."""

    level = "recording"

    @abstractmethod
    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        """The step for samples as they come.

        Parameters
        ----------
        rate : of the input, Hz
        channels : electrode names

        Raises
        ------
        ValueError : an option is impossible at this rate or with these electrodes, or needs the future.
        """

    def apply(self, given: Recording, /) -> Recording:
        """The step done to a whole recording."""
        return replace(whole(given, self.online), unit=unit_after(self.effect, given.unit, self.name))


class WindowStep(Step):
    """A step on windows, which it changes one by one unless `per_window` is False."""

    level: Level = "window"

    @abstractmethod
    def apply(self, given: Windows, /) -> Windows:
        """The step done to windows: as many come out, in the same order."""


def on_recordings(step: Callable[Options, SignalStep]) -> Callable[Concatenate[Recording, Options], Recording]:
    """The function (recording, options of the step) → recording."""

    def function(recording: Recording, /, *args: Options.args, **options: Options.kwargs) -> Recording:
        return step(*args, **options).apply(recording)

    _describe(function, step)
    return function


def on_windows(step: Callable[Options, WindowStep]) -> Callable[Concatenate[Windows, Options], Windows]:
    """The function (windows, options of the step) → windows."""

    def function(windows: Windows, /, *args: Options.args, **options: Options.kwargs) -> Windows:
        return step(*args, **options).apply(windows)

    _describe(function, step)
    return function


def _describe(function: Any, step: Any) -> None:
    """Give a function the name, the help and the module of its step, by which `name_of` finds it."""
    function.step, function.__doc__, function.__module__ = step, step.__doc__, step.__module__
    function.__name__ = function.__qualname__ = step.name
    first, *_ = inspect.signature(function).parameters.values()
    function.__signature__ = inspect.Signature([first, *inspect.signature(step).parameters.values()])
