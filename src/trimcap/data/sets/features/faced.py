"""The published features of FACED."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.sets.faced import CHANNELS, FACED, RATE, Label, classes_of
from trimcap.data.sets.features.windows import Part, finite, stack
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.record import PublishedFeatures, check_choices
from trimcap.data.sets.trials import require
from trimcap.data.windows import Windows

Feature = Literal["DE", "PSD"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen: "DE" (differential entropy) or "PSD"; label as of the set."""

    feature: Feature = "DE"
    label: Label = "valence"

    def __post_init__(self) -> None:
        check_choices(self)


def _find(folder: Path, options: Options) -> Found:
    feature = options.feature
    return find(
        "FACED features", folder, places=(feature, f"EEG_Features/{feature}", f"FACED/EEG_Features/{feature}"),
        pattern=r"sub([0-9]{3})\.pkl\.pkl", name="sub{:03d}", published=range(123),
    )  # fmt: skip


def _read(found: Found, options: Options) -> Windows:
    classes, labels = classes_of(options.label)

    def parts() -> Iterator[Part]:
        for name, (path,) in found.files.items():
            values = require({"array": read_pickle(path)}, "array", (28, 32, 30, 5), str(path))
            for clip, channels in enumerate(values):
                windows = finite(channels[: len(CHANNELS)].transpose(1, 0, 2), f"{path}: clip {clip + 1}")
                yield Part(windows, name, "1", f"{clip + 1:02d}", labels[clip])

    return stack(
        parts(), channels=CHANNELS, rate=RATE, classes=classes, duration=1.0,
        unit="nat" if options.feature == "DE" else "power", step=f"{options.feature} as published with FACED",
    )  # fmt: skip


def _kinds(root: Path, _: Found, subject: str) -> list[dict[str, Feature]]:
    """DE and PSD, where both have a folder."""
    folders: dict[Path, Feature] = {}
    kinds: tuple[Feature, ...] = ("DE", "PSD")
    for feature in kinds:
        try:
            found = _find(root, Options(feature=feature))
        except FileNotFoundError:
            continue
        if subject in found.files:
            folders.setdefault(found.folder, feature)
    return [{"feature": feature} for feature in folders.values()]


#: X of shape (n, 30, 5), float32, unit "nat" (DE) or "power" (PSD): 1-s windows without overlap, 30 a trial; subject,
#: session and trial as of the set.
FACED_FEATURES = PublishedFeatures(
    name="faced-features", of=FACED, options=Options, find=_find, read=_read, kinds=_kinds
)
