r"""Sealed files: each says what it is and carries a SHA-256 of every byte, its own and those of the files it lists.

A seal shows damage and edits by accident or by hand; it is no signature: whoever writes a new file seals it too. What a
sealed file says is therefore checked against a pattern as well, and the files it lists lie beside it, as plain files.

*Sealed JSON* ends with `,\n "sha256": "…"\n}\n`; the digest is of all bytes before that end. *Sealed tensors* are a
safetensors file with the metadata `trimcap`: JSON whose last key is the digest of the file with 64 zeros in its place.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from trimcap._errors import ArtifactError
from trimcap._files import sha256, write_atomic

#: bytes; a network of a thousand operations has 0.5 MB of JSON
JSON_LIMIT, TENSOR_LIMIT = 64 << 20, 4 << 30
_END = re.compile(rb',\n "sha256": "([0-9a-f]{64})"\n\}\n\Z')
_EMPTY = "0" * 64
#: the last key of the JSON that is text in the header, and the end of that text: nothing inside looks like this
_IN_HEADER = re.compile(rb'\\"sha256\\": \\"([0-9a-f]{64})\\"\}"')
_NAME = re.compile(r"[^\x00-\x1f/\\:.][^\x00-\x1f/\\:]{0,199}")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """What a kind of file is called, and how its content looks.

    Parameters
    ----------
    name : for messages: "network"
    format : its first value: "trimcap network 1"
    pattern : what it holds, see `misfit`; a new field is one more line there
    again : what to do with a damaged one
    below : its files may lie in folders below it as well: `evaluated/C.npz`
    """

    name: str
    format: str
    pattern: Mapping[Any, Any]
    again: str
    below: bool = False


def seal(path: Path | str, kind: Kind, content: Mapping[str, Any], *, files: Iterable[str] = ()) -> Path:
    """Write `content` as sealed JSON, atomically, with the SHA-256 of the `files` beside it.

    Raises
    ------
    OSError : the folder can't be written. ValueError : NaN or infinity in `content`.
    """
    path = Path(path)
    listed = {_safe(name, path, kind): sha256(path.parent / name) for name in files}
    whole = {"format": kind.format, **content, "files": listed}
    body = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False).removesuffix("\n}").encode()
    return write_atomic(path, body + f',\n "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode())


def unseal(path: Path | str, kind: Kind) -> dict[str, Any]:
    """What a sealed JSON file says.

    Raises
    ------
    FileNotFoundError : there is none.
    ArtifactError : it is damaged, edited, of another format, too large, a link, or does not fit its pattern.
    """
    path = Path(path)
    blob = read_plain(path, limit=JSON_LIMIT)
    content = parse(blob, path, kind)
    _check_format(content.get("format"), path, kind)
    end = _END.search(blob)
    if end is None or hashlib.sha256(blob[: end.start()]).hexdigest() != end[1].decode():
        _changed(path, kind)
    names = {"format": str, **kind.pattern, "files": {str: str}, "sha256": str}
    if why := misfit(content, names):
        raise ArtifactError(f"{path} is damaged ({why}); {kind.again}")
    for name in content["files"]:
        _safe(name, path, kind)
    return content


def listed(path: Path | str, content: Mapping[str, Any], name: str, kind: Kind) -> bytes:
    """The bytes of a file that `content`, what `unseal` read from `path`, lists; they have the hash that it says.

    Raises
    ------
    ArtifactError : it is not listed, missing, changed, too large or a link.
    """
    path, file = Path(path), Path(path).parent / name
    if name not in content["files"]:
        raise ArtifactError(f"{path} does not list the file '{name}', which every {kind.name} has; {kind.again}")
    try:
        for folder in list(file.relative_to(path.parent).parents)[:-1]:
            if (path.parent / folder).is_symlink():
                raise ArtifactError(f"{path.parent / folder} is a link, which may lead anywhere; put the folder itself")
        blob = read_plain(file, limit=TENSOR_LIMIT)
    except FileNotFoundError:
        raise ArtifactError(f"{file} is missing; the {kind.name} is incomplete: {kind.again}") from None
    got, want = hashlib.sha256(blob).hexdigest(), content["files"][name]
    if got != want:
        raise ArtifactError(
            f"{file} was changed after it was saved: SHA-256 {got[:12]}…, {path.name} says {want[:12]}…. "
            f"Restore the file, or {kind.again}"
        )
    return blob


def seal_tensors(path: Path | str, kind: Kind, save: Callable[[dict[str, str]], bytes], header: dict[str, Any]) -> Path:
    """Write a sealed safetensors file, atomically; `save` makes its bytes from the metadata."""
    text = json.dumps({"format": kind.format, **header, "sha256": _EMPTY}, allow_nan=False)
    blob = save({"trimcap": text})
    place = _seal_place(blob)
    assert place is not None, "safetensors writes its header as compact JSON"
    return write_atomic(path, blob[: place[0]] + hashlib.sha256(blob).hexdigest().encode() + blob[place[1] :])


def unseal_tensors(path: Path | str, kind: Kind) -> tuple[dict[str, Any], bytes]:
    """Header and bytes of a sealed safetensors file.

    Raises
    ------
    ArtifactError : it is missing, damaged, edited, of another format, too large, a link, or does not fit its pattern.
    """
    path = Path(path)
    try:
        blob = read_plain(path, limit=TENSOR_LIMIT)
        header = parse(blob[8 : 8 + _header_length(blob)], path, kind)
        metadata = header.get("__metadata__")
        text = metadata.get("trimcap") if isinstance(metadata, dict) else None
        if not isinstance(text, str):
            raise ArtifactError(f"{path} is no {kind.name}; {kind.again}")
        content = parse(text.encode(), path, kind)
    except FileNotFoundError:
        raise ArtifactError(f"there is no {kind.name} '{path}'") from None
    _check_format(content.get("format"), path, kind)
    place = _seal_place(blob)
    if place is None:
        _changed(path, kind)
    empty = blob[: place[0]] + _EMPTY.encode() + blob[place[1] :]
    if hashlib.sha256(empty).hexdigest().encode() != blob[slice(*place)]:
        _changed(path, kind)
    if why := misfit(content, {"format": str, **kind.pattern, "sha256": str}):
        raise ArtifactError(f"{path} is damaged ({why}); {kind.again}")
    return content, blob


def unseal_with_tensors(
    path: Path, kind: Kind, tensors: str, load: Callable[[bytes], Mapping[str, Any]], *, order: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of a sealed file and the tensors in the file `tensors` beside it, in the order of its list `order`.

    Raises
    ------
    ArtifactError : a file is missing, edited or damaged; names it.
    """
    from safetensors import SafetensorError

    try:
        content = unseal(path, kind)
    except FileNotFoundError:
        raise ArtifactError(f"'{path.parent}' holds no {kind.name}: {path.name} is missing; {kind.again}") from None
    blob = listed(path, content, tensors, kind)
    try:
        found = load(blob)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path.parent / tensors} is damaged: {error!r}; {kind.again}") from error
    if sorted(found) != sorted(content[order]):
        raise ArtifactError(f"{path} is damaged (its list '{order}' is not what {tensors} holds); {kind.again}")
    return content, {name: found[name] for name in content[order]}


def read_plain(path: Path, *, limit: int) -> bytes:
    """All bytes of a plain file.

    Raises
    ------
    FileNotFoundError : there is none. ArtifactError : it is a link, folder or device, too large or unreadable.
    """
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            raise ArtifactError(f"{path} is a link, which may lead anywhere; put the file itself in its place")
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise ArtifactError(f"{path} is no plain file")
            if facts.st_size > limit:
                raise ArtifactError(f"{path} has {facts.st_size:,} bytes; at most {limit:,} are read")
            return file.read(limit + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{path} can't be read: {error}") from error


def parse(blob: bytes, path: Path, kind: Kind) -> dict[str, Any]:
    """A JSON object; nothing that nests too deep, names a key twice or holds NaN."""
    try:
        content = json.loads(
            blob, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_int, parse_float=_float
        )
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else error
        raise ArtifactError(f"{path} is damaged ({why}); {kind.again}") from None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} is no {kind.name}: it holds a {type(content).__name__}")
    return content


def misfit(value: Any, pattern: Any, where: str = "") -> str:
    """Why a JSON value is not what `pattern` says; "" if it is.

    A pattern is a type (float takes whole numbers, int no booleans), None, Any, a tuple of patterns of which one fits,
    [pattern] for a list, a table of names and patterns with just those, and {str: pattern} for more of any name.
    """
    if pattern is Any:
        return ""
    if isinstance(pattern, tuple):
        found = [misfit(value, one, where) for one in pattern]
        return "" if "" in found else found[0]
    if isinstance(pattern, list) and isinstance(value, list):
        found = [misfit(item, pattern[0], f"{where}[{i}]") for i, item in enumerate(value)]
    elif isinstance(pattern, Mapping) and isinstance(value, dict):
        lacking, surplus = pattern.keys() - value.keys() - {str}, value.keys() - pattern.keys()
        if lacking:
            return f"{where or 'it'} lacks '{min(lacking)}'"
        if surplus and str not in pattern:
            return f"unknown '{min(surplus)[:80]}'"
        found = [misfit(v, pattern.get(k, pattern.get(str)), f"{where}.{k}".strip(".")) for k, v in value.items()]
    elif _is(value, pattern):
        return ""
    else:
        return f"{where or 'it'} is {repr(value)[:80]}, not {_described(pattern)}"
    return next(filter(None, found), "")


def _is(value: Any, pattern: Any) -> bool:
    if pattern is None:
        return value is None
    if not isinstance(pattern, type) or (isinstance(value, bool) and pattern is not bool):
        return False
    return isinstance(value, (int, float) if pattern is float else pattern)


def _described(pattern: Any) -> str:
    if isinstance(pattern, type):
        return {int: "a whole number", float: "a number", str: "text", bool: "true or false"}.get(pattern, "that")
    return "a list" if isinstance(pattern, list) else "a table" if isinstance(pattern, Mapping) else "null"


def _safe(name: str, path: Path, kind: Kind) -> str:
    parts = name.split("/") if kind.below else [name]
    if not all(_NAME.fullmatch(part) and not _DEVICE.fullmatch(part) for part in parts):
        raise ArtifactError(f"{path} lists the file {name[:80]!r}, which is no plain name of a file beside it")
    return name


def _check_format(got: Any, path: Path, kind: Kind) -> None:
    if got != kind.format:
        raise ArtifactError(f"{path} has format {repr(got)[:80]}; this version reads {kind.format!r}: {kind.again}")


def _changed(path: Path, kind: Kind) -> NoReturn:
    raise ArtifactError(
        f"{path} was changed after it was saved (its SHA-256 does not fit). Restore the file, or {kind.again}"
    )


def _header_length(blob: bytes) -> int:
    return min(int.from_bytes(blob[:8], "little"), JSON_LIMIT)


def _seal_place(blob: bytes) -> tuple[int, int] | None:
    found = [m.span(1) for m in _IN_HEADER.finditer(blob, 8, 8 + _header_length(blob))]
    return found[0] if len(found) == 1 else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _int(text: str) -> int:
    value = int(text)
    if abs(value) >= 2**64:
        raise ValueError(f"{text[:20]}… is too large")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
