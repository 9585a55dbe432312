"""Windows of a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimcap.data.cache.cache import cached
from trimcap.data.cache.reading import read_items
from trimcap.data.preprocess.chain import Chain
from trimcap.data.recording import Recording
from trimcap.data.source import Source
from trimcap.data.windows import Windows


def make_windows(
    chain: Chain,
    source: Source | Sequence[Recording],
    *,
    cache: Path | str | None = None,
    progress: bool = False,
) -> Windows:
    """What a chain makes of a source: item by item, and from the cache where it was made before.

    Parameters
    ----------
    chain : what is done
    source : of `open_source`
    cache : folder of a cache, see `cached`: memory holds one item, and X is mapped from the file. None: all windows
        are made in memory
    progress : show a bar with the time that is left, on standard error

    Raises
    ------
    ValueError, OSError : as `cached`, `Chain.apply` and the readers.

    Examples
    --------
    `make_windows(chain, open_source("deap", "data/DEAP", label="arousal"), cache="cache")`
    """
    if isinstance(source, Source):
        if cache is None:
            items = read_items(source.items, source.read, progress=progress, subjects=source.subjects)
            return chain.apply(items)
        return cached(
            chain, source.items, folder=cache, read=source.read, also=source.also, parts=source.parts,
            subjects=source.subjects, progress=progress,
        )  # fmt: skip
    if cache is None:
        return chain.apply(source, progress=progress)
    return cached(chain, source, folder=cache, progress=progress)
