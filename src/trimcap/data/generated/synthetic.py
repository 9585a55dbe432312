"""Synthetic EEG with planted truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.electrodes.names import TEN_TWENTY, canonical_names, positions
from trimcap.data.recording import Recording

Array = NDArray[np.float64]

# Widths of the Gaussian spread over the scalp, m. Neighbours in the 10-20 system are 5 to 7 cm apart.
_CONDUCTION = 0.04
_SMEAR = 0.02
_EYES = 0.04
_FLATTEN_BELOW = 0.5  # Hz; 1/f is cut off here so that slow drifts do not swallow the variance
_BLINKS_PER_SECOND = 0.25
_BLINK_SECONDS = 0.3
_FINGERPRINT_KNOTS = (1.0, 4.0, 8.0, 14.0, 31.0, 45.0)  # Hz


def make_synthetic(
    n_subjects: int = 8,
    *,
    seed: int,
    rate: float = 128.0,
    seconds: float = 20.0,
    trials_per_class: int = 4,
    channels: Sequence[str] = TEN_TWENTY,
    classes: Sequence[str] = ("low", "high"),
    band: tuple[float, float] = (8.0, 13.0),
    electrodes: Sequence[str] = ("O1", "O2"),
    effect: float = 6.0,
    background: float = 10.0,
    rhythm: float = 5.0,
    blink: float = 80.0,
    line_noise: float = 2.0,
    line_frequency: float = 50.0,
    subject_variation: float = 1.0,
) -> list[Recording]:
    r"""Synthetic EEG in which a known band at known electrodes tells the classes apart; nothing else does.

    Electrode e of subject s in a trial of class c records, in µV,

        x_e(t) = g_s h_se [background · Σ_j M_ej p_j(t) + rhythm · r_s · 10^(c·effect/20) · Σ_k S_ek n_k(t)]
                 + blink · β_e · b(t) + line_noise · l_se · √2 sin(2π f t + φ)

    - p_j: pink noise of unit variance, power ∝ 1 / f^α_s, flat below 0.5 Hz;
    - M_ej ∝ exp(−d_ej² / 2τ²), τ = 4 cm, rows of unit norm: volume conduction;
    - n_k: Gaussian noise of unit variance confined to `band`, one source under each planted electrode k;
    - S_ek = exp(−d_ek² / 2σ²), σ = 2 cm;
    - b: a Poisson train (0.25 / s) of blinks, raised cosines of 0.3 s and unit height ± 20 %;
    - β_e = exp(−d / 4 cm), d the distance to the nearer of Fp1 and Fp2.

    Per subject, with standard normal z and v = subject_variation: g_s = exp(0.3 v z), h_se = exp(0.1 v z_e),
    r_s = exp(0.3 v z), α_s = 1 + 0.15 v z, l_se = exp(0.5 v z_e). φ is random per trial. Distances are those
    of `positions`.

    Parameters
    ----------
    n_subjects, trials_per_class : how many
    seed : same seed, same signals; subject s does not depend on n_subjects
    rate : Hz
    seconds : length of a trial, s
    channels : electrode names
    classes : at least two names
    band : lower and upper edge, Hz
    electrodes : where the effect is planted, among `channels`
    effect : dB of source power from one class to the next; negative: less power; 0: no information
    background, rhythm : standard deviation, µV
    blink : peak at Fp1 and Fp2, µV; 0: none
    line_noise : root mean square, µV; 0: none
    line_frequency : Hz
    subject_variation : v above; 0 makes all subjects alike in distribution

    Returns
    -------
    Recordings, one per trial, labels balanced and shuffled within a subject; `info` has band, electrodes and
    effect.

    Raises
    ------
    ValueError : electrodes that are unknown or not among the channels; a band or line beyond half the rate; a
        length, number or amplitude that makes no signal.
    """
    _check_size(n_subjects=n_subjects, trials_per_class=trials_per_class, seconds=seconds, rate=rate)
    _check_band(band, rate, line_frequency if line_noise else 0.0)
    if len(classes) < 2:
        raise ValueError(f"classes are {tuple(classes)}; at least two are needed")
    where = _planted(electrodes, channels)
    distance = _distances(channels)
    smear = np.exp(-(distance[:, where] ** 2) / (2 * _SMEAR**2))
    n = round(seconds * rate)
    info = {"band": tuple(band), "electrodes": tuple(channels[i] for i in where), "effect": effect}
    recordings = []
    for s in range(n_subjects):
        rng = np.random.default_rng([seed, s])
        head = _Head(rng, distance, subject_variation)
        source = rhythm * np.exp(0.3 * subject_variation * rng.standard_normal())
        labels = rng.permutation(np.repeat(np.arange(len(classes)), trials_per_class))
        for t, label in enumerate(labels.tolist()):
            noise = _coloured(rng, (len(where), n), rate, lambda f: ((f >= band[0]) & (f < band[1])).astype(float))
            x = background * head.pink(rng, n, rate) + source * 10 ** (label * effect / 20) * (smear @ noise)
            x = head.gain[:, None] * x
            x += blink * np.outer(_eye_projection(channels), _blinks(rng, n, rate))
            x += line_noise * head.line(rng, n, line_frequency / rate)
            recordings.append(_recording(x, rate, channels, s, t, label, tuple(classes), info))
    return recordings


def make_fingerprint(
    n_subjects: int = 8,
    *,
    seed: int,
    rate: float = 128.0,
    seconds: float = 20.0,
    trials: int = 10,
    channels: Sequence[str] = TEN_TWENTY,
    classes: Sequence[str] = ("a", "b"),
    strength: float = 0.5,
    background: float = 10.0,
    subject_variation: float = 1.0,
) -> list[Recording]:
    r"""Synthetic EEG without class information in which every trial can be recognised.

    Trial i of subject s has its own random spectrum at every electrode:

        X_e(f) = g_s h_se · background · G_ie(f) · Σ_j M_ej P_j(f),   ln G_ie = strength · z_ie(f)

    where z_ie is a straight line in ln f between independent standard normal values at 1, 4, 8, 14, 31 and 45
    Hz, and the rest is as in `make_synthetic`. Labels are drawn without looking at the signal. Whoever puts
    windows of one trial on both sides of a split recognises the trial and looks its label up; an honest split
    scores chance.

    Parameters
    ----------
    trials : per subject; labels are as balanced as the number allows, shuffled within the subject
    strength : standard deviation of ln G; 0 leaves nothing to recognise but the subject
    n_subjects, seed, rate, seconds, channels, classes, background, subject_variation : as in `make_synthetic`

    Returns
    -------
    Recordings, one per trial.

    Raises
    ------
    ValueError : unknown electrodes; a length or number that makes no signal.
    """
    _check_size(n_subjects=n_subjects, trials=trials, seconds=seconds, rate=rate)
    distance = _distances(channels)
    n = round(seconds * rate)
    recordings = []
    for s in range(n_subjects):
        rng = np.random.default_rng([seed, s])
        head = _Head(rng, distance, subject_variation)
        labels = rng.permutation(np.arange(trials) % len(classes))
        for t, label in enumerate(labels.tolist()):
            knots = strength * rng.standard_normal((len(channels), len(_FINGERPRINT_KNOTS)))
            x = background * head.gain[:, None] * _filtered(head.pink(rng, n, rate), knots, rate)
            recordings.append(_recording(x, rate, channels, s, t, label, tuple(classes), {"strength": strength}))
    return recordings


class _Head:
    """What is constant within a subject."""

    def __init__(self, rng: np.random.Generator, distance: Array, variation: float) -> None:
        n = len(distance)
        self.gain = np.exp(variation * (0.3 * rng.standard_normal() + 0.1 * rng.standard_normal(n)))
        self.line_gain = np.exp(0.5 * variation * rng.standard_normal(n))
        self.slope = 1 + 0.15 * variation * rng.standard_normal()
        mixing = np.exp(-(distance**2) / (2 * _CONDUCTION**2))
        self.mixing = mixing / np.linalg.norm(mixing, axis=1, keepdims=True)

    def pink(self, rng: np.random.Generator, n: int, rate: float) -> Array:
        """Volume-conducted pink noise of unit variance, shape (n_channels, n)."""
        shape = (len(self.mixing), n)
        sources = _coloured(rng, shape, rate, lambda f: np.maximum(f, _FLATTEN_BELOW) ** (-self.slope / 2))
        return np.asarray(self.mixing @ sources)

    def line(self, rng: np.random.Generator, n: int, cycles: float) -> Array:
        """Mains hum of about unit variance in phase at all electrodes, shape (n_channels, n)."""
        wave = np.sqrt(2) * np.sin(2 * np.pi * (cycles * np.arange(n) + rng.uniform()))
        return np.outer(self.line_gain, wave)


def _coloured(
    rng: np.random.Generator, shape: tuple[int, int], rate: float, amplitude: Callable[[Array], Array]
) -> Array:
    """Gaussian noise of unit variance with the given amplitude spectrum, zero mean."""
    spectrum = np.fft.rfft(rng.standard_normal(shape), axis=-1)
    weight = amplitude(np.asarray(np.fft.rfftfreq(shape[-1], 1 / rate), dtype=np.float64))
    weight[0] = 0.0
    power = np.sum(weight[1:] ** 2) / (shape[-1] / 2)
    return np.asarray(np.fft.irfft(spectrum * weight / np.sqrt(power), shape[-1], axis=-1))


def _filtered(x: Array, knots: Array, rate: float) -> Array:
    """Multiply the spectrum of each row by exp of the line through `knots`."""
    f = np.maximum(np.fft.rfftfreq(x.shape[-1], 1 / rate), _FINGERPRINT_KNOTS[0])
    gain = np.exp([np.interp(np.log(f), np.log(_FINGERPRINT_KNOTS), row) for row in knots])
    return np.asarray(np.fft.irfft(np.fft.rfft(x, axis=-1) * gain, x.shape[-1], axis=-1))


def _blinks(rng: np.random.Generator, n: int, rate: float) -> Array:
    """A Poisson train of raised-cosine blinks of unit height, ± 20 %."""
    width = max(2, round(_BLINK_SECONDS * rate))
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    train = np.zeros(n)
    count = rng.poisson(_BLINKS_PER_SECOND * n / rate)
    train[rng.integers(0, n, count)] = rng.uniform(0.8, 1.2, count)
    return np.convolve(train, shape)[:n]


def _eye_projection(channels: Sequence[str]) -> Array:
    eyes = positions(("Fp1", "Fp2"))
    distance = np.linalg.norm(positions(channels)[:, None] - eyes[None], axis=2).min(axis=1)
    return np.asarray(np.exp(-distance / _EYES))


def _distances(channels: Sequence[str]) -> Array:
    place = positions(channels)
    return np.asarray(np.linalg.norm(place[:, None] - place[None], axis=2))


def _planted(electrodes: Sequence[str], channels: Sequence[str]) -> list[int]:
    known = canonical_names(channels)
    for given, name in zip(electrodes, canonical_names(electrodes), strict=True):
        if name not in known:
            raise ValueError(unknown("electrode among the channels", given, channels))
    return [known.index(name) for name in canonical_names(electrodes)]


def _check_size(**sizes: float) -> None:
    for name, value in sizes.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be positive")


def _check_band(band: tuple[float, float], rate: float, line: float) -> None:
    low, high = band
    if not 0 < low < high <= rate / 2:
        raise ValueError(f"band {low}-{high} Hz must rise and lie between 0 and half the rate, {rate / 2:g} Hz")
    if line >= rate / 2:
        raise ValueError(f"line_frequency {line:g} Hz is not below half the rate, {rate / 2:g} Hz; pass line_noise=0")


def _recording(
    x: Array, rate: float, channels: Sequence[str], subject: int, trial: int, label: int, classes: tuple[str,
    ...], info: dict[str, object],
) -> Recording:  # fmt: skip
    return Recording(
        signal=x.astype(np.float32),
        rate=float(rate),
        channels=tuple(channels),
        subject=f"S{subject:02d}",
        session="1",
        trial=f"{trial:02d}",
        label=label,
        classes=classes,
        info=info,
    )
