"""The report's table of integers against float."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from trimcap.study.report.integers import integer_sections
from trimcap.study.steps.quantize import FIDELITY, fidelity_row

LAYERS = [
    {"source": "input", "calibration": 39.0, "held_out": 38.0},
    {"source": "pool", "calibration": 12.5, "held_out": 31.0},
    {"source": "pool", "calibration": 30.0, "held_out": None},
    {"source": "head", "calibration": 33.0, "held_out": 14.0},
]


def measured(agreement: float) -> dict:
    return {
        "calibration": {"agreement": 0.99, "sqnr": 31.0},
        "held_out": {"agreement": agreement, "sqnr": 30.0},
        "layers": LAYERS,
    }


def test_row_of_the_results() -> None:
    row = fidelity_row(measured(0.97))
    assert tuple(row) == FIDELITY
    assert tuple(row.values()) == (0.99, 0.97, 31.0, 30.0, "pool", 12.5)
    alone = fidelity_row({**measured(0.97), "held_out": None})
    assert (alone["agreement_held_out"], alone["sqnr_held_out"]) == (None, None)


def test_section_has_means_least_and_counted_warnings() -> None:
    rows = [{"stage": "dense"}, *({"stage": "int8", **fidelity_row(measured(a))} for a in (0.97, 0.91))]
    trials = ({"warnings": {"int8": ["layer 'pool' keeps 12.5 dB"]}}, {"warnings": {}})
    run = SimpleNamespace(results=pd.DataFrame(rows), trials=trials, leaky=False)
    (section,) = integer_sections(run)
    assert section.text == ("• layer 'pool' keeps 12.5 dB (1 of 2 trials)",)
    (cells,) = section.tables[0].rows
    assert cells == ("int8", "0.990 (0.990)", "0.940 (0.910)", "31.0 (31.0)", "30.0 (30.0)", "pool: 12.5")
    for table in (
        pd.DataFrame({"stage": ["dense"]}),
        pd.DataFrame([{"stage": "dense", "agreement_calibration": np.nan}]),
    ):
        assert integer_sections(SimpleNamespace(results=table, trials=trials, leaky=False)) == ()
