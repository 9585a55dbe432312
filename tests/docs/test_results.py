"""Numbers that pages take over from generated reports in docs/results are those of the reports."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parents[2] / "docs"


def rows(text: str, head: str) -> dict[str, list[str]]:
    """Cells of the table whose head row begins so, by the first cell, without spreads and marks."""
    _, _, rest = text.partition(f"| {head}")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: [re.sub(r" ± [\d.]+| \(?✓\)?", "", cell) for cell in row[1:]] for row in cells}


def test_methods_on_ccnn():
    page = rows((DOCS / "pruning.md").read_text(), "removed | 30 %")
    report = rows((DOCS / "results" / "ijcnn-eegmat-ccnn" / "README.md").read_text(), "method | 30 %")
    assert page.pop("fewer parameters")
    assert len(report) == 10
    assert page == report


def test_slimming_on_fbccnn():
    page = rows((DOCS / "pruning.md").read_text(), "FBCCNN | 30 %")
    report = rows((DOCS / "results" / "ijcnn-eegmat-fbccnn" / "README.md").read_text(), "method | 30 %")
    assert set(report) == {"LFP", "NSFP", "random"}
    assert page == report


def test_recovery_arms():
    page = rows((DOCS / "how-to" / "recovery.md").read_text(), "arm | 30 %")
    report = rows((DOCS / "results" / "scratch-or-fine-tune" / "README.md").read_text(), "method | before recovery")
    assert len(page) == 7
    for arm, cells in page.items():
        for sparsity, cell in zip((30, 50, 80), cells, strict=True):
            difference, interval = report[f"{arm} {sparsity} %"][2:4]
            assert cell == f"{difference} ({interval})"


def test_the_distilled_network():
    readme = " ".join((DOCS.parent / "README.md").read_text().split())
    report = (DOCS / "results" / "ijcnn-eegmat-ccnn-distil" / "README.md").read_text()
    ((_, accuracy, difference, interval, lower, p, _, parameters, macs, *_),) = rows(
        report, "method | before recovery"
    ).values()
    (with_spread,) = re.findall(r"\| LFP, distilled \| ([\d.]+ ± [\d.]+) ✓ \|", report)
    (dense,) = re.findall(r"\| dense \| (0\.[\d.]+ ± [\d.]+) \|", report)
    assert with_spread.startswith(accuracy)
    said = (
        f"{with_spread} against {dense}, {difference} points, 95 % interval {interval}, not worse by 2 points or more "
        f"(lower bound {lower}, p {p}), with {parameters} fewer parameters and {macs} fewer MACs."
    )
    assert said in readme
    short = re.sub(r" ± [\d.]+", "", f"{with_spread} against {dense}")
    assert short in " ".join((DOCS / "pruning.md").read_text().split())


def test_arms_from_scratch_that_end_alike():
    table = pd.read_csv(DOCS / "results" / "scratch-or-fine-tune" / "results.csv")
    page = " ".join((DOCS / "how-to" / "recovery.md").read_text().split())

    def hashes(arm: str, sparsity: int) -> pd.Series:
        own = table[table.stage == f"scratch, equal {arm} {sparsity} %: recovered"]
        return own.set_index(["fold", "seed"]).sha256.sort_index()

    alike = [int((hashes("epochs", s) == hashes("MACs", s)).sum()) for s in (30, 50, 80)]
    assert len(hashes("MACs", 80)) == 25
    assert f"{alike[0]}, {alike[1]} and {alike[2]} of 25 networks are the same in both arms from scratch" in page
