"""Saliency: one score per slice of an axis, higher = keep.

A saliency is a function `(network, *, axes=None, …) -> Scores`; one that looks at data also takes `windows` and
`ledger`. They are grouped by what they look at: weights, gradients, flow, activations, and the oracle. Your own is
one function too, passed as it is or named "package.module:function".
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from trimcap._errors import PlanError, unknown
from trimcap._named import check_options, first_parameter, named
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.network import Network, need_network
from trimcap.prune.saliency.by_activations import activation_mean, activation_std, apoz, chip, hrank, wanda
from trimcap.prune.saliency.by_flow import synflow
from trimcap.prune.saliency.by_gradients import fisher, grasp, snip, taylor
from trimcap.prune.saliency.by_weights import (
    bn_scale,
    d_score,
    d_step,
    d_step_gm,
    fpgm,
    l1,
    l2,
    lamp,
    largest_first,
    random,
    whc,
)
from trimcap.prune.saliency.oracle import oracle
from trimcap.prune.saliency.scores import Scores, scored_axes
from trimcap.prune.samples import sample

Saliency = Callable[..., Scores]

_BY_GROUP: dict[str, tuple[Saliency, ...]] = {
    "weights": (l1, l2, bn_scale, fpgm, whc, lamp, d_score, d_step, d_step_gm),
    "gradients": (taylor, fisher, snip, grasp),
    "flow": (synflow,),
    "activations": (wanda, activation_mean, activation_std, apoz, hrank, chip),
    "control": (random, largest_first),
    "loss": (oracle,),
}
#: short names that recipes and the command line use
SALIENCIES: dict[str, Saliency] = {f.__name__: f for group in _BY_GROUP.values() for f in group}
#: those that look at nothing but the network
BY_WEIGHTS = frozenset(f.__name__ for group in ("weights", "control") for f in _BY_GROUP[group])


@dataclass(frozen=True)
class Description:
    """What a saliency is, from its documentation: formula, source, what it looks at and what it needs.

    Parameters
    ----------
    name : key of `SALIENCIES`
    group : what it looks at: weights, gradients, flow, activations, loss, or nothing (control)
    formula : one line
    source : author, year, title, place
    needs : what a network or a call must have, "" for nothing
    """

    name: str
    group: str
    formula: str
    source: str
    needs: str


def describe() -> list[Description]:
    """One row per saliency of `SALIENCIES`.

    Returns
    -------
    list of Description, in the order of `SALIENCIES`
    """
    rows = []
    for group, functions in _BY_GROUP.items():
        for function in functions:
            text = inspect.getdoc(function) or ""
            source, needs = (_field(text, name) for name in ("Source", "Needs"))
            rows.append(Description(function.__name__, group, text.partition("\n")[0], source, needs))
    return rows


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)(?=\n\n|\n[A-Z][a-z]+: |\Z)", text, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()).rstrip(".") if found else ""


def find_saliency(saliency: str | Saliency, options: Mapping[str, Any] | None = None) -> Saliency:
    """The function called `saliency`, after a look at the options it is to be given.

    Parameters
    ----------
    saliency : a key of `SALIENCIES`, "package.module:function", or a function
    options : keyword arguments that it is to be given

    Returns
    -------
    the function

    Raises
    ------
    ValueError : unknown name (says the nearest), or an option or a value of an option that it does not take.
    """
    function: Saliency = named("saliency", saliency, SALIENCIES) if isinstance(saliency, str) else saliency
    title = f"saliency {saliency if isinstance(saliency, str) else getattr(saliency, '__name__', str(saliency))!r}"
    check_options(title, function, options or (), given=(first_parameter(function),), partial=True)
    for option, value in (options or {}).items():
        known = _choices(function, option)
        if known and value not in known:
            raise ValueError(f"{title}: {unknown(option, str(value), map(str, known))}")
    return function


def _choices(function: Saliency, option: str) -> tuple[Any, ...]:
    """The values that an option may have, if it is annotated as a `Literal`."""
    try:
        hint = get_type_hints(function).get(option)
    except (NameError, TypeError):  # names of a function of one's own that are there for the type checker alone
        return ()
    return get_args(hint) if get_origin(hint) is Literal else ()


def needs_windows(saliency: str | Saliency) -> bool:
    """Whether a saliency looks at data.

    Parameters
    ----------
    saliency : a key of `SALIENCIES`, "package.module:function", or a function

    Returns
    -------
    bool
    """
    return "windows" in inspect.signature(find_saliency(saliency)).parameters


def score(
    network: Network,
    saliency: str | Saliency,
    *,
    windows: Windows | None = None,
    axes: Iterable[str] | None = None,
    seed: int = 0,
    ledger: Ledger | None = None,
    **options: Any,
) -> Scores:
    """Scores by any saliency, which is given of windows, seed and ledger what it asks for.

    Parameters
    ----------
    saliency : a key of `SALIENCIES`, "package.module:function", or a function `(network, *, axes=None, …) -> Scores`
    windows : of the training or validation set, for a saliency that looks at data; a sealed test set is refused
    seed : of drawing windows, and of the random saliency
    ledger : where to record that the windows were seen, as "saliency"
    options : further keyword arguments of the saliency; those that look at data take `n_windows`, at most so many
        windows, drawn with `seed` (None for all), and `batch_size`, windows at once, which decides the result only
        where a mean over batches is squared (`taylor`)

    Raises
    ------
    ValueError : unknown name or option, or no windows. AuditError : test windows. PlanError : no or unknown axis, or
    scores that are not finite. TypeError : what the function returns are not `Scores`.

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "a saliency")
    function = find_saliency(saliency, options)
    parameters = inspect.signature(function).parameters
    offered = {"windows": windows, "seed": seed, "ledger": ledger}
    given: dict[str, Any] = {name: value for name, value in offered.items() if name in parameters}
    name = saliency if isinstance(saliency, str) else getattr(saliency, "__name__", "?")
    if "windows" in given and "ledger" not in given:  # a function of one's own
        sample(network, windows, name=name, ledger=ledger)
    if axes is not None:
        given["axes"] = list(axes)
    try:
        found = function(network, **given, **options)
    except Exception as error:
        if SALIENCIES.get(name) is not function:  # ours say who they are
            error.add_note(f"in saliency {name!r}")
        raise
    return _theirs(network, found, name, given.get("axes"))


def _theirs(network: Network, found: Any, name: str, axes: list[str] | None) -> Scores:
    """Scores of a function of one's own, if they are of the axes that were asked for."""
    if not isinstance(found, Scores):
        raise TypeError(f"saliency {name!r} must return Scores, got {type(found).__name__}")
    if not found.values:
        raise PlanError(f"saliency {name!r} scores no axis; it must give every axis of `axes`, or all hidden ones")
    scored_axes(network, found, axes)
    return found if axes is None else Scores({axis: found.values[axis] for axis in axes}, found.name)
