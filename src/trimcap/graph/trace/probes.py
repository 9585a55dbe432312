"""The proof that a traced graph is the model, wherever a sensor can go.

Noise alone proves little: an electrode that comes off rails at ±10⁵ µV, a lost packet is NaN, a flat line is zero, a DC
offset is thousands of µV. What a model does about them (clipping, `nan_to_num`, a mask) shows on such windows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from trimcap._errors import TraceError
from trimcap.graph.network import Network

Batch = list[Tensor]
#: relative to the largest output of a window; half precision has 3 digits
_TOLERANCE = {torch.float16: 1e-2, torch.bfloat16: 5e-2}

_RANDOM = ("rand", "bernoulli", "normal", "multinomial", "poisson", "uniform", "exponential")


class DifferentError(TraceError):
    """The graph computes something else than the model."""


@torch.no_grad()
def check_same(
    network: Network, model: nn.Module, examples: Sequence[Tensor], tolerance: float, *, quick: bool = False
) -> None:
    """Compare a graph with its model on noise of the example's scale, and on windows that faulty sensors give.

    Parameters
    ----------
    network, model : model in evaluation mode
    examples : one batch for each input, of the scale that the model takes
    tolerance : largest difference relative to the largest output of a window
    quick : noise only

    Raises
    ------
    TraceError : they differ; says on which windows
    """
    random = [node.where for node in network.nodes if node.kind.startswith(_RANDOM)]
    if random:
        raise DifferentError(
            f"{network.origin} draws random numbers in evaluation mode at {', '.join(random[:3])}: no graph computes "
            "the same. Draw them in training only (`if self.training:`)"
        )
    tolerance = max(tolerance, _TOLERANCE.get(examples[0].dtype, 0.0))
    lost = 32 if network.n_parameters < 10**6 else 8
    for what, batch in islice(_probes(examples, lost), 2 if quick else None):
        try:
            want = model(*(x.clone() for x in batch))
        except (RuntimeError, IndexError, ValueError):
            if what.startswith("a batch"):
                raise
            continue  # the model itself takes no such windows
        got = network(*(x.clone() for x in batch))
        error = difference(want, got)
        if not error <= tolerance:
            raise DifferentError(
                f"the traced graph of {network.origin} differs from the model by {error:.2g} (relative) on {what}; "
                "is something random, stateful or dependent on the batch size in evaluation mode? Does the model "
                "write into a tensor in a way that a graph can't show?"
            )


def difference(want: Tensor, got: Tensor) -> float:
    """The largest difference of two batches, relative to the largest finite output of the window; ∞ where only one is
    a number, or they are infinite with other signs.
    """
    if want.shape != got.shape or want.is_complex() != got.is_complex():
        return float("inf")
    want, got = want.double(), got.double()
    known = want.isfinite()
    if not torch.equal(known, got.isfinite()) or not torch.equal(_sign(want), _sign(got)):
        return float("inf")
    if not want.numel():
        return 0.0
    rows = want.shape[0] if want.ndim else 1
    want, got = (x.masked_fill(~known, 0.0).reshape(rows, -1) for x in (want, got))
    scale = want.abs().amax(1).clamp_min(1e-12)
    return float(((want - got).abs().amax(1) / scale).max())


def _sign(x: Tensor) -> Tensor:
    """±1 for infinities, 0 for numbers and for NaN."""
    return torch.where(x.isinf(), x.sign(), 0.0)


def _probes(examples: Sequence[Tensor], lost: int) -> Iterator[tuple[str, Batch]]:
    generator = torch.Generator().manual_seed(0)

    def noise(x: Tensor, n: int) -> Tensor:
        drawn = torch.randn(n, *x.shape[1:], generator=generator)
        return drawn.to(x.dtype) * (x.std() + 1e-6) + x.mean()

    for n in (1, 3):
        yield f"a batch of {n}", [noise(x, n) for x in examples]
    for what, faults in _FAULTS.items():
        clean = [noise(x, len(faults)) for x in examples]
        faulty = [torch.stack([f(w, generator) for f, w in zip(faults, x, strict=True)]) for x in clean]
        yield what, faulty
    yield "windows with one NaN", [_one_lost(noise(x, lost), generator) for x in examples]


def _one_lost(x: Tensor, generator: torch.Generator) -> Tensor:
    """One NaN in every window, in one row after the other: first, last, and anywhere. More would hide each other."""
    flat = x.reshape(*x.shape[:2], -1).clone()
    n, rows, size = flat.shape
    places = torch.randint(size, (n,), generator=generator)
    places[::4], places[1::4] = 0, size - 1
    first = torch.randperm(rows, generator=generator).repeat(n // rows + 1)[:n]
    flat[torch.arange(n), first, places] = torch.nan
    return flat.reshape(x.shape)


Fault = Callable[[Tensor, torch.Generator], Tensor]


def _where(share: float, value: float) -> Fault:
    """Some samples become ±value."""

    def fault(x: Tensor, generator: torch.Generator) -> Tensor:
        hit = torch.rand(x.shape, generator=generator) < share
        sign = 2.0 * (torch.rand(x.shape, generator=generator) < 0.5) - 1.0
        return torch.where(hit, (sign * value).to(x.dtype), x)

    return fault


def _row(value: float) -> Fault:
    """Half of the electrodes (rows of the first dimension) become a constant."""

    def fault(x: Tensor, generator: torch.Generator) -> Tensor:
        hit = torch.rand(x.shape[0], generator=generator) < 0.5
        return torch.where(hit.reshape(-1, *[1] * (x.ndim - 1)), torch.as_tensor(value, dtype=x.dtype), x)

    return fault


def _plus(value: float, factor: float = 1.0) -> Fault:
    return lambda x, _: factor * x + value


def _every_size(x: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers of both signs from 10⁻⁸ to 10⁸: every threshold lies between some of them."""
    exponents, signs = (torch.rand(x.shape, generator=generator) for _ in range(2))
    return (10 ** (16 * exponents - 8) * torch.where(signs < 0.5, -1.0, 1.0)).to(x.dtype)


_NAN, _INF = float("nan"), float("inf")
_FAULTS: dict[str, tuple[Fault, ...]] = {
    "windows of zeros, of a constant, or very small": (_plus(0.0, 0.0), _plus(1.0, 0.0), _plus(0.0, 1e-6)),
    "windows with outliers of ±10⁵ or 30 times as large": (_where(0.1, 1e5), _row(1e5), _row(-1e5), _plus(0.0, 30.0)),
    "windows with numbers of every size": (_every_size,),
    "windows with an offset (±50, ±4,000)": (_plus(50.0), _plus(-50.0), _plus(4e3), _plus(-4e3)),
    "windows with NaN": (_where(0.05, _NAN), _row(_NAN)),
    "windows with ±∞": (_where(0.05, _INF),),
}
