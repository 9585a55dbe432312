"""`trimcap quantize`, `export` and `verify`: integers, C, proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse
from trimcap.cli.io.show import share, table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from trimcap.data.preprocess.chain import Chain
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.program.program import Program
    from trimcap.quantize.network import Quantized

Calibration = Annotated[str, typer.Option("--calibration", help="Training windows. " + datasets.DATA_HELP)]
MaybeCalibration = Annotated[
    str | None, typer.Option("--calibration", help="With --int8 of a network: training windows to calibrate on.")
]
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
Source = Annotated[str, typer.Argument(metavar="NETWORK|PROGRAM", help="Folder of a network or a program.")]
Golden = Annotated[str, typer.Option("--golden", help="Windows that travel with the C. " + datasets.DATA_HELP)]
GoldenCount = Annotated[int, typer.Option("-n", "--number", min=1, help="How many golden windows.")]
Float = Annotated[bool, typer.Option("--float", help="Floating point (what a network becomes by default).")]
Int8 = Annotated[bool, typer.Option("--int8", help="Integers; a network needs --calibration.")]
Onnx = Annotated[
    bool, typer.Option("--onnx", help="Write the float network as NAME.onnx too, checked in ONNX Runtime.")
]
Name = Annotated[str, typer.Option("--name", help="Prefix of the C functions and files.")]
Chain_ = Annotated[
    Path | None,
    typer.Option(
        "--chain",
        metavar="FILE",
        help="A recipe, or a .toml file that says chain = …: how the windows were made. Default: as --golden says, if "
        "that is a recipe or a data set by name.",
    ),
]
DeviceRate = Annotated[
    float | None, typer.Option("--device-rate", help="Of the headset, which the chain is given, Hz; for its delay.")
]
DeviceChannels = Annotated[
    str | None, typer.Option("--device-channels", help="Electrodes of the headset, commas between; for the delay.")
]
Unit = Annotated[
    str | None, typer.Option("--unit", help="Of the windows, where a step of your own does not declare its effect.")
]
Artifact = Annotated[str, typer.Argument(metavar="FOLDER", help="Folder that `trimcap export` wrote.")]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", help="host, sanitize, cortex-m4 or cortex-m7; repeat. Default: all that can be built."),
]
MaybeData = Annotated[str | None, typer.Option("--data", help="Replay these. " + datasets.DATA_HELP)]
Count = Annotated[int | None, typer.Option("-n", "--number", min=1, help="Windows to replay (64 if no --data).")]
SaveIn = Annotated[Path, typer.Option("--save", help="Folder for the input of a window that disagrees.")]


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
    sample, others = _calibration(calibration, network, original, subjects, windows, seed)
    asked = {"method": ranges, "percent": percent, "bits": bits, "input_scales": input_scales, "int16": int16 or ()}
    found = _integers(original, sample, others, rewrite, **asked)
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


def export(
    source: Source,
    golden: Golden,
    out: outputs.Out,
    float_: Float = False,
    int8: Int8 = False,
    calibration: MaybeCalibration = None,
    number: GoldenCount = 16,
    name: Name = "net",
    onnx: Onnx = False,
    rewrite: Rewriting = True,
    chain: Chain_ = None,
    device_rate: DeviceRate = None,
    device_channels: DeviceChannels = None,
    unit: Unit = None,
    force: outputs.Force = False,
) -> Answer:
    """Write one C99 file and header with a self-test, golden windows and a manifest."""
    from trimcap.export.artifact import check_artifact
    from trimcap.export.c.text import identifier

    asked, name = name, identifier(name)
    if onnx and inputs.need(source, "network", "program") == "program":
        raise Misuse("--onnx needs the network, not the program made from it")
    program, takes, seen = _program(source, float_, int8, calibration, rewrite)
    sample = datasets.fitted_to(datasets.read(golden), **takes, name=f"'{source}'")
    sample = sample.take(_spread(len(sample), number))
    made, about_chain = _chain(chain, golden, program, sample)
    options = {
        "golden": golden, "number": number, "integer": program.integer, "calibration": calibration, "name": name,
        "onnx": onnx, "rewrite": rewrite, "channels": list(takes["channels"]), "chain": made and made.hash,
        "device_rate": device_rate, "device_channels": device_channels, "unit": unit,
    }  # fmt: skip
    step = outputs.Step("export", options, source)
    _claim_artifact(out, step, force)
    contract = {
        "chain": made, "device_rate": device_rate, "device_channels": names_of(device_channels or ""), "unit": unit,
    }  # fmt: skip
    _write_artifact(program.with_name(name), sample, out, step, seen, contract, onnx=onnx)
    written = [out / f"{name}.onnx"] if onnx else []
    manifest = check_artifact(out).manifest
    renamed = [] if name == asked else [f"{asked!r} is no name in C; it became {name!r}"]
    facts = {
        "out": out,
        "name": name,
        "integer": program.integer,
        "cost": manifest["cost"],
        "golden": manifest["golden"]["n"],
        "files": sorted(manifest["files"]),
        "onnx": written[0] if written else None,
        "chain": manifest["chain"],
        "notes": [*program.notes, *renamed, *about_chain],
    }
    said = {"flash_bytes": "flash bytes (constants; code comes on top, see verify)"}
    costs = table(
        ("cost", "value"), [(said.get(key, key.replace("_", " ")), value) for key, value in manifest["cost"].items()]
    )
    kind = "int8" if program.integer else "float"
    notes = [f"note: {note}" for note in facts["notes"]] + [f"ONNX: {path}" for path in written]
    return Answer(
        facts, [costs, *notes, f"{kind} C in {out}: {name}.c, {name}.h; prove it with `trimcap verify {out}`"]
    )


def verify(
    folder: Artifact,
    target: Targets = None,
    data: MaybeData = None,
    number: Count = None,
    save: SaveIn = Path(),
) -> Answer:
    """Build the C, replay windows, compare every operation with the reference; exit 1 on any difference."""
    from trimcap._errors import unknown
    from trimcap.export.artifact import check_artifact
    from trimcap.export.verify import TARGETS
    from trimcap.export.verify import verify as prove

    inputs.need(folder, "artifact")
    for name in target or ():
        if name not in TARGETS:
            raise Misuse(unknown("target", name, TARGETS))
    windows = None
    if data is not None:
        artifact = check_artifact(folder)
        takes = inputs.taken_by(artifact.program) | {"channels": tuple(artifact.manifest.get("channels", ()))}
        windows = datasets.fitted_to(datasets.read(data), **takes, name=f"'{folder}'")
        windows = windows.take(_spread(len(windows), number)) if number else windows
    found = prove(folder, windows=windows, targets=target or TARGETS, n=number or 64, save=save, check=False)
    wrong = [f"{row.target}: {row.reason}" for row in found.rows if row.status == "failed"]
    missing = [f"{row.target} skipped: {row.reason}" for row in found.rows if row.status == "skipped"]
    failed = "\n".join(wrong)
    if not wrong and not found.passed:
        failed = "nothing was verified: " + "; ".join(missing)
    elif not wrong and target and missing:
        failed = "; ".join(missing)  # a target that was asked for by name must not be passed over
    return Answer({**found.as_dict(), "passed": not failed}, [str(found)], failed)


def _check_ranges(ranges: str, percent: float, input_scales: str) -> None:
    from trimcap._errors import unknown
    from trimcap.quantize.network import INPUT_SCALES
    from trimcap.quantize.ranges import MEASURED, METHODS

    if ranges not in (MEASURED, *METHODS):
        raise Misuse(unknown("range method", ranges, (MEASURED, *METHODS)))
    if input_scales not in INPUT_SCALES:
        raise Misuse(unknown("kind of input scales", input_scales, INPUT_SCALES))
    if not 0 < percent <= 100:
        raise Misuse(f"--percent is a share in (0, 100], got {percent:g}")


def _calibration(
    data: str, folder: str, network: Network, subjects: str | None, n: int, seed: int
) -> tuple[Windows, Windows | None]:
    """`n` windows to calibrate on, and up to 128 others: of the named subjects, else of those that were trained on."""
    windows = datasets.read(data, subjects=names_of(subjects) if subjects else None)
    trained = set(outputs.seen_subjects(folder).get("fit", ())) & set(datasets.subjects_of(windows))
    if trained and subjects is None:
        windows = datasets.choose(windows, tuple(sorted(trained)))
    windows = datasets.fitted_to(windows, **inputs.taken_by(network), name=f"'{folder}'")
    sample, others = _sample(windows, 0, n, seed), _sample(windows, n, n + 128, seed)
    return sample, others if len(others) else None


def _integers(network: Network, sample: Windows, others: Windows | None, rewrite: bool, **options: Any) -> Quantized:
    from trimcap.quantize.network import quantize_network

    return quantize_network(network, sample, held_out=others, exact_rewrites=rewrite, **options)


def _decibel(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _lowered(network: Network, classes: tuple[str, ...], rewrite: bool) -> Program:
    from trimcap.graph.rewrite.rewrite import rewrite as rewritten
    from trimcap.program.lower.lower import lower

    return lower(rewritten(network).network if rewrite else network, classes=classes)


def _program(
    source: str, float_: bool, int8: bool, calibration: str | None, rewrite: bool
) -> tuple[Program, dict[str, Any], dict[str, Any]]:
    """The program to export, the windows it takes, and what was seen to make it."""
    if float_ and int8:
        raise Misuse("--float and --int8 exclude each other")
    if inputs.need(source, "network", "program") == "program":
        program = _loaded(source, float_, int8)
        return program, inputs.taken_by(program, source), {}
    network = inputs.load_network(source)
    if not int8:
        return _lowered(network, _class_names(network), rewrite), inputs.taken_by(network), {}
    if calibration is None:
        raise Misuse("--int8 needs training windows to calibrate on: --calibration DATA (or run `trimcap quantize`)")
    sample, others = _calibration(calibration, source, network, None, 256, 0)
    whole = _integers(network, sample, others, rewrite).program
    return whole, inputs.taken_by(network), {"calibration": datasets.subjects_of(sample)}


def _chain(file: Path | None, golden: str, program: Program, sample: Windows) -> tuple[Chain | None, list[str]]:
    """The chain for the contract, from a file or the golden windows' own; and why the latter does not count."""
    from trimcap.export.artifact import foreign_to

    if file is not None:
        return datasets.chain_in(file), []
    made = datasets.chain_of(golden)
    steps = program.expects.steps if program.expects is not None else sample.steps
    if made is None or not (foreign := foreign_to(steps, made)):
        return made, []
    return None, [
        f"the contract names no chain: --golden is made by one ({'; '.join(foreign)}) that the network's windows were "
        "not made by; name theirs with --chain"
    ]


def _loaded(source: str, float_: bool, int8: bool) -> Program:
    from trimcap.program.save import load_program

    program = load_program(source)
    if program.integer and float_:
        raise Misuse(f"the program in '{source}' is in integers; export its network with --float")
    if not program.integer and int8:
        raise Misuse(f"the program in '{source}' is in floating point; make integers with `trimcap quantize`")
    return program


def _onnx(source: str, sample: Windows, path: Path) -> None:
    """The network as it is: ONNX Runtime rewrites by itself."""
    from trimcap.export.onnx import export_onnx

    network = inputs.load_network(source)
    with inputs.silence():
        # a plain module of one input; a network's own takes any number
        export_onnx(network, sample, path)


def _class_names(network: Network) -> tuple[str, ...]:
    return tuple(map(str, range(network.n_classes)))


def _claim_artifact(out: Path, step: outputs.Step, force: bool) -> None:
    """As `claim`, but not among files of somebody else: an artifact has such as Makefile."""
    if force and out.is_dir() and any(out.iterdir()) and not (outputs.kind_of(out) or outputs.history(out)):
        raise Misuse(f"'{out}' holds other files, which an artifact would replace; choose another --out")
    outputs.claim(out, step, force=force)


def _write_artifact(
    program: Program,
    sample: Windows,
    out: Path,
    step: outputs.Step,
    seen: dict[str, Any],
    contract: dict[str, Any],
    *,
    onnx: bool,
) -> None:
    """Make all files beside `out`, then put them there: what is in it stays if anything fails."""
    import tempfile

    from trimcap.export.artifact import MANIFEST, export

    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        draft = export(program, Path(beside) / "artifact", golden=sample, **contract)
        if onnx:
            _onnx(str(step.source), sample, draft / f"{program.name}.onnx")
        names = {file.name for file in draft.iterdir()}
        foreign = sorted(name for name in names - set(outputs.files_of(out)) if (out / name).exists())
        if foreign:
            raise Misuse(f"'{out / foreign[0]}' is not of trimcap and would be replaced; choose another --out")
        with outputs.writing(out, step, **seen):
            files = sorted(draft.iterdir(), key=lambda file: file.name == MANIFEST)  # without it there is no artifact
            for file in files:
                file.replace(out / file.name)


def _sample(windows: Windows, first: int, stop: int, seed: int) -> Windows:
    import numpy as np

    return windows.take(np.sort(np.random.default_rng(seed).permutation(len(windows))[first:stop]))


def _spread(total: int, n: int) -> list[int]:
    """`n` of `total` indices, evenly spread."""
    n = min(n, total)
    return [round(i * (total - 1) / max(n - 1, 1)) for i in range(n)]
