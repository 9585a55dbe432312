"""`trimcap data cache`: what is kept of earlier preprocessing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimcap._errors import counted
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import table, times

if TYPE_CHECKING:
    from trimcap.data.cache.cache import Entry

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Of the cache; default: $TRIMCAP_CACHE, or the user's cache.")
]
Clear = Annotated[bool, typer.Option("--clear", help="Delete all entries, or those of --key.")]
Keys = Annotated[list[str] | None, typer.Option("--key", help="Of an entry, or how it begins; repeat.")]
Full = Annotated[bool, typer.Option("--full", help="Compare every byte with what was written.")]


def cache(folder: Folder = None, clear: Clear = False, key: Keys = None, full: Full = False) -> Answer:
    """List the cached windows with size, state, shape and steps; exit 1 if an entry is damaged."""
    from trimcap.data.cache.cache import cache_info, clear_cache
    from trimcap.data.cache.reading import user_cache

    place = folder or user_cache()
    if folder is not None and not folder.is_dir():
        raise Misuse(f"no folder '{folder}'")
    if not clear and key:
        raise Misuse("--key says what to delete; add --clear")
    if clear:
        keys = _found(key, cache_info(place)) if key else None
        with typed():
            freed = clear_cache(place, keys=keys)
        return Answer({"folder": place, "freed": freed}, [f"freed {_size(freed)} in {place}"])
    entries = cache_info(place, check="full" if full else "quick")
    total = sum(entry.bytes for entry in entries)
    rows = [(e.key[:12], _size(e.bytes), e.state, times(e.shape), "; ".join(e.steps), e.created) for e in entries]
    shown = table(("key", "size", "state", "shape", "steps", "created"), rows)
    facts = {"folder": place, "bytes": total, "entries": [asdict(entry) for entry in entries]}
    count = f"{counted(len(entries), 'entry', 'entries')}, {_size(total)}, in {place}"
    damaged = [entry for entry in entries if entry.state.startswith("damaged")]
    failed = "\n".join(f"{e.key[:12]} is {e.state}; it is built again when it is needed" for e in damaged)
    return Answer(facts, [shown, count] if entries else [count], failed)


def _found(typed_keys: list[str], entries: list[Entry]) -> list[str]:
    """Whole keys of entries that begin as typed."""
    from trimcap._errors import unknown

    known = [entry.key for entry in entries]
    found = []
    for text in typed_keys:
        same = [key for key in known if key.startswith(text)]
        if len(same) != 1:
            raise Misuse(f"key {text!r} begins {len(same)} entries" if same else unknown("cache entry", text, known))
        found += same
    return found


def _size(n: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"
