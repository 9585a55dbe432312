"""What the controls found, as a table, Markdown, HTML, LaTeX and JSON."""

from __future__ import annotations

from pathlib import Path

from trimcap._files import write_atomic, write_json
from trimcap.study.report.latex import latex
from trimcap.study.report.pages import write_pages
from trimcap.study.results.control_verdicts import BELOW, GAIN, LEVEL, NOT_ABOVE, Row
from trimcap.study.results.plain import to_plain
from trimcap.study.results.words import Section, Table, Tile, number, probability
from trimcap.study.run.controls import FINGERPRINT, RANDOM, Controls

_MEANT = {
    RANDOM: "Random labels: the recipe's own recordings; every trial has one label that means nothing, {balance}. "
    "Whatever is above chance comes from windows of one trial on both sides of the split.",
    FINGERPRINT: "Fingerprint: synthetic recordings of the same size; every trial has a spectrum of its own and a "
    "label that was drawn without looking at it.",
}
_TITLE = {RANDOM: "Random labels", FINGERPRINT: "Fingerprint"}
_BALANCE = {
    "subject": "balanced within every subject",
    "recordings": "balanced over all trials",
    "none": "drawn independently",
}


def control_tables(found: Controls) -> tuple[Table, ...]:
    """One table per control, with one row per protocol and classifier."""
    return tuple(_table(found, control) for control in dict.fromkeys(r.control for r in found.rows))


def headline(found: Controls) -> str:
    """The whole result in one sentence."""
    if found.failed:
        return f"Not passed: {found.failed}."
    honest, leaky = ([r for r in found.rows if r.honest == wanted] for wanted in (True, False))
    verdicts = {r.verdict for r in honest}
    below = "is below" if verdicts == {BELOW} else "is at or below"
    stays = "is not shown above" if NOT_ABOVE in verdicts else below if BELOW in verdicts else "stays at"
    return (
        f"Passed: without information {found.protocol} {stays} chance ({_range(honest)}), while leaky splits of the "
        f"same data reach up to {number(max(r.accuracy for r in leaky))}."
    )


def write_controls(found: Controls, folder: Path | str) -> Path:
    """Write `controls.json`, `.md`, `.tex` and `.html` into `folder`; the path of the HTML file is returned.

    Raises
    ------
    OSError : the folder can't be written.
    """
    folder = Path(folder)
    tables = control_tables(found)
    kinds = dict.fromkeys(r.control for r in found.rows)
    expected = tuple(_MEANT[kind].format(balance=_BALANCE[found.balance]) for kind in kinds)
    facts = {
        "title": f"Controls without information: {found.name}",
        "headline": headline(found),
        "verdict": "",
        "leak": "",
        "tiles": _tiles(found),
        "sections": (
            Section("controls", "Controls", tables=tables),
            Section("meaning", "What this shows", text=(*expected, _NUMBERS, _BIAS, *found.notes)),
        ),
    }
    write_json(folder / "controls.json", to_plain(found.as_dict()))
    labelled = zip(tables, kinds, strict=True)
    write_atomic(folder / "controls.tex", "\n".join(latex(t, label=kind.replace(" ", "-")) for t, kind in labelled))
    return write_pages(folder, "controls", facts)


def _table(found: Controls, control: str) -> Table:
    own = [r for r in found.rows if r.control == control]
    rows = [
        (
            f"{r.protocol if r.honest else f'LEAKY: {r.protocol}'}, {r.classifier}",
            number(r.accuracy),
            f"{number(r.low)} … {number(r.high)}",
            f"{number(r.lowest)} … {number(r.highest)}",
            number(r.chance),
            probability(r.p),
            r.verdict,
        )
        for r in own
    ]
    draws = " and ".join(f"{n}" for n in sorted({r.draws for r in own}, reverse=True))
    of_network = " (network)" if len({r.draws for r in own}) > 1 else ""
    return Table(
        f"{_TITLE[control]}: window accuracy where there is nothing to find, {draws}{of_network} draws.",
        ("protocol, classifier", "accuracy", "95 % interval", "range", "chance", "p", "verdict"),
        tuple(rows),
    )


_NUMBERS = (
    "Accuracy is over all test windows of a draw, and its mean over draws. The interval is that mean ± t · sd / √draws "
    "with t of draws − 1 degrees of freedom, because draws, and not windows or folds, are independent. Chance is the "
    "share of the most frequent class. p is that of a one-sided t-test of accuracy minus chance over draws. An honest "
    f"protocol is above chance if p < {LEVEL:g} / number of honest rows. A leaky one must go at least "
    f"{100 * GAIN:.0f} % of the way from chance to 1 with some classifier, or else the control has no power: what it "
    "says of the honest protocol is void."
)
_BIAS = (
    "Only scores above chance speak against a protocol. Below it, there is a bias of the control: labels that are "
    "balanced within a group make what is left of the group a hint at the opposite of what was held out, so a "
    "classifier that memorises falls below chance where a split goes through a balanced group. Labels balanced within "
    "subjects have no such bias under splits by subject."
)


def _range(rows: list[Row]) -> str:
    low, high = min(r.accuracy for r in rows), max(r.accuracy for r in rows)
    return f"{number(low)} to {number(high)}, chance {number(rows[0].chance)}"


def _tiles(found: Controls) -> tuple[Tile, ...]:
    tiles = [Tile("FAILED" if found.failed else "passed", "controls", found.protocol, not found.failed)]
    for control in dict.fromkeys(r.control for r in found.rows):
        own = [r for r in found.rows if r.control == control]
        honest, leaky = ([r for r in own if r.honest == wanted] for wanted in (True, False))
        if honest:
            best = max(honest, key=lambda r: r.accuracy - r.chance)
            tiles.append(Tile(number(best.accuracy), f"{control}, {best.protocol}", f"chance {number(best.chance)}"))
        if leaky:
            best = max(leaky, key=lambda r: r.accuracy)
            tiles.append(Tile(number(best.accuracy), f"{control}, LEAKY", f"{best.protocol}, {best.classifier}"))
    return tuple(tiles)
