"""Recurrent layers: rows of the weights are gates × hidden units."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from trimcap.graph.node import Node, refs
from trimcap.graph.ops.atoms import Dim, freeze, fresh, unify
from trimcap.graph.ops.walk import Dims, Reader, Walk, not_understood

if TYPE_CHECKING:
    from trimcap.graph.network import Network

#: how many gates each has
RECURRENT = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}


def recurrent(walk: Walk, node: Node) -> Any:
    """GRU, LSTM, RNN: one hidden unit is a row of every gate, a column of what reads the state, and an output.

    The operation has one number of hidden units for all its layers and directions: they go together. With a
    projection (LSTM) the projected state has units of its own, which are free; those of the layer stay.
    """
    x, weights = walk.of(node.args[0]), node.args[2]
    if len(walk.shape(node.args[0])) != 3 or not isinstance(weights, tuple):
        return not_understood(walk, node)
    directions = 2 if node.args[7] else 1
    cells = node.args[4] * directions
    each = len(weights) // cells
    biases = 2 if node.args[3] else 0
    states = [walk.of(ref) for ref in refs(node.args[1])]
    if len(weights) != each * cells or each - biases not in (2, 3):
        return not_understood(walk, node)
    hidden = fresh(walk.shape(weights[1])[0] // RECURRENT[node.kind])
    projected = each - biases == 3
    output = fresh(node.shape[0][2] // directions) if projected else hidden
    if projected:  # torch knows a projection by its having fewer units than the layer
        freeze(hidden, f"units before a projection at {node.where}")
    both = fresh(directions, f"directions of {node.where}")
    for number in range(cells):
        reads = x[-1] if number < directions else (*both, *output)
        cell = [walk.of(ref) for ref in weights[number * each : (number + 1) * each]]
        _cell(cell, reads, hidden, output, projected, node)
    return _results(walk, node, states, hidden, output, both)


def _cell(cell: list[Dims], reads: Dim, hidden: Dim, output: Dim, projected: bool, node: Node) -> None:
    """Weights of one layer in one direction: of the input, of the state, two biases, the projection."""
    gates = fresh(RECURRENT[node.kind], f"gates of {node.where}")
    why = f"hidden state of {node.where}"
    vectors = cell[2:-1] if projected else cell[2:]
    for rows in (cell[0][0], cell[1][0], *(vector[0] for vector in vectors)):
        unify(rows, (*gates, *hidden), why)
    unify(cell[0][1], reads, f"inputs of {node.where}")
    unify(cell[1][1], output, why)
    if projected:
        unify(cell[-1][0], output, why)
        unify(cell[-1][1], hidden, why)


def _results(walk: Walk, node: Node, states: list[Dims], hidden: Dim, output: Dim, both: Dim) -> Any:
    x, batch_first = walk.of(node.args[0]), node.args[8]
    time, batch = (1, 0) if batch_first else (0, 1)
    freeze(x[time], f"time steps of {node.where}")
    why = f"layers and directions of {node.where}"
    for state, units in zip(states, (output, hidden), strict=False):
        freeze(state[0], why)
        unify(state[1], x[batch], f"first state of {node.where}")
        unify(state[2], units, f"first state of {node.where}")
    sequence = tuple((*both, *output) if i == 2 else x[i] for i in range(3))
    cells = node.shape[1][0]
    final = tuple((fresh(cells, why), x[batch], units) for units in (output, hidden))
    return (sequence, *final[: len(node.shape) - 1])


def recurrent_macs(network: Network, node: Node) -> int:
    """Time steps · numel(weight matrices)."""
    steps = prod(network.shape_of(node.inputs[0])[:-1])
    shapes = [network.shape_of(name) for name in dict.fromkeys(node.inputs) if name in network.tensors]
    return steps * sum(prod(shape) for shape in shapes if len(shape) == 2)


def reads_columns(node: Node) -> list[Reader]:
    """The columns of every weight matrix: inputs and states."""
    return [(ref.name, lambda rank: [1] if rank == 2 else []) for ref in node.args[2]]
