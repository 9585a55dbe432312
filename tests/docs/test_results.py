"""Numbers that pages take over from generated reports in docs/results are those of the reports."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from trimcap.study.report.publish import FACTS, check_published
from trimcap.study.results.statistics import compare
from trimcap.study.results.words import number, points, probability

DOCS = Path(__file__).parents[2] / "docs"


def rows(text: str, head: str) -> dict[str, list[str]]:
    """Cells of the table whose head row begins so, by the first cell, without spreads and marks."""
    _, _, rest = text.partition(f"| {head}")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: [re.sub(r" ± [\d.]+| \(?✓\)?", "", cell) for cell in row[1:]] for row in cells}


def interval_of(line: str) -> str:
    """The interval that a line of the front page prints in brackets, without its words."""
    return re.search(r"\((?:95 % interval )?([^)]*)\)", line)[1]


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
    readme = " ".join((DOCS / "results" / "README.md").read_text().split())
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
    front = (DOCS.parent / "README.md").read_text()
    of = dense.partition(" ")[0]
    assert f"CCNN with {parameters} fewer parameters, distilled: {difference} points of {of} ({interval});" in front
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


RESULTS = sorted(path for path in (DOCS / "results").iterdir() if path.is_dir())
PUBLISHED = [path for path in RESULTS if (path / FACTS).is_file()]
NOTED = [path for path in RESULTS if (path / "baselines.csv").is_file()]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_published_pages_follow_from_their_files(folder):
    assert check_published(folder) > 20


@pytest.mark.parametrize("folder", NOTED, ids=lambda path: path.name)
def test_older_pages_say_what_their_baselines_would_be(folder):
    """The note's numbers from `baselines.csv` and the page's own scores of every subject."""
    text = (folder / "README.md").read_text()
    new = pd.read_csv(folder / "baselines.csv", dtype={"subject": str})
    new = new.pivot_table(index="subject", columns="stage", values="accuracy")
    section = text.partition("## Every subject")[2].partition("\n## ")[0]
    head, *lines = [line for line in section.splitlines() if line.startswith("|")]
    names = [cell.strip() for cell in head.strip("|").split("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    old = pd.DataFrame(cells, columns=names).set_index("subject").astype(float)
    assert set(old.index) == set(new.index)
    pair, before = (compare(old.dense, one.loc[old.index, "linear baseline"]) for one in (new, old))
    low, high = pair.interval
    linear, neighbours = (number(float(new[name].mean())) for name in ("linear baseline", "nearest neighbours"))
    assert f"On exactly that input they have {linear} and {neighbours} " in text
    assert (
        f"Dense minus linear is {points(pair.difference)} points ({points(low)} … {points(high)}, "
        f"p = {probability(pair.t_p)}), where the tables below give {points(before.difference)} "
        f"(p = {probability(before.t_p)})."
    ) in text


@pytest.mark.parametrize(
    "folder", [path for path in NOTED if (path / "subjects.csv").is_file()], ids=lambda path: path.name
)
def test_older_pages_with_subjects_follow_from_them(folder):
    subjects = pd.read_csv(folder / "subjects.csv", dtype={"subject": str})
    text = (folder / "README.md").read_text()
    for stage, own in subjects.groupby("stage"):
        mean = own.groupby("subject").accuracy.mean()
        if f"| {stage} |" in text:
            assert f"{mean.mean():.3f} ± {mean.std():.3f}" in text


@pytest.mark.parametrize(
    ("start", "name", "best"),
    [("grid CNN", "eegmat-ccnn", "linear"), ("EEGNet on raw", "eegmat-eegnet", "covariance")],
)
def test_the_front_page_has_the_numbers_of_the_pages(start, name, best):
    (row,) = [
        line for line in (DOCS / "results" / "README.md").read_text().splitlines() if line.startswith(f"| {start}")
    ]
    page = (DOCS / "results" / name / "README.md").read_text()
    scores = {line.split(" | ")[0][2:]: line.split(" | ")[1] for line in page.splitlines() if line.count("±") == 7}
    difference, interval = next(line for line in page.splitlines() if line.startswith("| C | −")).split(" | ")[1:3]
    (costs,) = re.findall(r"([\d.]+×) less flash, ([\d.]+×) less SRAM, ([\d.]+×) fewer MACs", page)
    cells = (
        scores["dense"],
        scores["C"],
        f"{difference} points, {interval}",
        f"{best} {scores[f'{best} baseline']}",
    )
    assert row.split(" | ")[1:5] == list(cells)
    assert re.findall(r"[\d.]+×", row) == list(costs)
    (line,) = [line for line in (DOCS.parent / "README.md").read_text().splitlines() if line.startswith(f"- {start}")]
    dense = scores["dense"].partition(" ")[0]
    assert f"{difference} points of {dense} (" in line
    assert interval_of(line) in interval
    assert re.findall(r"[\d.]+×", line) == list(costs)
