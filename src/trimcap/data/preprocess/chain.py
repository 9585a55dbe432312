"""Preprocessing as a declared, hashed chain of functions: the same offline and streaming."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from trimcap._canonical import canonical_json, plain, thaw
from trimcap.data.preprocess.run import Part, Plan, gather, run
from trimcap.data.preprocess.steps import STEPS, Kind, bound, kind_of, name_of
from trimcap.data.preprocess.stream import Stream
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

#: raised whenever a step gives other numbers than before, so that caches of the old ones are not used
FORMAT = 2


class Step:
    """A function of a chain and its options.

    Parameters
    ----------
    function : a key of `STEPS`; "package.module:function"; or a function that can be imported by its name
    options : plain values: numbers, text, lists, mappings; all others have their defaults

    Raises
    ------
    ValueError : unknown name or option; an impossible value.

    Examples
    --------
    `Step("bandpass", low=4, high=45, phase="causal")`
    """

    __slots__ = ("name", "options")

    name: str
    options: Mapping[str, Any]

    def __init__(self, function: str | Callable[..., Any], /, **options: Any) -> None:
        name = function if isinstance(function, str) else name_of(function)
        kind = kind_of(name)
        full = {key: plain(value, f"step {name}, option {key}") for key, value in bound(name, kind, options).items()}
        if kind.words is not None:
            try:
                kind.words(**full)
            except TypeError as error:
                raise ValueError(f"step {name}: an option has the wrong type ({error})") from error
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", MappingProxyType(full))

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"a step is fixed; make a new one to change {name}")

    @property
    def kind(self) -> Kind:
        """The function behind the name."""
        return kind_of(self.name)

    @property
    def words(self) -> str:
        """What the step does."""
        words = self.kind.words
        if words is not None:
            return words(**self.options)
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in thaw(self.options).items())})"

    def declared(self) -> dict[str, Any]:
        """Name and all options as JSON values, in a canonical form; of a function from outside also its source."""
        source = {"source": self.kind.source} if self.kind.source else {}
        return {"step": self.name, "options": {k: canonical_json(v) for k, v in sorted(self.options.items())}, **source}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.declared() == other.declared()

    def __hash__(self) -> int:
        return hash(json.dumps(self.declared(), sort_keys=True))

    def __repr__(self) -> str:
        return f"Step({', '.join([repr(self.name), *(f'{k}={v!r}' for k, v in self.options.items())])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_step, (self.name, thaw(self.options))


@dataclass(frozen=True)
class Chain:
    """Steps in order: on recordings, then "windows", then on windows.

    Parameters
    ----------
    steps : one of them is "windows"; what stands before it changes the continuous signal, what stands behind
        it the windows. Each gets what the one before it gave, so filters come before resampling where the old
        rate is needed, features after rejection

    Raises
    ------
    ValueError : no or several "windows" steps; a step on the wrong side of it; "subtract_baseline" without
        a baseline.

    Examples
    --------
    >>> chain = Chain((Step("notch", frequency=50), Step("windows", seconds=1), Step("differential_entropy")))
    >>> len(chain.hash)
    64
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        Plan.of(self.steps)

    @cached_property
    def hash(self) -> str:
        """sha256 over `FORMAT` and all steps with all options; equal chains have equal hashes on any machine."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def canonical(self) -> str:
        """What is hashed: JSON without spaces, keys sorted; 1 and 1.0 are the same, the order of bands is kept."""
        value = {"format": FORMAT, "steps": [step.declared() for step in self.steps]}
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    @property
    def words(self) -> tuple[str, ...]:
        """What each step does."""
        return tuple(step.words for step in self.steps)

    def parts(self, recordings: Iterable[Recording], *, progress: bool = False) -> Iterator[Part]:
        """The windows of each recording in turn (of each subject, with "subject_z_score"), as they are made."""
        return run(Plan.of(self.steps), recordings, progress=progress)

    def apply(self, recordings: Iterable[Recording], *, progress: bool = False) -> Windows:
        """All windows of all recordings, which are read, processed and let go one by one.

        Parameters
        ----------
        recordings : µV; a list, or a generator that reads them one after the other
        progress : show a bar with the time that is left, on standard error

        Returns
        -------
        Windows, rows in the order of `recordings`, then in time; `start` counts from the start of the
        recording. What was dropped is counted in `steps`.

        Raises
        ------
        ValueError : as the steps do; recordings disagree, or two have one name; no window is left.
        """
        return gather(self.parts(recordings, progress=progress))

    def stream(self, rate: float, channels: Sequence[str]) -> Stream:
        """The same chain for samples as they come, in blocks of any size.

        Parameters
        ----------
        rate : of the device, Hz
        channels : its electrodes, in the order of the rows of a block

        Raises
        ------
        ValueError : a step needs the future (zero phase) or other recordings (transductive); says which.
        """
        return Stream(Plan.of(self.steps), rate, tuple(channels))


def make_chain(declared: Iterable[str | Mapping[str, Any]]) -> Chain:
    """A chain from plain values, as in a TOML or JSON file: a name, or a table of `name` and the options.

    Examples
    --------
    >>> make_chain([{"name": "windows", "seconds": 4, "step": 1}, "differential_entropy"]).steps[0].options["step"]
    1
    """
    return Chain(tuple(_from_table(entry) for entry in declared))


def _from_table(entry: str | Mapping[str, Any]) -> Step:
    if isinstance(entry, str):
        return Step(entry)
    options = dict(entry)
    name = options.pop("name", None)
    if name is None:
        raise ValueError(f"the table {dict(entry)} names no step; give it a key `name`: one of {', '.join(STEPS)}")
    return _make_step(str(name), options)


def _make_step(name: str, options: Mapping[str, Any]) -> Step:
    return Step(name, **options)
