"""Saliencies and axes on the command line, and whose windows they may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Misuse, typed
from trimcap.cli.io.values import names_of, pairs_of

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.saliency.scores import Scores

_NAME = "l1, d_score, taylor, … (`trimcap criteria --list`), or package.module:function."
Saliency = Annotated[str, typer.Option("--saliency", help=_NAME)]
MaybeSaliency = Annotated[str | None, typer.Option("--saliency", help=f"{_NAME} Default l1.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Option of the saliency, of=weights; repeat.")
]
Axes = Annotated[
    list[str] | None,
    typer.Option(
        "--axis", metavar="NAME", help="This axis only, or all of conv, linear, recurrent or batch_norm layers; repeat."
    ),
]
AtLeast = Annotated[int, typer.Option("--at-least", min=1, help="Slices that every axis keeps.")]
MultipleOf = Annotated[int, typer.Option("--multiple-of", min=1, help="Round kept counts up to a multiple of this.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of a random saliency, and of drawing windows.")]


Scorer = Callable[["Network", list[str] | None], "Scores"]


@dataclass(frozen=True)
class Scoring:
    """How slices are scored, as it was typed.

    Parameters
    ----------
    data, subjects : windows that the saliency looks at, and whose; None where it looks at none
    """

    saliency: str
    option: list[str] | None = None
    axes: list[str] | None = None
    data: str | None = None
    subjects: str | None = None
    seed: int = 0

    def scorer(self, network: Network, folder: str) -> tuple[Scorer, Windows | None]:
        """A function from a network and axes to scores, and the windows it looks at; the names are checked here."""
        from trimcap.prune.saliency import table as ours

        inputs.see_here()
        options = pairs_of(self.option or (), option="--option")
        with typed():
            ours.find_saliency(self.saliency, options)
            axes = axes_named(network, self.axes)
        looks = ours.needs_windows(self.saliency)
        if looks and self.data is None:
            raise Misuse(f"saliency {self.saliency!r} looks at data; give its windows with --data")
        if self.data is not None and not looks:
            raise Misuse(f"saliency {self.saliency!r} does not look at data; leave out --data, or take another")
        windows = None if self.data is None else seen_windows(self.data, folder, self.subjects)

        def score(of: Network, only: list[str] | None) -> Scores:
            own = None if windows is None else datasets.fitted_to(windows, **inputs.taken_by(of), name=f"'{folder}'")
            return ours.score(of, self.saliency, windows=own, axes=only or axes, seed=self.seed, **options)

        return score, windows


def axes_named(network: Network, names: list[str] | None) -> list[str] | None:
    """The axes that were typed: by name, or all of a kind of layer (conv, linear, recurrent, batch_norm).

    Raises
    ------
    PlanError : an axis is unknown or frozen, or the network has none of that kind.
    """
    from trimcap._errors import PlanError
    from trimcap.prune.choose.axes_of import KINDS, axes_of
    from trimcap.prune.plan import prunable_axis

    if not names:
        return None
    found: list[str] = []
    for name in names:
        if name in KINDS and name not in network.axes.axes:
            of_kind = axes_of(network, name)
            if not of_kind:
                raise PlanError(f"no axis of {network.origin} that can be pruned is made by a layer of kind '{name}'")
            found += of_kind
        else:
            found.append(prunable_axis(network, name).name)
    return list(dict.fromkeys(found))


def seen_windows(data: str, folder: str, subjects: str | None) -> Windows:
    """The windows of DATA of the named subjects, else of those that a network was trained on, where its folder says.

    Raises
    ------
    AuditError : they are of subjects that were left out for a test.
    """
    windows = trained_on(data, folder, subjects)
    refuse_test(windows, folder, "saliency", "--subjects")
    return windows


def trained_on(data: str, folder: str, subjects: str | None) -> Windows:
    """The same, whoever was left out."""
    windows = datasets.read(data, subjects=names_of(subjects) if subjects else None)
    trained = set(outputs.seen_subjects(folder).get("fit", ())) & set(datasets.subjects_of(windows))
    return datasets.choose(windows, tuple(sorted(trained))) if trained and subjects is None else windows


def refuse_test(windows: Windows, folder: str, stage: str, option: str) -> None:
    """Refuse subjects that the network's training left out for a test.

    Raises
    ------
    AuditError : names them, and the option that names others.
    """
    from trimcap._errors import AuditError

    test = sorted(outputs.held_out(folder) & set(datasets.subjects_of(windows)))
    if test:
        raise AuditError(
            f"audit failed: stage '{stage}' would see windows of {', '.join(test)}, left out for a test when "
            f"'{folder}' was trained; what is removed must not be chosen on the test set: name others with {option}"
        )
