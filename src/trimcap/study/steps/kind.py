"""What a kind of step is made of, and the stages of a recipe that such steps leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from trimcap.study.steps.section import Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task

#: what a step can do: change the float network's weights, or its axes too; learn from training windows; make integers;
#: write an artifact
Effect = Literal["weights", "shapes", "learning", "integers", "artifact"]
#: what a step can need: an artifact of a step before, or calibration trials that the protocol sets aside
Need = Literal["artifact", "calibration"]


@dataclass(frozen=True)
class Kind:
    """One kind of step; its module is all that there is to it, and `table.KINDS` names it.

    Parameters
    ----------
    options : its table in a recipe, with a field `kind: Literal["its name"]`
    title : what its stages are called: "pruned", and "pruned 2" if it comes again
    make : task, stage's name, options, state → the next state, with everything saved that `restore` reads, and facts
    changes : what it does; a step that changes nothing leaves nothing to evaluate
    ends : what no later step may do
    needs : what must be there
    removes : options of which one says how much is removed; a method of `[compare]` fills in a sparsity if none does
    columns : facts of its own that are columns of the results
    restore : task, stage's name, state before → the state that `make` saved; None: a float network with its masks
    """

    options: type[Section]
    title: str
    make: Callable[[Task, str, Any, State], Made]
    changes: tuple[Effect, ...]
    ends: tuple[Effect, ...] = ()
    needs: tuple[Need, ...] = ()
    removes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    restore: Callable[[Task, str, State], State] | None = None

    @property
    def name(self) -> str:
        """As recipes write it."""
        return str(get_args(self.options.model_fields["kind"].annotation)[0])


@dataclass(frozen=True)
class Stage:
    """One step by name.

    Parameters
    ----------
    step : its options; None for "dense"
    parent : the stage whose result it is given; None for "dense"
    method, sparsity : of `[compare]`; "" and None for the steps of the recipe
    kind : of the step; None for "dense"
    """

    name: str
    step: Any
    parent: str | None = None
    method: str = ""
    sparsity: float | None = None
    kind: Kind | None = None

    @property
    def changes(self) -> tuple[Effect, ...]:
        """What its step does."""
        return self.kind.changes if self.kind else ()

    @property
    def is_network(self) -> bool:
        """Whether it leaves something that can be evaluated."""
        return self.kind is None or bool(self.kind.changes)


def ancestors(stages: Iterable[Stage], name: str) -> tuple[Stage, ...]:
    """The stages that one of `stages` goes on from, "dense" first, without itself."""
    known = {stage.name: stage for stage in stages}
    found, parent = list[Stage](), known[name].parent
    while parent is not None:
        found.append(known[parent])
        parent = known[parent].parent
    return tuple(reversed(found))


def slug(stage: str) -> str:
    """A stage's name in file names.

    >>> slug("pruned 2"), slug("LFP 30 %: recovered")
    ('pruned-2', 'LFP-30-recovered')
    """
    return stage.replace(" %", "").translate({ord(":"): None, ord(","): None}).replace(" ", "-")
