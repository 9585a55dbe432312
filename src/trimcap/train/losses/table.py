"""Losses by name, and losses with a teacher: the command line, recipes and their texts derive from these two tables.

A new loss with a teacher is a function `(teacher, *, option=number, …) -> Loss` and one line of `TEACHERS`: its name is
an arm of `trimcap train` and of a recipe's step "recover", its options are those of the function.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from trimcap._named import check_options, named
from trimcap.graph.network import Network
from trimcap.train.losses.attention_transfer import attention_transfer
from trimcap.train.losses.losses import Loss, cross_entropy, distillation
from trimcap.train.losses.slimming import slimming

#: short names that recipes and the command line use
LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "slimming": slimming()}


@dataclass(frozen=True)
class Teacher:
    """A loss that follows another network.

    Parameters
    ----------
    make : (traced teacher, **options) -> Loss; raises ValueError for an option outside its range
    words : what is followed
    """

    make: Callable[..., Loss]
    words: str

    @property
    def options(self) -> dict[str, float]:
        """Its numbers, with their defaults."""
        found = {p.name: p.default for p in inspect.signature(self.make).parameters.values()}
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def loss(self, teacher: Network, options: Mapping[str, float | None]) -> Loss:
        """The loss with those options that are given; None stands for the default.

        Raises
        ------
        ValueError : an option that it does not have, or outside its range.
        """
        given = {name: value for name, value in options.items() if value is not None}
        check_options(f"a loss that follows {self.words}", self.make, given, given=("teacher",))
        return self.make(teacher, **given)


TEACHERS: dict[str, Teacher] = {
    "distil": Teacher(distillation, "the teacher's logits"),
    "attention": Teacher(attention_transfer, "the teacher's maps of attention"),
}


def loss_function(loss: str | Loss, weights: Tensor | None = None) -> Loss:
    """The loss called `loss` (in `LOSSES`, "slimming(λ)" or "package.module:function"), with class weights if given.

    Raises
    ------
    ValueError : unknown name, or class weights with a loss that does not take `weights`.
    """
    function: Loss = _called(loss) if isinstance(loss, str) else loss
    if weights is None:
        return function
    if "weights" not in inspect.signature(function).parameters:
        raise ValueError(
            "class_weights go with loss='cross_entropy' or another that takes `weights`; "
            "weigh the classes inside your own loss instead"
        )
    weighted: Loss = partial(function, weights=weights)  # type: ignore[call-arg]
    return weighted


def _called(text: str) -> Loss:
    """A loss by name; "slimming" takes its penalty in brackets."""
    found = re.fullmatch(r"slimming\(([-+.\de]+)\)", text)
    return slimming(float(found[1])) if found is not None else named("loss", text, LOSSES)
