"""Controls without information: an honest protocol must score chance on them, and a leaky one must not."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.baselines.classifiers import LINEAR, NEIGHBOURS, WITHOUT_CHOICE, classify
from trimcap.data.piecewise import piecewise
from trimcap.data.preprocess.windows.features import POWER_BANDS, band_power
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.protocols.named import protocol_function
from trimcap.data.splits.random_labels import Balance, random_labels
from trimcap.data.units import keys
from trimcap.data.windows import Windows
from trimcap.study.recipe.derived import LEAKY, derive, with_fingerprint, with_random_labels
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.recipe.sections import ProtocolSection
from trimcap.study.results.control_verdicts import ABOVE, Row, Scored, judged, without_power
from trimcap.study.run.folding import make_folds
from trimcap.study.run.leaks import look
from trimcap.study.run.prepare import prepare
from trimcap.study.run.workers import Tell, in_processes, printer

RANDOM, FINGERPRINT = "random labels", "fingerprint"
#: folds of the leaky protocols, as in the studies that use them
_FOLDS = 10
#: signals are classified by their band power: a memory that can't see spectra would prove nothing
WITNESS, LINEAR_WITNESS = "nearest neighbours in band power", "linear in band power"
#: length of a Welch segment of the witness, s
_SEGMENT = 2.0


@dataclass(frozen=True)
class Controls:
    """What the controls of a recipe found.

    Parameters
    ----------
    name : of the recipe
    protocol : the one that was checked, by name
    balance : of the random labels
    rows : one per control, protocol and classifier
    notes : what was left out
    """

    name: str
    protocol: str
    balance: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> str:
        """Why the protocol or a control can't be trusted; "" if both can."""
        above = [
            f"{r.protocol} is above chance on {r.control}: {r.classifier} {r.accuracy:.3f}, chance {r.chance:.3f}"
            for r in self.rows
            if r.verdict == ABOVE
        ]
        declared = [] if any(r.honest for r in self.rows) else [f"{self.protocol} leaks by its own declaration"]
        return "; ".join([*above, *without_power(self.rows), *declared])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "failed": self.failed}


@dataclass(frozen=True)
class Draw:
    """One draw of a control, as it travels to a worker: plain data."""

    control: str
    number: int
    recipe: str


def controls(
    recipe: Recipe,
    *,
    draws: int = 20,
    balance: Balance = "subject",
    network: bool = False,
    network_draws: int = 3,
    jobs: int = 1,
    folder: Path | str | None = None,
    progress: bool | Tell = False,
) -> Controls:
    """Score classifiers on data without information, under the recipe's protocol and under two leaky ones.

    "random labels" are the recipe's own recordings with one label per trial that means nothing; "fingerprint" are
    synthetic recordings of the same size in which every trial can be recognised and no class can. The baselines of a
    study are trained on every fold of every draw: the linear one and nearest neighbours, of signals on their
    band power. C stays 0.05, as there is nothing to choose it by. How
    rows become verdicts is said in `judged`.

    Parameters
    ----------
    draws : of each control, at least 3; draw d has seed d
    balance : of the random labels, see `random_labels`
    network : train the recipe's dense network as well, with its first seed, under its protocol and `leaky_windows`
    network_draws : of each control for the network, at least 3
    jobs : processes
    folder : where runs of the network are kept, so that they go on after an interruption; default: nowhere
    progress : print one line per draw, or a function that is given such lines

    Raises
    ------
    ValueError : too few draws; data or protocol don't go together; see `prepare` and `split`. AuditError : as `look`;
        a copy gets a label of its own, so that no draw can show it.
    """
    if min(draws, network_draws) < 3:
        raise ValueError(f"{min(draws, network_draws)} draws make no interval; take at least 3")
    recorded = derive(recipe, data={"labels": "recorded"})
    _recorded.cache_clear()  # files may have changed since the last call
    windows = _recorded(recorded.model_dump_json())
    folds = _folds(windows, recorded.protocol)
    look(recorded, folds, range(len(folds)))
    synthetic = recorded.protocol.file is None and folds[0].unit in ("subject", "trial")

    def drawn(number: int) -> dict[str, Recipe]:
        made = {RANDOM: with_random_labels(recorded, seed=number, balance=balance)}
        return made | ({FINGERPRINT: with_fingerprint(recorded, windows, seed=number)} if synthetic else {})

    items = [
        Draw(control, number, one.model_dump_json())
        for number in range(draws)
        for control, one in drawn(number).items()
    ]
    tell = printer(progress)
    scores: list[Scored] = []
    found = map(score_draw, items) if jobs == 1 else in_processes(jobs, score_draw, items)
    for done, part in enumerate(found, start=1):
        scores += part
        tell(f"[{done}/{len(items)}] {_line(part)}")
    if network:
        every = [(control, n, one) for n in range(network_draws) for control, one in drawn(n).items()]
        scores += _networks(every, min(_FOLDS, len(folds)), jobs=jobs, folder=folder, tell=tell)
    order = {RANDOM: 0, FINGERPRINT: 1}
    rows = judged(sorted(scores, key=lambda s: (order[s.control], not s.honest)))
    notes = [] if synthetic else [_ONLY_RANDOM]
    notes += [] if _shortest(windows) > 1 else [_NO_PARTS]
    return Controls(recipe.name, _called(recipe.protocol), balance, rows, tuple(notes))


_NO_PARTS = f"{LEAKY[1]} was left out: the shortest trial has one window."
_ONLY_RANDOM = (
    "The fingerprint control was left out: synthetic recordings have no sessions and no stimuli, and are in no split "
    "file."
)


def score_draw(draw: Draw) -> list[Scored]:
    """Carry out one draw in this process."""
    recipe = Recipe.model_validate_json(draw.recipe)
    windows = _windows(recipe)
    scores = []
    for protocol in _protocols(recipe, windows):
        for name, kind, own in _classifiers(windows):
            folds = _folds(own, protocol)
            found = [classify(fold, kind, C=WITHOUT_CHOICE) for fold in folds]
            accuracy, chance = _accuracy([(one.probabilities, one.test.y) for one in found])
            honest = not folds[0].leaky
            scores.append(Scored(draw.control, _called(protocol), honest, name, draw.number, accuracy, chance))
    return scores


def _classifiers(windows: Windows) -> tuple[tuple[str, str, Windows], ...]:
    """Name, baseline and what it is given."""
    if not windows.raw:
        return (LINEAR, LINEAR, windows), (NEIGHBOURS, NEIGHBOURS, windows)
    power = piecewise(windows, partial(band_power, bands=_bands(windows), segment=_SEGMENT))
    return (LINEAR_WITNESS, LINEAR, power), (WITNESS, NEIGHBOURS, power)


def _bands(windows: Windows) -> dict[str, tuple[float, float]]:
    """Bands that the rate and the length of the windows have.

    Raises
    ------
    ValueError : none of them.
    """
    resolution = 1 / min(_SEGMENT, windows.duration)
    bands = {
        name: (low, high)
        for name, (low, high) in POWER_BANDS.items()
        if high < windows.rate / 2 and np.ceil(low / resolution) * resolution < high
    }
    if not bands:
        raise ValueError(
            f"windows of {windows.duration:g} s at {windows.rate:g} Hz have none of the bands in which controls "
            "look for neighbours; make them longer"
        )
    return bands


def _windows(recipe: Recipe) -> Windows:
    """What networks would get; what random labels are put on is read once per process."""
    if recipe.data.labels == "recorded":
        return prepare(recipe).windows
    recorded = _recorded(derive(recipe, data={"labels": "recorded"}).model_dump_json())
    return random_labels(recorded, seed=recipe.data.label_seed, balance=recipe.data.label_balance)


@cache
def _recorded(recipe: str) -> Windows:
    return prepare(Recipe.model_validate_json(recipe)).windows


def _protocols(recipe: Recipe, windows: Windows) -> list[ProtocolSection]:
    """The recipe's own, and the leaky ones that the data allow."""
    most = {LEAKY[0]: len(windows), LEAKY[1]: _shortest(windows)}
    return [
        recipe.protocol,
        *(
            derive(recipe, protocol=name, folds=min(_FOLDS, most[name])).protocol
            for name in LEAKY
            if name != recipe.protocol.name and most[name] >= 2
        ),
    ]


def _called(protocol: ProtocolSection) -> str:
    return protocol.name if protocol.file is None else Path(protocol.file).name


def _shortest(windows: Windows) -> int:
    """Windows of the shortest trial."""
    return int(np.unique(keys(windows, "subject", "session", "trial"), return_counts=True)[1].min())


def _folds(windows: Windows, protocol: ProtocolSection) -> list[Fold]:
    """Folds as in a run, but a class may be absent from a part: a draw of labels can't be chosen."""
    if protocol.file is None:
        parameters = inspect.signature(protocol_function(protocol.name)).parameters
        if "missing_classes" in parameters:
            protocol = protocol.model_copy(update={"options": {"missing_classes": "allow", **protocol.options}})
    return make_folds(windows, protocol)


def _accuracy(parts: list[tuple[NDArray[Any], NDArray[np.int64]]]) -> tuple[float, float]:
    """Accuracy over all test windows, and the share of the most frequent class; parts are (probabilities, labels)."""
    hits = np.concatenate([p.argmax(axis=1) == y for p, y in parts])
    counts = np.bincount(np.concatenate([y for _, y in parts]))
    return float(hits.mean()), float(counts.max() / counts.sum())


def _networks(
    draws: list[tuple[str, int, Recipe]], n_folds: int, *, jobs: int, folder: Path | str | None, tell: Tell
) -> Iterator[Scored]:
    """The recipe's dense network on the same draws, under its protocol and a leaky one, as runs in `folder`."""
    with tempfile.TemporaryDirectory(prefix="trimcap-") as temporary:
        place = Path(folder or temporary) / "network"
        for control, number, drawn in draws:
            dense = derive(drawn, dense=True, seeds=drawn.seeds[:1])
            yield _trained(dense, place, control, number, jobs, tell)
            if dense.protocol.name != LEAKY[0]:
                yield _trained(derive(dense, protocol=LEAKY[0], folds=n_folds), place, control, number, jobs, tell)


def _trained(recipe: Recipe, place: Path, control: str, number: int, jobs: int, tell: Tell) -> Scored:
    from trimcap.study.run.run import run

    name = f"{control.replace(' ', '-')}_{number}_{recipe.protocol.name.replace(':', '-')}"
    done = run(recipe, place / name, jobs=jobs, progress=lambda line: tell(f"{control}, draw {number}: {line}"))
    arrays = [trial.read_arrays("evaluated/dense") for trial in done.trials]
    accuracy, chance = _accuracy([(a["probabilities"], a["y"]) for a in arrays])
    honest = not done.header["protocol"]["leaky"]
    return Scored(control, _called(recipe.protocol), honest, f"network ({recipe.model.name})", number, accuracy, chance)


def _line(scores: list[Scored]) -> str:
    """What a draw gave, in one line."""
    best = {s.protocol: max(t.accuracy for t in scores if t.protocol == s.protocol) for s in scores}
    text = ", ".join(f"{protocol} {accuracy:.3f}" for protocol, accuracy in best.items())
    return f"{scores[0].control}, draw {scores[0].draw}: at most {text}"
