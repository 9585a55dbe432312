"""Compilers: where they are, which flags, and what they said."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
#: gcc would otherwise turn copy loops into calls of memcpy and memset; -ffp-contract=off keeps float sums as written
CODE = ("-O3", "-ffp-contract=off", "-fno-tree-loop-distribute-patterns")
SANITIZE = ("-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class BuildError(RuntimeError):
    """A compiler, linker or built program failed; holds its message."""


def host_compiler() -> str | None:
    """The command in `$CC` with its options ("ccache gcc -m64"), or the first of gcc, clang, cc that is installed."""
    wanted = os.environ.get("CC", "").strip()
    if not wanted:
        return next((shlex.quote(path) for path in map(shutil.which, ("gcc", "clang", "cc")) if path), None)
    whole = shutil.which(wanted)  # a path with spaces, as it is
    first, *options = [whole] if whole else shlex.split(wanted)
    found = shutil.which(first)
    return shlex.join([found, *options]) if found else None


def compiler_version(compiler: str) -> str:
    """First line of `compiler --version`."""
    return run([*shlex.split(compiler), "--version"]).splitlines()[0]


def compile_c(
    compiler: str, flags: Sequence[str], sources: Sequence[Path], output: Path, *, end: Sequence[str] = ()
) -> Path:
    """Compile C sources with a command of `host_compiler`; `end` comes after them (libraries).

    Raises
    ------
    BuildError : the first lines of the compiler's message.
    """
    run([*shlex.split(compiler), *flags, *map(str, sources), "-o", str(output), *end])
    return output


def run(command: Sequence[str], *, cwd: Path | None = None, timeout: float = 600) -> str:
    """Standard output of a command.

    Raises
    ------
    BuildError : it exits non-zero, runs too long, or does not exist.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=timeout, capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{name} was stopped after {timeout:g} s") from error
    except OSError as error:
        raise BuildError(f"{name} could not be started: {error}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise BuildError(f"{name} ended with {done.returncode}: " + "\n".join(lines[:12]))
    return done.stdout
