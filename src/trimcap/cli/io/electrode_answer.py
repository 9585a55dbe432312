"""What `trimcap electrodes` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trimcap._errors import counted
from trimcap.cli.io.answer import Answer
from trimcap.cli.io.show import table

if TYPE_CHECKING:
    from trimcap.prune.electrodes import Cap, ElectrodeCurve

#: numbers of electrodes that the table shows if there are many
_SHOWN = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64)
_MANY = 12


def answer_of(found: ElectrodeCurve, more: dict[str, Any], *, drop: float) -> Answer:
    """Tables without and with recovery, what stands in for what, the fewest electrodes, and whose windows they were."""
    trained = any(cap.epochs for cap in found.caps)
    lines: list[Any] = [_table(found, recovered=False)]
    lines += [_table(found, recovered=True)] if trained else []
    fewest = {name: found.fewest(name, drop=drop, recovered=trained) for name in found.orders}
    lines += [_fewest(name, cap, found, drop) for name, cap in fewest.items()]
    lines += [f"{f.headset.title}: {f}" for f in found.headsets.values() if f.complete and str(f) != "as built"]
    lines += [f"left out: {found.headsets[name].headset.title}: {why}" for name, why in found.left_out.items()]
    lines += [f"note: {found.silenced}; the network does not shrink, and there is no plan"] if found.silenced else []
    lines += [_whose(found, more["subjects"]), *(f"note: {note}" for note in more["notes"])]
    facts = found.as_dict() | more | {"drop": drop, "fewest": {n: _named(c) for n, c in fewest.items()}}
    return Answer(facts, lines)


def _table(found: ElectrodeCurve, *, recovered: bool) -> Any:
    caps = [cap for cap in found.caps if bool(cap.epochs) == recovered]
    names = list(found.orders)
    heads = ["electrodes", *names, "random", "10–90 %", "headsets"]
    rows = [[count, *_row(count, caps, names)] for count in _counts(found, caps)]
    how = f"after {counted(max(cap.epochs for cap in caps), 'epoch')} of recovery" if recovered else "without training"
    dense = next(cap for cap in caps if cap.kind == "dense")
    whole = f"all {counted(dense.count, 'electrode')} {dense.value:.3f}, chance {found.chance:.3f}"
    return table(heads, rows, title=f"{found.metric.replace('_', ' ')} {how}; {whole}")


def _counts(found: ElectrodeCurve, caps: Sequence[Cap]) -> list[int]:
    counts = sorted({cap.count for cap in caps if cap.count < len(found.channels)})
    worn = {cap.count for cap in caps if cap.kind == "headset"}
    return counts if len(counts) <= _MANY else [k for k in counts if k in _SHOWN or k in worn]


def _row(count: int, caps: Sequence[Cap], names: Sequence[str]) -> list[Any]:
    import numpy as np

    own = [cap for cap in caps if cap.count == count]
    values = [cap.value for cap in own if cap.kind == "random"]
    spread = "–".join(f"{v:.3f}" for v in np.percentile(values, (10, 90))) if len(values) > 1 else ""
    by_name = {cap.name: cap.value for cap in own if cap.kind == "saliency"}
    worn = ", ".join(f"{cap.name} {cap.value:.3f}" for cap in own if cap.kind == "headset")
    mean = float(np.mean(values)) if values else None
    return [*(by_name.get(name) for name in names), mean, spread, worn]


def _fewest(name: str, cap: Cap | None, found: ElectrodeCurve, drop: float) -> str:
    if cap is None:
        return f"{name}: none of the measured caps stays within {drop:g} of the whole network"
    names = " ".join(cap.electrodes)
    when = f" after {counted(cap.epochs, 'epoch')} of recovery" if cap.epochs else ""
    stay = f"{counted(cap.count, 'electrode')} {'stays' if cap.count == 1 else 'stay'}"
    what = f"{name}: on the validation windows {stay} within {drop:g} of the whole network{when}"
    tested = f"; {found.metric.replace('_', ' ')} on the test windows {cap.test:.3f}" if cap.test is not None else ""
    return f"{what} ({names}){tested}"


def _named(cap: Cap | None) -> dict[str, Any] | None:
    if cap is None:
        return None
    return {"count": cap.count, "electrodes": list(cap.electrodes), "valid": cap.valid, "test": cap.test}


def _whose(found: ElectrodeCurve, subjects: dict[str, list[str]]) -> str:
    chosen = f"chosen on {counted(found.n_valid, 'window')} of {', '.join(subjects['valid'])}"
    if not found.n_test:
        return f"measured and {chosen}"
    return f"measured on {counted(found.n_test, 'window')} of {', '.join(subjects['test'])}, {chosen}"
