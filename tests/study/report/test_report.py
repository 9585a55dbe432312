import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from fabricated import CHANNELS, STAGES, TEXT, make_run

from trimcap.study.report.findings import headline, verdict, verified
from trimcap.study.report.pages import render
from trimcap.study.report.report import report
from trimcap.study.report.tables import comparison_table
from trimcap.study.results.gathered import gather
from trimcap.study.results.provenance import versions
from trimcap.study.results.statistics import compare
from trimcap.study.results.words import Section, Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    make_run(path, n_subjects=9)
    report(path)
    return path


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        void = {"meta", "link", "br", "img", "input"}
        if tag not in void:
            self.open.append(tag)
        values = dict(attrs)
        self.links += [values[k] for k in ("src", "href", "xlink:href") if k in values]
        self.ids += [values["id"]] if "id" in values else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop() if self.open and self.open[-1] == tag else None

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_one_file_that_needs_no_other(folder):
    page = Page((folder / "report.html").read_text())
    assert page.open == []
    assert page.links
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "url(http" not in page.text
    assert "@import" not in page.text


def test_figures_on_one_page_do_not_share_ids(folder):
    page = Page((folder / "report.html").read_text())
    assert len(page.ids) == len(set(page.ids)) > 100
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_says_everything(folder):
    text = Page((folder / "report.html").read_text()).text
    for stage in STAGES:
        assert stage in text
    for words in ("balanced accuracy", "κ", "AUROC", "peak SRAM", "Wilcoxon", "non-inferiority",
                  "bit-exact", "Transductive", "workload, not emotion", "recipe SHA-256", 'name = "inv'):  # fmt: skip
        assert words in text, words


def test_markdown_has_the_same_tables_and_its_figures(folder):
    markdown, html = (folder / "report.md").read_text(), Page((folder / "report.html").read_text()).text
    figures = re.findall(r"\]\((figures/.*?)\)", markdown)
    assert len(figures) == 5
    assert all((folder / f).read_bytes().startswith(b"\x89PNG") for f in figures)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    assert all(cell.strip() in html for line in rows for cell in line.strip("| ").split(" | "))
    lengths = {
        line.count("|") for line in markdown.split("paired over subjects.")[1].strip().split("\n\n")[0].splitlines()
    }
    assert len(lengths) == 1


def test_numbers_are_those_of_the_tables(folder):
    """Replica: the headline's accuracy and difference, from subjects.csv by hand."""
    run = gather(folder)
    s = run.subjects
    by_subject = {
        stage: np.array([s[(s.stage == stage) & (s.subject == n)].accuracy.mean() for n in sorted(set(s.subject))])
        for stage in ("dense", "C")
    }
    points = f"{100 * (by_subject['C'] - by_subject['dense']).mean():+.1f}".replace("-", "−")
    text = headline(run, {"C": compare(by_subject["C"], by_subject["dense"])})
    assert text.startswith(f"int8 C network: {by_subject['C'].mean():.3f} window accuracy over 9 subjects")
    assert f"(dense {by_subject['dense'].mean():.3f}, difference {points} points)" in text
    assert "7.0× less flash, 53.7× less SRAM, 26.0× fewer MACs" in text
    assert text.endswith("bit-exact on host on 128 windows in 8 artifacts.")


def test_nothing_is_claimed_without_verification_or_compression(tmp_path):
    make_run(tmp_path / "r", n_subjects=5)
    run = gather(tmp_path / "r")
    unverified = replace(run, results=run.results.assign(verified=""))
    assert verified(run) != ""
    assert verified(unverified) == ""
    assert "bit-exact" not in headline(unverified, {})
    dense = replace(run, results=run.results[run.results.stage.isin(["majority class", "dense"])])
    assert headline(dense, {}).endswith("Nothing was compressed.")


def test_leaky_protocol_is_labelled_everywhere(tmp_path):
    make_run(tmp_path / "r", n_subjects=5, leaky=True, verdict="LEAKY")
    report(tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    tables = page.split("<table")[1:]
    captions = re.findall(r'<(?:p class="caption" id=".*?"|summary|figcaption)>(.*?)<', page)
    results = [c for c in captions if c != "What was run."]
    assert len(tables) == 7
    assert len(results) == 11
    assert all(c.startswith("LEAKY") for c in results)


def test_a_bad_run_says_so(tmp_path):
    """Audit failed, a trial missing, and a name that is HTML."""
    text = TEXT.replace('name = "invented"', 'name = "<script>alert(1)</script>"')
    run = make_run(tmp_path / "r", n_subjects=5, verdict="failed", text=text)
    (run.trial(3, 1).path / "trial.json").unlink()
    run.gather()
    page = report(tmp_path / "r").read_text()
    assert "Unfinished: 7 of 8 trials" in page
    assert "FAILED" in page
    assert "Do not use these numbers" in page
    assert "No stage of this run, and" not in page
    assert "fit saw 3 test windows" in page
    assert "<script>" not in page


def test_a_good_run_does_not(folder):
    page = (folder / "report.html").read_text()
    assert "No stage of this run, and no network or transform that it started from, saw test windows" in page
    assert not any(word in page for word in ("Unfinished", "FAILED", "LEAKY protocol"))


def test_one_subject_makes_no_claim(folder):
    table = comparison_table(gather(folder), {"C": compare([0.8], [0.8])})
    assert table.rows[0][2] == "– … –"
    assert table.rows[0][-2:] == ("not shown", "–")
    assert "nothing can be said" in verdict(compare([0.8], [0.8]))


def test_verdict_in_words():
    rng = np.random.default_rng(0)
    dense = rng.uniform(0.6, 0.9, 12)
    same = dense + rng.normal(0, 0.01, 12)
    assert verdict(compare(same, dense)).startswith("Not worse than the dense network by 2 points")
    assert verdict(compare(dense - 0.05, dense)).startswith("Non-inferiority at 2 points is not shown")


def test_report_repeats_byte_for_byte(folder):
    before = (folder / "report.html").read_bytes()
    report(folder)
    assert (folder / "report.html").read_bytes() == before


def test_no_run_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        report(tmp_path)


def test_evidence_is_a_share(folder):
    run = gather(folder)
    assert len(run.evidence["dense"]) == len(CHANNELS)
    assert run.evidence["dense"].sum() == pytest.approx(1)


def test_wide_tables_are_small_and_show_that_they_scroll():
    def page(columns):
        table = Table("caption", tuple(f"c{i}" for i in range(columns)), (("x",) * columns,))
        facts = {
            "title": "t",
            "headline": "h",
            "leak": "",
            "tiles": (),
            "sections": (Section("s", "S", tables=(table,)),),
        }
        return render("report.html.j2", facts, html=True)

    assert '<div class="wide many">' in page(12)
    assert '<div class="wide">' in page(9)
    rules = " ".join(page(12).split())
    wide = rules[rules.index(".wide {") :].split("}")[0]
    assert "overflow-x: auto" in wide
    assert "var(--shade)" in wide  # at the side where columns are hidden
    assert "rgb(28 37 48 / 3%)" in rules  # stripes let it through
    assert ".wide { overflow: visible;" in rules[rules.index("@media print") :]


def test_a_run_that_went_on_elsewhere_says_where_trials_differ(tmp_path, monkeypatch):
    """Once the report showed the versions of the first start only, as if all trials had them."""
    run = make_run(tmp_path / "run", n_subjects=8)
    assert "Not all was made" not in report(run.path).with_suffix(".md").read_text()
    here = versions()
    trial = run.trial(2, 1)
    with monkeypatch.context() as patch:
        patch.setattr("trimcap.study.results.provenance.versions", lambda: {**here, "torch": "99"})
        patch.setattr("trimcap.study.results.provenance._processor", lambda: "Z80")
        trial.write("evaluated/C", {})  # a stage of it; the trial itself was finished here
    trial.finish(trial.read("trial"))
    page = report(run.path).with_suffix(".md").read_text()
    assert "first start, which the table shows: " in page
    assert "torch 99 for fold 2, seed 1" in page
    assert "processor Z80 for fold 2, seed 1" in page
    assert f"| torch | {here['torch']} |" in page
