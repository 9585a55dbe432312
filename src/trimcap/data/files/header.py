"""What all recordings of a source must agree in, electrodes and rate: from the first header."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap.data.files.channels import eeg_names, name_channels, picks, site
from trimcap.data.files.raws import open_raw
from trimcap.data.files.spans import Reading

if TYPE_CHECKING:
    import mne

Open = Callable[[Path], "mne.io.BaseRaw"]


def open_named(
    path: Path, *, rename: Mapping[str, str] | None = None, types: Mapping[str, str] | None = None
) -> mne.io.BaseRaw:
    """`open_raw` with tidy channel names; see `name_channels`."""
    raw = open_raw(path)
    name_channels(raw, path, rename=rename, types=types)
    return raw


def first_header(
    files: Sequence[Path],
    *,
    channels: Sequence[str] | None,
    rename: Mapping[str, str] | None,
    types: Mapping[str, str] | None,
    any_names: bool,
    drop_bad: bool,
    opened: Open | None = None,
) -> dict[str, Any]:
    """Options of `Reading` that the first of some files decides: channels in order, all EEG channels, and the rate.

    Parameters
    ----------
    files : all of the set, so that a choice of subjects changes nothing
    drop_bad : leave out the channels that are bad in any file
    opened : opens a file, if not `open_named`

    Raises
    ------
    ValueError : the header is unreadable, or its channels are not those asked for.
    """
    opened = opened or partial(open_named, rename=rename, types=types)
    first = opened(files[0])
    names = tuple(picks(first, files[0], channels=channels, any_names=any_names))
    like = () if channels is not None else tuple(eeg_names(first, files[0]))
    if drop_bad:
        bad = {site(name) for file in files for name in opened(file).info["bads"]}
        left = tuple(name for name in names if site(name) not in bad)
        if not left:
            raise ValueError(f"every channel is bad in one of {len(files)} files; pass bad_channels='interpolate'")
        names = left
    return {"channels": names, "like": like, "like_rate": float(first.info["sfreq"])}


def like_first(reading: Reading, raw: mne.io.BaseRaw, where: Path) -> Reading:
    """`reading` with what the first recording has, so that others that differ are refused; itself from then on."""
    if reading.like_rate is not None:
        return reading
    names = tuple(eeg_names(raw, where))
    like = () if reading.channels else names
    return replace(reading, channels=reading.channels or names, like=like, like_rate=float(raw.info["sfreq"]))
