"""Steps on recordings that take samples as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimcap.data.recording import Recording

Block = NDArray[np.float32]

#: samples that a whole recording is fed in at a time, so that float64 copies stay small
_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class Online:
    """A step with carried state: blocks (n_channels, n_times) in, blocks out, whatever their size.

    Parameters
    ----------
    push : the next samples of the input → the samples of the output that they complete, float32
    rate, channels : of the output
    finish : no argument → the samples that are left when the recording ends
    delay : how far the output lies behind the input, s

    Raises
    ------
    ValueError : `push` refuses samples without having changed its state, so that a stream survives a bad
        block.
    """

    push: Callable[[Block], Block]
    rate: float
    channels: tuple[str, ...]
    finish: Callable[[], Block] | None = None
    delay: float = 0.0


def whole(recording: Recording, make: Callable[[float, tuple[str, ...]], Online]) -> Recording:
    """A whole recording through an online step: offline and streaming are one implementation.

    Parameters
    ----------
    make : sampling rate in Hz, electrode names → the step

    Raises
    ------
    ValueError : as the step does; names the recording.
    """
    signal = recording.signal
    try:
        online = make(recording.rate, recording.channels)
        blocks = [online.push(signal[:, i : i + _BLOCK]) for i in range(0, max(1, signal.shape[1]), _BLOCK)]
        if online.finish is not None:
            blocks.append(online.finish())
    except ValueError as error:
        raise ValueError(f"recording {recording.name}: {error}") from error
    out = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    return replace(recording, signal=np.ascontiguousarray(out), rate=online.rate, channels=online.channels)


def need_finite(block: Block, step: str, channels: tuple[str, ...]) -> None:
    """Refuse NaN and infinity before a recursion: one such sample would spoil all later ones."""
    finite = np.asarray(np.isfinite(block).all(axis=1))
    if not finite.all():
        names = [name for name, good in zip(channels, finite, strict=True) if not good]
        raise ValueError(
            f"channel {', '.join(names)} has NaN or infinite samples, which {step} would spread over all later "
            "ones; repair, crop or leave out the channel or recording (on_bad='drop' of a published set's reader "
            "leaves such trials out; that of the windows step comes too late; in a stream: replace the lost samples)"
        )
