"""`trimcap export` and `verify`: C, and proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of
from trimcap.cli.io.show import table
from trimcap.cli.io.values import names_of
from trimcap.cli.verbs.quantizing import Rewriting, calibration_of, integers

if TYPE_CHECKING:
    from trimcap.data.preprocess.chain import Chain
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.program.program import Program

MaybeCalibration = Annotated[
    str | None, typer.Option("--calibration", help="With --int8 of a network: training windows to calibrate on.")
]
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
    from trimcap.export.artifact import check_artifact
    from trimcap.export.verify import TARGETS
    from trimcap.export.verify import verify as prove

    inputs.need(folder, "artifact")
    for name in target or ():
        one_of("target", name, TARGETS)
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
    sample, others = calibration_of(calibration, source, network, None, 256, 0)
    whole = integers(network, sample, others, rewrite).program
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


def _spread(total: int, n: int) -> list[int]:
    """`n` of `total` indices, evenly spread."""
    n = min(n, total)
    return [round(i * (total - 1) / max(n - 1, 1)) for i in range(n)]
