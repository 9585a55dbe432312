"""The steps that a chain may consist of, by name."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from trimcap._named import check_options, first_parameter, named
from trimcap.data.preprocess.assemble import windows_words
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Online
from trimcap.data.preprocess.recordings import filters, polyphase, rereference, running
from trimcap.data.preprocess.recordings.crop import keep_first, keep_first_online, keep_first_words
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.preprocess.windows import artefacts, windowwise
from trimcap.data.preprocess.windows.features import band_power, differential_entropy
from trimcap.data.preprocess.windows.scaling import z_score_per_subject

#: what a step is given: a recording, the cutting itself, windows of one recording, or all windows of a subject
Level = Literal["recording", "windows", "window", "subject", "own"]


@dataclass(frozen=True)
class Kind:
    """What a name of a step stands for.

    Parameters
    ----------
    function : Recording → Recording, or Windows → Windows, with keyword options
    level : what it is given; "own", of a function from outside, is decided by its place in the chain
    words : options → what the step does; raises if an option is impossible
    online : (rate, channels, options) → `Online`, for a step on recordings that can stream
    per_window : a step on windows that treats each row for itself, and so can stream
    source : sha256 of the file of a function from outside; editing it changes the chain's hash
    effect : what it does to the meaning of the numbers; None of a function from outside that does not declare it
    """

    function: Callable[..., Any]
    level: Level
    words: Callable[..., str] | None = None
    online: Callable[..., Online] | None = None
    per_window: bool = True
    source: str = ""
    effect: Effect | None = None


_CHOOSES = Effect(numbers=False)
#: the built-in steps
STEPS: Mapping[str, Kind] = MappingProxyType(
    {
        "keep_first": Kind(keep_first, "recording", keep_first_words, keep_first_online, effect=_CHOOSES),
        "pick": Kind(
            rereference.pick,
            "recording",
            rereference.pick_words,
            rereference.pick_online,
            effect=Effect(numbers=False, channels=True),
        ),
        "rereference": Kind(
            rereference.rereference,
            "recording",
            rereference.rereference_words,
            rereference.rereference_online,
            effect=Effect(channels=True),
        ),
        "notch": Kind(filters.notch, "recording", filters.notch_words, filters.notch_online, effect=Effect()),
        "bandpass": Kind(
            filters.bandpass, "recording", filters.bandpass_words, filters.bandpass_online, effect=Effect()
        ),
        "resample": Kind(
            resample,
            "recording",
            polyphase.resample_words,
            polyphase.resample_online,
            effect=Effect(rate=True, delay=True),
        ),
        "subtract_baseline_mean": Kind(
            running.subtract_baseline_mean,
            "recording",
            running.subtract_baseline_mean_words,
            running.subtract_baseline_mean_online,
            effect=Effect(),
        ),
        "running_z_score": Kind(
            running.running_z_score,
            "recording",
            running.running_z_score_words,
            running.running_z_score_online,
            effect=Effect(unit="z", scale=True),
        ),
        "windows": Kind(windows_words, "windows", windows_words, effect=_CHOOSES),
        "reject": Kind(artefacts.reject, "window", artefacts.reject_words, effect=_CHOOSES),
        "differential_entropy": Kind(differential_entropy, "window", effect=Effect(unit="nat", scale=True)),
        "band_power": Kind(band_power, "window", effect=Effect(unit="ln µV²", scale=True)),
        "log_variance": Kind(windowwise.log_variance, "window", effect=Effect(unit="ln µV²", scale=True)),
        "subtract_baseline": Kind(
            windowwise.subtract_baseline, "window", windowwise.subtract_baseline_words, effect=Effect()
        ),
        "window_z_score": Kind(
            windowwise.window_z_score, "window", windowwise.window_z_score_words, effect=Effect(unit="z", scale=True)
        ),
        "grid": Kind(windowwise.grid, "window", effect=Effect()),
        "frames": Kind(windowwise.frames, "window", effect=Effect()),
        "subject_z_score": Kind(z_score_per_subject, "subject", per_window=False, effect=Effect(unit="z", scale=True)),
    }
)


def kind_of(name: str) -> Kind:
    """The step called `name`: a key of `STEPS`, or "package.module:function" of anybody's.

    Raises
    ------
    ValueError : no such name, module or function.
    """
    if name in ("z_score", "scale", "standardize", "standardise"):
        raise ValueError(
            f"step {name!r} would need the training windows, which a chain does not know: use fold.scaled() after the "
            "split, or the steps running_z_score (causal), window_z_score, or subject_z_score (transductive)"
        )
    function = named("step", name, {ours: kind.function for ours, kind in STEPS.items()})
    if name in STEPS:
        return STEPS[name]
    per_window = bool(getattr(function, "per_window", False))
    online = getattr(function, "online", None)
    effect = getattr(function, "effect", None)
    if effect is not None and not isinstance(effect, Effect):
        raise ValueError(f"step {name!r}: its attribute effect is {effect!r}; it must be a trimcap.data.Effect")
    return Kind(function, "own", online=online, per_window=per_window, source=source_of(function), effect=effect)


def name_of(function: Callable[..., Any], what: str = "step") -> str:
    """The name under which `kind_of` finds a function again; `what` it is, for the message.

    Raises
    ------
    ValueError : the function has no such name: a lambda, a local function, one of `__main__`.
    """
    for name, kind in STEPS.items():
        if kind.function is function:
            return name
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


def bound(name: str, kind: Kind, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a step: the given ones and the defaults of the others, by name.

    Raises
    ------
    ValueError : an option that the step does not have, or one that it needs.
    """
    given = [] if kind.level == "windows" else [first_parameter(kind.function)]
    if name == "subtract_baseline":
        given.append("baseline")  # the chain supplies it
    return {**check_options(f"step {name}", kind.function, options, given=given), **options}


def source_of(function: Callable[..., Any]) -> str:
    """Sha256 of the file that a function was defined in; "no source" for a compiled one."""
    try:
        file = inspect.getsourcefile(function)
    except TypeError:  # compiled
        file = None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else "no source"
