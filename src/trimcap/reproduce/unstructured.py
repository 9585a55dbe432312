"""Published ways with single weights and zeroed filters: UMWP and SFP of the four-method EEG study."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from trimcap._errors import PlanError, unknown
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network, need_network
from trimcap.prune.weights.unstructured import weights_of
from trimcap.train.epoch import Hook
from trimcap.train.masks import Masks


def umwp_masks(network: Network, sparsity: float) -> Masks:
    """UMWP with the published threshold: θ is number int(p·n) of the sorted |w| of all convolutions; |w| > θ stay.

    int(p·n) + 1 weights go, and more with ties; at p = 0 still one. The core removes exactly ⌊p·n⌋.

    Returns
    -------
    Masks : for `fit(…, masks=…)`

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, table of UMWP; `weightNN` scripts of their release.
    """
    names = weights_of(network, ("conv",))
    pooled = torch.cat([network.tensors[name].detach().abs().flatten() for name in names]).sort().values
    threshold = pooled[int(sparsity * len(pooled))]
    kept = {name: network.tensors[name].detach().abs() > threshold for name in names}
    return Masks(kept, f"UMWP as published, {sparsity:g}")


def frozen_zeros(layers: Sequence[str] = ("conv",)) -> Hook:
    """A gradient hook for `fit`: gradients times (w ≠ 0), found anew from the weights before every step.

    In place of masks. A live weight that happens to be exactly zero never moves again; and a removed weight comes back
    once anything but its gradient moves it: momentum or Adam's moments of before, an update by another rule.

    Parameters
    ----------
    layers : kinds of layers, see `trimcap.prune.weights_of`

    Returns
    -------
    Hook : for `fit(…, gradient_hooks=[hook])`; it changes gradients in place

    Source: Rao and Zhong (2023), IJCNN, fine-tuning of UMWP and training of UMWP and SFP from scratch in their release.
    """

    def hook(model: nn.Module, epoch: int, step: int) -> None:
        del epoch, step
        if not isinstance(model, NetworkModule):
            raise TypeError(
                f"frozen_zeros works on network.module(), got {type(model).__name__}: trace the model first"
            )
        for name in weights_of(model.network, layers):
            weight = model.tensor(name)
            if weight.grad is not None:
                weight.grad.mul_(weight.detach() != 0)

    return hook


def zeroed_filters(network: Network, sparsity: float, *, tensors: Sequence[str] | None = None) -> Network:
    """SFP's zeroing: in every convolution by itself, int(N·(1 − keep)) filters of smallest ℓ2 norm, keep = 1 − p.

    Coupled convolutions zero different filters. Biases and batch norm go on, and nothing is removed.

    Parameters
    ----------
    tensors : weights of the convolutions; default: all. `three_of_six` names those that were zeroed in TSCeption

    Returns
    -------
    Network : of the same shape, with zeros

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, table of SFP; `softNN` scripts of their release.
    """
    need_network(network, "zeroed_filters")
    known = weights_of(network, ("conv",))
    for name in tensors or ():
        if name not in known:
            raise PlanError(f"zeroed_filters: {unknown('weight of a convolution', name, known)}")
    changed = dict(network.tensors)
    for name in known if tensors is None else tensors:
        weight = changed[name].clone()
        norms = weight.detach().double().flatten(1).norm(dim=1)
        weight[norms.argsort(stable=True)[: zeroed_count(len(weight), sparsity)]] = 0.0
        changed[name] = weight
    return network.with_tensors(changed)


def zeroed_count(n: int, sparsity: float) -> int:
    """int(n·(1 − keep)) with keep = 1 − p to ten digits: truncation of 1 − 0.9 = 0.0999… included.

    Parameters
    ----------
    n : filters that there are

    Returns
    -------
    filters that are zeroed

    Shared parameters: `trimcap.reproduce`.
    """
    return int(n * (1 - round(1 - sparsity, 10)))


def three_of_six(network: Network) -> list[str]:
    """Of TSCeption's six convolutions those that SFP reached: T1, T3 and S1.

    The published script stepped through the parameters by four (`range(0, 25, 4)`), which meets every convolution of
    FBCCNN, but only these of TSCeption. Their printed costs are reproduced by these three, and not by all six.

    Parameters
    ----------
    network : TSCeption, traced

    Returns
    -------
    list of three names of weights, for `zeroed_filters`

    Raises
    ------
    PlanError : a network that has not six convolutions.

    Source: Rao and Zhong (2023), IJCNN, table of SFP, rows of TSCeption.
    """
    found = weights_of(network, ("conv",))
    if len(found) != 6:
        raise PlanError(f"three_of_six is about TSCeption and its six convolutions; {network.origin} has {len(found)}")
    return [found[0], found[2], found[3]]
