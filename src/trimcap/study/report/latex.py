"""Tables for a paper."""

from __future__ import annotations

import unicodedata

from trimcap.study.results.words import Table

_PLAIN = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "−": r"$-$", "±": r"$\pm$",
    "|": r"$|$", "×": r"$\times$", "→": r"$\to$", "µ": r"$\mu$", "√": r"$\surd$", "·": r"$\cdot$", "≥": r"$\ge$",
    "≤": r"$\le$", "≠": r"$\ne$", "≈": r"$\approx$", "∞": r"$\infty$", "ℓ": r"$\ell$", "✓": r"$\surd$",
    "✗": r"$\times$", "…": r"\ldots{}", "–": "--", "—": "---", "‑": "-", "“": "``", "”": "''", "„": r"\quotedblbase{}",
    "‘": "`", "’": "'", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "°": r"$^\circ$", "[": "{[}",
    "]": "{]}", "*": "{*}",
}  # fmt: skip
#: European letters that LaTeX's default fonts lack; the others it reads as they are
_NOT_IN_OT1 = "ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲų"
_GREEK = {
    "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "ο": "o",
    "Ρ": "P", "Τ": "T", "Χ": "X",
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
        rf"\caption{{{latex_text(' '.join(filter(None, (table.caption, table.note))))}}}",
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
    return " & ".join(map(latex_text, cells)) + r" \\"


def latex_text(text: str) -> str:
    r"""Any text as LaTeX that prints it, in any engine: what no base font has is written as its code point.

    >>> latex_text("ℓ1 ✓ 50 % of S_1 中")
    '$\\ell$1 $\\surd$ 50 \\% of S\\_1 {[}U+4E2D{]}'
    """
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter in _PLAIN:
        return _PLAIN[letter]
    if " " <= letter <= "~":
        return letter
    if letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf"):
        return " "
    name = unicodedata.name(letter, "")
    kind, _, greek = name.partition(" LETTER ")
    if kind in ("GREEK SMALL", "GREEK CAPITAL") and " " not in greek:
        return _greek(letter, greek, small=kind == "GREEK SMALL")
    for script, mark in (("SUPERSCRIPT ", "^"), ("SUBSCRIPT ", "_")):
        if name.startswith(script) and letter.isdigit():
            return f"${mark}{unicodedata.digit(letter)}$"
    known = "À" <= letter <= "ž" and letter.isalpha() and letter not in _NOT_IN_OT1
    return letter if known else f"{{[}}U+{ord(letter):04X}{{]}}"


def _greek(letter: str, name: str, *, small: bool) -> str:
    """Greek with a command of its own; capitals that look Latin have none."""
    if letter in _GREEK:
        return _GREEK[letter]
    command = {"lamda": "lambda"}.get(name.lower(), name.lower())
    return rf"$\{command if small else command.capitalize()}$"
