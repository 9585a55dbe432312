"""Preprocessing as a declared, hashed chain of functions: the same offline and streaming."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimcap.data.preprocess.run import Order, Part, gather, run
from trimcap.data.preprocess.step import Step
from trimcap.data.preprocess.steps import STEPS, make_step
from trimcap.data.preprocess.stream import Stream
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

#: raised whenever a step gives other numbers than before, so that caches of the old ones are not used
FORMAT = 2


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
    >>> chain = make_chain(["notch", {"name": "windows", "seconds": 1}, "differential_entropy"])
    >>> len(chain.hash)
    64
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        Order.of(self.steps)

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
        return run(Order.of(self.steps), recordings, progress=progress)

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
        return Stream(Order.of(self.steps), rate, tuple(channels))


def make_chain(declared: Iterable[str | Mapping[str, Any]]) -> Chain:
    """A chain from plain values, as in a TOML or JSON file: a name, or a table of `name` and the options.

    Examples
    --------
    >>> make_chain([{"name": "windows", "seconds": 4, "step": 1}, "differential_entropy"]).steps[0].options["step"]
    1
    """
    return Chain(tuple(_from_table({"name": entry} if isinstance(entry, str) else entry) for entry in declared))


def _from_table(table: Mapping[str, Any]) -> Step:
    options = dict(table)
    name = options.pop("name", None)
    if name is None:
        raise ValueError(f"the table {options} names no step; give it a key `name`: one of {', '.join(STEPS)}")
    return make_step(str(name), **options)
