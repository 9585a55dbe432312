"""The steps of a recipe: what is done to the trained network, in which order."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trimcap.study.recipe.section import Bytes, Fraction, Positive, Section


class Training(Section):
    """Options of `fit`, see there; without `patience` all epochs run, and validation chooses the best of them.

    `loss` is "cross_entropy", "slimming" (with ℓ1 on batch-norm scales, λ = 1e-4; "slimming(1e-3)" for another λ), or
    "package.module:function".
    """

    epochs: Positive = 100
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    optimizer: str = "adam"
    schedule: str | None = None
    class_weights: Literal["balanced"] | None = None
    patience: Positive | None = None
    monitor: Literal["loss", "accuracy", "balanced_accuracy"] = "loss"
    loss: str = "cross_entropy"


class Rewrite(Section):
    """Exact rewrites, chosen by the cost model."""

    kind: Literal["rewrite"]


#: a kind of layer, whose axes or weights are meant
Layers = Literal["conv", "linear", "recurrent"]
Cap = Annotated[float, Field(ge=0, le=1)]


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


class Prune(Section):
    """Saliency, plan, shrink: by `sparsity`, by budgets, by a number of `electrodes`, or by sensitivity.

    Parameters
    ----------
    saliency, options : a key of `SALIENCIES` or "package.module:function", and its options
    target, drop : by sensitivity, all axes at once: each loses as much as leaves the validation accuracy, when it
        alone is pruned, at `target`, or at most `drop` below the network's; see `trimcap.prune.choose.ratios`
    axes : names, or a kind of layer ("conv", "linear", "recurrent", "batch_norm"); default: all hidden ones
    scope, at_least, at_most, multiple_of : see `trimcap.prune.choose.keep.keep_top`
    schedule : several rounds, with training between them; with `sparsity` only
    constants : what becomes of the shift of a batch norm whose channel is removed: "drop" (the masked twin's channel
        is zero), or it goes to whatever reads the channel, with the borders of zero padding as `compact` says:
        "carry", "map", "interior"
    """

    kind: Literal["prune"]
    saliency: str = "l1"
    options: dict[str, Any] = Field(default_factory=dict)
    sparsity: Fraction | None = None
    axes: str | tuple[str, ...] | None = None
    scope: Literal["axis", "global", "threshold"] = "axis"
    flash: Bytes | None = None
    sram: Bytes | None = None
    macs: Positive | None = None
    electrodes: Positive | None = None
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    drop: Fraction | None = None
    at_least: Positive = 1
    at_most: Cap | dict[str, Cap] | None = None
    multiple_of: Positive = 1
    schedule: Rounds | None = None
    constants: Literal["drop", "carry", "map", "interior"] = "drop"

    @model_validator(mode="after")
    def _one_goal(self) -> Prune:
        goals = [
            self.sparsity is not None,
            any(v is not None for v in (self.flash, self.sram, self.macs)),
            self.electrodes is not None,
            self.target is not None,
            self.drop is not None,
        ]
        if sum(goals) != 1:
            raise ValueError(
                "give exactly one goal: sparsity, budgets (flash, sram, macs), electrodes, target, or drop; "
                f"{'none was' if not any(goals) else 'several were'} given"
            )
        if self.schedule is not None and self.sparsity is None:
            raise ValueError("a schedule goes up to a sparsity; give sparsity, or leave the schedule out")
        if self.scope != "axis" and (self.target is not None or self.drop is not None):
            raise ValueError("target and drop decide about every axis by itself; leave out scope")
        if self.axes is not None and ("axes" in self.options or self.electrodes is not None):
            raise ValueError("axes are given twice; leave them out of the options, and out where electrodes are pruned")
        return self


class Mask(Section):
    """Single weights: explicit masks that later training keeps. See `trimcap.prune.weights.unstructured.mask_weights`.

    The network keeps its shape, and no exporter has a sparse kernel: a device sees the dense network.
    """

    kind: Literal["mask"]
    sparsity: Fraction
    layers: tuple[Layers, ...] = ("conv", "linear")
    scope: Literal["global", "layer"] = "global"
    score: Literal["magnitude", "lamp"] = "magnitude"
    at_least: Annotated[int, Field(ge=0)] = 1
    schedule: Rounds | None = None


class Soft(Training):
    """Training on, with the lowest slices zeroed after every `period` epochs, then exact compaction.

    Parameters
    ----------
    sparsity, saliency, options, axes, at_least, at_most : as for "prune"
    period : in epochs; if it is not 1, the lowest slices are zeroed once more at the end
    gradual : reach the sparsity by the cubic schedule, in the first half of the epochs; the best is one of the others
    borders : see `trimcap.prune.after.compact.compact`; "keep" leaves the zeroed slices in the network
    """

    kind: Literal["soft"]
    sparsity: Fraction
    saliency: str = "l2"
    options: dict[str, Any] = Field(default_factory=dict)
    axes: str | tuple[str, ...] | None = None
    period: Positive = 1
    at_least: Positive = 1
    at_most: Cap | dict[str, Cap] | None = None
    gradual: bool = False
    borders: Literal["carry", "map", "interior", "keep"] = "carry"

    @model_validator(mode="after")
    def _two_halves(self) -> Soft:
        if self.gradual and self.epochs < 2 * self.period:
            raise ValueError(
                f"gradual needs two periods, but there are {self.epochs} epochs; give more, or leave it out"
            )
        return self


class ReEstimate(Section):
    """Batch-norm statistics from `windows` training windows, drawn with the trial's seed; no weight changes."""

    kind: Literal["re_estimate"]
    windows: Positive = 512


class Published(Section):
    """A method of the four-method EEG study as it was published, slips included, to measure what they do.

    Parameters
    ----------
    method : "LFP", "NSFP", "UMWP" or "SFP" (zeroed once, not removed)
    rounding : of LFP's widths
    drop_biases : convolutions get random biases (LFP, NSFP)
    independent : coupled convolutions keep their own channels (LFP)
    three_of_six : only the convolutions of TSCeption that were reached (SFP)
    """

    kind: Literal["published"]
    method: Literal["LFP", "NSFP", "UMWP", "SFP"]
    sparsity: Fraction
    rounding: Literal["floor", "round"] = "floor"
    drop_biases: bool = False
    independent: bool = False
    three_of_six: bool = False

    @model_validator(mode="after")
    def _belongs(self) -> Published:
        for key, methods in (("drop_biases", ("LFP", "NSFP")), ("independent", ("LFP",)), ("three_of_six", ("SFP",))):
            if getattr(self, key) and self.method not in methods:
                raise ValueError(f"{key} is a slip of {' and '.join(methods)}, not of {self.method}; leave it out")
        return self


class Recover(Training):
    """Training of the network that the steps before left.

    Parameters
    ----------
    arm : "fine_tune" goes on from its weights; "distil" too, with the logits of the dense network, and "attention"
        with its attention maps as well as labels. "scratch_epochs" and "scratch_flops" start from new weights, for as
        many epochs as, or at the cost of, everything that the fine-tuned network went through, `epochs` of fine-tuning
        included. "random_twin" fine-tunes a network with as many slices of every axis, drawn at random. "small"
        trains a network of the model's own code with `small` options, as long as "scratch_epochs"
    epochs : of fine-tuning
    at_most_epochs : limit for the arms from scratch; what it cuts off is in the trial's facts
    temperature, weight : of "distil", see `trimcap.train.losses.losses.distillation`
    beta : of "attention", see `trimcap.train.losses.attention_transfer.attention_transfer`
    small : options of the model that replace those in `[model.options]`, for "small"
    """

    kind: Literal["recover"]
    epochs: Positive = 30
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    arm: Literal["fine_tune", "scratch_epochs", "scratch_flops", "distil", "attention", "random_twin", "small"] = (
        "fine_tune"
    )
    at_most_epochs: Positive | None = None
    temperature: Annotated[float, Field(gt=0)] = 4.0
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    beta: Annotated[float, Field(ge=0)] = 1e3
    small: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _arm_alone(self) -> Recover:
        if (self.arm == "small") != bool(self.small):
            raise ValueError('arm = "small" and a table `small` of options of the model go together; give both or none')
        if self.arm in ("distil", "attention") and self.loss != "cross_entropy":
            raise ValueError(f"arm = {self.arm!r} has a loss of its own; leave out loss = {self.loss!r}")
        return self


class Calibrate(Section):
    """Fine-tuning on the few labelled trials of a new subject that the protocol few_shot sets aside.

    Nothing is left to validate on: all epochs run, and the last weights are kept.
    """

    kind: Literal["calibrate"]
    epochs: Positive = 30
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    optimizer: str = "adam"
    schedule: str | None = None
    class_weights: Literal["balanced"] | None = None


class Quantize(Section):
    """Integers; `ranges` of activations come from `windows` training windows, drawn with the trial's seed, and after
    a step "calibrate" from the new subject's calibration windows too. Up to 128 further training windows set no range:
    how well integers agree with float is measured on both. `input_scales`, `int16`: see `trimcap.quantize.network`.
    """

    kind: Literal["quantize"]
    bits: Literal[8] = 8
    ranges: Literal["measured", "minmax", "percentile", "mse"] = "measured"
    input_scales: Literal["measured", "one", "channels"] = "measured"
    int16: tuple[str, ...] = ()
    windows: Positive = 256


class Export(Section):
    """A folder with C99 sources, manifest and `golden` windows, taken evenly from the validation windows."""

    kind: Literal["export"]
    format: Literal["c"] = "c"
    golden: Positive = 16


class Verify(Section):
    """Build the artifact for the host (with `sanitize` once more under sanitizers, with `arm` for emulated Cortex-M),
    replay `windows` windows, compare operation by operation.
    """

    kind: Literal["verify"]
    windows: Positive = 64
    sanitize: bool = True
    arm: bool = False


Step = Annotated[
    Rewrite | Prune | Mask | Soft | Published | Recover | ReEstimate | Calibrate | Quantize | Export | Verify,
    Field(discriminator="kind"),
]

#: keys that came later, by kind of step: with their defaults they do not enter a recipe's hash, as before there were
#: these, so that old runs resume
_LATER: dict[str, type[Section]] = {"prune": Prune, "recover": Recover, "train": Training}
_KEYS = {
    "prune": ("axes", "at_most", "schedule", "constants", "target", "drop"),
    "recover": ("loss", "arm", "at_most_epochs", "temperature", "weight", "beta", "small"),
    "train": ("loss",),
}


def later_keys(kind: str, content: dict[str, Any]) -> list[str]:
    """Keys of a step (or of "train") that came later and have their defaults."""
    fields = _LATER[kind].model_fields if kind in _LATER else {}
    return [key for key in _KEYS.get(kind, ()) if content[key] == fields[key].get_default(call_default_factory=True)]


_WEIGHTS = ("rewrite", "prune", "mask", "soft", "published", "recover", "re_estimate", "calibrate")
_AFTER_INTEGERS = (*_WEIGHTS, "quantize")
_SHAPES = ("rewrite", "prune", "soft", "published")


def check_order(kinds: list[str]) -> None:
    """Refuse orders of steps that make no sense."""
    forbidden = (
        # they would train on the other subjects again
        ("calibrate", ("prune", "soft", "mask", "published", "recover", "re_estimate", "calibrate")),
        ("mask", _SHAPES),  # masks are for the weights as they are
        ("quantize", _AFTER_INTEGERS),
        ("export", (*_AFTER_INTEGERS, "export")),
    )
    for later, earlier in forbidden:
        if later in kinds:
            wrong = [kind for kind in kinds[kinds.index(later) + 1 :] if kind in earlier]
            if wrong:
                raise ValueError(f"steps: {wrong[0]!r} cannot follow {later!r}; move it before, or remove it")
    if "verify" in kinds and "export" not in kinds[: kinds.index("verify")]:
        raise ValueError("steps: 'verify' needs an 'export' before it")
