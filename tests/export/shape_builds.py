"""Many small networks of one operation each, compiled apart, run by one program.

Each network is its own C file with one call of its kernel: what a compiler inlines, and warns of, depends on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from export_programs import windows
from numpy.typing import NDArray

from trimcap.export import cortexm
from trimcap.export.build import CODE, STRICT, compile_c, host_compiler, run
from trimcap.export.c.source import emit_c
from trimcap.export.c.text import C_TYPES
from trimcap.program.interpret import interpret
from trimcap.program.program import Program

_WINDOWS = 3


def outputs(programs: Mapping[str, Program], work: Path, *, core: str = "") -> dict[str, NDArray[Any]]:
    """Outputs of all programs on `expected`'s windows, from strictly compiled C; `core` is emulated, else the host."""
    texts, sources = [], []
    for index, program in enumerate(programs.values()):
        c = emit_c(program.with_name(f"net {index}"))
        (work / f"{c.name}.h").write_text(c.header, encoding="ascii")
        (work / f"{c.name}.c").write_text(c.source, encoding="ascii")
        sources.append(work / f"{c.name}.c")
        texts.append((c.name, _calls(program, c.name)))
    body = "".join(f"  if ({name}_all(in, out)) return 2;\n" for name, _ in texts)
    frame = (
        "#include <stdio.h>\n{}\nint main(void)\n{{\n"
        '  FILE *in = fopen("in.bin", "rb"), *out = fopen("out.bin", "wb");\n'
        "  if (!in || !out) return 1;\n{}  return fclose(out);\n}}\n"
    )
    (work / "main.c").write_text(frame.format("\n".join(text for _, text in texts), body), encoding="ascii")
    inputs = [windows(p, _WINDOWS).tobytes() for p in programs.values()]
    (work / "in.bin").write_bytes(b"".join(inputs))
    if core:
        _on_board(cortexm.CORES[core], sources, work)
    else:
        objects = _objects(str(host_compiler()), (), sources, work)
        flags = ("-std=c99", "-O1")
        run(
            [str(compile_c(str(host_compiler()), flags, [work / "main.c", *objects], work / "all", end=("-lm",)))],
            cwd=work,
        )
    return _read(programs, work / "out.bin")


def expected(programs: Mapping[str, Program]) -> dict[str, NDArray[Any]]:
    """The same from the interpreter."""
    return {name: interpret(p, windows(p, _WINDOWS)) for name, p in programs.items()}


def _calls(program: Program, name: str) -> str:
    types = [C_TYPES[program.values[v].dtype] for v in (program.input, program.output)]
    upper = name.upper()
    prepare = (
        f"{name}_quantize(v, x);" if program.integer else f"for (int i = 0; i < {upper}_INPUT_SIZE; i++) x[i] = v[i];"
    )
    return (
        f'#include "{name}.h"\nstatic int {name}_all(FILE *in, FILE *out)\n{{\n'
        f"  static float v[{upper}_INPUT_SIZE];\n  static {types[0]} x[{upper}_INPUT_SIZE];\n"
        f"  static {types[1]} y[{upper}_OUTPUT_SIZE];\n  static {name}_state state;\n"
        f"  for (int i = 0; i < {_WINDOWS}; i++) {{\n"
        f"    if (fread(v, sizeof v, 1, in) != 1) return 1;\n    {prepare}\n    {name}_run(&state, x, y);\n"
        f"    if (fwrite(y, sizeof y, 1, out) != 1) return 1;\n  }}\n  return 0;\n}}\n"
    )


def _objects(compiler: str, flags: tuple[str, ...], sources: list[Path], work: Path) -> list[Path]:
    for start in range(0, len(sources), 50):  # a compiler call has a time limit
        run([compiler, *STRICT, *CODE, *flags, "-c", *map(str, sources[start : start + 50])], cwd=work)
    return [source.with_suffix(".o") for source in sources]


def _on_board(core: cortexm.Core, sources: list[Path], work: Path) -> None:
    for name, text in cortexm.cortexm_files().items():
        (work / name).write_text(text, encoding="ascii")
    objects = _objects("arm-none-eabi-gcc", core.flags, sources, work)
    flags = ("-std=c99", "-O1", *core.flags, "-nostartfiles", "--specs=rdimon.specs", "-Wl,--no-warn-rwx-segments")
    parts = [work / "main.c", work / "cortexm_start.c", *objects]
    image = compile_c(
        "arm-none-eabi-gcc", (*flags, "-T", str(work / "cortexm.ld")), parts, work / "all.elf", end=("-lm",)
    )
    cortexm.emulate(core, image, work, timeout=300)


def _read(programs: Mapping[str, Program], path: Path) -> dict[str, NDArray[Any]]:
    raw, found, at = path.read_bytes(), {}, 0
    for name, program in programs.items():
        y = program.values[program.output]
        count = _WINDOWS * y.size
        found[name] = np.frombuffer(raw, y.dtype, count, at).reshape(_WINDOWS, *y.shape)
        at += _WINDOWS * y.nbytes
    assert at == len(raw)
    return found
