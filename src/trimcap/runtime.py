"""The C of an artifact, compiled for this machine: the fast way to run a compressed network on a CPU."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimcap._files import sha256, write_atomic
from trimcap.export.artifact import Artifact, check_artifact
from trimcap.export.build import BuildError, compile_c, compiler_version, host_compiler
from trimcap.export.c.text import C_TYPES, fill_in
from trimcap.program.interpret import as_input, dequantize
from trimcap.program.program import Program

if TYPE_CHECKING:
    from trimcap.data.expected import Expected

FLAGS = ("-std=c99", "-O3", "-march=native", "-shared", "-fPIC", "-fvisibility=hidden")

#: every call has a state of its own, so that threads may share a library
_WRAPPER = """#include "@NAME@.c"
#include <stddef.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int trimcap_batch(const float *x, @Y@ *y, uint8_t *status, size_t n);
int trimcap_batch(const float *x, @Y@ *y, uint8_t *status, size_t n)
{
  @NAME@_state *const state = malloc(sizeof *state);
  if (!state) return 1;
  for (size_t i = 0; i < n; i++) {
@BODY@
  }
  free(state);
  return 0;
}
"""
_FLOAT_BODY = """    const float *const window = x + i * @UPPER@_INPUT_SIZE;
    status[i] = (uint8_t)@NAME@_run(state, window, y + i * @UPPER@_OUTPUT_SIZE);"""
_INT_BODY = """    status[i] = (uint8_t)@NAME@_quantize(x + i * @UPPER@_INPUT_SIZE, @NAME@_input(state));
    (void)@NAME@_infer(state, y + i * @UPPER@_OUTPUT_SIZE);"""
#: what the C says of a window
OK, CLIPPED, NOT_FINITE = range(3)


@dataclass(frozen=True, eq=False)
class Runner:
    """A loaded network: `runner(X)` gives real-valued outputs, `runner.raw(X)` what the C wrote.

    Every call has working memory of its own: threads may share a runner, and run at the same time.
    """

    program: Program
    library: Path
    _batch: Callable[[int, int, int, int], int]

    def __call__(self, X: Any) -> NDArray[np.float32]:
        """Outputs in real units (logits of a classifier), float32 (n, *output shape).

        Parameters
        ----------
        X : `Windows`, MNE `Epochs`, or float array (n, *input shape) in the real unit of the input (µV, …)

        Raises
        ------
        ValueError : X is not what the network was made for (see `trimcap.data.libraries.door.to_input`), or holds NaN.
        """
        return dequantize(self.program, self.raw(X))

    @property
    def expects(self) -> Expected | None:
        """What is known of the windows it takes; `predict` goes by it."""
        return self.program.expects

    def raw(self, X: Any) -> NDArray[Any]:
        """Outputs in their storage type (int8, int16 or float32), (n, *output shape)."""
        y, status = self._run(self.program, X)
        if (status == NOT_FINITE).any():
            bad = int(np.flatnonzero(status == NOT_FINITE)[0])
            raise ValueError(
                f"window {bad} holds NaN or infinity, or makes them: the network can't decide on it; repair or drop it"
            )
        return y

    def status(self, X: Any) -> NDArray[np.uint8]:
        """What the C says of every window, uint8 (n,), without refusing any.

        0: fine. 1 (integers only): samples beyond the input's range were clamped; many such windows mean another
        unit, electrode or amplifier than in training. 2: NaN or infinity, no decision.
        """
        return self._run(replace(self.program, expects=None), X)[1]  # also of what the door would refuse

    def _run(self, program: Program, X: Any) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        x = np.ascontiguousarray(as_input(program, X))
        value = self.program.values[self.program.output]
        y, status = np.empty((len(x), *value.shape), value.dtype), np.empty(len(x), np.uint8)
        if self._batch(x.ctypes.data, y.ctypes.data, status.ctypes.data, len(x)):
            raise MemoryError(f"no memory for the working memory of '{self.program.name}'")
        return y, status


def load(folder: Path | str, *, cache: Path | str | None = None) -> Runner:
    """Compile an artifact's C for this machine (once; the library is cached) and load it.

    Parameters
    ----------
    folder : artifact
    cache : where compiled libraries are kept; default `$XDG_CACHE_HOME/trimcap` or `~/.cache/trimcap`

    Raises
    ------
    ArtifactError : a file is missing or edited. RuntimeError : there is no C compiler, or it fails.
    """
    artifact = check_artifact(folder)
    compiler = host_compiler()
    if compiler is None:
        raise RuntimeError(
            "no C compiler found: the runtime compiles the artifact's C for this machine. Install gcc or clang "
            "(e.g. `apt install gcc`), or set $CC; `trimcap.program.interpret` runs the network without one, slowly"
        )
    library = _library(artifact, compiler, Path(cache) if cache else _cache_folder())
    return Runner(artifact.program, library, _function(library))


def _function(library: Path) -> Callable[[int, int, int, int], int]:
    function = ctypes.CDLL(str(library)).trimcap_batch
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    function.restype = ctypes.c_int
    batch: Callable[[int, int, int, int], int] = function
    return batch


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "trimcap"


def _wrapper(artifact: Artifact) -> str:
    words = {
        "NAME": artifact.name,
        "UPPER": artifact.name.upper(),
        "Y": C_TYPES[artifact.program.values[artifact.program.output].dtype],
    }
    body = fill_in(_INT_BODY if artifact.program.integer else _FLOAT_BODY, words)
    return fill_in(_WRAPPER, {**words, "BODY": body})


def _library(artifact: Artifact, compiler: str, cache: Path) -> Path:
    """The compiled library, named after everything it depends on; built beside its place, then renamed."""
    # contraction may fuse a product and a sum: more exact, faster; integers have none to fuse
    flags = (*FLAGS, "-ffp-contract=off" if artifact.program.integer else "-ffp-contract=fast")
    wrapper = _wrapper(artifact)
    parts = [artifact.manifest["files"][f"{artifact.name}.{end}"] for end in "ch"]
    key = "\n".join([*parts, wrapper, " ".join(flags), compiler, compiler_version(compiler), _machine()])
    target = cache / f"{artifact.name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.so"
    note = target.with_suffix(".sha256")
    if target.exists() and note.exists() and note.read_text(encoding="utf-8", errors="replace") == sha256(target):
        return target  # else it was damaged, or its build interrupted: it is built again
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".build-") as work:
            source = Path(work) / "wrapper.c"
            source.write_text(wrapper, encoding="ascii")
            include = f"-I{artifact.folder.resolve()}"
            compile_c(compiler, (*flags, include), [source], Path(work) / "library.so", end=("-lm",))
            digest = sha256(Path(work) / "library.so")
            (Path(work) / "library.so").replace(target)
            write_atomic(note, digest)
    except BuildError as error:
        raise RuntimeError(f"the C of '{artifact.folder}' does not compile on this machine: {error}") from error
    except OSError as error:
        raise OSError(
            f"cannot write compiled libraries into '{cache}': {error.strerror}; pass cache= or set XDG_CACHE_HOME"
        ) from error
    return target


def _machine() -> str:
    """What -march=native depends on: a cache folder may be shared by machines with other processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    except OSError:
        import platform

        return " ".join(platform.uname())
