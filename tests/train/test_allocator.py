"""The allocator is set on glibc and left alone elsewhere."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from trimcap.train import tune_allocator

# page faults of taking and freeing 32 MiB once more, in a process as it is and in a tuned one
PROGRAM = """
import resource, sys
import torch
from trimcap.train import tune_allocator
if sys.argv[1] == "tuned":
    assert tune_allocator()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    torch.ones(2**23)
before = faults()
for _ in range(10):
    torch.ones(2**23)
print((faults() - before) // 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt belongs to glibc")
def test_freed_memory_is_used_again():
    def faults(variant: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROGRAM, variant], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("plain") > 1000
    assert faults("tuned") < 100


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    tune_allocator.cache_clear()
    assert tune_allocator() is False
    tune_allocator.cache_clear()
