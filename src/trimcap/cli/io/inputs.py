"""MODEL, NETWORK and PROGRAM on the command line."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io.answer import Misuse, typed
from trimcap.cli.io.outputs import history, kind_of
from trimcap.cli.io.values import names_of, pairs_of, shape_of

if TYPE_CHECKING:
    from torch import nn

    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.program.program import Program

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A network's folder; or eegnet, ccnn, grid_cnn or package.module:Class, with --shape and --classes.",
    ),
]
NetworkFolder = Annotated[str, typer.Argument(metavar="NETWORK", help="Folder of a network.")]
Shape = Annotated[str | None, typer.Option("--shape", help="Shape of one window, such as 32x256 (a named model).")]
Classes = Annotated[int, typer.Option("--classes", min=1, help="Number of classes (a named model).")]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Keyword argument of a named model; repeat.")
]
Channels = Annotated[str | None, typer.Option("--channels", help="Electrode names of the input, commas between.")]


def see_here() -> None:
    """Let "module:name" find modules in the working directory, as `python -m` would."""
    here = os.getcwd()  # noqa: PTH109 - a string for sys.path
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def network_of(
    text: str,
    *,
    shape: str | None = None,
    classes: int = 2,
    options: Sequence[str] | None = None,
    channels: str | None = None,
    seed: int = 0,
) -> Network:
    """A saved network, or a freshly initialised model, traced.

    Raises
    ------
    Misuse : neither folder nor model of that name, or a wrong option.
    ArtifactError : the folder is damaged. TraceError : the model can't be followed.
    """
    if is_folder(text):
        if options or shape:
            raise Misuse(f"'{text}' is a saved network; --shape and --option are for models by name")
        return load_network(text)
    if shape is None:
        raise Misuse(f"model '{text}' needs the shape of its input, such as --shape 32x256" + _or_folder(text))
    example = example_of(shape_of(shape), classes)
    names = names_of(channels or "")
    if names and len(names) != example.X.shape[1]:
        raise Misuse(f"--channels names {len(names)} electrodes, but --shape {shape} has {example.X.shape[1]}")
    return traced(model_of(text, example, options=options, seed=seed), example.X, channels=names)


def model_of(text: str, windows: Windows, *, options: Sequence[str] | None = None, seed: int = 0) -> nn.Module:
    """A freshly initialised model by name for these windows."""
    from trimcap.models.build import build

    keywords = pairs_of(options or (), option="--option")
    see_here()
    with typed():
        return build(text, windows, seed=seed, **keywords)


def example_of(shape: tuple[int, ...], classes: int) -> Windows:
    """Two windows of noise with the shape and number of classes of a data set that is not there."""
    import numpy as np
    import pandas as pd

    from trimcap.data.windows import Windows

    table = pd.DataFrame({"subject": ["0", "0"], "session": "0", "trial": "0", "start": [0.0, 1.0]})
    X = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    names = tuple(f"E{i + 1}" for i in range(shape[0]))
    labels = np.zeros(2, dtype=np.int64)
    return Windows(X, labels, table, names, 128.0, tuple(map(str, range(classes))), shape[-1] / 128.0)


def load_network(text: str) -> Network:
    """The network in a folder."""
    from trimcap.graph.save import load

    need(text, "network")
    return load(text)


_MADE_BY = {
    "network": "`trimcap train`, `prune` or `mask`",
    "program": "`trimcap quantize`",
    "artifact": "`trimcap export`",
    "run": "`trimcap run`",
}
_A = {"network": "a network", "program": "a program", "artifact": "an artifact", "run": "a run"}


def need(text: str, *kinds: str) -> str:
    """The kind of a folder, if it is one of `kinds`.

    Raises
    ------
    Misuse : no such folder, or it holds something else.
    """
    folder = Path(text)
    wanted = " or ".join(_A[kind] for kind in kinds)
    if folder.is_file():
        made = " or ".join(f"{_A[kind]} (from {_MADE_BY[kind]})" for kind in kinds)
        raise Misuse(f"'{folder}' is a file; give the folder of {made}")
    if not folder.is_dir():
        raise Misuse(f"no folder '{folder}'; give the folder of {wanted}")
    held = kind_of(folder)
    if held not in kinds:
        files = {"network": "network.json", "program": "program.json", "artifact": "manifest.json", "run": "run.json"}
        marks = " or ".join(files[kind] for kind in kinds)
        what = f"holds {_A[held]}" if held else f"has no {marks}"
        raise Misuse(f"'{folder}' {what}; give the folder of {wanted}")
    return held


def is_folder(text: str) -> bool:
    """Whether MODEL means a folder rather than a name."""
    looks = any(mark in text for mark in ("/", "\\")) and ":" not in text
    return Path(text).is_dir() or looks


def taken_by(network: Network | Program, folder: str = "") -> dict[str, Any]:
    """Electrodes and shape of the windows that a network or program takes, for `datasets.fitted_to`.

    A program does not know its electrodes; the history of its `folder` may.
    """
    from trimcap.graph.network import Network

    if isinstance(network, Network):
        return {"channels": network.channels, "shape": network.input_shape}
    shape = network.values[network.input].shape
    steps = history(folder) if folder else []
    named = [step["options"]["channels"] for step in steps if step.get("options", {}).get("channels")]
    return {"channels": tuple(named[-1]) if named else (), "shape": shape}


def traced(model: nn.Module, example: Any, *, channels: tuple[str, ...] = ()) -> Network:
    """`trace` without what torch prints and logs when it fails: the error says it."""
    from trimcap.graph.trace.trace import trace

    with silence():
        return trace(model, example, channels=channels)


@contextmanager
def silence() -> Iterator[None]:
    """Swallow what libraries print, log and warn of inside; errors pass."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _or_folder(text: str) -> str:
    return f" (there is no folder '{text}')" if ":" not in text else ""
