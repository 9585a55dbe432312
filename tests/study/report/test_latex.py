"""LaTeX tables, whatever stands in their cells."""

import shutil
import subprocess

import pytest

from trimcap.study.report.latex import latex, latex_text
from trimcap.study.results.words import Table

TABLE = Table(
    "50 % of {all} & more, p < 0.05, ±2 µV.", ("stage_1", "a → b"), (("C:\\x #1", "−0.5 … ~2"), ("$", "3×")), note="So."
)


def test_table_as_booktabs():
    assert latex(TABLE, label="t") == "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\caption{50 \% of \{all\} \& more, p $<$ 0.05, $\pm$2 $\mu$V. So.}",
            r"\label{tab:t}",
            r"\begin{tabular}{lr}",
            r"\toprule",
            r"stage\_1 & a $\to$ b \\",
            r"\midrule",
            r"C:\textbackslash{}x \#1 & $-$0.5 \ldots{} \textasciitilde{}2 \\",
            r"\$ & 3$\times$ \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def test_every_row_has_as_many_cells_as_the_head():
    ends = [line for line in latex(TABLE, label="t").splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in ends} == {1}


HOSTILE = (
    "✓ ℓ λ $", "[0.1cm] x", "* x", r"\input{/etc/passwd}", r"\write18{touch canary}", "%", "a\x00b\x1bc", "中文 😀",
    "^^5cinput", "}{\\end{table}", "ñ Œ ſ Ω σ ς ὰ ₀ ² ½", "\u2028\u00ad\u200b", "~", "``''", "<<>>", "é́", "",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_it_compiles_whatever_the_names_are(tmp_path):
    rows = tuple((name, name) for name in HOSTILE)
    body = latex(Table(" ".join(HOSTILE), (HOSTILE[0], HOSTILE[1]), rows, note=HOSTILE[2]), label="t")
    rules = "".join(rf"\let\{rule}rule\hline" for rule in ("top", "mid", "bottom"))
    text = rf"\documentclass{{article}}{rules}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert {path.suffix for path in tmp_path.iterdir()} == {".tex", ".aux", ".log", ".pdf"}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_what_tex_takes_for_more_than_text_is_written_out(name):
    text = latex_text(name)
    assert not any(mark in text for mark in ("\\input", "\\write", "\\end", "^^", "\x00", "\x1b"))
    assert not text.startswith(("[", "*"))
    assert text.count("$") % 2 == (1 if text.count(r"\$") % 2 else 0)
