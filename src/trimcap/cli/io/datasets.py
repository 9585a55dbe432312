"""DATA on the command line: windows from a file, a data set by name, or a recipe."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io.answer import Misuse, typed
from trimcap.cli.io.chains import is_recipe, read_chain
from trimcap.cli.io.inputs import see_here
from trimcap.cli.io.show import times
from trimcap.cli.io.values import value_of

if TYPE_CHECKING:
    from trimcap.data.preprocess.chain import Chain
    from trimcap.data.windows import Windows
    from trimcap.study.recipe.recipe import Recipe

DATA_HELP = (
    "Windows: a .npz file, a recipe's .toml, or a data set by name (deap, eegmat, synthetic, …) or "
    "package.module:function with keys of a recipe's data table: deap,path=DEAP,options.label=arousal,window=2"
)
Data = Annotated[str, typer.Option("--data", help=DATA_HELP)]
Subjects = Annotated[str | None, typer.Option("--subjects", help="Only these subjects, with commas between.")]

_ABBREVIATIONS = {"de": "differential_entropy", "power": "band_power"}


def read(text: str, *, subjects: tuple[str, ...] | None = None) -> Windows:
    """Windows from what was typed for DATA.

    Parameters
    ----------
    subjects : only these

    Raises
    ------
    Misuse : no such file, source, key or subject.
    ValueError, OSError : the data are bad.
    """
    windows = _windows(text)
    return windows if subjects is None else choose(windows, subjects)


def choose(windows: Windows, subjects: tuple[str, ...], *, leave_out: bool = False) -> Windows:
    """The windows of some subjects, or with `leave_out` of all others."""
    import numpy as np

    from trimcap._errors import unknown

    own = windows.metadata.subject.astype(str).to_numpy()
    for name in subjects:
        if name not in own:
            raise Misuse(unknown("subject", name, set(own.tolist())))
    rows = np.isin(own, subjects) != leave_out
    if not rows.any():
        raise Misuse("no subject is left; the windows hold only " + ", ".join(sorted(set(own.tolist()))))
    return windows.take(rows)


def subjects_of(windows: Windows) -> list[str]:
    """Names of the subjects, sorted."""
    return sorted(set(windows.metadata.subject.astype(str)))


def section(source: str, keys: dict[str, Any]) -> Recipe:
    """A recipe that is nothing but a `[data]` table.

    Raises
    ------
    Misuse : an unknown key or an illegal value; names the nearest.
    """
    from pydantic import ValidationError

    from trimcap.study.recipe.complaint import complaint
    from trimcap.study.recipe.recipe import Recipe

    see_here()
    table: dict[str, Any] = {"source": source}
    for key, value in keys.items():
        place, _, leaf = key.rpartition(".")
        (table.setdefault(place, {}) if place else table)[leaf] = value
    if "features" in table:
        table["features"] = _ABBREVIATIONS.get(table["features"], table["features"])
    try:
        return Recipe.model_validate_json(json.dumps({"name": source, "data": table}, default=str), strict=True)
    except ValidationError as error:
        raise Misuse(complaint(error, Recipe, source)) from error


def recipe_of(text: str) -> Recipe:
    """A recipe that is nothing but the data that were typed: a .npz file, or a source with keys of `[data]`.

    Raises
    ------
    Misuse : no such file, or an unknown key.
    """
    if text.endswith(".npz"):
        if not Path(text).is_file():
            raise Misuse(f"no file '{text}'; make it with `trimcap data prepare … --out {text}`")
        return section("npz", {"path": text})
    if holds_windows(Path(text)):
        return section("windows", {"path": text})
    if Path(text).exists():
        raise Misuse(
            f"'{text}' is neither windows (.npz, .zarr, .parquet, or a folder of them) nor a .toml recipe; make "
            "windows of recordings with `trimcap data prepare`"
        )
    source, keys = _split(text)
    return section(source, keys)


def holds_windows(path: Path) -> bool:
    """Whether a path is a folder that `write_arrays` made, a Zarr group or a Parquet file."""
    return path.exists() and (path.suffix in (".zarr", ".parquet") or (path / "X.npy").is_file())


def prepared(recipe: Recipe) -> Windows:
    """The windows of a recipe's `[data]`."""
    from trimcap.data.sources import check_source
    from trimcap.study.run.prepare import prepare

    with typed():
        check_source(recipe.data.source, recipe.data.options)
    return prepare(recipe, progress=sys.stderr.isatty()).windows


def chain_of(text: str) -> Chain | None:
    """The chain by which DATA are made, of a recipe or a data set by name; None of windows in a file."""
    from trimcap.study.run.windows import declared_chain

    return None if text.endswith(".npz") else declared_chain(_recipe(text).data)


def chain_in(file: Path) -> Chain:
    """The chain of a .toml file: its list `chain`, or what the table [data] of a recipe says.

    Raises
    ------
    Misuse : no such file, no chain in it, or an impossible one.
    """
    from trimcap.data.preprocess.chain import make_chain

    see_here()
    with typed():
        if is_recipe(file) and (chain := chain_of(str(file))) is not None:
            return chain
        return make_chain(read_chain(file))


def _windows(text: str) -> Windows:
    path = Path(text)
    if path.suffix == ".npz":
        from trimcap.data.arrays.npz import read_npz

        if not path.is_file():
            raise Misuse(f"no file '{path}'; make it with `trimcap data prepare … --out {path}`")
        return read_npz(path)
    return prepared(_recipe(text))


def _recipe(text: str) -> Recipe:
    """The recipe of a .toml file, or of what was typed."""
    if Path(text).suffix != ".toml":
        return recipe_of(text)
    from trimcap.study.recipe.recipe import load_recipe
    from trimcap.study.recipe.shipped import recipe_path

    with typed():
        return load_recipe(recipe_path(text))


def _split(text: str) -> tuple[str, dict[str, Any]]:
    """Source and keys of "eegmat,window=2,subjects=4"; a comma inside a value stays."""
    source, *parts = re.split(r",(?=[\w.]+=)", text)
    keys = {key: value_of(value) for key, _, value in (part.partition("=") for part in parts)}
    if isinstance(keys.get("subjects"), str):
        keys["subjects"] = [name.strip() for name in keys["subjects"].split(",")]
    if isinstance(keys.get("chain"), str):
        keys["chain"] = read_chain(Path(keys["chain"]))
    return source, keys


def fitted_to(windows: Windows, *, channels: tuple[str, ...], shape: tuple[int, ...], name: str) -> Windows:
    """The windows as a network takes them: with only the electrodes that it was pruned to, in its order.

    Parameters
    ----------
    channels : electrodes of the network, () if it does not know them
    shape : of one window that it takes
    name : what to call the network in a message

    Raises
    ------
    Misuse : an electrode is missing. ValueError : windows of another shape.
    """
    if windows.shape != shape or (channels and channels != tuple(windows.channels)):
        windows = _picked(windows, channels)
    if windows.shape != shape:
        raise ValueError(
            f"{name} takes windows of shape {times(shape)}, these are {times(windows.shape)}; make them by the same "
            "steps as those it was trained on"
        )
    return windows


def _picked(windows: Windows, channels: tuple[str, ...]) -> Windows:
    has_axis = windows.X.ndim == 3 and windows.X.shape[1] == len(windows.channels)
    if not channels or not has_axis:
        return windows
    from trimcap.data.electrodes.names import found_among

    found = found_among(channels, windows.channels)
    missing = [name for name in channels if name not in found]
    if missing:
        raise Misuse(
            f"the network reads the electrodes {', '.join(channels)}, but the windows lack {', '.join(missing)}; "
            f"they have {', '.join(windows.channels)}"
        )
    own = ", ".join(name if name == found[name] else f"{name} = {found[name]}" for name in channels)
    return replace(windows.pick(channels), steps=(*windows.steps, f"electrodes {own} picked"))
