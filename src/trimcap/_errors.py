"""Messages that say what, where, why and what to do now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches


class TraceError(ValueError):
    """A model can't be followed as one graph; names the layer."""


class PlanError(ValueError):
    """A pruning plan is impossible or removes nothing."""


class VerifyError(RuntimeError):
    """Two forms of one network disagree; names window, operation and difference."""


class ArtifactError(ValueError):
    """A saved network or artifact is incomplete, edited or of another version."""


class AuditError(RuntimeError):
    """A stage saw windows of the sealed test set before the final evaluation."""


def counted(n: int, what: str, many: str = "") -> str:
    """A number of things: `many` is the plural, if it is not just longer by an s.

    >>> counted(1, "epoch"), counted(21, "epoch"), counted(0, "entry", "entries")
    ('1 epoch', '21 epochs', '0 entries')
    """
    return f"{n} {what if n == 1 else many or what + 's'}"


def noted(worded: Callable[[str], str] = str) -> Callable[..., None]:
    """A `warnings.showwarning` that writes each text once to standard error, without a file and line of Python.

    Parameters
    ----------
    worded : what is said for the text of a warning
    """
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        text = worded(str(message))
        if text not in said:
            said.add(text)
            print(f"{'note' if issubclass(category, UserWarning) else 'warning'}: {text}", file=sys.stderr, flush=True)

    return show


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for a misspelt name: the nearest legal one, then all legal ones.

    >>> unknown("saliency", "l3", ["l1", "l2"])
    "unknown saliency 'l3'; did you mean 'l1'? Known: l1, l2"
    """
    names = sorted(known)
    lower = {known.lower(): known for known in names}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}"
