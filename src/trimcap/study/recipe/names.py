"""Names of stages in the names of files."""

from __future__ import annotations


def slug(stage: str) -> str:
    """A stage's name in file names.

    >>> slug("pruned 2"), slug("LFP 30 %: recovered")
    ('pruned-2', 'LFP-30-recovered')
    """
    return stage.replace(" %", "").translate({ord(":"): None, ord(","): None}).replace(" ", "-")
