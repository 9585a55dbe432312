"""Run a recipe: folds × seeds, resumable, in one process or many."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from trimcap._errors import AuditError, counted
from trimcap._files import remove_leftovers
from trimcap.data.splits.findings import Finding
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.results.lock import held
from trimcap.study.results.store import BASELINES, RunFolder, began, check_same, open_run
from trimcap.study.run.folding import protocol_facts
from trimcap.study.run.leaks import look
from trimcap.study.run.prepare import Prepared, folds_of, prepare
from trimcap.study.run.workers import Tell, duration, in_processes, printer


@dataclass(frozen=True)
class Job:
    """One trial, as it travels to a worker: plain data; `shared` is what the sides of its fold share by content."""

    recipe: str
    folder: str
    fold: int
    seed: int
    shared: tuple[Finding, ...] = ()


#: s between two looks at trials that other processes run
_OTHERS = 2.0
#: s; no file takes so long to write
_OLD = 3600.0
Executor = Callable[[Sequence[Job]], Iterable[dict[str, Any]]]


def run(
    recipe: Recipe,
    folder: Path | str,
    *,
    text: str = "",
    jobs: int = 1,
    only: Iterable[tuple[int, int]] | None = None,
    executor: Executor | None = None,
    progress: bool | Tell = False,
) -> RunFolder:
    """Run every (fold, seed) of a recipe that `folder` does not hold yet, and gather the tables.

    A killed run goes on when it is started again: finished stages are read, training resumes at its last epoch. Several
    processes, on several machines too, may run one recipe in one folder: each takes trials that no other works on.

    Parameters
    ----------
    recipe : from `load_recipe`
    folder : created; or a run folder of the same recipe
    text : the recipe as the user wrote it, for the report
    jobs : processes, each with one thread. Scripts that ask for more than one need `if __name__ == "__main__":`
    only : (fold, seed) pairs; default all
    executor : called with the jobs, gives each one's facts when it is done; default this machine's processes.
        A job is carried out by `run_job`
    progress : print one line per trial with the time left, or a function that is given such lines

    Raises
    ------
    ValueError : the folder belongs to another recipe; unknown names, of axes too; impossible data.
    OSError : the folder can't be written. ArtifactError : a file of a finished trial is missing or was changed.
    AuditError : before any training, if test windows are copies of training windows or overlap with them; after all
        trials, if a stage saw test windows. VerifyError : C differs from its network.
    """
    from trimcap.study.run.before_training import check_axes, check_names
    from trimcap.study.run.trial import forget

    if not isinstance(recipe, Recipe):
        raise TypeError(f"run takes a Recipe, got {type(recipe).__name__}: pass trimcap.load_recipe({str(recipe)!r})")
    folder = Path(folder)
    if (folder / "run.json").exists():
        check_same(folder, recipe)  # before minutes of reading recordings
    check_names(recipe)
    prepared = prepare(recipe, progress=progress is True and sys.stderr.isatty())
    folds = folds_of(prepared, recipe.protocol)
    protocol = protocol_facts(folds, recipe)
    if not (folder / "run.json").exists():
        check_axes(recipe, folds[0].train)
    chosen = _chosen(len(folds), recipe.seeds, only)
    opened = partial(open_run, folder, recipe, text=text, facts={"data": prepared.facts(), "protocol": protocol})
    earlier = opened() if began(folder) else None
    finished = [pair for pair in chosen if earlier is not None and earlier.trial(*pair).has("trial")]
    for trial in [earlier.trial(*pair) for pair in finished] if earlier is not None else ():
        trial.check()
    # what is refused leaves no folder behind that the corrected data would be refused in
    shared = look(recipe, folds, (fold for fold, seed in chosen if (fold, seed) not in finished))
    run_folder = earlier or opened()
    remove_leftovers(folder, older=_OLD)
    for pair in finished:  # networks that they should have removed, if they were killed before they could
        forget(recipe, run_folder.trial(*pair))
    waiting = [
        Job(recipe.model_dump_json(), str(folder), *pair, shared[pair[0]]) for pair in chosen if pair not in finished
    ]
    carry_out = executor or (_here(prepared) if jobs == 1 else lambda waiting: in_processes(jobs, run_job, waiting))
    tell = printer(progress)
    with tell_progress(tell, done=len(finished), total=len(chosen)) as advance:
        while waiting:
            busy: dict[Job, str] = {}
            for facts in carry_out(waiting):
                if "busy" in facts:
                    busy[next(j for j in waiting if (j.fold, j.seed) == (facts["fold"], facts["seed"]))] = facts["busy"]
                    continue
                run_folder.gather()
                advance(facts)
            if busy and list(busy) != waiting:
                tell(f"{counted(len(busy), 'trial')} left, run by others: {', '.join(sorted(set(busy.values())))}")
            waiting = list(busy)
            time.sleep(_OTHERS if waiting else 0)
    run_folder.gather()
    _raise_if_failed(run_folder)
    return run_folder


def run_job(job: Job, *, prepared: Prepared | None = None) -> dict[str, Any]:
    """Carry out one job in this process, with one thread; recordings are read once per process and recipe.

    Returns
    -------
    facts of the trial; or its fold and seed, and who works on it now, under "busy"
    """
    import torch

    from trimcap.study.run.trial import run_trial

    recipe = Recipe.model_validate_json(job.recipe)
    folder = RunFolder(Path(job.folder)).trial(job.fold, job.seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with held(folder.path) as other:
            if other:
                return {"fold": job.fold, "seed": job.seed, "busy": other}
            remove_leftovers(folder.path)
            known = prepared or _prepared(job.recipe)
            return run_trial(recipe, known, fold=job.fold, seed=job.seed, folder=folder, shared=job.shared)
    finally:
        torch.set_num_threads(threads)


@cache
def _prepared(recipe: str) -> Prepared:
    return prepare(Recipe.model_validate_json(recipe))


def _here(prepared: Prepared) -> Executor:
    return lambda jobs: (run_job(job, prepared=prepared) for job in jobs)


def _chosen(n_folds: int, seeds: Sequence[int], only: Iterable[tuple[int, int]] | None) -> list[tuple[int, int]]:
    every = [(fold, seed) for seed in seeds for fold in range(n_folds)]
    if only is None:
        return every
    wanted = list(only)
    for pair in wanted:
        if pair not in every:
            raise ValueError(f"no trial (fold, seed) = {pair}: folds are 0 to {n_folds - 1}, seeds {list(seeds)}")
    return [pair for pair in every if pair in wanted]


def _raise_if_failed(folder: RunFolder) -> None:
    failed = []
    for trial in folder.trials:
        if trial.has("trial") and (audit := trial.read("trial")["audit"])["verdict"] == "failed":
            errors = [f["text"] for f in audit["findings"] if f["severity"] == "error"]
            failed.append(f"{trial.name}: {'; '.join(errors)}")
    if failed:
        raise AuditError(f"audit failed in {len(failed)} trials of '{folder.path}':\n" + "\n".join(failed))


@contextmanager
def tell_progress(tell: Tell, *, done: int, total: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that is told every finished trial, and tells a line with the time left."""
    if done:
        tell(f"{done} of {total} trials were finished before")
    start, first = time.perf_counter(), done
    count = done

    def advance(facts: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        left = (time.perf_counter() - start) / (count - first) * (total - count)
        tell(f"[{count}/{total}] {describe(facts)} · {duration(facts['seconds'])} · {_left(left)}")

    yield advance


def describe(facts: dict[str, Any]) -> str:
    """`fold 2, seed 0 (subjects 4): dense 0.812 → C 0.808 · audit passed`."""
    networks = [row for row in facts["rows"] if row["stage"] not in BASELINES]
    trunk = [row for row in networks if not row.get("method")]
    ends = dict.fromkeys((trunk[0]["stage"], trunk[-1]["stage"]))
    scores = " → ".join(f"{row['stage']} {row['accuracy']:.3f}" for row in trunk if row["stage"] in ends)
    if methods := {(row["method"], row["method_sparsity"]) for row in networks if row.get("method")}:
        scores += f", then {len(methods)} methods and sparsities"
    where = f"fold {facts['fold']}, seed {facts['seed']} ({facts['fold_name']})"
    return f"{where}: {scores} · audit {facts['audit']['verdict']}"


def _left(seconds: float) -> str:
    return f"{duration(seconds)} left" if seconds else "done"
