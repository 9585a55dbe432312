"""The files of one fold and seed of a run.

A piece says which recipe, data, fold and seed it belongs to, and when, where and with which versions it was made,
inside its seal: a copy of another fold's piece is refused.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import ArtifactError
from trimcap._files import write_atomic, write_json
from trimcap._sealed import Kind, listed, seal, unseal
from trimcap.study.results.plain import to_plain
from trimcap.study.results.provenance import provenance
from trimcap.study.steps.kind import slug

PIECE = Kind(
    "piece of a run",
    "trimcap piece 1",
    {
        "of": {"run": str, "fold": int, "seed": int, "piece": str},
        "made": {str: str},
        "facts": {str: Any},
    },
    "delete the folder of its trial, and run again",
    below=True,
)
#: what a trial no longer needs when it is finished
_PASSING = "checkpoints"
#: where its pieces are; their arrays have their names
_PIECES = ("built/", "evaluated/", "evidence/", "logits/", "trial.json")


@dataclass(frozen=True)
class TrialFolder:
    """Files of one fold and seed; a JSON file is written last and says that the rest of its piece is whole."""

    path: Path
    fold: int
    seed: int
    run: str = ""

    @property
    def name(self) -> str:
        """`fold 3, seed 0`."""
        return f"fold {self.fold}, seed {self.seed}"

    def network(self, stage: str) -> Path:
        """Where a stage's network, program or artifact is."""
        return self.path / "networks" / slug(stage)

    def masks(self, stage: str) -> Path:
        """Where a stage's masks are, if it has some."""
        return self.path / "masks" / f"{slug(stage)}.safetensors"

    def plan(self, stage: str) -> Path:
        """Where a stage's plan is, if it has one."""
        return self.path / "plans" / f"{slug(stage)}.json"

    def history(self, stage: str) -> Path:
        """Where the history of a stage's training is, if it has one."""
        return self.path / "history" / f"{slug(stage)}.csv"

    def note(self, name: str, facts: Mapping[str, Any]) -> None:
        """Write facts that nothing reads back as JSON, for people."""
        write_json(self.path / name, to_plain(facts))

    def has(self, piece: str) -> bool:
        """Whether `piece` is finished."""
        return (self.path / f"{piece}.json").is_file()

    def read(self, piece: str) -> dict[str, Any]:
        """The facts of a finished piece."""
        facts: dict[str, Any] = self._content(piece)["facts"]
        return facts

    def made(self, piece: str) -> dict[str, str]:
        """When, where and with which versions a piece was made."""
        made: dict[str, str] = self._content(piece)["made"]
        return made

    def makers(self) -> tuple[dict[str, str], ...]:
        """When, where and with which versions each sealed piece of a finished trial was made."""
        names = [*self._content("trial")["files"], "trial.json"]
        pieces = [name.removesuffix(".json") for name in names if name.startswith(_PIECES)]
        return tuple(self.made(piece) for piece in pieces if self.has(piece))

    def write(self, piece: str, facts: Mapping[str, Any], *, files: Iterable[str] = ()) -> dict[str, Any]:
        """Mark `piece` as finished; its arrays and `files`, beside or below it, are sealed with it."""
        path, plain = self.path / f"{piece}.json", to_plain(facts)
        arrays = [f"{path.stem}.npz"] if path.with_suffix(".npz").is_file() else []
        every = dict.fromkeys([*arrays, *files])
        seal(path, PIECE, {"of": self._of(piece), "made": provenance(), "facts": plain}, files=every)
        return dict(plain)

    def finish(self, facts: Mapping[str, Any], *, without: Collection[Path] = ()) -> dict[str, Any]:
        """Mark the trial as finished, and seal every file of it with its facts.

        Parameters
        ----------
        without : files and folders that are removed now that it is finished
        """
        gone = {self.path / _PASSING, self.path / "trial.json", *without}
        there = (p for p in sorted(self.path.rglob("*")) if p.is_file() and gone.isdisjoint((p, *p.parents)))
        names = (path.relative_to(self.path) for path in there)
        return self.write("trial", facts, files=(n.as_posix() for n in names if not _hidden(n)))

    def check(self) -> frozenset[str]:
        """The files of a finished trial, all of them there and unchanged.

        Raises
        ------
        ArtifactError : one is missing, edited, or a link; names it and says what to do.
        """
        path, content = self.path / "trial.json", self._content("trial")
        scored = (f"evaluated/{slug(row['stage'])}.json" for row in content["facts"].get("rows", ()))
        for name in dict.fromkeys((*scored, *content["files"])):
            listed(path, content, name, PIECE)
        return frozenset(content["files"])

    def _of(self, piece: str) -> dict[str, Any]:
        return {"run": self.run, "fold": self.fold, "seed": self.seed, "piece": piece}

    def _content(self, piece: str) -> dict[str, Any]:
        path = self.path / f"{piece}.json"
        content = unseal(path, PIECE)
        if content["of"] != self._of(piece):
            of = content["of"]
            raise ArtifactError(
                f"{path} is a copy: it belongs to piece '{of['piece']}' of fold {of['fold']}, seed {of['seed']}"
                f"{'' if of['run'] == self.run else ' of another run'}; {PIECE.again}"
            )
        return content

    def write_arrays(self, piece: str, **arrays: NDArray[Any]) -> None:
        """Arrays that belong to `piece`; write them before its facts."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(self.path / f"{piece}.npz", buffer.getvalue())

    def read_arrays(self, piece: str) -> dict[str, NDArray[Any]]:
        """Arrays of a finished piece; empty if it has none."""
        path = self.path / f"{piece}.json"
        content = self._content(piece) if path.is_file() else {"files": {}}
        if not content["files"]:
            return {}
        blob = listed(path, content, f"{path.stem}.npz", PIECE)
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            return dict(archive)


def _hidden(name: Path) -> bool:
    """Locks, and what killed processes left."""
    return any(part.startswith(".") for part in name.parts)
