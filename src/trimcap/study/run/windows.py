"""From a recipe's `[data]` to windows, through a chain and a cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trimcap.data.cache.make import make_windows
from trimcap.data.cache.reading import user_cache
from trimcap.data.electrodes.montage import Grid, grid
from trimcap.data.piecewise import piecewise
from trimcap.data.preprocess.chain import Chain, make_chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.features import BANDS, POWER_BANDS, band_power, differential_entropy, to_grid
from trimcap.data.preprocess.windows.scaling import subject_z_score
from trimcap.data.recording import Recording
from trimcap.data.sets.table import SETS, data_set
from trimcap.data.source import Source
from trimcap.data.sources import WINDOW_SOURCES, open_source, open_windows
from trimcap.data.windows import Windows
from trimcap.study.recipe.sections import DataSection

#: sources that resample by themselves, before what they cut off
_OWN_RATE = ("bids", "eegmat", "files", "fingerprint", "seed-v", "synthetic")
#: sources that know which part of a recording to use
_OWN_SECONDS = ("eegmat", "fingerprint", "synthetic")


def windows_of(data: DataSection, *, progress: bool = False) -> tuple[Windows, Grid | None]:
    """Windows for networks, and their electrode grid.

    Windows of files on disk are mapped from the cache, so that processes share them.

    Raises
    ------
    ValueError, OSError : unknown source, bad recordings, impossible windows; see the readers.
    """
    if data.source in WINDOW_SOURCES:
        return _of_stored(_stored(data), data)
    chain = chain_of(data)
    windows = _made(chain, _opened(data, chain), data, progress=progress)
    return windows, _layout(chain, windows)


def signals_of(data: DataSection) -> Windows | None:
    """The signals that the windows for networks were made of, filtered and cut as they were; None if there are none.

    Raises
    ------
    ValueError, OSError : as `windows_of`.
    """
    if data.source in WINDOW_SOURCES:
        return _stored(data)
    chain = chain_of(data)
    at = next(i for i, step in enumerate(chain.steps) if step.name == "windows")
    options = dict(chain.steps[at].options)
    if options["baseline"]:  # nothing is subtracted here, but the windows start where they did
        options |= {"baseline": 0, "start": options["baseline"] if options["start"] is None else options["start"]}
    rejects = [step for step in chain.steps[at + 1 :] if step.name == "reject"]
    return _made(
        Chain((*chain.steps[:at], make_step("windows", **options), *rejects)),
        _opened(data, chain),
        data,
        progress=False,
    )


def chain_of(data: DataSection) -> Chain:
    """The declared chain, or the one that the simple keys stand for.

    Raises
    ------
    ValueError : an impossible chain.
    """
    if data.chain is not None:
        return make_chain(data.chain)
    assert data.window is not None  # the section fills in the simple keys where there is no chain
    steps = []
    if data.rate is not None and data.source not in _OWN_RATE:
        steps.append(make_step("resample", rate=data.rate))
    if data.seconds is not None and data.source not in _OWN_SECONDS:
        steps.append(make_step("keep_first", seconds=data.seconds))
    steps.append(make_step("windows", seconds=data.window, step=data.step))
    if data.features == "differential_entropy":
        steps.append(make_step("differential_entropy", bands=data.bands or BANDS))
    if data.features == "band_power":
        steps.append(make_step("band_power", bands=data.bands or POWER_BANDS))
    if data.normalise == "subject":
        steps.append(make_step("subject_z_score"))
    if data.layout == "grid":
        steps.append(make_step("grid"))
    return Chain(tuple(steps))


def declared_chain(data: DataSection) -> Chain | None:
    """The chain that makes the windows; None if they are stored and nobody declared how they were made."""
    return None if data.source in WINDOW_SOURCES else chain_of(data)


def _opened(data: DataSection, chain: Chain) -> Source | Sequence[Recording]:
    options = _options(data, chain)
    subjects = options.pop("subjects", None)
    if subjects is not None and data.subjects is not None:
        raise ValueError("[data] subjects are given twice, there and in [data.options]; leave one out")
    return open_source(data.source, data.path, subjects=subjects or data.subjects, **options)


def _options(data: DataSection, chain: Chain) -> dict[str, Any]:
    """Options of the source: those given, and what the other keys of the section mean to it."""
    options = dict(data.options)
    if data.source in _OWN_RATE and data.rate is not None:
        options.setdefault("rate", data.rate)
    if data.source in _OWN_SECONDS and data.seconds is not None:
        options.setdefault("seconds", data.seconds)
    seconds = next(step.options["baseline"] for step in chain.steps if step.name == "windows")
    known = vars(data_set(data.source).options()) if data.source in SETS else {}
    if seconds and "baseline" in known:  # it can be left where it was recorded, before the trial
        options.setdefault("baseline", "keep")
        if "baseline_seconds" in known and options["baseline"] == "keep":
            options.setdefault("baseline_seconds", seconds)  # of a minute, what lies next to the clip
    return options


def _made(chain: Chain, source: Source | Sequence[Recording], data: DataSection, *, progress: bool) -> Windows:
    """Through the cache that the section names."""
    cache = _cache(data, source)
    try:
        return make_windows(chain, source, cache=cache, progress=progress)
    except OSError as error:
        if cache is not None and data.cache is None:
            error.add_note(
                f"windows are cached in {cache}; name another folder by TRIMCAP_CACHE or cache, or cache=false"
            )
        raise


def _cache(data: DataSection, source: Source | Sequence[Recording]) -> Path | None:
    """The folder of the cache, or None."""
    if isinstance(data.cache, str):
        return Path(data.cache).expanduser()
    wanted = isinstance(source, Source) if data.cache is None else data.cache
    return user_cache() if wanted else None


def _layout(chain: Chain, windows: Windows) -> Grid | None:
    """Where the electrodes lie in the windows, if they are maps of the scalp."""
    maps = [step for step in chain.steps if step.name in ("grid", "frames")]
    if not maps or windows.X.ndim != 4:
        return None
    return grid(windows.channels, rows=maps[-1].options["rows"], columns=maps[-1].options["columns"])


def _stored(data: DataSection) -> Windows:
    return open_windows(data.source, data.path, subjects=data.subjects, **data.options)


def _of_stored(raw: Windows, data: DataSection) -> tuple[Windows, Grid | None]:
    """What networks get of windows that are stored, and its electrode grid."""
    windows = raw if data.features == "raw" else piecewise(raw, partial(_features, data=data))
    if data.normalise == "subject":
        windows = subject_z_score(windows)
    if data.layout != "grid":
        return windows, None
    if windows.unit == "µV":
        raise ValueError(f'{data.path}: layout = "grid" needs features; set features = "differential_entropy"')
    layout = grid(windows.channels)
    return to_grid(windows, layout), layout


def _features(raw: Windows, *, data: DataSection) -> Windows:
    if data.features == "differential_entropy":
        return differential_entropy(raw, bands=data.bands or BANDS)
    return band_power(raw, bands=data.bands or POWER_BANDS)
