"""Names and types of the channels of a file, and which of them are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimcap._errors import unknown
from trimcap.data.electrodes.names import canonical, tidy, unknown_electrodes

if TYPE_CHECKING:
    import mne

#: what a channel can be told to be
TYPES = ("eeg", "eog", "ecg", "emg", "stim", "misc", "resp", "bio", "seeg", "ecog", "temperature", "gsr")
# what names say in formats without types; the first word of EDF's labels is a type
_BY_NAME = (
    ("eog", r"[HVLR]?EOG|[HV]EO\b"),
    ("ecg", r"E[CK]G"),
    ("emg", r"EMG"),
    ("stim", r"(STI|Status|Trigger|TRIG)\b|STI ?[0-9]+"),
    ("resp", r"Resp"),
    ("gsr", r"(GSR|EDA)[0-9]*\b"),
    ("misc", r"(Temp|Plet|Pleth|Erg|SaO2|SpO2|Sound|Event|Photo|Aux|EXG(?! Channel)|ACC|Gyro|DC)[0-9XYZ_. ]*\b"),
)


def name_channels(
    raw: mne.io.BaseRaw, path: Path, *, rename: Mapping[str, str] | None = None, types: Mapping[str, str] | None = None
) -> None:
    """Give the channels of a file, in place, the names and types asked for, then tidy what is left.

    A prefix `EEG `, a common reference (`-REF`, `-LE`), trailing dots and odd case go where a 10-20, 10-10 or 10-5 name
    is left; a channel that no such name fits, but whose name begins with EOG, ECG, EMG, Status, GSR, … gets that type.

    ValueError: a channel to rename that is not there; an unknown type; two channels with one name.
    """
    for name, wanted in (types or {}).items():
        if wanted not in TYPES:
            raise ValueError(unknown(f"type of channel {name!r}", wanted, TYPES))
    _rename(raw, path, _asked(raw, path, rename or {}))
    told = {name: kind for name, kind in (types or {}).items() if name in raw.ch_names}
    _set_types(raw, told)
    eeg = [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "eeg"]
    _rename(raw, path, {name: new for name in eeg if (new := tidy(name)) is not None and new != name})
    _set_types(raw, {n: kind for n in raw.ch_names if n in eeg and n not in told and (kind := kind_by_name(n))})


def picks(
    raw: mne.io.BaseRaw, path: Path, *, channels: Sequence[str] | None = None, any_names: bool = False
) -> dict[str, int]:
    """Name → row in the file of the channels to read, in the order of `channels`, else all EEG in the file's order.

    `channels` may name a site as another file does: T3 finds T7.

    ValueError: no EEG; a channel that is not there or there twice; a name that is no electrode's, unless `any_names`.
    """
    if channels is None:
        found = {name: raw.ch_names.index(name) for name in eeg_names(raw, path)}
    else:
        found = {name: _row(raw, path, name) for name in channels}
        if len(found) != len(channels):
            twice = ", ".join(name for name, n in Counter(channels).items() if n > 1)
            raise ValueError(f"channels name {twice} twice; name each once")
    bad = () if any_names else unknown_electrodes(found)
    if bad:
        good = [name for name in found if name not in bad]
        raise ValueError(
            f"{path}: unknown electrodes {', '.join(bad)}; name the channels to read "
            f"(channels={','.join(good) or '…'}), rename them (rename={{'{bad[0]}': 'Fz', …}}), or pass any_names=True "
            "(regions, grids and scalp maps will not work)"
        )
    return found


def eeg_names(raw: mne.io.BaseRaw, path: Path) -> list[str]:
    """Names of the EEG channels, bad ones too. ValueError: there are none."""
    kinds = raw.get_channel_types()
    names = [name for name, kind in zip(raw.ch_names, kinds, strict=True) if kind == "eeg"]
    if not names:
        listed = ", ".join(f"{name} ({kind})" for name, kind in zip(raw.ch_names, kinds, strict=True))
        raise ValueError(f"{path}: no EEG channel among {listed}; say what is EEG with types={{'NAME': 'eeg', …}}")
    return names


def _asked(raw: mne.io.BaseRaw, path: Path, rename: Mapping[str, str]) -> dict[str, str]:
    missing = [old for old, new in rename.items() if old not in raw.ch_names and new not in raw.ch_names]
    if missing:
        raise ValueError(f"{path}: {unknown('channel to rename', missing[0], raw.ch_names)}")
    return {old: new for old, new in rename.items() if old in raw.ch_names}


def _rename(raw: mne.io.BaseRaw, path: Path, new: Mapping[str, str]) -> None:
    names = [new.get(name, name) for name in raw.ch_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        old = [o for o, n in zip(raw.ch_names, names, strict=True) if n in twice]
        raise ValueError(
            f"{path}: channels {', '.join(old)} would both be called {', '.join(twice)}; give one of them another name "
            f"(rename={{'{old[0]}': …}}) or another type (types={{'{old[0]}': 'misc'}})"
        )
    raw.rename_channels(dict(new), verbose="error")


def _set_types(raw: mne.io.BaseRaw, kinds: Mapping[str, str]) -> None:
    if kinds:
        raw.set_channel_types(dict(kinds), on_unit_change="ignore", verbose="error")


def kind_by_name(name: str) -> str | None:
    """What a channel's name says it is, None if nothing or an electrode."""
    if tidy(name) is not None:
        return None
    return next(
        (kind for kind, pattern in _BY_NAME if re.match(rf"(EEG[ _:-]+)?({pattern})", name, re.IGNORECASE)), None
    )


def _row(raw: mne.io.BaseRaw, path: Path, name: str) -> int:
    if name in raw.ch_names:
        return int(raw.ch_names.index(name))
    same = [i for i, other in enumerate(raw.ch_names) if site(other) == site(name)]
    if len(same) != 1:
        listed = ", ".join(raw.ch_names)
        why = "is there twice" if same else "missing"
        raise ValueError(f"{path}: channel {name} {why}; the file has {listed}")
    return same[0]


def check_like(raw: mne.io.BaseRaw, path: Path, like: Sequence[str]) -> None:
    """Refuse EEG channels that the first file has not: then "all channels" means nothing."""
    if not like:
        return
    known = {site(name) for name in like}
    extra = [name for name in eeg_names(raw, path) if site(name) not in known]
    if extra:
        both = [name for name in like if site(name) in {site(other) for other in raw.ch_names}]
        raise ValueError(
            f"{path} has EEG channels that the first file has not: {', '.join(extra)}; name those to read from all "
            f"files (channels={','.join(both)})"
        )


def site(name: str) -> str:
    """What makes two channels the same: the electrode's place, or else the name."""
    return canonical(name) if tidy(name) else name
