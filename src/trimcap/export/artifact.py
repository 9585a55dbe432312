"""An artifact: a folder with the C of a network, golden windows, a self-test and a manifest of hashes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimcap import __version__
from trimcap._errors import ArtifactError
from trimcap._files import full_disk, make_folder
from trimcap._sealed import Kind, listed, seal, unseal
from trimcap.export.c.about import About
from trimcap.export.c.source import CSource, digest, emit_c
from trimcap.export.cortexm import cortexm_files
from trimcap.export.makefile import makefile
from trimcap.export.self_test import self_test
from trimcap.program.cost import program_cost
from trimcap.program.interpret import as_input, interpret, quantize_input
from trimcap.program.program import Program
from trimcap.program.save import CONSTANTS, GRAPH, load_program, save_program

if TYPE_CHECKING:
    from trimcap.data.expected import Expected
    from trimcap.data.preprocess.chain import Chain

MANIFEST, GOLDEN = "manifest.json", "golden.safetensors"
FLOAT_TOLERANCE = 1e-5
_SIDE = {"shape": [int], "dtype": str, "scale": float, "zero_point": int}
ARTIFACT = Kind(
    "artifact",
    "trimcap artifact 2",
    {
        **dict.fromkeys(("trimcap", "name", "program_sha256", "unit"), str),
        "input": {**_SIDE, "scales": [float]},
        "output": _SIDE,
        **{key: [str] for key in ("channels", "steps", "classes")},
        "rate_hz": (None, float),
        "chain": {"sha256": (None, str), "delay_s": (None, float)},
        "from_counts": bool,
        "tolerance": float,
        "golden": {"n": int, "ids": [str], "labels": (None, [int])},
        "operations": int,
        "fidelity": (None, {str: Any}),
        "cost": {str: Any},
        str: Any,
    },
    "export the artifact again",
)


@dataclass(frozen=True, eq=False)
class Artifact:
    """What `check_artifact` read: a folder whose files all have the hashes of its manifest."""

    folder: Path
    name: str
    program: Program
    manifest: Mapping[str, Any]

    @property
    def tolerance(self) -> float:
        """Accepted difference: 0 for integers, relative to the scale of an operation for floats."""
        return float(self.manifest["tolerance"])

    def golden(self) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Golden windows (n, *input shape) in the real unit, and the raw outputs of the interpreter."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(listed(self.folder / MANIFEST, self.manifest, GOLDEN, ARTIFACT))
            return tensors["x"], tensors["y"]
        except (SafetensorError, KeyError, ValueError) as error:
            raise ArtifactError(f"{self.folder / GOLDEN} is damaged: {error!r}; {ARTIFACT.again}") from error


def export(
    program: Program,
    folder: Path | str,
    *,
    golden: Any,
    ids: Sequence[str] | None = None,
    labels: Sequence[int] | NDArray[Any] | None = None,
    cost: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    unit: str | None = None,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    chain: Chain | None = None,
    device_rate: float | None = None,
    device_channels: Sequence[str] | None = None,
    embedded: int = 4,
) -> Path:
    """Write a network as an artifact; the folder appears as a whole or not at all.

    Parameters
    ----------
    program : float32 or int8
    folder : is made; replaced only if it is an artifact already
    golden : `Windows`, or float array (n, *input shape) in the real unit, n ≥ 1: replayed by every check
    ids, labels : name and class of every golden window (taken from `Windows`)
    cost : further numbers for the manifest, e.g. of a measurement
    tolerance : accepted difference from the interpreter; default 0 for integers, 1e-5 of an operation's scale
        for floats
    unit, channels, rate : unit of the input, electrode names, sampling rate in Hz (taken from `Windows`)
    chain : the steps that make the input of a recording; its hash and its delay go into header and manifest
    device_rate, device_channels : what the chain is given by the headset; default: rate (if no step resamples) and
        electrodes of the input
    embedded : golden windows inside the self-test; all are in `golden.safetensors`

    Returns
    -------
    the folder

    Raises
    ------
    ExportError : an operation has no C. ArtifactError : `folder` holds something else. OSError : it can't be
    written. ValueError : no golden window, or others than the network was made for; a step of one's own before the
    network does not declare its effect (`trimcap.data.Effect`); `chain` is not what the network's windows were made by.
    """
    if not isinstance(program, Program):
        raise TypeError(
            f"export takes a Program, not {type(program).__name__}: `quantize_network(…).program` is one in integers, "
            "`lower(network)` one in float32"
        )
    folder = Path(folder)
    X = _golden_windows(program, golden)
    program, known = _known(program, golden)
    about = _about(known, chain, device_rate, device_channels, unit, channels, rate)
    tolerance = tolerance if tolerance is not None else 0.0 if program.integer else FLOAT_TOLERANCE
    c = emit_c(program, about=about)
    facts: dict[str, Any] = {
        "unit": about.unit,
        "channels": list(about.channels),
        "rate_hz": about.rate,
        "steps": list(about.steps),
        "chain": {"sha256": about.chain or None, "delay_s": about.delay},
        "from_counts": about.from_counts,
        "tolerance": tolerance,
    }
    names = [str(i) for i in (ids if ids is not None else getattr(golden, "ids", range(len(X))))]
    y = labels if labels is not None else getattr(golden, "y", None)
    facts["golden"] = {"n": len(X), "ids": names, "labels": None if y is None else [int(v) for v in y]}
    _refuse_foreign(folder)
    make_folder(folder.parent)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with full_disk(folder):
            _write_files(draft, program, c, X, min(embedded, len(X)), tolerance)
            files = [path.name for path in sorted(draft.iterdir())]
            seal(draft / MANIFEST, ARTIFACT, _manifest(program, c, facts, cost), files=files)
        draft.chmod(0o755)
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def check_artifact(folder: Path | str) -> Artifact:
    """Read an artifact and prove that no file is missing or edited, the manifest included.

    Raises
    ------
    ArtifactError : names the file, and both hashes of one that the manifest lists.
    """
    folder = Path(folder)
    manifest, path = _read_manifest(folder), folder / MANIFEST
    name = manifest["name"]
    needed = (f"{name}.c", f"{name}.h", f"{name}_test.c", "Makefile", GRAPH, CONSTANTS, GOLDEN)
    for file in (*needed, *(file for file in manifest["files"] if file not in needed)):
        listed(path, manifest, file, ARTIFACT)
    program = load_program(folder)
    for key, value in _of_program(program).items():
        if manifest[key] != value:
            raise ArtifactError(f"{path} says another '{key}' than the program beside it has; {ARTIFACT.again}")
    return Artifact(folder, name, program, manifest)


def _about(
    known: Expected,
    chain: Chain | None,
    device_rate: float | None,
    device_channels: Sequence[str] | None,
    unit: str | None,
    channels: Sequence[str] | None,
    rate: float | None,
) -> About:
    """What header and manifest say of the input.

    Raises
    ------
    ValueError : a step does not say what it does to the numbers, or is none that the windows were made by.
    """
    from trimcap.data.preprocess.effects import UNDECLARED, computing

    silent = [step.name for step in chain.steps if step.effect is None] if chain and unit is None else []
    unit = str(unit or known.unit or "µV")
    if silent or unit.startswith(UNDECLARED):
        raise ValueError(
            f"the unit of the input is unknown: {', '.join(silent) or unit} does not declare what it does to the "
            "numbers. Set its attribute effect = trimcap.data.Effect(unit=…, scale=…, …) and make the windows again, "
            "or pass unit= (--unit) if it is known otherwise"
        )
    if chain is not None and (foreign := foreign_to(known.steps, chain)):
        raise ValueError(
            f"the chain says {'; '.join(foreign)}, but the network's windows were made by: {'; '.join(known.steps)}. "
            "Give the chain that made them"
        )
    made = About(
        unit=unit,
        channels=tuple(map(str, known.channels if channels is None else channels)),
        rate=known.rate if rate is None else float(rate),
        steps=known.steps,
        computing=computing(known.steps),
    )
    if chain is None:
        return made
    computes = tuple(step.words for step in chain.steps if step.effect is None or step.effect.numbers)
    made = replace(made, chain=chain.hash, steps=made.steps or chain.words, computing=made.computing or computes)
    resampled = any(step.effect is not None and step.effect.rate for step in chain.steps)
    start, cap = device_rate or (None if resampled else made.rate), device_channels or made.channels
    if start is None or not cap:
        return made  # the delay depends on them
    try:
        return replace(made, delay=chain.stream(float(start), tuple(cap)).delay)
    except ValueError:  # it needs the future, and has no delay that a device could keep
        return made


def foreign_to(steps: Sequence[str], chain: Chain) -> tuple[str, ...]:
    """What a chain does up to the windows, in words, if `steps` say that these were made otherwise; else ()."""
    from trimcap.data.preprocess.run import Order

    words = Order.of(chain.steps).words
    known = any(step.startswith("cut into ") for step in steps)
    return words if known and tuple(steps[: len(words)]) != words else ()


def _known(program: Program, golden: Any) -> tuple[Program, Expected]:
    """The program with what is known of its input, from the golden windows if it did not know by itself."""
    from trimcap.data.expected import Expected
    from trimcap.data.windows import Windows

    if program.expects is None and isinstance(golden, Windows):
        program = replace(program, expects=Expected.of(golden))
    return program, program.expects or Expected()


def _golden_windows(program: Program, golden: Any) -> NDArray[np.float32]:
    X = np.ascontiguousarray(as_input(program, golden, finite=True))
    if not len(X):
        raise ValueError("there are no golden windows; pass some, cut and scaled as for training")
    return X


def _write_files(
    draft: Path, program: Program, c: CSource, X: NDArray[np.float32], embedded: int, tolerance: float
) -> None:
    from safetensors.numpy import save

    y = interpret(program, X)
    tensors: dict[str, NDArray[Any]] = {"x": X, "y": np.ascontiguousarray(y)}
    if program.integer:
        tensors["q"] = np.ascontiguousarray(quantize_input(program, X))
    (draft / GOLDEN).write_bytes(save(tensors))  # `save_file` makes a file that only its owner reads
    save_program(program, draft)
    test = self_test(program, c, X[:embedded], y[:embedded], tolerance=tolerance)
    texts = {f"{c.name}.c": c.source, f"{c.name}.h": c.header, f"{c.name}_test.c": test,
             "Makefile": makefile(c.name, integer=program.integer), **cortexm_files()}  # fmt: skip
    for name, text in texts.items():
        (draft / name).write_text(text, encoding="utf-8")


def _manifest(program: Program, c: CSource, facts: Mapping[str, Any], cost: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "trimcap": __version__,
        "name": c.name,
        **_of_program(program),
        **facts,
        "fidelity": dict(program.measured) or None,
        "cost": {
            "flash_bytes": program.flash_bytes,
            "arena_bytes": c.arena_bytes,
            "scratch_bytes": c.scratch_bytes,
            "macs": program_cost(program).macs,
            **(cost or {}),
        },
    }


def _of_program(program: Program) -> dict[str, Any]:
    """What the manifest repeats: what goes in and what comes out, and what computes it."""
    x, y = program.values[program.input], program.values[program.output]
    sides: dict[str, dict[str, Any]] = {
        side: {"shape": list(v.shape), "dtype": v.dtype, "scale": v.scale, "zero_point": v.zero_point}
        for side, v in (("input", x), ("output", y))
    }
    sides["input"]["scales"] = list(x.scales)
    named = {"program_sha256": digest(program), "classes": list(program.classes), "operations": len(program.ops)}
    return {**named, **sides}


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    try:
        _read_manifest(folder)
    except ArtifactError as error:
        raise ArtifactError(
            f"'{folder}' exists and is not a trimcap artifact; it stays as it is. Choose another folder."
        ) from error


def _swap(draft: Path, folder: Path) -> None:
    """Put `draft` in the place of `folder`; the old one is whole until the new one stands."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.replace(old)
        draft.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.replace(folder)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        return unseal(folder / MANIFEST, ARTIFACT)
    except FileNotFoundError:
        raise ArtifactError(f"'{folder}' is no artifact: {MANIFEST} is missing") from None
