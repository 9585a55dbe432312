"""The one door of data into networks: whatever a user holds becomes the input that the network was made for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.electrodes.names import found_among, tidy
from trimcap.data.expected import Expected, levels, some_rows
from trimcap.data.libraries.objects import eeg_picks
from trimcap.data.recording import Recording
from trimcap.data.rows.lazy import as_lazy
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.sealed import Sealed
from trimcap.data.windows import Windows

#: factors between what is given and what a network knows: from the first on it is said, from the second on refused
_ODD, _WRONG = 30.0, 300.0
#: an artefact can make some windows large; fewer than these are not refused for it
_MANY = 8
#: windows that are compared with the record, spread evenly over all
_LOOKED_AT = 64
#: how far a window's mean may lie outside the training windows' means, in deviations
_AWAY = {True: 30.0, False: 3.0}
_FACTORS = {1e-6: "volts: multiply by 1e6", 1e-3: "millivolts: multiply by 1e3", 1e3: "nanovolts: multiply by 1e-3"}


def to_input(
    given: Any,
    expects: Expected | None,
    *,
    shape: tuple[int, ...] | None,
    what: str = "the network",
    finite: bool = True,
) -> NDArray[np.float32]:
    """Whatever a user holds as the input of a network: float32 (n, *shape), or a `LazyArray` of it.

    Parameters
    ----------
    given : `Windows`, whose electrodes are brought into the network's order by their names (T3 = T7); MNE `Epochs`,
        whose EEG channels become µV; or an array or tensor (n, *shape) in the network's own unit
    expects : what the network knows of its input; None: nothing, so that only the shape is compared
    shape : of one window, None if unknown
    what : the network, for messages
    finite : refuse NaN and infinity (of a `LazyArray` whoever reads it does, with `check_finite`)

    Raises
    ------
    ValueError : another shape, rate, unit or electrodes; NaN or infinity (names the window); numbers some 10³ or 10⁶
        times too small or too large; whole numbers (counts of an ADC) where µV are expected; Epochs for a network of
        features, or for one that does not know its unit.
    TypeError : something that is no window: a sealed test set, a fold, a Raw, a recording.

    Warns
    -----
    UserWarning : numbers 30 times smaller or larger than those the network was made for, one electrode 300 times so,
        or far from zero where the training windows were not.
    """
    refuse_others(given)
    values: Any
    if isinstance(given, Windows):
        values = aligned(given, expects, what=what).X
    elif hasattr(given, "get_data") and hasattr(given, "info"):
        values = _from_epochs(given, expects, what)
    else:
        values = _from_array(given, expects, what)
    need_shape(values, shape, what)
    if finite and isinstance(values, np.ndarray):
        check_finite(values, expects, what=what)
    if expects is not None:
        _check_scale(values, expects, what)
    return values  # type: ignore[no-any-return]


def aligned(windows: Windows, expects: Expected | None, *, what: str = "the network", renew: bool = False) -> Windows:
    """The windows with the network's electrodes in its order, found by their names.

    Parameters
    ----------
    windows, expects, what : as for `to_input`
    renew : the network will be trained on them, so rate and unit may be others than before

    Raises
    ------
    ValueError : electrodes are missing; another rate or unit.
    """
    if expects is None:
        return windows
    if not renew and expects.rate is not None and not np.isclose(expects.rate, windows.rate):
        raise ValueError(
            f"{what} takes windows at {expects.rate:g} Hz, these have {windows.rate:g} Hz; resample the recordings"
        )
    if not renew and expects.unit and expects.unit != windows.unit:
        raise ValueError(
            f"{what} takes windows in {expects.unit}, these are in {windows.unit}; make them by the same steps"
            + (f": {'; '.join(expects.steps)}" if expects.steps else "")
        )
    if not expects.channels or expects.channels == windows.channels or windows.X.ndim != 3:
        return windows
    names = _names(expects.channels, windows.channels, what)
    return replace(windows.pick(names), channels=expects.channels)


def check_finite(X: NDArray[np.float32], expects: Expected | None, *, what: str, first: int = 0) -> None:
    """Refuse NaN and infinity in the windows X (n, …), the first of which has the number `first`."""
    if np.isfinite(X).all():
        return
    row, *place = (int(i) for i in np.argwhere(~np.isfinite(X))[0])
    names = expects.channels if expects is not None and X.ndim == 3 else ()
    where = f"electrode {names[place[0]]}" if len(names) == X.shape[1] else f"position {tuple(place)}"
    bad = int((~np.isfinite(X).reshape(len(X), -1).all(axis=1)).sum())
    raise ValueError(
        f"{what}: window {first + row} holds NaN or infinity, first at {where} ({bad} of {len(X)} windows do); repair "
        "or drop it before running the network"
    )


def refuse_others(given: Any) -> None:
    """Refuse with a `TypeError` what holds windows but is none: a sealed test set, a fold, a recording, an average."""
    if isinstance(given, Sealed):
        raise TypeError('the test set is sealed; predict on fold.test.open("evaluate", "what is evaluated")')
    if isinstance(given, Fold):
        raise TypeError("a network takes windows, got a whole Fold: pass fold.train or fold.valid")
    if hasattr(given, "nave") and hasattr(given, "info"):
        raise TypeError(f"a network takes single windows, got a {type(given).__name__}, an average: pass the Epochs")
    if isinstance(given, Recording) or (hasattr(given, "get_data") and hasattr(given, "first_samp")):
        raise TypeError(
            f"a network takes windows, got a {type(given).__name__}, which is continuous: cut it first (trimcap.cut, "
            "or a chain with the step 'windows')"
        )


def _from_array(given: Any, expects: Expected | None, what: str) -> Any:
    given = getattr(given, "X", given)
    if as_lazy(given) is not None:
        return given
    if hasattr(given, "detach"):  # a tensor, perhaps with a gradient or on a GPU
        given = given.detach().cpu()
    values = np.asarray(given)
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{what} takes Windows, MNE Epochs or an array of real numbers, got {type(given).__name__} ({values.dtype})"
        )
    if values.dtype.kind in "iu" and expects is not None and expects.unit == "µV":
        raise ValueError(
            f"{what} takes µV, got whole numbers ({values.dtype}), which look like counts of an ADC: multiply them by "
            "the µV of one count"
        )
    with np.errstate(over="ignore"):  # becomes infinity, which is refused with its place
        return values.astype(np.float32, copy=False)


def _from_epochs(epochs: Any, expects: Expected | None, what: str) -> NDArray[np.float32]:
    if expects is None or not expects.unit:
        raise ValueError(
            f"{what} does not know what it was trained on, so it can't be said which unit and channels of these Epochs "
            "it takes: pass trimcap.from_epochs(epochs, subject=…) if that was µV, or the array that it was trained on"
        )
    if not expects.raw or expects.unit != "µV":
        did = f" ({'; '.join(expects.steps)})" if expects.steps else ""
        raise ValueError(
            f"{what} takes windows in {expects.unit} that were made by further steps{did}, Epochs are volts: make "
            "Windows of them (trimcap.from_epochs) and do the same steps"
        )
    rate = float(epochs.info["sfreq"])
    if expects.rate is not None and not np.isclose(rate, expects.rate):
        raise ValueError(f"{what} takes {expects.rate:g} Hz, the Epochs have {rate:g} Hz; epochs.resample first")
    there = [epochs.ch_names[i] for i in eeg_picks(epochs.info, "epochs")]
    names = _names(expects.channels, there, what) if expects.channels else there
    values = epochs.get_data(picks=list(names), copy=False)
    return np.asarray(values * 1e6, dtype=np.float32)


def _names(wanted: Sequence[str], there: Sequence[str], what: str) -> tuple[str, ...]:
    """What the electrodes `wanted` are called among those that are there, in the order of `wanted`."""
    found = found_among(wanted, there)
    plain = {tidy(name) or name: name for name in there}
    more = found_among((name for name in wanted if name not in found), plain)
    found |= {name: plain[other] for name, other in more.items() if plain[other] not in found.values()}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"{what} reads {len(wanted)} electrodes, {', '.join(missing)} of them missing here; "
            + "; ".join(unknown("electrode", name, there) for name in missing[:3])
        )
    return tuple(found[name] for name in wanted)


def need_shape(values: Any, shape: tuple[int, ...] | None, what: str) -> None:
    """Refuse windows (n, …) of another shape than a network takes; None: it does not say which."""
    if shape is None or (tuple(values.shape[1:]) == tuple(shape) and len(values.shape) == len(shape) + 1):
        return
    sizes = ", ".join(map(str, shape))
    raise ValueError(
        f"{what} takes windows of shape {tuple(shape)}: X must be (n, {sizes}), got {tuple(values.shape)}; give "
        "windows made by the same steps as those it was built for, or build a model for these"
    )


def _check_scale(values: Any, expects: Expected, what: str) -> None:
    """Compare the numbers with those that the network was made for."""
    if not expects.scale or not len(values):
        return
    usual = np.asarray(expects.scale)
    rows = some_rows(values, _LOOKED_AT)
    spread, mean = levels(rows, raw=expects.raw)
    if spread.shape[1] != len(usual):
        return
    typical = np.median(spread, axis=0)
    alive = (usual > 0) & (typical > 0)
    if alive.any():
        ratios = typical[alive] / usual[alive]
        ratio = float(np.median(ratios))
        text = _said(float(np.median(typical[alive])), float(np.median(usual[alive])), ratio, expects, what)
        if ratio < 1 / _WRONG or (ratio > _WRONG and len(values) >= _MANY):
            raise ValueError(text)
        if not 1 / _ODD < ratio < _ODD:
            _warn(text)
        odd = (ratios / ratio > _WRONG) | (ratios / ratio < 1 / _WRONG)
        if expects.raw and odd.any():
            names = [n for n, a in zip(expects.channels or map(str, range(len(usual))), alive, strict=True) if a]
            odd_names = ", ".join(n for n, o in zip(names, odd, strict=True) if o)
            _warn(f"{what}: electrode {odd_names} differs in scale from the others by a factor above {_WRONG:g}, "
                  "which it did not in the windows the network was made for: another unit, or no contact?")  # fmt: skip
    center, room = np.median(mean, axis=0), _AWAY[expects.raw] * np.maximum(usual, typical)
    if ((center < np.asarray(expects.low) - room) | (center > np.asarray(expects.high) + room)).any():
        _warn(
            f"{what}: the windows lie around {float(np.median(center)):.3g} {expects.unit}, those it was made for "
            f"between {min(expects.low):.3g} and {max(expects.high):.3g}; remove the offset (high-pass), or make them "
            "by the same steps"
        )


def _said(got: float, usual: float, ratio: float, expects: Expected, what: str) -> str:
    near = next((text for factor, text in _FACTORS.items() if factor / 20 < ratio < factor * 20), "")
    hint = f" They look like {near}" if near and expects.unit == "µV" else " Is it another unit, or counts of an ADC?"
    size = f"{ratio:,.3g} times larger" if ratio > 1 else f"{1 / ratio:,.3g} times smaller"
    return (
        f"{what}: the numbers vary by {got:.2g}, the windows it was made for by {usual:.2g} {expects.unit}: {size}."
        f"{hint}"
    )


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=5)
