"""Tables for a paper."""

from __future__ import annotations

from trimcap.study.layout import Table

_PLAIN = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "−": r"$-$", "±": r"$\pm$",
    "×": r"$\times$", "→": r"$\to$", "κ": r"$\kappa$", "µ": r"\textmu{}", "√": r"$\surd$", "·": r"$\cdot$",
    "≥": r"$\ge$", "≤": r"$\le$", "…": r"\ldots{}", "–": "--", "“": "``", "”": "''", "’": "'", "₀": r"$_0$", "\n": " ",
}  # fmt: skip


def latex(table: Table, *, label: str) -> str:
    r"""The table as a LaTeX float; it needs the package `booktabs`.

    >>> print(latex(Table("Scores, 95 %.", ("stage", "accuracy"), (("dense", "0.8"),)), label="scores"))
    \begin{table}
    \centering
    \caption{Scores, 95 \%.}
    \label{tab:scores}
    \begin{tabular}{lr}
    \toprule
    stage & accuracy \\
    \midrule
    dense & 0.8 \\
    \bottomrule
    \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_text(' '.join(filter(None, (table.caption, table.note))))}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\toprule",
        _row(table.columns),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(_text, cells)) + r" \\"


def _text(text: str) -> str:
    return "".join(_PLAIN.get(letter, letter) for letter in text)
