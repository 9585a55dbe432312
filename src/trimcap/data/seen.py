"""Which windows something was made with: the weights of a network, or the statistics of a fitted transform."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from trimcap.data.rows.lazy import pieces

if TYPE_CHECKING:
    from trimcap.data.windows import Windows

_NONE = np.empty(0, dtype=np.uint64)
#: of what `from_json` reads, for `trimcap._sealed`
PATTERN: Mapping[str, Any] = {"trials": {str: [str]}, "windows": str, "outside": str}


@dataclass(frozen=True, eq=False)
class Seen:
    """The windows that something was made with, by name and by content; it goes along with a network for good.

    Parameters
    ----------
    trials : stage → names of trials, `subject/session/trial`
    windows : 64 bits of BLAKE2b over the content of every window, sorted, no two alike
    outside : why more than these may have been seen; "" if nothing else can have been
    """

    trials: Mapping[str, frozenset[str]] = field(default_factory=dict)
    windows: NDArray[np.uint64] = field(default_factory=lambda: _NONE, repr=False)
    outside: str = ""

    def plus(self, stage: str, windows: Windows | None) -> Seen:
        """What this has seen, and these windows, by `stage`."""
        if windows is None or not len(windows):
            return self
        return united([self, Seen({stage: frozenset(trials_of(windows))}, np.unique(content_of(windows)))])

    def subjects(self) -> dict[str, list[str]]:
        """Stage → names of the subjects whose windows it saw, sorted."""
        return {stage: sorted({name.split("/", 1)[0] for name in names}) for stage, names in self.trials.items()}

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        blob = base64.b64encode(self.windows.astype("<u8").tobytes()).decode()
        trials = {stage: sorted(names) for stage, names in sorted(self.trials.items())}
        return {"trials": trials, "windows": blob, "outside": self.outside}


#: of what was never trained, and of windows that no fitted transform has changed
NOTHING = Seen()
#: of what came from somewhere else
OUTSIDE = Seen(outside="trained outside")


def from_json(content: Mapping[str, Any]) -> Seen:
    """What `to_json` wrote.

    Raises
    ------
    ValueError : it did not write this.
    """
    try:
        windows = np.frombuffer(base64.b64decode(content["windows"], validate=True), dtype="<u8").astype(np.uint64)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the hashes of the windows that it saw are damaged ({error})") from error
    return Seen({k: frozenset(v) for k, v in content["trials"].items()}, np.unique(windows), content["outside"])


def united(several: Iterable[Seen]) -> Seen:
    """What any of them has seen."""
    several = list(several)
    trials: dict[str, frozenset[str]] = {}
    for one in several:
        for stage, names in one.trials.items():
            trials[stage] = trials.get(stage, frozenset()) | names
    outside = next((one.outside for one in several if one.outside), "")
    return Seen(trials, np.unique(np.concatenate([_NONE, *(one.windows for one in several)])), outside)


def trials_of(windows: Windows) -> list[str]:
    """Names of the trials of windows, each once."""
    table = windows.metadata[["subject", "session", "trial"]].drop_duplicates().astype(str)
    return ["/".join(row) for row in table.itertuples(index=False)]


_known: WeakKeyDictionary[Any, NDArray[np.uint64]] = WeakKeyDictionary()


def content_of(windows: Windows) -> NDArray[np.uint64]:
    """The hash of every window's content, shape (n,); found once for one set."""
    if windows not in _known:
        _known[windows] = _hashes(windows.X)
    return _known[windows]


def _hashes(X: NDArray[np.float32]) -> NDArray[np.uint64]:
    """64 bits of BLAKE2b over the bytes of every window, shape (n,)."""
    found = np.empty(len(X), dtype=np.uint64)
    row = 0
    for few in pieces(X):
        for x in np.ascontiguousarray(few, dtype=np.float32):
            found[row] = int.from_bytes(hashlib.blake2b(x.data, digest_size=8).digest(), "little")
            row += 1
    return found
