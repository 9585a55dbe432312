"""Rules of rewriting applied wherever they are exact, whatever they cost."""

from __future__ import annotations

from collections.abc import Callable

from trimcap.graph.network import Network
from trimcap.graph.rewrite import fold, spatial, tidy
from trimcap.graph.rewrite.change import Rule


def everywhere(rule: Rule, *, words: str = "", once: bool = False) -> Callable[[Network], Network]:
    """Every change of a rule whose words begin so; with `once`, only once per place."""

    def apply(network: Network) -> Network:
        done: set[str] = set()
        while True:
            offered = (c for c in rule(network) if c.network is not None and c.words.startswith(words))
            change = next((c for c in offered if c.place not in done), None)
            if change is None:
                return network
            network = change.network
            if once:
                done.add(change.place)

    apply.__name__ = rule.__name__
    return apply


fold_batch_norm, fold_constants = everywhere(fold.fold_batch_norm), everywhere(fold.fold_constants)
remove_dropout, merge_reshapes = everywhere(tidy.remove_dropout), everywhere(tidy.merge_reshapes)
evaluate_constants, fold_padding = everywhere(tidy.evaluate_constants), everywhere(tidy.fold_padding)
merge_linear = everywhere(spatial.merge_linear)
#: swapping twice would undo it
spatial_first = everywhere(spatial.spatial_first, words="put ", once=True)
merge_filters = everywhere(spatial.spatial_first, words="merged ")
