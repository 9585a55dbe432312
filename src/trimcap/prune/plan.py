"""A plan: which slices of which axis stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor
from numbers import Real
from pathlib import Path
from typing import Any

from trimcap._errors import PlanError, unknown
from trimcap._files import write_json
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network


@dataclass(frozen=True)
class Plan:
    """Axis → kept slices.

    Parameters
    ----------
    keep : axis name → indices that stay, ascending
    sizes : axis name → number of slices before
    requested : axis name → sparsity that was asked for (a budget or an explicit list has none)
    note : how the plan was made, for reports
    """

    keep: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    requested: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        return "\n".join(f"{row['axis']}: {row['before']} → {row['after']} slices" for row in self.table())

    def achieved(self) -> dict[str, float]:
        """Axis → fraction of slices that the plan removes."""
        return {name: 1 - len(kept) / self.sizes[name] for name, kept in self.keep.items()}

    def table(self) -> list[dict[str, Any]]:
        """One row per axis: slices before and after, requested and achieved sparsity."""
        return [
            {
                "axis": name,
                "before": self.sizes[name],
                "after": len(kept),
                "requested": self.requested.get(name),
                "achieved": 1 - len(kept) / self.sizes[name],
            }
            for name, kept in self.keep.items()
        ]

    def merged(self, other: Plan) -> Plan:
        """Both plans at once; they must not name the same axis."""
        both = sorted(set(self.keep) & set(other.keep))
        if both:
            raise PlanError(f"both plans decide about the axes {', '.join(both)}; make one plan for them")
        return Plan(
            {**self.keep, **other.keep},
            {**self.sizes, **other.sizes},
            {**self.requested, **other.requested},
            "; ".join(n for n in (self.note, other.note) if n),
        )

    def save(self, path: Path | str) -> Path:
        """Write the plan as JSON."""
        content = {
            "format": "trimcap plan 1",
            "keep": {k: list(v) for k, v in self.keep.items()},
            "sizes": dict(self.sizes),
            "requested": dict(self.requested),
            "note": self.note,
        }
        return write_json(path, content)

    @classmethod
    def load(cls, path: Path | str) -> Plan:
        """Read a plan that `save` wrote; it carries no seal, since it may be edited, and is checked instead.

        Raises
        ------
        PlanError : the file holds something else; says what.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise _no_plan(path, "it is not JSON, or a part of it is missing") from None
        if not isinstance(content, dict) or not isinstance(content.get("keep"), dict):
            kind = content.get("format") if isinstance(content, dict) else None
            raise _no_plan(path, f"it is a {kind!r}" if kind else "it does not say which slices stay ('keep')")
        sizes: Any = content.get("sizes")
        requested = content.get("requested", {})
        for name, kept in content["keep"].items():
            if not isinstance(kept, list) or not all(map(_is_whole, kept)):
                raise _no_plan(path, f"axis '{name}' keeps {kept!r}, which is no list of slices (whole numbers)")
            if not isinstance(sizes, dict) or not _is_whole(sizes.get(name)) or sizes[name] < 1:
                raise _no_plan(path, f"it does not say how many slices axis '{name}' has ('sizes')")
            if sorted(set(kept)) != kept or (kept and not 0 <= kept[0] <= kept[-1] < sizes[name]):
                raise _no_plan(
                    path, f"axis '{name}' keeps slices that are not ascending, or not in 0…{sizes[name] - 1}"
                )
        if not isinstance(requested, dict) or not all(map(_is_share, requested.values())):
            raise _no_plan(path, "what was 'requested' is no number for every axis")
        return cls(
            {name: tuple(kept) for name, kept in content["keep"].items()},
            {name: sizes[name] for name in content["keep"]},
            {name: float(value) for name, value in requested.items()},
            str(content.get("note", "")),
        )


def _no_plan(path: Path | str, why: str) -> PlanError:
    return PlanError(
        f"'{path}' is not a plan: {why}. Give the plan.json that `trimcap prune` or `trimcap sensitivity` wrote, a "
        "plan-….json of `trimcap electrodes`, or what Plan.save wrote"
    )


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def make_plan(
    network: Network,
    keep: Mapping[str, Any],
    *,
    requested: Mapping[str, float] | None = None,
    note: str = "",
) -> Plan:
    """A checked plan from explicit lists of kept slices.

    Parameters
    ----------
    keep : axis → indices that stay, in any order
    requested, note : for reports, see `Plan`

    Returns
    -------
    Plan

    Raises
    ------
    PlanError : unknown or frozen axis, no slice kept, an index out of range

    Shared parameters: `trimcap.prune`.
    """
    checked: dict[str, tuple[int, ...]] = {}
    sizes: dict[str, int] = {}
    for name, indices in keep.items():
        axis = prunable_axis(network, name)
        kept = tuple(sorted({int(i) for i in indices}))
        if not kept:
            raise PlanError(f"axis '{name}' keeps 0 of {axis.size} slices. Lower the sparsity or set at_least=1.")
        if kept[0] < 0 or kept[-1] >= axis.size:
            raise PlanError(f"axis '{name}' has slices 0…{axis.size - 1}; the plan keeps {kept[0]}…{kept[-1]}")
        checked[name], sizes[name] = kept, axis.size
    return Plan(checked, sizes, dict(requested or {}), note)


def prunable_axis(network: Network, name: str) -> Axis:
    """The axis of that name, if slices of it may be removed.

    Parameters
    ----------
    name : of an axis

    Returns
    -------
    Axis
    """
    if name not in network.axes.axes:
        raise PlanError(unknown("axis", name, network.axes))
    axis = network.axes[name]
    if axis.frozen:
        raise PlanError(f"axis '{name}' of {network.origin} can't be pruned: {axis.frozen}")
    return axis


def need_sparsity(sparsity: Any) -> None:
    """Refuse what is no fraction of slices or weights that may be removed.

    Raises
    ------
    TypeError : it is no number. ValueError : it is outside the range.
    """
    number = isinstance(sparsity, Real)  # NumPy's too
    if not number:
        raise TypeError(f"sparsity is the fraction removed, a number such as 0.5, got {sparsity!r}")
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the fraction removed: 0 ≤ sparsity < 1, got {sparsity}")


def removed_count(sparsity: float, n: int) -> int:
    """⌊sparsity · n⌋, safe against products such as 0.29 · 100 = 28.999…

    Parameters
    ----------
    sparsity : fraction removed
    n : slices or weights that there are

    Returns
    -------
    whole number of those that go
    """
    return floor(round(sparsity * n, 9))
