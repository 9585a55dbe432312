"""What training has cost, so that arms of a comparison cost the same.

The unit is one epoch times the multiply–accumulates of one window. Every epoch of a comparison runs over the same
windows, and a backward pass costs twice the forward pass for all of them alike, so both cancel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor


@dataclass(frozen=True)
class Spent:
    """One training: `epochs` over a network of `macs` multiply–accumulates per window."""

    epochs: int
    macs: int

    @property
    def total(self) -> int:
        """Epochs · MACs"""
        return self.epochs * self.macs


def equal_epochs(before: Iterable[Spent], epochs: int) -> int:
    """Epochs of a network from scratch that has as many as the fine-tuned one: Σ of those before, plus `epochs`.

    Parameters
    ----------
    before : trainings that the fine-tuned network went through
    epochs : its fine-tuning, of the pruned network

    Returns
    -------
    number of epochs

    Source: Liu et al. (2019), "Rethinking the value of network pruning", ICLR, §3 (Scratch-E).
    """
    return sum(spent.epochs for spent in before) + epochs


def equal_flops(before: Iterable[Spent], epochs: int, *, macs: int) -> int:
    """Epochs from scratch that cost as much as the fine-tuned network did: ⌊(Σ E_i·M_i)/M⌋ + `epochs`.

    Parameters
    ----------
    before : trainings that the fine-tuned network went through
    epochs : its fine-tuning, of the pruned network
    macs : M, of the pruned network

    Returns
    -------
    number of epochs

    Raises
    ------
    ValueError : a network without multiply–accumulates.

    Source: Liu et al. (2019), "Rethinking the value of network pruning", ICLR, §3 (Scratch-B), without its limit of
    twice the epochs.
    """
    if macs < 1:
        raise ValueError("equal_flops: the pruned network has no multiply–accumulates to compare")
    return floor(sum(spent.total for spent in before) / macs) + epochs
