"""`trimcap mask`: remove single weights; the masks lie beside the network, and training keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import inputs, outputs
from trimcap.cli.io.answer import Answer, one_of, typed
from trimcap.cli.io.masks import MASKS, masks_in
from trimcap.cli.io.show import share, table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from trimcap.prune.weights.compressed import Storage
    from trimcap.train.masks import Masks

Sparsity = Annotated[float, typer.Option("--sparsity", help="Fraction of the weights that is removed, 0 ≤ s < 1.")]
Layers = Annotated[str, typer.Option("--layers", help="Whose weights: conv, linear, recurrent; commas between.")]
Tensors = Annotated[list[str] | None, typer.Option("--tensor", metavar="NAME", help="This weight only; repeat.")]
Scope = Annotated[str, typer.Option("--scope", help="global: of all weights together; layer: that share of every one.")]
Score = Annotated[str, typer.Option("--score", help="What stays: magnitude, or lamp, which compares layers fairly.")]
AtLeast = Annotated[int, typer.Option("--at-least", min=0, help="Weights that every tensor keeps.")]


def mask(
    network: inputs.NetworkFolder,
    out: outputs.Out,
    sparsity: Sparsity,
    layers: Layers = "conv,linear",
    tensor: Tensors = None,
    scope: Scope = "global",
    score: Score = "magnitude",
    at_least: AtLeast = 1,
    force: outputs.Force = False,
) -> Answer:
    """Remove single weights, the smallest first, and show what that is worth in bytes: dense and compressed.

    The network keeps its shape, and a device sees the dense bytes. `trimcap train OUT …` recovers it with the removed
    weights at zero. A network that has masks already is masked on from there: more weights go, none comes back.
    """
    from trimcap.graph.save import save
    from trimcap.prune.weights.compressed import storage
    from trimcap.prune.weights.unstructured import SCORES, mask_weights

    one_of("score", score, SCORES)
    original = inputs.load_network(network)
    before = masks_in(network, original)
    with typed():
        masks = mask_weights(
            original, sparsity, layers=names_of(layers), tensors=tensor, scope=scope, score=score, at_least=at_least,
            within=before,
        )  # fmt: skip
    options = {"sparsity": sparsity, "layers": layers, "tensors": tensor, "scope": scope, "score": score}
    step = outputs.Step("mask", options | {"at_least": at_least}, network)
    outputs.claim(out, step, force=force)
    small = masks.apply(original)
    with outputs.writing(out, step):
        save(small, out)
        masks.save(out / MASKS)
    stored = {bits: storage(small, bits=bits) for bits in (32, 8)}
    return _answer(masks, stored, sparsity, out)


def _answer(masks: Masks, stored: dict[int, Storage], sparsity: float, out: Path) -> Answer:
    facts: dict[str, Any] = {
        "out": out,
        "note": masks.note,
        "weights": masks.n,
        "removed": masks.removed,
        "requested": sparsity,
        "achieved": masks.sparsity,
        "tensors": masks.table(),
        "storage": {
            f"{bits} bits": {
                "nonzero": s.nonzero, "dense_bytes": s.dense, "compressed_bytes": s.compressed,
                "on_device_bytes": s.on_device,
            }
            for bits, s in stored.items()
        },
    }  # fmt: skip
    rows = [(r["tensor"], r["before"], r["after"], share(r["achieved"])) for r in masks.table()]
    tensors = table(("weights of", "before", "after", "removed"), rows, title=f"single weights ({masks.note})")
    sizes = [(f"{bits} bits", s.dense, s.compressed, s.on_device) for bits, s in stored.items()]
    held = table(("all weights at", "dense, B", "compressed, B", "a device sees, B"), sizes)
    saved = f"saved in {out}, masks in {out / MASKS}; `trimcap train {out} …` keeps them"
    return Answer(facts, [tensors, held, *(f"note: {silent}" for silent in _silent(masks)), saved])


def _silent(masks: Masks) -> list[str]:
    """Layers some of whose filters or units have no weight left."""
    found = []
    for name, kept in masks.kept.items():
        rows = kept.reshape(len(kept), -1).any(1)
        if not bool(rows.all()):
            found.append(
                f"{int((~rows).sum())} of {len(rows)} filters or units of {name} have no weight left; "
                "--scope layer removes the same share of every layer, --at-least keeps some of each"
            )
    return found
