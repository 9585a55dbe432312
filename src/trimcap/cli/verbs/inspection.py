"""`trimcap inspect` and `trimcap cost`: what a network is made of, and what it costs on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse
from trimcap.cli.io.show import cost_change, cost_facts, table, times

if TYPE_CHECKING:
    from trimcap.graph.axes import Axis
    from trimcap.graph.network import Network
    from trimcap.graph.rewrite.rewrite import Rewritten

Bits = Annotated[int, typer.Option("--bits", help="Bits of a weight: 32 (float), or 8 to 2.")]
Rewrite = Annotated[bool, typer.Option("--rewrite", help="Apply exact rewrites first; show before and after.")]
Save = Annotated[Path | None, typer.Option("--out", help="With --rewrite: folder to save the rewritten network in.")]


def inspect(
    model: inputs.Model,
    shape: inputs.Shape = None,
    classes: inputs.Classes = 2,
    option: inputs.Options = None,
    channels: inputs.Channels = None,
) -> Answer:
    """Show a network's axes: what may be pruned, what is frozen and why; operations, constraints and notes."""
    network = inputs.network_of(model, shape=shape, classes=classes, options=option, channels=channels)
    axes = [_axis(axis) for axis in network.axes.values()]
    facts: dict[str, Any] = {
        "origin": network.origin,
        "input": list(network.input_shape),
        "dimensions": list(network.dimensions),
        "channels": list(network.channels),
        "classes": network.n_classes,
        "parameters": network.n_parameters,
        "axes": axes,
        "operations": [
            {"name": n.name, "operation": n.kind, "layer": n.layer, "shape": n.shape} for n in network.nodes
        ],
        "constraints": [vars(rule) for rule in network.constraints],
        "notes": list(network.notes),
        "history": outputs.history(model),
    }
    steps = [step["verb"] for step in facts["history"]]
    return Answer(facts, [*_lines(network, axes), *([f"made by: {' → '.join(steps)}"] if steps else [])])


def cost(
    model: inputs.Model,
    bits: Bits = 32,
    rewrite: Rewrite = False,
    out: Save = None,
    force: outputs.Force = False,
    shape: inputs.Shape = None,
    classes: inputs.Classes = 2,
    option: inputs.Options = None,
) -> Answer:
    """Count parameters, MACs, flash and peak SRAM of the C, per operation and in total, and after exact rewrites."""
    from trimcap.program.cost import BITS
    from trimcap.program.cost import cost as count

    if bits not in BITS:
        raise Misuse(f"--bits {bits} is not a known width; use 32, or 8 to 2")
    if out is not None and not rewrite:
        raise Misuse("--out saves a rewritten network; it needs --rewrite")
    network = inputs.network_of(model, shape=shape, classes=classes, options=option)
    before = count(network, bits=bits)
    found = _rewritten(network)
    after = count(found.network, bits=bits)
    if not rewrite:
        facts = before.to_dict() | {"exported": cost_facts(after)}
        return Answer(facts, [str(before), "", cost_change(before, after)])
    if out is not None:
        from trimcap.cli.io.masks import unmasked
        from trimcap.graph.save import save

        if inputs.is_folder(model):
            unmasked(model, "the network is rewritten")
        folder = model if inputs.is_folder(model) else None
        options = {"model": None if folder else model, "shape": shape, "classes": classes, "option": option}
        step = outputs.Step("cost --rewrite", options | {"applied": list(found.applied)}, folder)
        outputs.claim(out, step, force=force)
        with outputs.writing(out, step):
            save(found.network, out)
    facts = {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "applied": list(found.applied),
        "left": list(found.left),
        "largest_difference": found.error,
        "out": out,
    }
    done = [f"  {words}" for words in found.applied] or ["  nothing to rewrite"]
    left = [f"  {words}" for words in found.left]
    lines = [str(before), "", "rewritten", *done, *(["left as it is", *left] if left else []), "", str(after), ""]
    proof = f"largest difference of the output {found.error:.1e} of its scale (float64, random windows)"
    return Answer(facts, [*lines, cost_change(before, after), proof, *([f"saved in {out}"] if out else [])])


def _rewritten(network: Network) -> Rewritten:
    from trimcap.graph.rewrite.rewrite import rewrite

    return rewrite(network)


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "size": axis.size,
        "kind": axis.kind,
        "prunable": not axis.frozen,
        "frozen": axis.frozen,
        "layers": list(dict.fromkeys(tensor.rpartition(".")[0] or tensor for tensor, _ in axis.members)),
        "members": [list(member) for member in axis.members],
    }


def _lines(network: Network, axes: list[dict[str, Any]]) -> list[Any]:
    shape = ", ".join(f"{size} {name}" for size, name in zip(network.input_shape, network.dimensions, strict=True))
    head = f"{network.origin}: {shape} → {network.n_classes} outputs, {network.n_parameters:,} parameters"
    lines: list[Any] = [head]
    if network.channels:
        lines.append(f"electrodes: {', '.join(network.channels)}")
    free = [(a["name"], a["size"], a["kind"], ", ".join(a["layers"])) for a in axes if a["prunable"]]
    stuck = [(a["name"], a["size"], a["kind"], a["frozen"]) for a in axes if not a["prunable"]]
    lines.append("")
    lines.append(table(("axis", "slices", "kind", "layers that hold it"), free, title="may be pruned"))
    if stuck:
        lines.append(table(("axis", "slices", "kind", "why not"), stuck, title="frozen"))
    nodes = [(n.name, n.kind, n.layer, _shape(n.shape)) for n in network.nodes]
    lines.append(table(("result", "operation", "layer", "shape"), nodes, title=counted(len(nodes), "operation")))
    lines += [f"constraint: {_constraint(rule)}" for rule in network.constraints]
    return [*lines, *(f"note: {note}" for note in network.notes)]


def _constraint(rule: Any) -> str:
    if rule.kind == "max_norm":
        return f"every slice of {rule.tensor} along dimension {rule.dim} has norm ≤ {rule.value:g}"
    return f"{rule.tensor} is trained as magnitude and direction along dimension {rule.dim}"


def _shape(shape: Any) -> str:
    if shape and isinstance(shape[0], tuple):
        return " + ".join(_shape(part) for part in shape)
    return times(shape[1:]) if len(shape) > 1 else times(shape)
