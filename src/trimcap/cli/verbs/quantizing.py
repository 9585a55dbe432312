"""`trimcap quantize`: a network in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of
from trimcap.cli.io.scoring import trained_on
from trimcap.cli.io.show import share, table

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.quantize.network import Quantized

Calibration = Annotated[str, typer.Option("--calibration", help="Training windows. " + datasets.DATA_HELP)]
Ranges = Annotated[
    str,
    typer.Option(
        "--ranges", help="How activation ranges are found: minmax, percentile, mse, or measured: the best of them."
    ),
]
InputScales = Annotated[
    str, typer.Option("--input-scales", help="One input scale (one), one each (channels), or the better (measured).")
]
Int16 = Annotated[
    list[str] | None, typer.Option("--int16", help="Layer or value that gets sixteen bits; repeat. See the warnings.")
]
Percent = Annotated[float, typer.Option("--percent", help="Share of values that --ranges percentile covers.")]
WeightBits = Annotated[int, typer.Option("--bits", min=2, max=8, help="Bits of a weight; activations have 8.")]
Windows_ = Annotated[int, typer.Option("--windows", min=1, help="How many calibration windows, drawn by --seed.")]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Rewriting = Annotated[bool, typer.Option("--rewrite/--no-rewrite", help="Apply exact rewrites first.")]


def quantize(
    network: inputs.NetworkFolder,
    calibration: Calibration,
    out: outputs.Out,
    ranges: Ranges = "measured",
    percent: Percent = 99.9,
    bits: WeightBits = 8,
    input_scales: InputScales = "measured",
    int16: Int16 = None,
    windows: Windows_ = 256,
    seed: Seed = 0,
    subjects: datasets.Subjects = None,
    rewrite: Rewriting = True,
    force: outputs.Force = False,
) -> Answer:
    """Turn a network into a program of integers only (int8), with ranges from calibration windows.

    Without --subjects, calibration windows are those of the subjects that the network was trained on, where its folder
    says which.
    """
    from trimcap.program.save import save_program

    _check_ranges(ranges, percent, input_scales)
    original = inputs.load_network(network)
    options = {
        "calibration": calibration, "ranges": ranges, "percent": percent, "bits": bits, "windows": windows,
        "input_scales": input_scales, "int16": int16 or [], "seed": seed, "subjects": subjects, "rewrite": rewrite,
        "channels": list(original.channels),
    }  # fmt: skip
    step = outputs.Step("quantize", options, network)
    outputs.claim(out, step, force=force)
    sample, others = calibration_of(calibration, network, original, subjects, windows, seed)
    asked = {"method": ranges, "percent": percent, "bits": bits, "input_scales": input_scales, "int16": int16 or ()}
    found = integers(original, sample, others, rewrite, **asked)
    program, measured = found.program, found.program.measured
    with outputs.writing(out, step, calibration=datasets.subjects_of(sample)):
        save_program(program, out)
    notes = [note for note in program.notes if note not in found.fidelity.warnings]
    facts: dict[str, Any] = {
        "out": out,
        "flash_bytes": {"float": found.reference.flash_bytes, "int": program.flash_bytes},
        "agreement": measured["calibration"],
        "held_out": measured["held_out"],
        "layers": measured["layers"],
        "bounds": measured["bounds"],
        "calibration": {"windows": len(sample), "subjects": datasets.subjects_of(sample)},
        "notes": notes,
        "warnings": measured["warnings"],
    }
    rows = [
        (r["value"], r["kind"], r["source"], _decibel(r["calibration"]), _decibel(r["held_out"]), share(r["saturated"]))
        for r in measured["layers"]
    ]
    heads = ("value", "kind", "layer", "SQNR, dB", "held out", "saturated")
    lines = [
        table(heads, rows),
        *found.fidelity.lines(),
        f"calibrated on {counted(len(sample), 'window')} of {', '.join(datasets.subjects_of(sample))}",
        f"constants {found.reference.flash_bytes:,} B → {program.flash_bytes:,} B",
        *(f"note: {note}" for note in notes),
        *(f"WARNING: {warning}" for warning in measured["warnings"]),
        f"saved in {out}",
    ]
    return Answer(facts, lines)


def _check_ranges(ranges: str, percent: float, input_scales: str) -> None:
    from trimcap.quantize.network import INPUT_SCALES
    from trimcap.quantize.ranges import MEASURED, METHODS

    one_of("range method", ranges, (MEASURED, *METHODS))
    one_of("kind of input scales", input_scales, INPUT_SCALES)
    if not 0 < percent <= 100:
        raise Misuse(f"--percent is a share in (0, 100], got {percent:g}")


def calibration_of(
    data: str, folder: str, network: Network, subjects: str | None, n: int, seed: int
) -> tuple[Windows, Windows | None]:
    """`n` windows to calibrate on, and up to 128 others: of the named subjects, else of those that were trained on."""
    windows = trained_on(data, folder, subjects)
    windows = datasets.fitted_to(windows, **inputs.taken_by(network), name=f"'{folder}'")
    sample, others = _sample(windows, 0, n, seed), _sample(windows, n, n + 128, seed)
    return sample, others if len(others) else None


def integers(network: Network, sample: Windows, others: Windows | None, rewrite: bool, **options: Any) -> Quantized:
    """The network in integers, with ranges of a sample; `others` set none, and show how well they hold."""
    from trimcap.quantize.network import quantize_network

    return quantize_network(network, sample, held_out=others, exact_rewrites=rewrite, **options)


def _decibel(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _sample(windows: Windows, first: int, stop: int, seed: int) -> Windows:
    import numpy as np

    return windows.take(np.sort(np.random.default_rng(seed).permutation(len(windows))[first:stop]))
