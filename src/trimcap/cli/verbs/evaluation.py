"""`trimcap evaluate`: how good a network, program or artifact is on windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer
from trimcap.cli.io.show import table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trimcap.data.windows import Windows
    from trimcap.train.metrics import Metrics

Subject = Annotated[
    str, typer.Argument(metavar="NETWORK|PROGRAM|ARTIFACT", help="Folder of a network, a program or an artifact.")
]
Reference = Annotated[
    bool, typer.Option("--interpret", help="Run an artifact in the NumPy interpreter, without a C compiler.")
]


def evaluate(
    folder: Subject, data: datasets.Data, subjects: datasets.Subjects = None, interpret: Reference = False
) -> Answer:
    """Measure accuracy, balanced accuracy, F1, kappa and AUROC of windows, overall and per subject.

    Trials have one label each: beside stands their accuracy, by majority vote and by mean probability of their windows.

    Subjects that no step before has used, where the folder says who was, come first: only they are a test.
    """
    from trimcap.train.metrics import METRICS, TRIAL_METRICS, per_subject, per_trial
    from trimcap.train.metrics import evaluate as measure
    from trimcap.train.predict import probabilities

    kind = inputs.need(folder, "network", "program", "artifact")
    predictor, takes, n_classes = _PREDICTORS[kind](folder, interpret)
    windows = datasets.read(data, subjects=names_of(subjects) if subjects else None)
    windows = datasets.fitted_to(windows, **takes, name=f"'{folder}'")
    if n_classes != len(windows.classes):
        raise ValueError(
            f"'{folder}' has {counted(n_classes, 'output')}, but the windows have "
            f"{counted(len(windows.classes), 'class', 'classes')} "
            f"({', '.join(windows.classes)}); evaluate it on windows of the classes it was trained on"
        )
    p = probabilities(predictor, windows)
    found, rows = measure(windows.y, p, windows.classes), per_subject(windows, p)
    new, notes = _new_to(folder, windows), _notes(folder, kind, windows)
    own = windows.metadata.subject.astype(str).isin(new).to_numpy()
    test = measure(windows.y[own], p[own], windows.classes) if new else None
    overall = found.row() | per_trial(windows, p)
    held_out = test.row() | per_trial(windows.take(own), p[own]) if test else {}
    facts: dict[str, Any] = {
        "folder": folder,
        "kind": kind,
        "classes": list(windows.classes),
        "overall": {**overall, "confusion": found.confusion},
        "held_out": None if test is None else {"subjects": new, **held_out, "confusion": test.confusion},
        "subjects": rows.to_dict("records"),
        "notes": notes,
    }
    metrics = METRICS | TRIAL_METRICS
    shown = [("held out", held_out)] if test else []
    shown += [("all", overall), *((row["subject"], row) for row in facts["subjects"])]
    scores = table(
        ("subject", "windows", *(metric.short_head for metric in metrics.values())),
        [(title, *(row[name] for name in ("n", *metrics))) for title, row in shown],
    )
    lines = [
        f"{folder} ({kind})",
        *([_headline(new, test)] if test else []),
        scores,
        _confusion(windows, test or found),
    ]
    return Answer(facts, [*lines, *(f"note: {note}" for note in notes)])


#: what to call, what it takes (electrodes and shape), number of classes
_Predictor = tuple[Any, dict[str, Any], int]


def _network(folder: str, _: bool) -> _Predictor:
    network = inputs.load_network(folder)
    return network.module(), inputs.taken_by(network), network.n_classes


def _program(folder: str, _: bool) -> _Predictor:
    from trimcap.program.save import load_program

    program = load_program(folder)
    return _interpreted(program), inputs.taken_by(program, folder), program.values[program.output].size


def _artifact(folder: str, interpret: bool) -> _Predictor:
    from trimcap.export.artifact import check_artifact

    artifact = check_artifact(folder)
    program = artifact.program
    takes = inputs.taken_by(program) | {"channels": tuple(artifact.manifest.get("channels", ()))}
    if interpret:
        return _interpreted(program), takes, program.values[program.output].size
    from trimcap import runtime

    return runtime.load(folder), takes, program.values[program.output].size


_PREDICTORS: dict[str, Callable[[str, bool], _Predictor]] = {
    "network": _network,
    "program": _program,
    "artifact": _artifact,
}


def _interpreted(program: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    from dataclasses import replace

    from trimcap.program.interpret import dequantize, interpret

    bare = replace(program, expects=None)  # what it expects is compared once, before

    def run(X: NDArray[np.float32]) -> NDArray[np.float32]:
        return dequantize(bare, interpret(bare, X)).reshape(len(X), -1)

    run.expects = program.expects  # type: ignore[attr-defined]  # electrodes are then found by their names
    return run


def _headline(new: list[str], test: Metrics) -> str:
    """The test among other numbers."""
    return (
        f"held out ({', '.join(new)}): accuracy {test.accuracy:.3f}, balanced {test.balanced_accuracy:.3f} on "
        f"{counted(test.n, 'window')} that no step before has used"
    )


def _confusion(windows: Windows, found: Metrics) -> Any:
    counts = [(c, *map(int, row)) for c, row in zip(windows.classes, found.confusion, strict=True)]
    n, total = found.n, len(windows)
    return table(("true \\ predicted", *windows.classes), counts, title="held out" if n < total else "")


def _used(folder: str, windows: Windows) -> dict[str, list[str]]:
    """Subject of these windows → stages before that used it; those that none used are left out."""
    import numpy as np

    from trimcap.data.seen import content_of

    stages: dict[str, list[str]] = {}
    known = outputs.seen_in(folder).windows
    same = np.isin(content_of(windows), known) if len(known) else np.zeros(len(windows), dtype=bool)
    copied = set(windows.metadata.subject[same].astype(str))
    for stage, seen in outputs.seen_subjects(folder).items():
        for subject in sorted(set(datasets.subjects_of(windows)) & set(seen)):
            stages.setdefault(subject, []).append(stage)
    for subject in sorted(copied - set(stages)):
        stages[subject] = ["fit, under another name"]
    return stages


def _new_to(folder: str, windows: Windows) -> list[str]:
    """Subjects that are new to a network among others that are not; empty if all or none are, or nothing is known."""
    used = _used(folder, windows)
    return [name for name in datasets.subjects_of(windows) if name not in used] if used else []


def _notes(folder: str, kind: str, windows: Windows) -> list[str]:
    """What makes these numbers less than a test."""
    notes = []
    used, total = _used(folder, windows), len(datasets.subjects_of(windows))
    if used:
        groups: dict[str, list[str]] = {}
        for subject, stages in sorted(used.items()):
            groups.setdefault(", ".join(stages), []).append(subject)
        who = "; ".join(f"{', '.join(subjects)} ({stages})" for stages, subjects in groups.items())
        were = "was" if len(used) == 1 else "were"
        rest = "'held out' are the others" if len(used) < total else "choose others with --subjects"
        notes.append(f"not a test: {len(used)} of {counted(total, 'subject')} {were} used before: {who}; {rest}")
    if outside := outputs.seen_in(folder).outside:
        notes.append(f"unknown: {outside}; nobody knows whether these windows were among those it was made with")
    if kind == "artifact":
        notes += _unit_note(Path(folder), windows)
    return notes


def _unit_note(folder: Path, windows: Windows) -> list[str]:
    from trimcap.export.artifact import check_artifact

    unit = check_artifact(folder).manifest.get("unit")
    if unit and unit != windows.unit:
        return [f"the artifact takes windows in {unit}, these are in {windows.unit}"]
    return []
