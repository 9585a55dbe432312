"""Files of epochs (MNE `-epo.fif`, EEGLAB `.set` with trials) as one stretch of signal: an event per epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import mne

# what MNE says of files that are not continuous
_SAYS = ("The number of trials is", "No raw data in")


def are_epochs(error: Exception) -> bool:
    """Whether MNE refused a file as continuous that may hold epochs."""
    return any(text in str(error) for text in _SAYS)


def read_epochs(path: Path) -> mne.io.BaseRaw:
    """The epochs one after the other; each an annotation of its length that is called like its event.

    Between two of them is an annotation `BAD boundary`, so that no trial reaches over it.

    ValueError: epochs that share samples, which would be separate trials; no epochs.
    """
    import mne

    if path.suffix.lower() == ".set":
        epochs = mne.io.read_epochs_eeglab(path, verbose="warning")
    else:
        epochs = mne.read_epochs(path, proj=False, preload=True, verbose="warning")
    epochs.drop_bad(verbose="error")
    if not len(epochs):
        raise ValueError(f"{path} holds no epochs that are not marked bad")
    rate, n = float(epochs.info["sfreq"]), len(epochs.times)
    _check_apart(epochs, path, n / rate)
    data = np.concatenate(list(epochs.get_data(copy=False)), axis=1)
    raw = mne.io.RawArray(data, epochs.info.copy(), verbose="error")
    names = {code: name for name, code in epochs.event_id.items()}
    onsets = np.arange(len(epochs)) * (n / rate)
    notes = mne.Annotations(onsets, [n / rate] * len(epochs), [names[code] for code in epochs.events[:, 2]])
    notes.append(onsets[1:], [0.0] * (len(epochs) - 1), ["BAD boundary between epochs"] * (len(epochs) - 1))
    raw.set_meas_date(None)
    raw.set_annotations(notes, verbose="error")
    return raw


def _check_apart(epochs: Any, path: Path, length: float) -> None:
    """Refuse epochs that overlap in the recording that they were cut from; its samples are counted at its own rate."""
    rates = np.atleast_1d(getattr(epochs, "_raw_sfreq", None) or epochs.info["sfreq"])
    starts = np.sort(epochs.events[:, 0]) / float(rates[0])
    if len(starts) > 1 and (nearest := float(np.diff(starts).min())) < length - 0.5 / float(epochs.info["sfreq"]):
        raise ValueError(
            f"{path}: its epochs overlap ({length:g} s long, {nearest:g} s apart), so they are no separate trials; cut "
            "trials from the recording, or use from_epochs(…, trial=…)"
        )
