"""Cortex-M4 and Cortex-M7 under QEMU: build, run, measure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from trimcap.export.build import CODE, STRICT, BuildError, compile_c, run
from trimcap.export.harness import MEASURES, Measuring

_MEASURE = (files("trimcap.export") / "arm" / "measure.c.in").read_text(encoding="ascii")
MEASURING = Measuring(
    declarations=_MEASURE,
    run="if (!measured) measure(input, output);",
    finish="if (write_measures()) return 5;",
)
_CALIBRATION = 3_000_000  # instructions of the loop in measure.c.in
_LINK = ("-nostartfiles", "--specs=rdimon.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")


@dataclass(frozen=True)
class Core:
    """A core, the QEMU machine that has it, and where that machine has 16 MiB for large constants."""

    name: str
    machine: str
    flags: tuple[str, ...]
    big: int


CORES = {
    "cortex-m4": Core(
        "cortex-m4", "mps2-an386", ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"), 0x21000000
    ),
    "cortex-m7": Core(
        "cortex-m7", "mps2-an500", ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16"), 0x60000000
    ),
}


def missing_tools() -> str | None:
    """Why no Cortex-M can be emulated here, or None."""
    lacking = [t for t in ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm") if not shutil.which(t)]
    return f"{', '.join(lacking)} not installed" if lacking else None


def cortexm_files() -> dict[str, str]:
    """Start-up code and linker script of the emulated boards, by file name."""
    folder = files("trimcap.export") / "arm"
    return {name: (folder / name).read_text(encoding="ascii") for name in ("cortexm_start.c", "cortexm.ld")}


def object_size(core: Core, source: Path, work: Path) -> tuple[int, int]:
    """Flash (code, constants, initial data) and static RAM of one C file compiled strictly, bytes."""
    target = compile_c(
        "arm-none-eabi-gcc", (*STRICT, *CODE, *core.flags, "-c"), [source], work / f"{source.stem}.{core.name}.o"
    )
    text, data, bss = run(["arm-none-eabi-size", str(target)]).splitlines()[1].split()[:3]
    return int(text) + int(data), int(data) + int(bss)


def link_image(core: Core, harness: Path, work: Path, *, include: Path) -> Path:
    """The emulated board's image; constants move to the large memory when they do not fit beside the code.

    Raises
    ------
    BuildError : neither place is large enough; says by how much.
    """
    for name, text in cortexm_files().items():
        (work / name).write_text(text, encoding="ascii")
    flags = ("-std=c99", *CODE, *core.flags, f"-I{include.resolve()}", "-c")
    parts = [
        compile_c("arm-none-eabi-gcc", flags, [source], work / f"{source.stem}.o")
        for source in (harness, work / "cortexm_start.c")
    ]
    try:
        return _link(core, parts, work, "cortexm.ld")
    except BuildError as error:
        if "overflowed" not in str(error):
            raise
    (work / "cortexm-big.ld").write_text(_with_big(cortexm_files()["cortexm.ld"], core.big), encoding="ascii")
    try:
        return _link(core, parts, work, "cortexm-big.ld")
    except BuildError as error:
        found = re.search(r"region `(\w+)' overflowed by (\d+) bytes", str(error))
        if not found:
            raise
        place = {"RAM": "4 MiB of RAM", "FLASH": "4 MiB for code", "BIG": "16 MiB for constants"}[found[1]]
        raise BuildError(
            f"the network does not fit the emulated {core.name} board ({core.machine}): {place} overflowed by "
            f"{int(found[2]) / 1024:.0f} KiB; prune it further or verify on the host only"
        ) from error


def emulate(core: Core, image: Path, work: Path, *, timeout: float) -> None:
    """Run an image to its end in `work`; it reads and writes files there through semihosting.

    Raises
    ------
    BuildError : it ends with another status than 0.
    """
    semihosting = ["-semihosting-config", "enable=on,target=native", "-icount", "shift=0"]
    board = ["-M", core.machine, "-nographic", "-monitor", "none", "-serial", "null"]
    run(["qemu-system-arm", *board, *semihosting, "-kernel", str(image)], cwd=work, timeout=timeout)


def read_measures(work: Path) -> tuple[int, int, int]:
    """Bytes of stack and of state, and instructions of one inference, from what the image wrote."""
    stack, state, calibration, low, high = (int(v) for v in np.fromfile(work / MEASURES, np.uint32))
    return stack, state, round((low + (high << 32)) * _CALIBRATION / max(calibration, 1))


def _link(core: Core, parts: Sequence[Path], work: Path, script: str) -> Path:
    flags = (*core.flags, *_LINK, "-T", str(work / script))
    return compile_c("arm-none-eabi-gcc", flags, parts, work / f"{core.name}.elf", end=("-lm",))


def _with_big(script: str, origin: int) -> str:
    memory = f"  BIG (r) : ORIGIN = 0x{origin:08x}, LENGTH = 16M\n}}\nENTRY"
    head, tail = script.split("}\nENTRY", 1)
    lines = [re.sub(r"> FLASH$", "> BIG", line) if ".rodata" in line else line for line in tail.split("\n")]
    return head + memory + "\n".join(lines)
