"""How faithful integers are to the float network: on calibration windows and on windows that set no range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.program.interpret import as_input
from trimcap.program.kinds.table import SHARING
from trimcap.program.program import Program
from trimcap.quantize.report import Agreement, compared

#: below these something is said; measured on 18 networks, see docs/quantization.md
LAYER_DECIBEL, LOGITS_DECIBEL, AGREEMENT = 15.0, 20.0, 0.95

#: windows that are compared at most, evenly spread, of each kind
_WINDOWS = 128
#: so many layers are named
_NAMED = 3
#: stands for no noise, and (negative) for no signal, in JSON
_MOST = 200.0


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Integers against float.

    Parameters
    ----------
    calibration : on (at most 128 of) the windows that set the ranges
    held_out : on training windows that set none; None if there were none
    layers : the input and every value, one row each: value, kind, source (layer), dtype, scale, calibration and
        held_out (signal-to-quantization-noise ratio, dB), saturated
    """

    calibration: Agreement
    held_out: Agreement | None
    layers: pd.DataFrame

    @property
    def warnings(self) -> tuple[str, ...]:
        """What lies below the bounds: logits 20 dB, a layer 15 dB, agreement 0.95; layers by name, first ones first."""
        return (*self._of_outputs(), *self._of_layers())

    def to_json(self) -> dict[str, Any]:
        """For a manifest, with five digits; ±200 dB stand for no noise and no signal."""
        kinds = {"calibration": self.calibration, "held_out": self.held_out}
        return {
            **{kind: found and {k: _short(v) for k, v in asdict(found).items()} for kind, found in kinds.items()},
            "layers": [{k: _short(v) for k, v in row.items()} for row in self.layers.to_dict("records")],
            "bounds": {"layer_db": LAYER_DECIBEL, "logits_db": LOGITS_DECIBEL, "agreement": AGREEMENT},
            "warnings": list(self.warnings),
        }

    def lines(self) -> Iterator[str]:
        """One sentence per kind of windows."""
        for kind, found in (("calibration", self.calibration), ("held-out training", self.held_out)):
            if found is None:
                yield f"no {kind} windows: agreement is known on calibration windows only"
                continue
            aside = f" ({found.left_aside} of them dominate the input, not in the ratio)" if found.left_aside else ""
            yield (
                f"same class as in float on {found.agreement:.1%} of {found.n_windows} {kind} windows{aside}; logits "
                f"{found.sqnr:.1f} dB, largest error {found.max_error:.3g} (largest logit {found.scale:.3g})"
            )

    def _of_outputs(self) -> Iterator[str]:
        for kind, found in (("calibration", self.calibration), ("held-out training", self.held_out)):
            if found is None:
                continue
            if found.agreement < AGREEMENT:
                yield (
                    f"integers and float choose the same class on {found.agreement:.1%} of {found.n_windows} {kind} "
                    f"windows only, below {AGREEMENT:.0%}; the layer that loses most is {self._steepest()}"
                )
            elif found.sqnr < LOGITS_DECIBEL:
                yield (
                    f"the logits have {found.sqnr:.1f} dB on {kind} windows, below {LOGITS_DECIBEL:g}; the layer that "
                    f"loses most is {self._steepest()}"
                )

    def _of_layers(self) -> Iterator[str]:
        low = self.layers[(self._worse() < LAYER_DECIBEL) & ~self.layers.kind.isin(SHARING)]  # copies lose nothing
        sources = low.drop_duplicates("source")
        for row, ratio in zip(sources.itertuples(), self._worse()[sources.index], strict=True):
            if row.Index in sources.index[:_NAMED]:
                advice = "what comes before it has lost them"
                if row.dtype == "int8" and row.kind != "input":
                    advice = f"int16={(row.source,)!r} gives it sixteen bits"
                yield f"{_name(row)} keeps {ratio:.1f} dB, below {LAYER_DECIBEL:g}; {advice}"
        if len(sources) > _NAMED:
            yield f"{len(sources) - _NAMED} more layers are below {LAYER_DECIBEL:g} dB, after these"

    def _worse(self) -> pd.Series:
        return self.layers[["calibration", "held_out"]].min(axis=1)

    def _steepest(self) -> str:
        """The value with the largest drop against the value before it in execution order."""
        ratio = self._worse().clip(-_MOST, _MOST)
        return _name(self.layers.iloc[int(np.diff(ratio.to_numpy(), prepend=40.0).argmin())])


def fidelity(reference: Program, program: Program, calibration: Any, held_out: Any = None) -> Fidelity:
    """Compare a float program and the integer one made from it, layer by layer.

    SQNR of a value = 10·log10(Σ r² / Σ (r − s(q − z))²), r its real numbers, q its integers, over at most 128 windows,
    evenly spread; windows that dominate the input (a rail) count in the agreement only.

    Parameters
    ----------
    reference, program : float and integer program
    calibration : windows that set the ranges: `Windows` or array (n, *input shape)
    held_out : training windows that did not; never test windows
    """
    found, table = compared(reference, program, _spread(as_input(reference, calibration)))
    table.insert(5, "calibration", table.pop("sqnr"))
    table.insert(6, "held_out", np.nan)
    other = None
    if held_out is not None and len(held_out):
        other, second = compared(reference, program, _spread(as_input(reference, held_out)))
        table["held_out"] = second["sqnr"]
    return Fidelity(found, other, table)


def _spread(X: NDArray[np.float32]) -> NDArray[np.float32]:
    return X[np.linspace(0, len(X) - 1, min(len(X), _WINDOWS)).round().astype(np.int64)]


def _name(row: Any) -> str:
    return "the input" if row.kind == "input" else f"layer '{row.source}' ({row.kind}, value '{row.value}')"


def _short(value: Any) -> Any:
    if not isinstance(value, float | np.floating):
        return value
    return None if np.isnan(value) else float(f"{np.clip(value, -_MOST, _MOST):.5g}")
