"""A model for given windows: sizes are read off the data, the rest are options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trimcap._named import check_options, named
from trimcap.data.windows import Windows
from trimcap.models.ccnn import CCNN
from trimcap.models.conformer import EEGConformer
from trimcap.models.deep import DeepConvNet
from trimcap.models.eegnet import EEGNet
from trimcap.models.eegnet3d import EEGNet3D
from trimcap.models.fbccnn import FBCCNN
from trimcap.models.frame_cnn import FrameCNN
from trimcap.models.grid_cnn import GridCNN
from trimcap.models.recurrent import RecurrentNet
from trimcap.models.resnet import ResNet
from trimcap.models.shallow import ShallowConvNet
from trimcap.models.tsception import TSCeption
from trimcap.models.vgg import VGG16

#: short names that recipes and the command line use
MODELS: dict[str, Callable[..., nn.Module]] = {
    "ccnn": CCNN,
    "conformer": EEGConformer,
    "deep": DeepConvNet,
    "eegnet": EEGNet,
    "eegnet3d": EEGNet3D,
    "fbccnn": FBCCNN,
    "frame_cnn": FrameCNN,
    "grid_cnn": GridCNN,
    "recurrent": RecurrentNet,
    "resnet": ResNet,
    "shallow": ShallowConvNet,
    "tsception": TSCeption,
    "vgg16": VGG16,
}


def build(model: str | Callable[..., nn.Module], windows: Windows, *, seed: int = 0, **options: Any) -> nn.Module:
    """A freshly initialised network that takes `windows`.

    Parameters
    ----------
    model : a key of `MODELS`, "package.module:Class", or a class or function that returns an `nn.Module`
    windows : what the network will be given; see `sizes` for what is read off them
    seed : of the initial weights; the global random state is left as it was
    options : further keyword arguments of the model; they win over what the windows say

    Raises
    ------
    ValueError : unknown model or option, or the model needs a size that these windows do not have.
    """
    maker = named("model", model, MODELS) if isinstance(model, str) else model
    if isinstance(maker, nn.Module):
        raise ValueError(
            f"build makes new networks from a class or function; this {type(maker).__name__} is one already: "
            "pass it to fit as it is"
        )
    title = getattr(maker, "__name__", repr(maker))
    arguments = _arguments(maker, title, windows, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = maker(**arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"model {title}: expected a torch.nn.Module, got {type(network).__name__}")
    return network


def sizes(windows: Windows) -> dict[str, Any]:
    """What windows say about a model, under the names that EEG libraries use for it.

    `n_classes` = `n_outputs`, `sfreq` (Hz) and `input_shape` always; `n_channels` = `n_chans`, `n_times` and
    `n_bands` of windows (n_channels, n_times or n_bands); `n_bands`, `rows`, `columns` of grids.
    """
    shape = windows.shape
    known: dict[str, Any] = {"n_classes": len(windows.classes), "sfreq": windows.rate, "input_shape": shape}
    if len(shape) == 2:
        known |= {"n_channels": shape[0], "n_chans": shape[0], "n_times": shape[1], "n_bands": shape[1]}
    elif len(shape) == 3:
        known |= {"n_bands": shape[0], "rows": shape[1], "columns": shape[2]}
    return known | {"n_outputs": known["n_classes"]}


def _arguments(maker: Callable[..., Any], title: str, windows: Windows, options: dict[str, Any]) -> dict[str, Any]:
    known = sizes(windows)
    parameters = inspect.signature(maker).parameters
    check_options(f"model {title}", maker, options, partial=True)
    legal = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    arguments = {name: known[name] for name in legal if name in known} | options
    missing = [n for n in legal if n not in arguments and parameters[n].default is inspect.Parameter.empty]
    if missing:
        raise ValueError(
            f"model {title} needs {', '.join(missing)}, which windows of shape {('n', *windows.shape)} "
            f"do not tell; give it as an option, or give windows of the kind that {title} is made for"
        )
    return arguments
