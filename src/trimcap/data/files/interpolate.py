"""Bad channels from their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap.data.electrodes.names import canonical, positions, tidy
from trimcap.data.files.raws import samples

if TYPE_CHECKING:
    import mne

_FEWEST = 4
# centre of the head of MNE's 10-5 montage, m
_CENTRE = (0.0, 0.0, 0.04)


def interpolated(
    raw: mne.io.BaseRaw, path: Path, rows: Sequence[int], bad: Sequence[str], first: int, last: int
) -> NDArray[np.float64]:
    """Volts as `samples` gives them, channels `bad` by spherical splines from all good electrodes of the file.

    Positions are those of the 10-5 montage (`positions`), not of the file, which may have none.

    Raises
    ------
    ValueError : fewer than 4 good electrodes, or a bad channel that is no electrode of the 10-5 system.

    Notes
    -----
    Perrin et al., Spherical splines for scalp potential and current density mapping, EEG clin. Neurophysiol.
    1989;72:184-187, as in `mne.io.Raw.interpolate_bads`.
    """
    import mne

    sites: dict[str, int] = {}  # electrode → row
    for row in [*rows, *range(len(raw.ch_names))]:
        name = raw.ch_names[row]
        is_eeg = raw.get_channel_types(picks=[row]) == ["eeg"]
        if is_eeg and tidy(name) is not None and (name not in raw.info["bads"] or row in rows):
            sites.setdefault(canonical(name), row)
    names = {raw.ch_names[row]: site for site, row in sites.items()}
    nowhere = [name for name in bad if name not in names]
    if nowhere or len(sites) - len(bad) < _FEWEST:
        why = (
            f"{', '.join(nowhere)} have no known place" if nowhere else f"only {len(sites) - len(bad)} good electrodes"
        )
        raise ValueError(
            f"{path}: can't interpolate the bad channels {', '.join(bad)}: {why}; pass bad_channels='drop'"
        )
    info = mne.create_info(list(sites), raw.info["sfreq"], "eeg")
    montage = mne.channels.make_dig_montage(dict(zip(sites, positions(list(sites)), strict=True)), coord_frame="head")
    values = mne.io.RawArray(samples(raw, path, list(sites.values()), first, last), info, verbose="error")
    values.set_montage(montage, verbose="error")
    values.info["bads"] = [names[name] for name in bad]
    values.interpolate_bads(reset_bads=True, origin=_CENTRE, verbose="error")
    mended = dict(zip(sites.values(), values.get_data(verbose="error"), strict=True))
    others = [row for row in rows if row not in mended]  # not an electrode of the 10-5 system, and good
    if others:
        mended |= dict(zip(others, samples(raw, path, others, first, last), strict=True))
    return np.stack([mended[row] for row in rows])
