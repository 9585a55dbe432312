"""Recipes that come with trimcap."""

from __future__ import annotations

from pathlib import Path

from trimcap._errors import unknown

_PACKAGE = Path(__file__).parents[2] / "recipes"
_CHECKOUT = Path(__file__).parents[4] / "recipes"


def shipped() -> dict[str, Path]:
    """Recipes by name: those inside the installed package, else those of the source checkout."""
    folder = _PACKAGE if _PACKAGE.is_dir() else _CHECKOUT
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def recipe_path(name: str | Path) -> Path:
    """The file of a recipe: a path, or the name of a shipped one with or without ".toml" and "recipes/".

    Raises
    ------
    FileNotFoundError : neither; names the shipped recipes.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and (len(path.parts) != 1 or path.name not in shipped()):
        held = sorted(one.name for one in path.glob("*.toml"))
        raise FileNotFoundError(
            f"'{name}' is a folder, not a recipe. "
            + (f"Recipes in it: {', '.join(held)}" if held else "No .toml lies in it; name a recipe's file")
        )
    own = shipped()
    bare = path.parts[-1] if path.parts else ""
    if len(path.parts) == 1 or path.parts[:-1] == ("recipes",):
        stem = bare.removesuffix(".toml")
        if stem in own:
            return own[stem]
    raise FileNotFoundError(f"no file '{name}'; as one of trimcap's recipes: {unknown('recipe', str(name), own)}")
