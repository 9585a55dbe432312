"""How faithful the integers of a study are to the network that they were made from."""

from __future__ import annotations

import pandas as pd

from trimcap.study.report.tables import leak_label
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.words import Section, Table, number
from trimcap.study.steps.quantize import FIDELITY


def integer_sections(run: Gathered) -> tuple[Section, ...]:
    """Agreement and noise of every stage in integers, with what the quantizer warned of; none if there is no stage."""
    if "agreement_calibration" not in run.results:
        return ()
    rows = run.results[run.results.agreement_calibration.notna()]
    if rows.empty:
        return ()
    warned: dict[str, int] = {}
    for trial in run.trials:
        for text in (t for texts in trial.get("warnings", {}).values() for t in texts):
            warned[text] = warned.get(text, 0) + 1
    text = tuple(f"• {text} ({times} of {len(run.trials)} trials)" for text, times in list(warned.items())[:_SAID])
    if len(warned) > _SAID:
        text = (*text, f"• and {len(warned) - _SAID} more, in the trials' facts")
    return (Section("integers", "Integers against float", text=text, tables=(_table(run, rows),)),)


#: warnings that are printed
_SAID = 8


def _table(run: Gathered, rows: pd.DataFrame) -> Table:
    cells = []
    for stage, of in rows.groupby("stage", sort=False):
        lowest = of.sort_values("weakest_db").iloc[0]
        spreads = [_spread(of[column], 3 if column.startswith("agreement") else 1) for column in FIDELITY[:4]]
        cells.append((str(stage), *spreads, f"{lowest.weakest_layer}: {number(float(lowest.weakest_db), 1)}"))
    return Table(
        leak_label(run) + "Integers against the float network that they were made from: mean (least) over trials.",
        ("stage", "same class, calibration", "same class, held out", "logits, calibration, dB", "logits, held out, dB",
         "weakest layer, dB"),
        tuple(cells),
        note="On at most 128 training windows each: those that set the ranges, and others that set none; never on test "
        "windows. dB: signal-to-quantization-noise ratio, 10·log10(Σr² / Σ(r − s(q − z))²), without windows that "
        "dominate the input.",
    )  # fmt: skip


def _spread(values: pd.Series, digits: int) -> str:
    known = values.dropna().astype(float)
    return f"{number(float(known.mean()), digits)} ({number(float(known.min()), digits)})" if len(known) else "–"
