"""Split protocols by name: how a data set becomes folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trimcap._named import check_options, first_parameter, named
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.protocols.few_shot import few_shot
from trimcap.data.splits.protocols.leaky import leaky_windows, leaky_within_trial
from trimcap.data.splits.protocols.stimuli import leave_stimuli_out, subject_and_stimulus
from trimcap.data.splits.protocols.subjects import k_fold_subjects, leave_one_subject_out
from trimcap.data.splits.protocols.trials import (
    leave_sessions_out,
    leave_trials_out,
    within_subject,
    within_subject_sessions,
)
from trimcap.data.windows import Windows

Protocol = Callable[..., list[Fold]]

#: split protocols by name
PROTOCOLS: Mapping[str, Protocol] = {
    function.__name__: function
    for function in (
        leave_one_subject_out, k_fold_subjects, few_shot, leave_trials_out, leave_sessions_out, within_subject,
        within_subject_sessions, leave_stimuli_out, subject_and_stimulus, leaky_windows, leaky_within_trial,
    )
}  # fmt: skip


def split(windows: Windows, protocol: str | Protocol, **options: Any) -> list[Fold]:
    """Folds of `windows` under a protocol.

    Parameters
    ----------
    windows : the whole data set; folds depend on its ids and the seed, not on the order of its rows
    protocol : a key of `PROTOCOLS`, "package.module:function", or a function (windows, **options) → folds
    options : options of the protocol, e.g. `n_folds`, `valid`, `seed`

    Raises
    ------
    ValueError : unknown protocol or option; the data do not allow the split (says why and what to do).
    """
    return protocol_function(protocol, options)(windows, **options)


def protocol_function(protocol: str | Protocol, options: Iterable[str] = ()) -> Protocol:
    """The function of a protocol, if it takes these options.

    Raises
    ------
    ValueError : unknown protocol or option; names the nearest.
    """
    function: Protocol = named("protocol", protocol, PROTOCOLS) if isinstance(protocol, str) else protocol
    title = f"protocol {protocol if isinstance(protocol, str) else getattr(protocol, '__name__', protocol)}"
    check_options(title, function, options, given=(first_parameter(function),), partial=True)
    return function
