"""Where a set lies and how the machine is set up change nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from set_files import write_amigos, write_dasps, write_dreamer, write_seed

from trimcap.data.recording import Recording
from trimcap.data.sources import read_set

READERS = {
    "seed": (lambda p: write_seed(p, {"10_20140404": "jl", "2_20131027": "a"}), partial(read_set, "seed")),
    "dreamer": (write_dreamer, partial(read_set, "dreamer")),
    "amigos": (lambda p: [write_amigos(p, s) for s in (11, 2)], partial(read_set, "amigos")),
    "dasps": (lambda p: [write_dasps(p, s) for s in (11, 2)], partial(read_set, "dasps")),
}
CODE = """
import sys, hashlib
from pathlib import Path
from trimcap.data import read_set
digest = hashlib.sha256()
for r in read_set("{name}", sys.argv[1]):
    digest.update(f"{{r.name}} {{r.label}} {{r.channels}}".encode())
    digest.update(r.signal.tobytes())
print(digest.hexdigest())
"""


def digest(recordings: list[Recording]) -> str:
    total = hashlib.sha256()
    for r in recordings:
        total.update(f"{r.name} {r.label} {r.channels}".encode())
        total.update(r.signal.tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("name", READERS)
def test_path_locale_and_order_of_the_folder_do_not_matter(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read = READERS[name]
    write(tmp_path / "plain")
    strange = tmp_path / "脑电 数据 é" / "a b"
    write(strange)
    expected = digest(read(tmp_path / "plain"))
    assert digest(read(strange)) == digest(read(f"{strange}/")) == expected
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listed(self), reverse=True)))
    assert digest(read(strange)) == expected
    subjects = [r.subject for r in read(strange)]
    assert subjects == sorted(subjects)


def test_the_c_locale_reads_the_same(tmp_path: Path) -> None:
    strange = tmp_path / "脑电 数据 é"
    write_dasps(strange, 2)
    settings = os.environ | {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = [sys.executable, "-c", CODE.format(name="dasps"), str(strange)]
    out = subprocess.run(run, env=settings, capture_output=True, text=True, check=True).stdout
    assert out.strip() == digest(read_set("dasps", strange))


def test_the_digest_sees_a_changed_order(tmp_path: Path) -> None:
    write_dasps(tmp_path)
    recordings = read_set("dasps", tmp_path)
    assert digest(recordings) != digest(recordings[::-1])
