"""What the intervals and tests of reports hold in simulation: coverage, false claims, and networks that subjects share.

    python benchmarks/intervals.py

Prints the figures of `docs/statistics.md`. Seeded: the same numbers on every machine, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

REPEATS = 100_000
RNG = np.random.default_rng(0)
Draw = Callable[[tuple[int, ...]], np.ndarray]

#: differences with mean 0 and standard deviation 1
SHAPES: dict[str, Draw] = {
    "normal": lambda shape: RNG.standard_normal(shape),
    "uniform": lambda shape: RNG.uniform(-(3**0.5), 3**0.5, shape),
    "t, 5 degrees of freedom": lambda shape: RNG.standard_t(5, shape) / (5 / 3) ** 0.5,
    "skewed (gamma 4, skewness 1)": lambda shape: RNG.standard_gamma(4, shape) / 2 - 2,
    "skewed (exponential, skewness 2)": lambda shape: RNG.standard_exponential(shape) - 1,
}


def covered(values: np.ndarray) -> float:
    """Share of rows whose two-sided 95 % t interval holds 0."""
    n = values.shape[1]
    return float((abs(t_of(values)) <= stats.t.ppf(0.975, n - 1)).mean())


def t_of(values: np.ndarray) -> np.ndarray:
    """Mean over its standard error, by row."""
    return np.asarray(values.mean(axis=1) / (values.std(axis=1, ddof=1) / values.shape[1] ** 0.5))


def claimed(share: float, *, folds: int, seeds: int, subjects: int = 26) -> float:
    """How often "not worse" is said of a network that is worse by exactly the margin.

    A subject's difference is its own part plus that of the networks of its fold, averaged over seeds; `share` is the
    part of a subject's variance, at one seed, that belongs to the network of its fold and seed.
    """
    fold = np.arange(subjects) % folds
    networks = RNG.standard_normal((REPEATS, folds, seeds)).mean(axis=2) * share**0.5
    own = RNG.standard_normal((REPEATS, subjects)) * (1 - share) ** 0.5
    return float((t_of(own + networks[:, fold]) > stats.t.ppf(0.95, subjects - 1)).mean())


def main() -> None:
    sizes = (5, 8, 12, 26, 50)
    print("| differences | " + " | ".join(f"{n} subjects" for n in sizes) + " |")
    for name, draw in SHAPES.items():
        print(f"| {name} | " + " | ".join(f"{covered(draw((REPEATS, n))):.3f}" for n in sizes) + " |")
    print("\n| share of the networks | 5 folds × 1 seed | 5 × 3 | 5 × 5 | 6 × 3 | leave one out × 3 |")
    for share in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        cells = [claimed(share, folds=f, seeds=s) for f, s in ((5, 1), (5, 3), (5, 5), (6, 3), (26, 3))]
        print(f"| {share:.2f} | " + " | ".join(f"{c:.3f}" for c in cells) + " |")


if __name__ == "__main__":
    main()
