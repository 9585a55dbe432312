"""Accuracy against the number of electrodes: by any saliency, by backward elimination, as headsets, and at random."""

from __future__ import annotations

from collections.abc import Sequence

from trimcap._errors import AuditError, unknown
from trimcap.data.electrodes.headsets import WITHIN, Fitting, Headset, fit_headset
from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.data.units import group_of
from trimcap.data.windows import Windows
from trimcap.graph.network import Network, need_network
from trimcap.prune.choose.sensitivity import METRICS
from trimcap.prune.electrodes.caps import ElectrodeCurve
from trimcap.prune.electrodes.hearing import Progress, eliminate, hearing, names_of, why_not_removed
from trimcap.prune.electrodes.measure import Held, Measured, after_recovery, chance_of, measure
from trimcap.prune.electrodes.mute import mute_of
from trimcap.prune.electrodes.recovery import Recovery, recovered
from trimcap.prune.electrodes.sets import Chosen, counts_of, drawn, nested, order_of, worn
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.samples import sample

#: what backward elimination is called among the saliencies
GREEDY = "greedy"


def electrode_curve(
    network: Network,
    valid: Windows,
    *,
    test: Windows | Sealed | None = None,
    train: Windows | None = None,
    scores: Scores | Sequence[Scores] = (),
    greedy: bool = False,
    counts: Sequence[int] | None = None,
    headsets: Sequence[Headset | str] = (),
    within: float = WITHIN,
    n_random: int = 20,
    recovery: Recovery | None = None,
    metric: str = "accuracy",
    batch_size: int = 128,
    seed: int = 0,
    ledger: Ledger | None = None,
    progress: Progress | None = None,
) -> ElectrodeCurve:
    """The metric of a network that hears only k of its electrodes, for every k and by every way to choose them.

    Without recovery nothing is trained: electrodes are silenced where they are read, which is the same as removing
    them. Whatever is chosen is chosen on `valid`; `test` is only measured.

    Parameters
    ----------
    valid : windows that choices are made on: the order of `greedy`, the epoch of recovery
    test : windows of other subjects for the numbers that are reported; a fold's sealed `fold.test` is opened for
        "evaluate". None reports the numbers on `valid`, which are too good where something was chosen on it
    train : for networks whose electrodes can only be silenced: their input is then held at its mean over these
        windows; default those of recovery, or `valid`
    scores : of the axis "electrodes", one or several: the lowest go first. Let saliencies that look at data see
        training windows, or `valid`
    greedy : also by backward elimination: of all that are left the electrode goes whose loss costs least cross-entropy
        on `valid`; n(n + 1)/2 − 1 sets are tried
    counts : numbers of electrodes; default all up to 32, and a coarser row beyond. Those of headsets are added
    headsets : headsets or keys of `electrodes.headsets.HEADSETS`; what the recording can't stand for is left out, and
        the curve says why
    within : largest distance of a stand-in for an electrode of a headset, m
    n_random : random sets for every number of electrodes
    recovery : train on after the electrodes are gone, see `Recovery`
    metric : "accuracy", "balanced_accuracy" or "loss"
    seed : of the random sets (see `cap_sets.drawn`) and of recovery
    ledger : records `valid` as "sensitivity", `test` as "evaluate", and what recovery sees
    progress : called with what is being done, how much of it is done, and how much there is

    Returns
    -------
    ElectrodeCurve : every cap with its metric, a fraction (or nat for the loss)

    Raises
    ------
    ValueError : unknown metric or headset, a number of electrodes that there is not, nothing to measure.
    PlanError : scores of something else; a network with one electrode, or that does not know them.
    AuditError : `test` shares a trial with `valid` or the training windows, or was chosen on before.

    Shared parameters: `trimcap.prune`.
    Source: backward elimination as Guyon and Elisseeff (2003), "An introduction to variable and feature selection",
    JMLR 3, §4; electrodes as groups of features as Lal et al. (2004), IEEE Trans. Biomed. Eng. 51(6).
    """
    need_network(network, "electrode_curve")
    if metric not in METRICS:
        raise ValueError(unknown("metric", metric, METRICS))
    if n_random < 0:
        raise ValueError(f"n_random is the number of random sets, 0 or more; got {n_random}")
    names = names_of(network, valid)
    found = (scores,) if isinstance(scores, Scores) else tuple(scores)
    fittings = _fittings(headsets, names, within)
    n = len(names)
    extra = [len(f.channels) for f in fittings.values() if f.complete] + (recovery.counts_for(n) if recovery else [])
    counts = counts_of(n, counts, extra)
    orders = {one.name: order_of(one, n) for one in found}
    _check_names(found, greedy)
    silenced = why_not_removed(network)
    mute = mute_of(network, names, train or (recovery.train if recovery else valid)) if silenced else None
    data = sample(network, valid, name="electrodes", ledger=ledger, batch_size=batch_size, stage="sensitivity")
    seen = [valid, *([train] if train else []), *([recovery.train] if recovery else [])]
    held = _opened(network, test, seen, ledger, batch_size)
    ears = hearing(network, mute)
    if greedy:
        orders[GREEDY] = eliminate(ears, data, n, progress=progress)
    sets = [Chosen("dense", "all", tuple(range(n)))]
    sets += [one for name, order in orders.items() for one in nested(name, order, counts)]
    sets += [*drawn(n, counts, n_random, seed), *worn(fittings, names)]
    measured = Measured(metric, data, held)
    caps = measure(ears, sets, names, measured, progress)
    for number, one in enumerate(again := recovery.chosen(sets, n) if recovery else []):
        assert recovery is not None
        small = recovered(network, one.kept, recovery, valid, mute=mute, seed=seed, ledger=ledger)
        caps.append(after_recovery(small, one, names, measured, valid, mute, recovery.epochs))
        if progress:
            progress("recovery", number + 1, len(again))
    return ElectrodeCurve(
        caps=tuple(caps),
        channels=names,
        metric=metric,
        chance=chance_of((held or data).y, network.n_classes, metric),
        orders={name: tuple(names[i] for i in order) for name, order in orders.items()},
        headsets=fittings,
        silenced=silenced,
        seed=seed,
        n_valid=len(data),
        n_test=len(held) if held else 0,
    )


def _fittings(headsets: Sequence[Headset | str], names: Sequence[str], within: float) -> dict[str, Fitting]:
    found = [fit_headset(one, names, within=within) for one in headsets]
    return {fitting.headset.name: fitting for fitting in found}


def _check_names(scores: Sequence[Scores], greedy: bool) -> None:
    names = [one.name for one in scores] + [GREEDY] * greedy
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"two orders are called {twice[0]!r}; give the Scores other names: Scores(values, name)")


def _opened(
    network: Network,
    test: Windows | Sealed | None,
    chosen_on: Sequence[Windows],
    ledger: Ledger | None,
    batch_size: int,
) -> Held | None:
    """The windows that are only measured, after a look at what they share with those that choices are made on."""
    if test is None:
        return None
    trials = {group_of(i, "trial") for windows in chosen_on for i in windows.ids.tolist()}
    both = sorted(trials & {group_of(str(i), "trial") for i in test.ids})
    if both:
        raise AuditError(
            f"audit failed: {len(both)} trials, such as {both[0]}, are among the windows that electrodes are chosen or "
            "trained on and among the test windows; give windows of other subjects as test="
        )
    if isinstance(test, Sealed):
        windows = test.open("evaluate", "electrodes")
    else:
        windows = test
        if ledger is not None:
            ledger.record("evaluate", windows, "electrodes")
    own = sample(network, windows, name="electrodes", batch_size=batch_size, stage="evaluate")
    return Held(own.X, own.y, own.batch_size, windows)
