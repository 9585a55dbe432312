"""What published systems do differently from what is right, one small function each.

The core of the package knows only what is right. These functions emulate what was published (its counts, its slips),
so that printed numbers can be reproduced and the effect of every slip can be measured. Only recipes and studies use
them. Sources are the released programs and the tables of the papers that each function names.
"""

from trimcap.reproduce.counting import Counted, published_counts
from trimcap.reproduce.d_score import (
    decayed,
    floored_steps,
    released_d_step,
    released_l1,
    released_plan,
    released_ratios,
    released_sensitivity,
)
from trimcap.reproduce.features import entropy_of_deviation
from trimcap.reproduce.structured import (
    drop_biases,
    forget_shifts,
    independent_masks,
    lfp_plan,
    nsfp_plan,
    width,
)
from trimcap.reproduce.unstructured import frozen_zeros, three_of_six, umwp_masks, zeroed_count, zeroed_filters

__all__ = [
    "Counted",
    "decayed",
    "drop_biases",
    "entropy_of_deviation",
    "floored_steps",
    "forget_shifts",
    "frozen_zeros",
    "independent_masks",
    "lfp_plan",
    "nsfp_plan",
    "published_counts",
    "released_d_step",
    "released_l1",
    "released_plan",
    "released_ratios",
    "released_sensitivity",
    "three_of_six",
    "umwp_masks",
    "width",
    "zeroed_count",
    "zeroed_filters",
]
