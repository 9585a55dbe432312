"""Exact, loss-free rewrites for deployment: the same function, cheaper, chosen by MACs and memory and proven."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from trimcap._errors import unknown
from trimcap.graph.network import Network, need_network
from trimcap.graph.price import Price, price
from trimcap.graph.rewrite.change import Change, Rule
from trimcap.graph.rewrite.fold import fold_batch_norm, fold_constants
from trimcap.graph.rewrite.proof import EXACT, ROUNDING, differs, largest_difference, narrowed, widened
from trimcap.graph.rewrite.spatial import merge_linear, spatial_first
from trimcap.graph.rewrite.tidy import evaluate_constants, fold_padding, merge_reshapes, remove_dropout

_ORDER = (
    *(remove_dropout, evaluate_constants, merge_reshapes, fold_padding),
    *(fold_batch_norm, spatial_first, fold_constants, merge_linear),
)
RULES: dict[str, Rule] = {rule.__name__: rule for rule in _ORDER}
#: rules that compute no new weights, which rounding could move
_TIDY = ("remove_dropout", "evaluate_constants", "merge_reshapes", "fold_padding")
OBJECTIVES = ("macs", "sram", "both")


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A cheaper network that computes the same.

    Parameters
    ----------
    network : the rewritten network
    applied : what was done, in words, in order
    left : what was not done and why, in words
    before, after : MACs and the largest values that are in memory together, on the graph
    error : largest difference of the output to the original on random input in float64, relative to the
        largest output
    """

    network: Network
    applied: tuple[str, ...]
    left: tuple[str, ...]
    before: Price
    after: Price
    error: float

    def __str__(self) -> str:
        lines = [f"  {words}" for words in self.applied] or ["  nothing to do"]
        ratios = (
            f"{title} {a:,} → {b:,} ({a / max(b, 1):.1f}×)"
            for title, a, b in (
                ("MACs", self.before.macs, self.after.macs),
                ("live bytes", self.before.live_bytes, self.after.live_bytes),
            )
        )
        lines.append(", ".join(ratios) + f", largest difference {self.error:.1e} of scale")
        return "\n".join([*lines, *(f"note: {note}" for note in self.network.notes)])


def rewrite(
    network: Network,
    *,
    rules: Sequence[str | Callable[[Network], Network]] = tuple(RULES),
    objective: str = "both",
) -> Rewritten:
    """Apply exact rewrites wherever they pay, by MACs and by the largest values in memory together; prove each of them.

    A change is taken if it lowers the objective's cost, or leaves it and removes an operation, and raises
    nothing that the objective names: "macs" may trade SRAM for MACs, "sram" the reverse, "both" neither.
    Where a rule offers alternatives (filters swapped or merged), the cheapest is taken. Rules run in the
    given order, again and again until none finds anything.

    The weights are changed in float64, and each change is proven there on random windows of unit size and of
    30 times that (µV): the output may differ by 1e-9 of its largest value. In the end they are rounded to
    float32, and the output may differ by 1e-5. What of trimcap's own rules can't be proven stays as it is, and `left`
    says so. A network that was rewritten still trains, but learns differently (no batch norm, no max-norm): rewrite for
    deployment.

    Parameters
    ----------
    network : Network
    rules : names from `RULES`, or functions from Network to Network (taken as one change each)
    objective : "macs", "sram" or "both"

    Raises
    ------
    ValueError : an unknown rule or objective.
    RuntimeError : a function among the rules changed what is computed, or rounding does; names the rule and the place.
    """
    need_network(network, "rewrite")
    if objective not in OBJECTIVES:
        raise ValueError(unknown("objective", objective, OBJECTIVES))
    named = [_named(rule) for rule in rules]
    current, applied, left = _settled(widened(network), named, objective, proven=True)
    current = narrowed(current, network) if applied else network
    error = largest_difference(network, current, n=16) if applied else 0.0
    if not error <= ROUNDING:
        if any(callable(rule) for rule in rules):
            raise RuntimeError(differs(f"rewriting by {', '.join(name for name, _ in named)}", error, ROUNDING))
        fewer = [name for name, _ in named if name in _TIDY]
        tidied = rewrite(network, rules=fewer if len(fewer) < len(named) else (), objective=objective)
        words = f"rounding them to float32 would change the output by {error:.2g} of its scale"
        return replace(tidied, left=(f"nothing that changes weights: {words}", *tidied.left))
    changed = {change.place for change in applied}
    return Rewritten(
        network=current,
        applied=tuple(change.words for change in applied),
        left=tuple(words for place, words in left.items() if place not in changed),
        before=price(network),
        after=price(current),
        error=error,
    )


def unproven(network: Network) -> Network:
    """The shapes of what `rewrite` makes, its weights neither proven nor rounded: for counting only, and quick."""
    return _settled(network, list(RULES.items()), "both", proven=False)[0]


def _settled(
    network: Network, named: Sequence[tuple[str, Rule]], objective: str, *, proven: bool
) -> tuple[Network, list[Change], dict[str, str]]:
    """The network where no rule finds anything any more, what was done, and what was left and why."""
    applied, left = list[Change](), dict[str, str]()
    busy = True
    while busy:
        busy, left = False, {}
        for name, rule in named:
            network, done, stays = _applied(network, name, rule, objective, proven=proven)
            applied.extend(done)
            left.update(stays)
            busy = busy or bool(done)
    return network, applied, left


def _named(rule: str | Callable[[Network], Network]) -> tuple[str, Rule]:
    if isinstance(rule, str):
        if rule not in RULES:
            raise ValueError(unknown("rewrite rule", rule, RULES))
        return rule, RULES[rule]
    function, name = rule, getattr(rule, "__name__", str(rule))

    def once(network: Network) -> Iterator[Change]:
        after = function(network)
        if after is not network:
            yield Change(name, f"applied {name}", after)

    return name, once


def _applied(
    network: Network, name: str, rule: Rule, objective: str, *, proven: bool
) -> tuple[Network, list[Change], dict[str, str]]:
    """The network after every change of one rule that pays, what was done, and what was left and why."""
    done: list[Change] = []
    unproven: dict[str, Change] = {}
    while True:
        best, left = _best(network, rule, objective, unproven)
        if best is None or best.network is None:
            return network, done, left | {change.place: change.words for change in unproven.values()}
        error = largest_difference(network, best.network) if proven else 0.0
        if not error <= EXACT:
            if name not in RULES:
                what = f"rewrite rule {name} at '{best.place}' ({best.words})"
                raise RuntimeError(differs(what, error, EXACT))
            words = f"not {best.words}: not proven, the output differs by {error:.2g} of its scale"
            unproven[best.words] = Change(best.place, words)
            continue
        done.append(replace(best, words=best.words + _saving(network, best.network)) if proven else best)
        network = best.network


def _best(
    network: Network, rule: Rule, objective: str, unproven: Collection[str]
) -> tuple[Change | None, dict[str, str]]:
    """The first place where a rule pays, with the cheapest of the alternatives there that are not known as unproven."""
    before, lowest = _price(network, objective), None
    left: dict[str, str] = {}
    best: Change | None = None
    for change in rule(network):
        if best is not None and change.place != best.place:
            break
        if change.words in unproven:
            continue
        if change.network is None:
            left[change.place] = change.words
            continue
        price = _price(change.network, objective)
        if not _pays(before, price):
            left[change.place] = f"not {change.words}: it does not pay{_saving(network, change.network)}"
        elif lowest is None or price < lowest:
            best, lowest = change, price
    return best, left


def _price(network: Network, objective: str) -> tuple[float, ...]:
    """What is to fall, in order of importance, last the number of operations."""
    found = price(network)
    macs, live = found.macs, found.live_bytes
    order = {"macs": (macs, live), "sram": (live, macs), "both": (float(macs) * live, macs, live)}
    return (*order[objective], len(network.nodes))


def _pays(before: tuple[float, ...], after: tuple[float, ...]) -> bool:
    """Cheaper; and, where both count (product, macs, live bytes, operations), neither of them dearer."""
    both = len(before) == 4
    return after < before and not (both and (after[1] > before[1] or after[2] > before[2]))


def _saving(before: Network, after: Network) -> str:
    """What changes, for a message: " (MACs 4,358,528 → 426,368)"."""
    a, b = price(before), price(after)
    pairs = (("MACs", a.macs, b.macs), ("live bytes", a.live_bytes, b.live_bytes))
    changed = [f"{name} {x:,} → {y:,}" for name, x, y in pairs if x != y]
    return f" ({', '.join(changed)})" if changed else ""
