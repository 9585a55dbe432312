"""The tables of a recipe but its steps and methods."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trimcap.study.steps.section import Positive, Section

#: keys that a chain replaces → the same as a step of it
_AS_STEP = {
    "rate": '{name = "resample", rate = 128}',
    "seconds": '{name = "keep_first", seconds = 60}',
    "window": '{name = "windows", seconds = 4}',
    "step": '{name = "windows", seconds = 4, step = 2}',
    "features": '"differential_entropy"',
    "bands": '{name = "differential_entropy", bands = {alpha = [8, 14]}}',
    "layout": '"grid"',
    "normalise": '"subject_z_score"',
}
_SIMPLE = ("rate", "seconds", "window", "step", "features", "bands", "layout")
#: sources whose recordings are resampled to 128 Hz and cut to 60 s unless the recipe says otherwise
_SHORT = ("eegmat", "fingerprint", "npz", "synthetic", "windows")


class DataSection(Section):
    """`[data]`: recordings, windows and features.

    Parameters
    ----------
    source : a key of `trimcap.data.sources.SOURCES` (recordings) or `WINDOW_SOURCES` (windows, such as "npz"), or
        "package.module:function" that returns a `Source` or recordings
    options : keyword arguments of the source
    path : folder or file of the recordings; default: where the source looks by itself
    subjects : names, or how many; default all
    chain : steps of preprocessing, each a name or a table of `name` and its options, see `trimcap.data.make_chain`;
        instead of all keys from `rate` to `layout`. If it subtracts a baseline, a published set keeps its own
    cache : where windows are kept and found again: a folder, true (`$TRIMCAP_CACHE`, or the user's cache) or false;
        default: true for files on disk, false for what is in memory
    rate : sampling rate after resampling, Hz; default: 128 for eegmat, generated recordings and your own function,
        else that of the files. Windows keep theirs
    seconds : how much of every recording is used, s; default: 60 for the same, else all
    window, step : length of a window and distance of two starts, s; default 4, and `window`
    features : "raw" µV (default), "differential_entropy" or "band_power"
    bands : name = [low, high] in Hz, for features; default: those of the feature function
    layout : "vector" (electrodes × bands, default) or "grid" (bands × rows × columns)
    normalise : "train" (fitted on training windows), "subject" (per subject with its own unlabelled windows:
        transductive, and labelled so) or "none" (the network scales by itself)
    labels : "recorded", or "random": a control in which every trial gets a label that means nothing
    label_seed, label_balance : of random labels, see `random_labels`
    """

    source: str = "eegmat"
    options: dict[str, Any] = Field(default_factory=dict)
    path: str | None = None
    subjects: Positive | tuple[str, ...] | None = None
    chain: tuple[str | dict[str, Any], ...] | None = None
    cache: bool | str | None = None
    rate: Annotated[float, Field(gt=0)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    window: Annotated[float, Field(gt=0)] | None = None
    step: Annotated[float, Field(gt=0)] | None = None
    features: Literal["raw", "differential_entropy", "band_power"] | None = None
    bands: dict[str, tuple[float, float]] | None = None
    layout: Literal["vector", "grid"] | None = None
    normalise: Literal["train", "subject", "none"] = "train"
    labels: Literal["recorded", "random"] = "recorded"
    label_seed: Annotated[int, Field(ge=0)] = 0
    label_balance: Literal["subject", "recordings", "none"] = "subject"

    @model_validator(mode="after")
    def _complete(self) -> DataSection:
        if self.source in ("npz", "windows") and self.path is None:
            raise ValueError(f'source = "{self.source}" needs a path, e.g. path = "windows.npz"')
        if self.chain is not None:
            self._check_chain(self.chain)
            return self
        short = self.source in _SHORT or ":" in self.source
        defaults = {"window": 4.0, "features": "raw", "layout": "vector"}
        defaults |= {"rate": 128.0, "seconds": 60.0} if short else {}
        # the section is frozen, but nobody has seen it yet
        self.__dict__.update({key: value for key, value in defaults.items() if getattr(self, key) is None})
        features = self.source.endswith("-features")
        if self.features == "raw" and ((self.layout == "grid" and not features) or self.bands):
            which = 'layout = "grid"' if self.layout == "grid" else "bands"
            raise ValueError(f'{which} needs features; set features = "differential_entropy"')
        if self.features != "raw" and features:
            raise ValueError(f'{self.source} are features already; leave out features = "{self.features}"')
        return self

    def _check_chain(self, chain: tuple[str | dict[str, Any], ...]) -> None:
        from trimcap.data.preprocess.chain import make_chain
        from trimcap.data.sources import WINDOW_SOURCES

        given = [key for key in _SIMPLE if getattr(self, key) is not None]
        given += ["normalise"] if self.normalise == "subject" else []
        if given:
            raise ValueError(
                f"{' and '.join(given)} can't be given with a chain, which says all of it; write it as a step, such as "
                f"{_AS_STEP[given[0]]}, or leave out the chain"
            )
        if self.source in WINDOW_SOURCES:
            raise ValueError(f"a chain works on recordings, but {self.source} holds windows already; leave it out")
        try:
            make_chain(chain)
        except ValueError as error:
            raise ValueError(f"chain: {error}") from error


class ProtocolSection(Section):
    """`[protocol]`: how windows become folds.

    Parameters
    ----------
    name : a protocol of `trimcap.data.splits.protocols.named`, or "package.module:function"
    folds : their number, `n_folds`, where the protocol has one
    valid : fraction of the training groups that validate
    seed : of the split
    options : further options of the protocol, e.g. {shots = 3, order = "random"} of few_shot
    file : a split file of `trimcap split`, which says all of the above, except `valid` of inner folds
    inner : inner folds of the training and validation windows of every fold, on which `[choose]` is decided
    """

    name: str = "k_fold_subjects"
    folds: Annotated[int, Field(ge=2)] | None = None
    valid: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0
    options: dict[str, Any] = Field(default_factory=dict)
    file: str | None = None
    inner: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _said_once(self) -> ProtocolSection:
        for key, own in (("valid", "valid"), ("seed", "seed"), ("n_folds", "folds")):
            if key in self.options:
                raise ValueError(f"options: write {own} = {self.options[key]!r} in [protocol], not in its options")
        fields = type(self).model_fields
        twice = [
            key
            for key in ("name", "folds", "seed", "options")
            if getattr(self, key) != fields[key].get_default(call_default_factory=True)
        ]
        if self.file is not None and twice:
            raise ValueError(f"file = {self.file!r} says how windows are split; remove {', '.join(twice)}, or the file")
        return self


class ModelSection(Section):
    """`[model]`: a network of `trimcap.models` by name, or "package.module:function", and its keyword arguments."""

    name: str = "eegnet"
    options: dict[str, Any] = Field(default_factory=dict)


class BaselineSection(Section):
    """`[baselines]`: what stands beside the networks in every table, see `trimcap.data.baselines.classifiers`.

    Parameters
    ----------
    signal : the field's own baseline where networks get signals: "covariance" (oscillations), "evoked" (potentials
        after an event) or "none". The linear one and nearest neighbours, on the network's input, always stand there
    bands : [low, high] in Hz, of the covariance baseline, where frequencies tell classes apart; default: all at once
    """

    signal: Literal["covariance", "evoked", "none"] = "covariance"
    bands: tuple[tuple[float, float], ...] = ()


class ReportSection(Section):
    """`[report]`: does not enter the hash, so it can be changed after the run.

    Parameters
    ----------
    title : default: the recipe's name
    margin : of the non-inferiority test, as a fraction of accuracy
    notes : paragraphs that are printed with the caveats
    leaky_twin : run the dense network under shuffled windows as well, and show it beside the honest number: true for
        the first seed, or a list of seeds
    """

    title: str = ""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    notes: tuple[str, ...] = ()
    leaky_twin: bool | Annotated[tuple[int, ...], Field(min_length=1)] = False
