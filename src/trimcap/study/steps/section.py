"""What tables of a recipe have in common, and the options that several of its steps share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Bytes = int | str
Cap = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of the recipe: immutable, refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fitting(Section):
    """Options of `trimcap.train.fit.fit`, see there."""

    epochs: Positive = 100
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    optimizer: str = "adam"
    schedule: str | None = None
    class_weights: Literal["balanced"] | None = None


class Training(Fitting):
    """Options of `fit` with validation; without `patience` all epochs run, and validation chooses the best of them.

    `loss` is "cross_entropy", "slimming" (with ℓ1 on batch-norm scales, λ = 1e-4; "slimming(1e-3)" for another λ), or
    "package.module:function".
    """

    patience: Positive | None = None
    monitor: Literal["loss", "accuracy", "balanced_accuracy"] = "loss"
    loss: str = "cross_entropy"


class Rounds(Training):
    """Pruning in several rounds, with training between them: options of that training, and

    Parameters
    ----------
    rounds : how many
    spacing : sparsity after each, see `trimcap.prune.choose.schedule.rounds_of`
    """

    rounds: Annotated[int, Field(ge=2)] = 3
    spacing: Literal["geometric", "linear", "cubic"] = "geometric"
    epochs: Positive = 10
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4


class Slices(Section):
    """Which slices go: of which axes, by which saliency.

    Parameters
    ----------
    saliency, options : a key of `SALIENCIES` or "package.module:function", and its options
    axes : names, or a kind of layer ("conv", "linear", "recurrent", "batch_norm"); default: all hidden ones
    at_least, at_most : see `trimcap.prune.choose.keep.keep_top`
    """

    saliency: str = "l1"
    options: dict[str, Any] = Field(default_factory=dict)
    axes: str | tuple[str, ...] | None = None
    at_least: Positive = 1
    at_most: Cap | dict[str, Cap] | None = None
