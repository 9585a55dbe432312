"""Accuracy against the number of electrodes: small caps, what they are worth, and which of them to wear."""

from trimcap.prune.electrodes.caps import Cap, ElectrodeCurve
from trimcap.prune.electrodes.curve import GREEDY, electrode_curve
from trimcap.prune.electrodes.recovery import Recovery

__all__ = ["GREEDY", "Cap", "ElectrodeCurve", "Recovery", "electrode_curve"]
