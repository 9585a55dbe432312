"""The smallest file of each format, as `docs/formats.md` shows it: run it after a format changed on purpose."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.save import save
from trimcap.program.program import Op, Program, Value
from trimcap.program.save import save_program
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results import store, trial_folder
from trimcap.train.checkpoint import State, save_checkpoint
from trimcap.train.masks import Masks


class Optimizer:
    """An optimizer whose state does not depend on the version of torch."""

    def state_dict(self):
        slots = {0: {"step": 1.0, "momentum": torch.tensor([0.5])}}
        return {"state": slots, "param_groups": [{"lr": 0.1, "params": [0]}]}


@contextmanager
def without_versions():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "versions", lambda: {"trimcap": "0.1.0"})
        patch.setattr(trial_folder, "provenance", lambda: {"trimcap": "0.1.0", "time": "2026-01-01T00:00:00+00:00"})
        yield


def examples() -> dict[str, str]:
    """Name of the example → text: JSON as it is, other files as `hexdump` has them."""
    with tempfile.TemporaryDirectory() as name, without_versions():
        folder = Path(name)
        node = Node("y", "aten.mul.Tensor", (Ref("x"), Ref("w")), {}, (1, 2))
        save(Network((node,), {"w": torch.tensor([1.0, 2.0])}, frozenset({"w"}), {"x": (2,)}, "y"), folder)
        op = Op("y", "linear", ("x",), "y", {"low": None, "high": None}, {"weight": "w", "bias": "b"})
        values = {"x": Value("x", (2,)), "y": Value("y", (1,))}
        constants = {"w": np.array([[1.0, 2.0]], np.float32), "b": np.array([0.5], np.float32)}
        save_program(Program("net", (op,), values, constants, "x", "y", ("rest", "task")), folder)
        Masks({"w": torch.tensor([True, False])}, "by hand").save(folder / "masks.safetensors")
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(model.weight, 3.0)
        state = State(model, Optimizer(), history=[{"epoch": 1.0}], best_epoch=1)
        save_checkpoint(folder / "checkpoint.safetensors", state, {"seed": 0})
        run = store.open_run(folder / "run", parse_recipe('name = "a"\n'), text='name = "a"\n', facts={})
        trial = run.trial(0, 0)
        trial.write("built/dense", {"epochs": 1})
        return {
            "network.json": (folder / "network.json").read_text(),
            "tensors.safetensors": dump((folder / "tensors.safetensors").read_bytes()),
            "program.json": (folder / "program.json").read_text(),
            "program.safetensors": dump((folder / "program.safetensors").read_bytes()),
            "masks.safetensors": dump((folder / "masks.safetensors").read_bytes()),
            "checkpoint.safetensors": dump((folder / "checkpoint.safetensors").read_bytes()),
            "built/dense.json": (trial.path / "built/dense.json").read_text(),
        }


def dump(content: bytes) -> str:
    """Offset, bytes, text; as `hexdump -C`."""
    lines = []
    for start in range(0, len(content), 16):
        part = content[start : start + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        lines.append(f"{start:08x}  {part[:8].hex(' '):<23}  {part[8:].hex(' '):<23}  |{shown}|\n")
    return "".join(lines)


def written(page: str) -> str:
    """The page with the examples as they are now."""
    for title, text in examples().items():
        head = f"`{title}`:\n\n```text\n"
        before, found, rest = page.partition(head)
        assert found, f"the page has no example of {title}"
        page = before + head + text + "```" + rest.partition("```")[2]
    return page


PAGE = Path(__file__).parents[2] / "docs" / "formats.md"

if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
