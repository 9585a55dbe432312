"""`trimcap electrodes`: accuracy against the number of electrodes, and small caps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.electrode_answer import answer_of
from trimcap.cli.io.scoring import refuse_test
from trimcap.cli.io.values import names_of
from trimcap.cli.verbs.training import BatchSize, LearningRate

if TYPE_CHECKING:
    from trimcap.data.electrodes.headsets import Headset
    from trimcap.data.ledger import Ledger
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.electrodes import ElectrodeCurve
    from trimcap.prune.saliency.scores import Scores

Names = Annotated[
    str | None,
    typer.Option(
        "--saliency",
        help="What goes first, commas between: greedy (backward elimination on validation windows), l1, taylor, … "
        "(`trimcap criteria --list`), package.module:function. Default greedy,l1; greedy where electrodes are no axis.",
    ),
]
Counts = Annotated[str | None, typer.Option("--counts", help="Numbers of electrodes, such as 2,4,8; default all.")]
Worn = Annotated[
    list[str] | None,
    typer.Option(
        "--headset", help="forehead_2, muse_4, epoc_14, …, all, none, or your own: mine=Fp1+Fp2+Oz; commas, or repeat."
    ),
]
Within = Annotated[
    float, typer.Option("--within", min=0, help="How far a stand-in for an electrode of a headset may be, cm.")
]
Random = Annotated[int, typer.Option("--random", min=0, help="Random caps for every number of electrodes.")]
Recover = Annotated[int | None, typer.Option("--recover", min=1, help="Epochs of training after electrodes are gone.")]
RecoverRandom = Annotated[int, typer.Option("--recover-random", min=0, help="Random caps of a number to train.")]
Train = Annotated[
    str | None,
    typer.Option("--subjects", help="Whose windows saliencies and recovery see; default: those it was trained on."),
]
Valid = Annotated[
    str | None,
    typer.Option("--valid", help="On whose windows caps are chosen; default: those that chose the epoch in training."),
]
Test = Annotated[
    str | None, typer.Option("--test", help="Whose accuracy is reported; default: subjects that no step has seen.")
]
Metric = Annotated[str, typer.Option("--metric", help="accuracy, balanced_accuracy or loss.")]
Drop = Annotated[
    float, typer.Option("--drop", min=0, help="The fewest electrodes are named that lose no more than this.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of random caps and of recovery.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for electrodes.json, .csv, figures, plans and recovered networks.")
]
_WORN = ("forehead_2", "muse_4", "insight_5", "unicorn_8", "epoc_14")


@dataclass(frozen=True)
class _Split:
    """Training, validation and test windows (None where there are none), what is to be said, and what is known."""

    train: Windows | None
    valid: Windows
    test: Windows | None
    notes: tuple[str, ...]
    known: bool


def electrodes(
    network: inputs.NetworkFolder,
    data: datasets.Data,
    saliency: Names = None,
    counts: Counts = None,
    headset: Worn = None,
    within: Within = 6.0,
    random: Random = 20,
    recover: Recover = None,
    recover_random: RecoverRandom = 3,
    subjects: Train = None,
    valid: Valid = None,
    test: Test = None,
    metric: Metric = "accuracy",
    drop: Drop = 0.02,
    learning_rate: LearningRate = 1e-3,
    batch_size: BatchSize = 64,
    seed: Seed = 0,
    out: Out = None,
    force: outputs.Force = False,
) -> Answer:
    """Measure a network with fewer electrodes: by saliency, as headsets have them, and at random; find a small cap."""
    from trimcap.prune.electrodes import GREEDY, Recovery, electrode_curve

    _check_metric(metric)
    original = inputs.load_network(network)
    names = _names(original, saliency)
    sizes, worn = _sizes(original, counts), _headsets(headset)
    split = _split(original, network, data, subjects, valid, test)
    recovery = None
    if recover is not None:
        if split.train is None:
            raise Misuse("--recover trains, but it is unknown on whose windows; name them with --subjects")
        settings = {"learning_rate": learning_rate, "batch_size": batch_size}
        recovery = Recovery(split.train, recover, counts=sizes, n_random=recover_random, options=settings)
    options = {
        "data": data, "saliency": ",".join(names), "counts": counts, "headset": headset, "within": within,
        "random": random, "recover": recover, "recover_random": recover_random, "subjects": subjects, "valid": valid,
        "test": test, "metric": metric, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    step = outputs.Step("electrodes", options, network)
    if out is not None:
        outputs.claim(out, step, force=force)
    ledger = _ledger(split)
    found = electrode_curve(
        original, split.valid, test=split.test, train=split.train,
        scores=_scores(original, [n for n in names if n != GREEDY], split, seed, ledger), greedy=GREEDY in names,
        counts=sizes, headsets=worn, within=within / 100, n_random=random, recovery=recovery, metric=metric, seed=seed,
        ledger=ledger, progress=_Say() if sys.stderr.isatty() else None,
    )  # fmt: skip
    facts = {"subjects": _subjects(split), "audit": _audit(split, ledger), "notes": list(split.notes)}
    answer = answer_of(found, facts, drop=drop)
    if out is None:
        return answer
    who = _subjects(split)
    with outputs.writing(out, step, saliency=who["train"], sensitivity=who["valid"]):
        lines, files = _write(found, original, out, sizes, who, step)
    return Answer({**answer.facts, "files": files}, [*answer.lines, *lines])


def _check_metric(metric: str) -> None:
    from trimcap._errors import unknown
    from trimcap.prune.choose.sensitivity import METRICS

    if metric not in METRICS:
        raise Misuse(unknown("metric", metric, METRICS))


def _names(network: Network, text: str | None) -> list[str]:
    from trimcap._errors import unknown
    from trimcap.prune.electrodes import GREEDY
    from trimcap.prune.electrodes.hearing import why_not_removed
    from trimcap.prune.saliency.table import SALIENCIES, find_saliency

    why_not = why_not_removed(network)
    if text is None:
        return [GREEDY] if why_not else [GREEDY, "l1"]
    inputs.see_here()
    names = list(dict.fromkeys(names_of(text)))
    for name in names:
        if name == GREEDY:
            continue
        if ":" not in name and name not in SALIENCIES:
            raise Misuse(unknown("saliency", name, (*SALIENCIES, GREEDY)))
        with typed():
            find_saliency(name)
        if why_not:
            raise Misuse(f"saliency {name!r} scores electrodes that are an axis, but {why_not}; use --saliency greedy")
    return names


def _sizes(network: Network, text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = names_of(text)
    if not parts or not all(part.isdigit() for part in parts):
        raise Misuse(f"cannot read --counts {text!r}; write numbers with commas between, such as 2,4,8")
    sizes, n = [int(part) for part in parts], len(network.channels)
    wrong = [k for k in sizes if k < 1 or (n and k > n)]
    if wrong:
        raise Misuse(f"--counts: cannot keep {wrong[0]} of {n} electrodes; give numbers from 1 to {n}")
    return sizes


def _headsets(texts: Sequence[str] | None) -> list[Headset]:
    from trimcap.data.electrodes.headsets import HEADSETS, Headset
    from trimcap.data.electrodes.headsets import headset as find

    found: list[Headset] = []
    for text in [name for part in (texts or _WORN) for name in names_of(part)]:
        name, equals, electrodes = text.partition("=")
        with typed():
            if equals:
                found.append(Headset(name, name, tuple(e.strip() for e in electrodes.split("+") if e.strip())))
            elif name == "all":
                found += HEADSETS.values()
            elif name != "none":
                found.append(find(name))
    return list({one.name: one for one in found}.values())


def _split(
    network: Network, folder: str, data: str, subjects: str | None, valid: str | None, test: str | None
) -> _Split:
    """Who trains, who chooses and who is reported, by what was typed and by what the network's folder says."""
    windows = datasets.read(data)
    here, seen = set(datasets.subjects_of(windows)), outputs.seen_subjects(folder)
    used = {name for names in seen.values() for name in names}
    own = set(names_of(subjects)) if subjects else here & set(seen.get("fit", ()))
    held = set(names_of(valid)) if valid else (here & set(seen.get("early stopping", ()))) - own
    asked = set(names_of(test or ""))
    known = asked & used
    if known:
        raise Misuse(
            f"--test: {', '.join(sorted(known))} was used before by this network, so that its accuracy is no test; "
            "name subjects that were held out of the training (trimcap train --hold-out)"
        )
    reported = asked or here - used - own - held
    _check_apart({"--subjects": own, "--valid": held, "--test": asked})
    notes = []
    if not used:
        notes.append(f"'{folder}' does not say what the network was trained on; nothing is known of who is new to it")
        reported = asked  # anybody may have been trained on
        held = held or here - own - asked
    elif not held:
        held = own or here - reported
        notes.append(f"there are no validation subjects: caps are chosen on {', '.join(sorted(held))}, see --valid")
    if not reported:
        notes.append(
            "no test: the numbers are from the windows on which caps are chosen, and too good; hold subjects out with "
            "`trimcap train --hold-out`, or name others with --test"
        )
    parts = [_part(windows, names, network, folder) for names in (own, held, reported)]
    for part, stage, option in ((parts[0], "saliency", "--subjects"), (parts[1], "sensitivity", "--valid")):
        if part is not None:
            refuse_test(part, folder, stage, option)
    chosen = parts[1]
    if chosen is None:
        raise Misuse("no subject is left to choose caps on; name some with --valid")
    return _Split(parts[0], chosen, parts[2], tuple(notes), bool(used))


def _check_apart(parts: dict[str, set[str]]) -> None:
    for first, second in (("--subjects", "--test"), ("--valid", "--test")):
        both = sorted(parts[first] & parts[second])
        if both:
            raise Misuse(f"{both[0]} is in {first} and in {second}; who is reported may not be chosen or trained on")


def _part(windows: Windows, names: set[str], network: Network, folder: str) -> Windows | None:
    if not names:
        return None
    part = datasets.choose(windows, tuple(sorted(names)))
    return datasets.fitted_to(part, **inputs.taken_by(network), name=f"'{folder}'")


def _ledger(split: _Split) -> Ledger:
    """What the network has seen before, as far as its folder says."""
    from trimcap.data.ledger import Ledger

    ledger = Ledger()
    if split.train is not None:
        ledger.record("fit", split.train)
    return ledger


def _scores(network: Network, names: Sequence[str], split: _Split, seed: int, ledger: Ledger) -> list[Scores]:
    from trimcap.prune.saliency.table import needs_windows, score

    found = []
    for name in names:
        windows = (split.train or split.valid) if needs_windows(name) else None
        found.append(score(network, name, windows=windows, axes=["electrodes"], seed=seed, ledger=ledger))
    return found


def _audit(split: _Split, ledger: Ledger) -> dict[str, Any] | None:
    """The verdict on who saw the reported windows; None where nothing is reported or known."""
    from trimcap.data.join import join
    from trimcap.data.splits.audit import audit
    from trimcap.data.splits.shared import content_findings
    from trimcap.data.splits.sides import between

    if split.test is None or split.train is None or not split.known:
        return None
    others = between(join([split.train, split.valid]), split.test, "electrodes", unit="subject")
    found = audit(split.test.ids, ledger, unit="subject", more=content_findings(others))
    found.raise_if_failed()
    return {"verdict": found.verdict, "stages": list(found.rows)}


def _subjects(split: _Split) -> dict[str, list[str]]:
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    return {name: datasets.subjects_of(part) if part is not None else [] for name, part in parts.items()}


class _Say:
    """Names on the terminal what is begun."""

    def __init__(self) -> None:
        self._what = ""

    def __call__(self, what: str, _: int, total: int) -> None:
        if what != self._what:
            typer.echo(f"{what} ({total} steps)", err=True)
        self._what = what


def _write(
    found: ElectrodeCurve,
    network: Network,
    out: Path,
    sizes: Sequence[int] | None,
    who: dict[str, list[str]],
    step: outputs.Step,
) -> tuple[list[str], list[str]]:
    """Files and what to say of them."""
    from trimcap.graph.save import save
    from trimcap.study.report.electrode_report import plan_name, write_electrodes

    counts = sizes or [k for k in (2, 4, 8, 14) if k < len(found.channels)]
    files = [str(path) for path in write_electrodes(found, out, network=network, counts=counts)]
    lines = [f"written: {out}"]
    for cap in found.caps:
        if cap.network is None or cap.kind not in ("saliency", "headset") or cap.count == len(found.channels):
            continue
        place = out / "networks" / plan_name(cap)
        with outputs.writing(place, step, saliency=who["train"], sensitivity=who["valid"], recovery=who["train"]):
            save(cap.network, place)
        files.append(str(place))
    plans = [Path(path).name for path in files if Path(path).name.startswith("plan-")]
    if plans:
        lines.append(f"prune it: trimcap prune {step.source} --plan {out / plans[0]} --out …")
    if any(Path(path).parent.name == "networks" for path in files):
        lines.append(f"recovered networks: {out / 'networks'}")
    return lines, files
