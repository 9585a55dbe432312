"""Masks of single weights beside a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimcap.cli.io import inputs
from trimcap.cli.io.answer import Misuse

if TYPE_CHECKING:
    from trimcap.graph.network import Network
    from trimcap.train.masks import Masks

#: beside network.json
MASKS = "masks.safetensors"


def masks_in(folder: Path | str, network: Network) -> Masks | None:
    """The masks beside a network, if it has some.

    Raises
    ------
    PlanError : the file holds no masks, or those of another network.
    """
    from trimcap._errors import PlanError
    from trimcap.train.masks import Masks

    path = Path(folder) / MASKS
    if not path.is_file():
        return None
    masks = Masks.load(path)
    masked = masks.apply(network)
    grown = [name for name in masks.kept if not bool((masked.tensors[name] == network.tensors[name]).all())]
    if grown:
        raise PlanError(
            f"{path} is not of the network beside it: weights that it removes are not zero in {', '.join(grown)}; "
            "delete it, or mask the network again with `trimcap mask`"
        )
    return masks


def unmasked(folder: str, what: str = "slices are removed") -> Network:
    """The network in a folder, if it has no masks: they are for its weights as they are.

    Raises
    ------
    Misuse : it has.
    """
    network = inputs.load_network(folder)
    if (Path(folder) / MASKS).is_file():
        raise Misuse(
            f"'{folder}' has masks of single weights ({MASKS}), which do not fit any more once {what}; do that first "
            f"and mask then, or delete {MASKS} to go on without"
        )
    return network
