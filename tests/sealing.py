"""Forged files: what a stranger writes who knows the format, seal and all."""

from __future__ import annotations

import hashlib
import json

from trimcap._errors import ArtifactError


def resealed(path, change):
    """Edit a sealed JSON file with `change(content)`, and seal it again: hashes of the files it lists too."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content = change(content) or content
    content.pop("sha256", None)
    for name in content["files"] if isinstance(content.get("files"), dict) else ():
        if (path.parent / name).is_file():
            content["files"][name] = hashlib.sha256((path.parent / name).read_bytes()).hexdigest()
    body = json.dumps(content, indent=1, ensure_ascii=False).removesuffix("\n}").encode()
    path.write_bytes(body + f',\n "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode())


def flipped(path, n, seed=0):
    """Every byte of a small file changed, or `n` of a large one, one after the other; the file is whole again after."""
    import random

    whole = path.read_bytes()
    generator = random.Random(seed)
    places = range(len(whole)) if len(whole) <= n else sorted(generator.sample(range(len(whole)), n))
    try:
        for place in places:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << generator.randrange(8)
            path.write_bytes(damaged)
            yield place
    finally:
        path.write_bytes(whole)


def accepted(load, path, name=""):
    """Whether `load(path)` takes a file; a refusal is an `ArtifactError` that names it, anything else is none."""
    try:
        load(path)
    except ArtifactError as error:
        return name not in str(error)
    return True
