"""One C99 file and header from a Program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod

import numpy as np

from trimcap import __version__
from trimcap.export.c.about import About, about_macros
from trimcap.export.c.conv import conv, linear
from trimcap.export.c.copies import concat, pad, permute, slice_
from trimcap.export.c.frame import FINITE, FRAME, HEADER, QUANTIZE
from trimcap.export.c.maps import map_, table
from trimcap.export.c.norms import layer_norm, softmax
from trimcap.export.c.pair import add, mul
from trimcap.export.c.pool import avg_pool, max_pool, mean
from trimcap.export.c.product import matmul
from trimcap.export.c.step import Step, c_type
from trimcap.export.c.text import ExportError, array, comment, fill_in, float_literal, identifier
from trimcap.program.interpret import input_factors
from trimcap.program.kinds.table import KINDS
from trimcap.program.memory import MemoryPlan, Place, plan_memory, scratch_home
from trimcap.program.program import Op, Program

EMITTERS: dict[str, Callable[[Program, int, Op], Step]] = {
    "conv": conv,
    "linear": linear,
    "map": map_,
    "table": table,
    "avg_pool": avg_pool,
    "max_pool": max_pool,
    "mean": mean,
    "add": add,
    "mul": mul,
    "matmul": matmul,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "concat": concat,
    "pad": pad,
    "permute": permute,
    "slice": slice_,
    "reshape": lambda _program, _index, _op: Step(""),
}


@dataclass(frozen=True)
class CSource:
    """C of one network.

    name : identifier in front of every public name; `NAME.c` and `NAME.h` are the file names
    arena_bytes : working memory of one call, `sizeof(NAME_state)`; the input window and scratch are in it
    scratch_bytes : the largest scratch of one operation
    digest : SHA-256 of the program
    """

    name: str
    header: str
    source: str
    arena_bytes: int
    scratch_bytes: int
    digest: str


def emit_c(program: Program, *, unit: str = "µV", about: About | None = None) -> CSource:
    """Write a program as C99: no heap, no recursion, no library but `math.h` for float, none for integers.

    Parameters
    ----------
    program : float32 or int8
    unit : unit of the network's input, for comments
    about : what is known of the input, for macros; default: its unit

    Raises
    ------
    ExportError : an operation has no C; names it.
    """
    name = identifier(program.name)
    steps = [_step(program, index, op) for index, op in enumerate(program.ops)]
    if program.output == program.input or _only_reshapes(program):
        raise ExportError(f"program '{program.name}' computes nothing: its output is its input")
    layout = plan_memory(program)
    words = _words(program, name, layout, unit if about is None else about.unit)
    words["ABOUT"] = about_macros(program, name.upper(), about or About(unit), words["DIGEST"])
    body = "".join(_statement(program, index, op, step, layout) for index, (op, step) in
                   enumerate(zip(program.ops, steps, strict=True)))  # fmt: skip
    kernels = "\n".join(dict.fromkeys((FINITE, *(text for step in steps for text in step.kernels))))
    constants = "\n".join(
        f"/* {index} {comment(op.name)} */\n{''.join(map(str, step.constants))}"
        for index, (op, step) in enumerate(zip(program.ops, steps, strict=True))
        if step.constants
    )
    window = _pointer(layout.places[program.input], c_type(program.values[program.input]), of="state->")
    sections = {"KERNELS": kernels, "CONSTANTS": constants, "BODY": body, "POINTERS": _pointers(layout)}
    words |= {"WINDOW": window, "FIELDS": _fields(layout)}
    ends = _ENDS[program.integer]
    extra = fill_in(QUANTIZE, words) if program.integer else ""
    source = fill_in(FRAME, {**ends, **words, "QUANTIZE": extra, **sections})
    return CSource(
        name, fill_in(HEADER, {**ends, **words}), source, layout.nbytes, layout.scratch_bytes, words["DIGEST"]
    )


def digest(program: Program) -> str:
    """SHA-256 over graph, values and constants."""
    graph = {
        "input": program.input,
        "output": program.output,
        "values": [asdict(v) for v in program.values.values()],
        "ops": [{**vars(op), "attrs": dict(op.attrs), "constants": dict(op.constants)} for op in program.ops],
    }
    state = hashlib.sha256(json.dumps(graph, sort_keys=True).encode())
    for key in sorted(program.constants):
        value = np.ascontiguousarray(program.constants[key])
        state.update(f"{key} {value.dtype} {value.shape}".encode())
        state.update(value.tobytes())
    return state.hexdigest()


def _only_reshapes(program: Program) -> bool:
    made_by = {op.output: op for op in program.ops}
    name = program.output
    while name in made_by and KINDS[made_by[name].kind].view:
        name = made_by[name].inputs[0]
    return name == program.input


def _step(program: Program, index: int, op: Op) -> Step:
    if op.kind not in EMITTERS:
        raise ExportError(f"operation '{op.name}': no C for kind '{op.kind}'; known: {', '.join(sorted(EMITTERS))}")
    return EMITTERS[op.kind](program, index, op)


def _pointer(place: Place, ctype: str, *, of: str = "") -> str:
    """C expression of a place; arrays of other element types are cast through character types only."""
    if place.where == "y":
        return place.where
    element, name, item = _ARRAYS[place.where]
    if place.where == "int8" and ctype != element:
        return f"({ctype} *){of}{name} + {place.offset}"
    return f"{of}{name} + {place.offset // item}"


def _statement(program: Program, index: int, op: Op, step: Step, layout: MemoryPlan) -> str:
    y = program.values[op.output]
    target = _pointer(layout.places[op.output], c_type(y))
    words = {f"x{i}": _pointer(layout.places[n], c_type(program.values[n])) for i, n in enumerate(op.inputs)}
    for i, (ctype, offset) in enumerate(zip(step.scratch, layout.scratch[index], strict=True)):
        words[f"s{i}"] = _pointer(Place(scratch_home(program), offset), ctype)
    shape = " x ".join(map(str, y.shape))
    title = f"  /* {index} {op.kind} {comment(op.name)} -> {shape} {y.dtype} */\n"
    call = f"  {step.call.format(y=target, **words)}\n" if step.call else ""
    return f"{title}{call}  TRACE({index}, {target}, {y.nbytes});\n"


#: arrays of the state, those of 4 bytes first, so that no padding lies between: storage type → (element, name, bytes of
#: an element); int8 may lie in any array
_ARRAYS = {"float32": ("float", "arena", 4), "int8": ("uint32_t", "arena", 4), "int16": ("int16_t", "arena_wide", 2)}


def _fields(layout: MemoryPlan) -> str:
    return "".join(
        f"  {element} {name}[{layout.sizes[dtype] // item}];\n"
        for dtype, (element, name, item) in _ARRAYS.items()
        if layout.sizes.get(dtype)
    )


def _pointers(layout: MemoryPlan) -> str:
    return "".join(
        f"  {element} *const {name} = state->{name};\n"
        for dtype, (element, name, _) in _ARRAYS.items()
        if layout.sizes.get(dtype)
    )


def _words(program: Program, name: str, layout: MemoryPlan, unit: str) -> dict[str, str]:
    x, y = program.values[program.input], program.values[program.output]
    factors = input_factors(program)
    by_channel = f"input_factors[i / {x.size // len(factors)}]"
    classes = ", ".join(program.classes) or "not named"
    includes = "" if program.integer else "#include <math.h>\n"
    return {
        "NAME": name,
        "UPPER": name.upper(),
        "TITLE": comment(program.name),
        "VERSION": __version__,
        "DIGEST": digest(program),
        "UNIT": comment(unit),
        "X": c_type(x),
        "Y": c_type(y),
        "X_SHAPE": " x ".join(map(str, x.shape)),
        "Y_SHAPE": " x ".join(map(str, y.shape)),
        "X_SIZE": str(prod(x.shape)),
        "Y_SIZE": str(prod(y.shape)),
        "CLASSES": comment(classes),
        "ARENA_BYTES": str(layout.nbytes),
        "SCRATCH_BYTES": str(layout.scratch_bytes),
        "FLASH_BYTES": str(program.flash_bytes),
        "INCLUDES": includes,
        "LIBRARIES": "no library function, if gcc is told -fno-tree-loop-distribute-patterns (else memmove)"
        if program.integer
        else "nothing but math.h",
        "MACROS": _scale_macros(program, name.upper()),
        "RETURNS": "OK always: integers are finite." if program.integer else _NOT_FINITE,
        "PROTOTYPES": fill_in(QUANTIZE_PROTOTYPE, {"NAME": name, "UNIT": comment(unit)}) if program.integer else "",
        "FACTOR": by_channel if x.scales else float_literal(factors[0]),
        "FACTORS": array("float", "input_factors", factors) if x.scales else "",
        "Z": str(x.zero_point),
        "LOW": f"{-128 - x.zero_point}.0f",
        "HIGH": f"{127 - x.zero_point}.0f",
    }


_NOT_FINITE = "NOT_FINITE, and outputs of NaN, if the window or an output is not finite."
#: what differs between integers and floats in the frame
_ENDS = {
    True: {
        "BEFORE": "",
        "AFTER": "  return @UPPER@_OK;\n",
        "REFUSE": "",
        "UNDECIDED": "",
        "SATURATES": " Samples beyond\n   the input's range are clamped, and it does not say so: @NAME@_quantize does.",
        "CLASSIFY": "@NAME@_quantize(x, @NAME@_input(state));\n"
        "  if (status != @UPPER@_NOT_FINITE) (void)@NAME@_infer(state, y)",
    },
    False: {
        "BEFORE": """  int finite = !not_finite(@WINDOW@, @UPPER@_INPUT_SIZE);
""",
        "AFTER": """  finite = finite && !not_finite(y, @UPPER@_OUTPUT_SIZE);
  if (!finite)
    for (int i = 0; i < @UPPER@_OUTPUT_SIZE; i++) y[i] = NAN;
  return finite ? @UPPER@_OK : @UPPER@_NOT_FINITE;
""",
        "REFUSE": "  if (not_finite(y, @UPPER@_OUTPUT_SIZE)) return @UPPER@_NO_DECISION;\n",
        "UNDECIDED": "; NO_DECISION if an output is NaN or infinite",
        "SATURATES": "",
        "CLASSIFY": "@NAME@_run(state, x, y)",
    },
}

QUANTIZE_PROTOTYPE = """
/* One window in @UNIT@ to the integers that @NAME@_run takes, in float, each operation rounded:
   q = clamp((int)(v + copysignf(0.5f, v)) + zero point, -128, 127) with v = x * (1.0f / scale);
   NaN gives the zero point. OK, CLIPPED or NOT_FINITE, the last if a sample is NaN or infinite. */
int @NAME@_quantize(const float *x, int8_t *q);
"""


def _scale_macros(program: Program, upper: str) -> str:
    if not program.integer:
        return ""
    x, y = program.values[program.input], program.values[program.output]
    scale = f"INPUT_SCALE {_scale(x.scale)}"
    if x.scales:
        listed = ", ".join(map(_decimal, x.scales))
        scales = f"{upper}_INPUT_SCALES {{{listed}}} /* static const float scales[] = {upper}_INPUT_SCALES; */"
        scale = f"INPUT_CHANNELS {len(x.scales)}\n#define {scales}"
    words = (scale, f"INPUT_ZERO_POINT ({x.zero_point})", f"OUTPUT_SCALE {_scale(y.scale)}",
             f"OUTPUT_ZERO_POINT ({y.zero_point})")  # fmt: skip
    return "\n/* real = scale * (integer - zero point) */\n" + "".join(f"#define {upper}_{word}\n" for word in words)


def _scale(value: float) -> str:
    return f"{_decimal(value)} /* {float_literal(value).rstrip('f')} */"


def _decimal(value: float) -> str:
    """A float32 as a decimal literal of nine digits, which is exact: C++ before 2017 has no hexadecimal ones."""
    text = f"{float(np.float32(value)):.9g}"
    return text + ("f" if set(text) & set(".e") else ".0f")
