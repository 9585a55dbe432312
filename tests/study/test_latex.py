from trimcap.study.latex import latex
from trimcap.study.layout import Table

TABLE = Table(
    "50 % of {all} & more, p < 0.05, ±2 µV.", ("stage_1", "a → b"), (("C:\\x #1", "−0.5 … ~2"), ("$", "3×")), note="So."
)


def test_table_as_booktabs():
    assert latex(TABLE, label="t") == "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\caption{50 \% of \{all\} \& more, p $<$ 0.05, $\pm$2 \textmu{}V. So.}",
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
