"""What must be known of EEG files before anybody believes a result: who is who, and amplitudes that no EEG has."""

from __future__ import annotations

from statistics import median

from trimcap.data.check import SWINGS
from trimcap.data.files.identity import choice
from trimcap.data.files.spans import UNITS
from trimcap.data.files.survey.copies import told
from trimcap.data.files.survey.look import Survey

_DRIFT = 1000.0  # µV


def notes_of(found: Survey) -> list[str]:
    """What is not wrong, but must be known."""
    notes = [f"{choice(found.doubt)} (--subject)"] if found.doubt and len(found.files) > 1 else []
    spread, swing = _typical(found)
    unit = unit_of(found)
    if unit or drifts(found):
        notes.append(
            f"no EEG has such amplitudes: a standard deviation of {spread:,.3g} µV, {swing:,.3g} µV within a second"
        )
    if unit:
        notes.append(
            f"the numbers may be {unit}, not the volts that MNE takes them for: --option unit={unit} makes "
            f"{swing * UNITS[unit] / 1e6:.2g} µV within a second of them"
        )
    if drifts(found):
        notes.append("electrodes may drift: filter the slow waves out first, before windows are cut (--do bandpass)")
    for one in found.files:
        if one.odd:
            listed = ", ".join(f"{name} {swing:.2g} µV" for name, swing in one.odd.items())
            name = next(iter(one.odd))
            notes.append(
                f"{one.file}: the unit of {listed} within a second is not that of the others ({one.swing:.2g} µV): "
                f"--option 'unit={{{name} = \"uV\"}}' says what it is, or leave it out"
            )
    strange = sorted({name for one in found.files for name in one.unknown if len(one.unknown) == len(one.channels)})
    if strange:
        notes.append(
            f"{', '.join(strange[:3])}{', …' if strange[3:] else ''}: no names of electrodes; say which they are by "
            f'--option \'rename={{"{strange[0]}" = "Fp1", …}}\', or read them as they are (any_names=true)'
        )
    return [*notes, *found.notes, *_copies(found)]


def _copies(found: Survey) -> list[str]:
    """Recordings that lie there twice."""
    files = [one for one in found.files if one.sketch is not None]
    sketches = [one.sketch for one in files if one.sketch is not None]
    return told([one.file for one in files], [one.subject for one in files], sketches)


def unit_of(found: Survey) -> str:
    """The unit that would make EEG of the numbers, "" if MNE has it right."""
    swing = _typical(found)[1]
    if not swing or SWINGS[0] <= swing <= SWINGS[1]:
        return ""
    return next((unit for unit, factor in UNITS.items() if 0.5 <= swing * factor / 1e6 < 500), "")


def drifts(found: Survey) -> bool:
    """Whether the channels wander so far that a filter must come before windows."""
    spread, swing = _typical(found)
    return spread > _DRIFT and spread > 1.02 * swing


def _typical(found: Survey) -> tuple[float, float]:
    """Standard deviation of all samples, and within a second, of the median file, µV."""
    if not found.files:
        return 0.0, 0.0
    return median(one.spread for one in found.files), median(one.swing for one in found.files)
