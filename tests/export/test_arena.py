"""The memory plan, checked by a simulation that knows nothing of blocks: who wrote which byte last?"""

import numpy as np
import pytest
from export_programs import Maker, ccnn_like, eegnet_like, every_kind

from trimcap.export.arena import ARENA_TYPES, plan_arena
from trimcap.export.c.source import EMITTERS

PROGRAMS = [make(integer=integer) for make in (eegnet_like, ccnn_like, every_kind) for integer in (True, False)]


def planned(program):
    steps = [EMITTERS[op.kind](program, i, op) for i, op in enumerate(program.ops)]
    return steps, plan_arena(program, steps)


def lost_values(program, steps, layout):
    """(operation, input) pairs whose bytes were overwritten before they were read."""
    owner = {name: name for name in program.values}
    memory = {k: np.full(10**5, "", object) for k in ("x", "y", *layout.sizes)}
    lost = []

    def span(name):
        place = layout.places[name]
        return memory[place.where][place.offset : place.offset + program.values[name].nbytes]

    span(program.input)[:] = program.input
    home = "uint32_t" if program.integer else "float"
    for index, (op, step) in enumerate(zip(program.ops, steps, strict=True)):
        for scratch, offset in zip(step.scratch, layout.scratch[index], strict=True):
            memory[home][offset : offset + scratch.nbytes] = f"scratch of {op.name}"
        lost += [(op.name, name) for name in op.inputs if (span(name) != owner[name]).any()]
        if op.kind == "reshape":
            owner[op.output] = owner[op.inputs[0]]
        else:
            span(op.output)[:] = op.output
    if (span(program.output) != owner[program.output]).any():
        lost.append(("end", program.output))
    return lost


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: f"{p.name}-{'int8' if p.integer else 'float'}")
def test_no_value_is_overwritten_before_its_last_reader(program):
    steps, layout = planned(program)
    assert lost_values(program, steps, layout) == []
    assert layout.nbytes >= layout.lower_bound > 0
    for name, place in layout.places.items():
        if place.where not in ("x", "y"):
            assert place.where == ARENA_TYPES[program.values[name].dtype]
            assert place.offset + program.values[name].nbytes <= layout.sizes[place.where]


def test_the_simulation_sees_an_overlap():
    program = every_kind(integer=True)
    steps, layout = planned(program)
    squeezed = {n: type(p)(p.where, 0) for n, p in layout.places.items()}
    broken = type(layout)(squeezed, layout.scratch, layout.sizes, layout.scratch_bytes, layout.lower_bound)
    assert lost_values(program, steps, broken)


def test_functions_work_in_place_and_reshape_is_free():
    m = Maker((1, 4, 64), integer=True)
    h = m.conv("x", 4, (1, 5), padding=(0, 2, 0, 2))
    t = m.act(h)
    r = m.reshape(t, 1024)
    program = m.program(m.linear(r, 2))
    _, layout = planned(program)
    assert layout.places[h] == layout.places[t] == layout.places[r]
    assert layout.places["x"].where == "uint32_t"
    assert layout.places[program.output].where == "y"


def test_the_window_is_overwritten_after_its_last_reader():
    m = Maker((1, 4, 1024), integer=True)
    h = m.conv("x", 1, (1, 5), padding=(0, 2, 0, 2))
    later = m.conv(h, 1, (1, 5), padding=(0, 2, 0, 2))
    program = m.program(m.linear(m.reshape(later, 4096), 2))
    steps, layout = planned(program)
    assert lost_values(program, steps, layout) == []
    assert layout.nbytes - layout.scratch_bytes < 3 * 4096  # window, h and later, were they all kept


def test_functions_all_the_way_leave_the_window_in_the_arena():
    m = Maker((1, 4, 16), integer=True)
    program = m.program(m.act(m.act("x")))
    steps, layout = planned(program)
    assert layout.places["x"].where == "uint32_t"
    assert layout.places[program.output].where == "y"
    assert lost_values(program, steps, layout) == []


def test_a_value_that_is_read_again_is_not_overwritten():
    m = Maker((1, 4, 64), integer=True)
    h = m.conv("x", 4, (1, 1))
    t = m.act(h)
    program = m.program(m.act(m.add(t, h)))
    _, layout = planned(program)
    assert layout.places[h] != layout.places[t]


def test_a_broadcast_operand_is_not_overwritten():
    m = Maker((4, 1, 16), integer=True)
    a = m.act("x")
    b = m.mean(a, 2)
    gate = m.reshape(b, 4, 1, 1)
    program = m.program(m.act(m.mul(gate, a)))
    steps, layout = planned(program)
    assert lost_values(program, steps, layout) == []
    assert steps[3].in_place == (1,)
