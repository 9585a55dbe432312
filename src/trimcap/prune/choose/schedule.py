"""Sparsity by rounds: how much is gone after every one of several rounds of pruning and training.

All sparsities are fractions of the network before the first round; `keep_top(…, of=sizes)` counts so.
"""

from __future__ import annotations

from trimcap._errors import unknown

SPACINGS = ("geometric", "linear", "cubic")


def rounds_of(sparsity: float, rounds: int, *, spacing: str = "geometric", initial: float = 0.0) -> tuple[float, ...]:
    """Sparsity after each of n rounds; the last is `sparsity`.

    "geometric": 1 − (1 − s₀)·((1 − s)/(1 − s₀))^(k/n), every round removes the same fraction of what is left;
    "linear": s₀ + (s − s₀)·k/n; "cubic": s + (s₀ − s)·(1 − k/n)³, most at the beginning.

    Parameters
    ----------
    sparsity : s, after the last round, 0 ≤ s < 1
    rounds : n ≥ 1
    spacing : one of `SPACINGS`
    initial : s₀, before the first round

    Returns
    -------
    `rounds` fractions, ascending

    Raises
    ------
    ValueError : impossible sparsities, no round, unknown spacing.

    Source: geometric: Han et al. (2015), "Learning both weights and connections", NeurIPS, §3.4, in equal fractions;
    cubic: Zhu and Gupta (2017), "To prune, or not to prune", arXiv:1710.01878, eq. 1.
    """
    _check(sparsity, initial)
    if rounds < 1:
        raise ValueError(f"a schedule has at least one round, got {rounds}")
    if spacing not in SPACINGS:
        raise ValueError(unknown("spacing", spacing, SPACINGS))
    shares = [k / rounds for k in range(1, rounds)]
    if spacing == "geometric":
        left = (1 - sparsity) / (1 - initial)
        between = [1 - (1 - initial) * left**share for share in shares]
    elif spacing == "linear":
        between = [initial + (sparsity - initial) * share for share in shares]
    else:
        between = [_cubic(sparsity, initial, share) for share in shares]
    return (*between, sparsity)


def gradual(step: int, *, sparsity: float, start: int, end: int, every: int = 1, initial: float = 0.0) -> float:
    """s_t = s_f + (s_i − s_f)·(1 − (t − t₀)/(t_end − t₀))³ at t = t₀, t₀ + Δt, …; s_i before and s_f after.

    Parameters
    ----------
    step : t, of steps or epochs, whatever `start` and `end` count
    sparsity, initial : s_f and s_i
    start, end : t₀ and t₀ + nΔt
    every : Δt; between two prunings sparsity stays as it is

    Returns
    -------
    the sparsity that the network has after step t

    Raises
    ------
    ValueError : impossible sparsities or steps.

    Source: Zhu and Gupta (2017), "To prune, or not to prune", arXiv:1710.01878, eq. 1.
    """
    _check(sparsity, initial)
    if not 0 <= start < end or every < 1:
        raise ValueError(f"gradual: 0 ≤ start < end and every ≥ 1, got start={start}, end={end}, every={every}")
    if step < start:
        return initial
    if step >= end:
        return sparsity
    last = start + (step - start) // every * every
    return _cubic(sparsity, initial, (last - start) / (end - start))


def _cubic(final: float, initial: float, share: float) -> float:
    return final + (initial - final) * (1 - share) ** 3


def _check(sparsity: float, initial: float) -> None:
    if not 0 <= initial <= sparsity < 1:
        raise ValueError(
            f"a schedule goes up to the fraction removed: 0 ≤ initial ≤ sparsity < 1, got initial={initial}, "
            f"sparsity={sparsity}"
        )
