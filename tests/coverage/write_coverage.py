"""Write docs/coverage.json and docs/coverage.md: python tests/coverage/write_coverage.py [names …].

With names only those rows are measured again. Takes minutes. What Torch-Pruning makes of a model is measured once.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from coverage_networks import LEFT_OUT, NETWORKS  # noqa: E402
from coverage_rows import row, torch_pruning  # noqa: E402

DOCS = HERE.parents[1] / "docs"
LIMIT = 60  # seconds for Torch-Pruning


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    file = DOCS / "coverage.json"
    rows: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name in names or NETWORKS:
        try:
            measured = row(name)
        except Exception as error:
            print(name, "CANNOT BE BUILT", repr(error)[:300], flush=True)
            continue
        print(name, measured.result, measured.why[:150], f"{measured.error:.0e}", flush=True)
        theirs = rows.get(name, {}).get("torch_pruning") or _within_limit(name)
        rows[name] = replace(measured, torch_pruning=theirs).as_dict()
        rows = {n: rows[n] for n in NETWORKS if n in rows}
        file.write_text(json.dumps(rows, indent=1) + "\n")
    (DOCS / "coverage.md").write_text(table(rows))


def _within_limit(name: str) -> str:
    def late(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        return torch_pruning(name)
    except TimeoutError:
        return f"over {LIMIT} s"
    except Exception as error:
        return f"fails: {type(error).__name__}"
    finally:
        signal.alarm(0)


def table(rows: dict[str, Any]) -> str:
    """The page."""
    lines = [HEAD.strip(), "", _summary(rows), ""]
    lines += [
        "| model | result | hidden axes pruned | parameters | MACs | error | seconds | frozen, beside outputs, kernels "
        "and times | Torch-Pruning 1.6.1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(r) for r in rows.values()]
    lines += ["", "Not in the table:", "", *(f"- {name}: {why}" for name, why in LEFT_OUT.items())]
    failing = [f"- {r['model']}: {r['why']}" for r in rows.values() if r["why"]]
    if failing:
        lines += ["", "What fails, and the message:", "", *failing]
    return "\n".join(lines) + "\n"


def _summary(rows: dict[str, Any]) -> str:
    lines = []
    for library in ("trimcap", "braindecode", "torcheeg"):
        mine = [r for r in rows.values() if r["model"].startswith(library)]
        exact = sum(r["result"] == "exact" for r in mine)
        nothing = sum(r["result"] == "nothing to prune" for r in mine)
        theirs = sum(r["torch_pruning"] == "works" for r in mine)
        lines.append(f"- {library}: {exact} of {len(mine)} prune exactly, {nothing} have no hidden axis that can go; "
                     f"Torch-Pruning: {theirs}")  # fmt: skip
    return "\n".join(lines)


def _line(r: dict[str, Any]) -> str:
    def change(what: str) -> str:
        return f"{r[what]:,} → {r[what + '_after']:,}" if r["result"] == "exact" else f"{r[what]:,}"

    error = f"{r['error']:.0e}" if r["result"] == "exact" else ""
    seconds = f"{r['trace_seconds']:.1f} + {r['shrink_seconds']:.1f}"
    cells = [r["model"], r["result"], str(r["pruned"]), change("parameters"), change("macs"), error, seconds]
    return "| " + " | ".join([*cells, "; ".join(r["frozen"]), r["torch_pruning"]]) + " |"


HEAD = """
# Coverage

Every classification network of braindecode 1.8, torcheeg 1.1 and trimcap that can be built, traced, shrunk by every
second slice of every hidden axis at once, and compared with its masked twin in float64. Foundation models have two of
their many equal blocks. `error` is the largest difference relative to the largest output; keeping the *other* slices
differs by more than 1e-6 in every row, so the comparison can fail. Seconds: tracing + shrinking with its check, one
thread of a quiet machine. Written by `python tests/coverage/write_coverage.py`; the tests fail when a row gets worse.
"""

if __name__ == "__main__":
    main(sys.argv[1:])
