"""Other frameworks for tests, without the parts of them that no CPU machine has.

`framework("braindecode")` imports braindecode, moabb or torcheeg, or skips and says why. Their pure-Python parts come
from constraints-zoo.txt. What is left is stood in for, unless it is installed:

- torchaudio's binary part wants CUDA; its functions in plain PyTorch work without it, so all of braindecode loads
- torch_scatter has no wheel for this torch; torcheeg's RGNN needs one function of it
- nemar and httpx serve MOABB's downloads, of which tests make none
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings

import pytest
import torch
from torch import Tensor


def framework(name: str, *modules: str) -> types.ModuleType:
    """The package `name`, with its `modules` imported; skips the test if it is not installed."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed: pip install --no-deps -r constraints-zoo.txt")
    install()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in modules:
            importlib.import_module(f"{name}.{module}")
        return importlib.import_module(name)


def install() -> None:
    """Put the stand-ins where `import` finds them; those that are there already stay."""
    if "torchaudio" not in sys.modules:
        _put(
            "torchaudio._extension", _IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=_keep, _check_cuda_version=_no
        )
    if not _there("torch_scatter"):
        _put("torch_scatter", scatter_add=scatter_add)
    if not _there("nemar"):
        _put("nemar", download=_no)
        _put("nemar.errors", NemarError=_error("NemarError"), SelectionError=_error("SelectionError"))
    if not _there("httpx"):
        _put("httpx", TransportError=_error("TransportError"))


def scatter_add(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Sum the slices of `src` that have one index, as torch_scatter does."""
    shape = [1] * src.ndim
    shape[dim] = -1
    index = (index.view(shape) if index.ndim == 1 else index).expand_as(src)
    if out is None:
        size = list(src.shape)
        size[dim] = int(index.max()) + 1 if dim_size is None else dim_size
        out = torch.zeros(size, dtype=src.dtype, device=src.device)
    return out.scatter_add_(dim, index, src)


def _there(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _put(name: str, **content: object) -> None:
    if name not in sys.modules:
        module = types.ModuleType(name)
        # so that find_spec(name) goes on working
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        module.__dict__.update(content)
        sys.modules[name] = module


def _error(name: str) -> type[Exception]:
    return type(name, (Exception,), {})


def _keep(function: object) -> object:
    return function


def _no(*_: object, **__: object) -> None:
    raise RuntimeError("a stand-in of the tests was called; nothing is downloaded and no CUDA is there")
