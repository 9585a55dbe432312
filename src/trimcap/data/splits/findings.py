"""What an audit finds, and the verdict on it. Who looks: `audit` (access), `provenance`, `shared` (content)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trimcap._errors import AuditError

Severity = Literal["error", "leaky", "unknown", "warning", "note"]
Check = Literal["access", "provenance", "content"]

#: what an audit looks at, and what each check says
CHECKS: Mapping[str, str] = {
    "access": "which stage saw which windows",
    "provenance": "what the network, and every transform, had seen before",
    "content": "copies, overlaps and normalisation across the boundary, whatever the names",
}

#: what no audit of windows can find; said wherever one says "passed"
UNSEEN = (
    "What can't be seen: features, hyper-parameters or methods that people chose outside the fold after looking at its "
    "test windows or at earlier reports; transforms that were fitted on all windows outside trimcap (PCA, spatial "
    "filters, min-max, and a z-score after which windows were left out or changed; of a plain one over each test "
    "subject's own windows there is only a warning); and copies that are changed beyond what docs/protocols.md lists "
    "as found."
)

#: verdict where nobody recorded what a network was trained on
UNKNOWN = "unknown: trained outside"


@dataclass(frozen=True)
class Finding:
    """What the audit noticed: "error" fails, "unknown" can't pass, "leaky" and "warning" are shown with the numbers."""

    severity: Severity
    stage: str
    text: str
    check: Check = "access"


@dataclass(frozen=True)
class Audit:
    """Verdict on one fold: findings, and one row per recorded stage for the report's table."""

    findings: tuple[Finding, ...]
    rows: tuple[dict[str, Any], ...] = ()

    @property
    def verdict(self) -> str:
        """The worst of what was found.

        `failed` if a rule is broken, `LEAKY` for a protocol that leaks by declaration, `unknown: trained outside` if it
        is not known what a network was trained on, else `passed`.
        """
        return verdict_of(f.severity for f in self.findings)

    @property
    def checks(self) -> dict[str, str]:
        """The verdict of each of `CHECKS`."""
        return {check: verdict_of(f.severity for f in self.findings if f.check == check) for check in CHECKS}

    @property
    def passed(self) -> bool:
        """Whether the numbers measure generalisation: neither failed, leaky nor unknown."""
        return self.verdict == "passed"

    def __str__(self) -> str:
        found = [f"{f.severity}: {f.text}" for f in self.findings]
        return "\n".join([f"audit: {self.verdict}", *found, UNSEEN])

    def raise_if_failed(self) -> None:
        """Raise AuditError with every error; a declared leaky protocol is labelled, not refused."""
        errors = [f.text for f in self.findings if f.severity == "error"]
        if errors:
            raise AuditError("audit failed: " + "; ".join(errors))


def verdict_of(severities: Iterable[str]) -> str:
    """The verdict on findings of these severities."""
    found = set(severities)
    words = {"error": "failed", "leaky": "LEAKY", "unknown": UNKNOWN}
    return next((word for severity, word in words.items() if severity in found), "passed")
