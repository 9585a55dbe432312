"""The memory plan, checked by a simulation that knows nothing of blocks: who wrote which byte last?"""

import numpy as np
import pytest
from export_programs import Maker, ccnn_like, eegnet_like, every_kind

from trimcap.graph.trace.trace import trace
from trimcap.program import memory
from trimcap.program.integers import to_integers
from trimcap.program.kinds.table import KINDS
from trimcap.program.lower.lower import lower
from trimcap.program.memory import plan_memory
from zoo import build

ZOO = ("depth multiplier 2", "residual", "concat", "inception", "squeeze-excitation", "grid")
PROGRAMS = [make(integer=integer) for make in (eegnet_like, ccnn_like, every_kind) for integer in (True, False)]


def planned(program):
    return [KINDS[op.kind].scratch(program, op) for op in program.ops], plan_memory(program)


def lost_values(program, scratch, layout):
    """(operation, input) pairs whose bytes were overwritten before they were read."""
    owner = {name: name for name in program.values}
    memory = {k: np.full(10**5, "", object) for k in ("x", "y", *layout.sizes)}
    lost = []

    def span(name):
        place = layout.places[name]
        return memory[place.where][place.offset : place.offset + program.values[name].nbytes]

    span(program.input)[:] = program.input
    home = "int8" if program.integer else "float32"
    for index, op in enumerate(program.ops):
        for size, offset in zip(scratch[index], layout.scratch[index], strict=True):
            memory[home][offset : offset + size] = f"scratch of {op.name}"
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
    scratch, layout = planned(program)
    assert lost_values(program, scratch, layout) == []
    assert layout.nbytes >= layout.lower_bound > 0
    for name, place in layout.places.items():
        if place.where not in ("x", "y"):
            assert place.where == program.values[name].dtype
            assert place.offset + program.values[name].nbytes <= layout.sizes[place.where]


@pytest.mark.parametrize("name", ZOO)
def test_networks_are_whole_in_their_memory(name):
    real = lower(trace(*build(name)))
    for program in (real, to_integers(real, dict.fromkeys(real.values, (-1.0, 1.0)))):
        scratch, layout = planned(program)
        assert lost_values(program, scratch, layout) == []
        assert max(layout.live) <= layout.nbytes + program.values[program.output].nbytes


def test_the_simulation_sees_a_lifetime_that_ends_early(monkeypatch):
    program, spans = lower(trace(*build("residual"))), memory._lifetimes
    monkeypatch.setattr(memory, "_lifetimes", lambda *given: {n: (a, a) for n, (a, _) in spans(*given).items()})
    assert lost_values(program, *planned(program))


def test_the_simulation_sees_an_overlap():
    program = every_kind(integer=True)
    scratch, layout = planned(program)
    squeezed = {n: type(p)(p.where, 0) for n, p in layout.places.items()}
    broken = type(layout)(squeezed, layout.scratch, layout.sizes, layout.scratch_bytes, layout.live, layout.lower_bound)
    assert lost_values(program, scratch, broken)


def test_functions_work_in_place_and_reshape_is_free():
    m = Maker((1, 4, 64), integer=True)
    h = m.conv("x", 4, (1, 5), padding=(0, 2, 0, 2))
    t = m.act(h)
    r = m.reshape(t, 1024)
    program = m.program(m.linear(r, 2))
    _, layout = planned(program)
    assert layout.places[h] == layout.places[t] == layout.places[r]
    assert layout.places["x"].where == "int8"
    assert layout.places[program.output].where == "y"


def test_the_window_is_overwritten_after_its_last_reader():
    m = Maker((1, 4, 1024), integer=True)
    h = m.conv("x", 1, (1, 5), padding=(0, 2, 0, 2))
    later = m.conv(h, 1, (1, 5), padding=(0, 2, 0, 2))
    program = m.program(m.linear(m.reshape(later, 4096), 2))
    scratch, layout = planned(program)
    assert lost_values(program, scratch, layout) == []
    assert layout.nbytes - layout.scratch_bytes < 3 * 4096  # window, h and later, were they all kept


def test_functions_all_the_way_leave_the_window_in_the_arena():
    m = Maker((1, 4, 16), integer=True)
    program = m.program(m.act(m.act("x")))
    scratch, layout = planned(program)
    assert layout.places["x"].where == "int8"
    assert layout.places[program.output].where == "y"
    assert lost_values(program, scratch, layout) == []


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
    scratch, layout = planned(program)
    assert lost_values(program, scratch, layout) == []
    assert KINDS["mul"].in_place(program, program.ops[3]) == (1,)
