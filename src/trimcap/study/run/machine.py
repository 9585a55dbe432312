"""The machine that a trial ran on: the kernels that decide the last bits of its numbers."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

#: features of processors after which libraries choose their kernels
_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16", "i8mm")
#: variables that make libraries choose other kernels
_CHOOSE = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE")


def machine() -> dict[str, str]:
    """Processor, kernels and threads, in words.

    Two machines with equal words, packages and seeds train networks that are equal bit for bit; of others only data,
    folds, baselines (to rounding) and costs are equal, see `docs/statistics.md`.
    """
    import torch
    from threadpoolctl import threadpool_info

    built = torch.__config__.show()
    names = (("oneDNN", r"MKL-DNN v([\d.]+)"), ("MKL", r"Math Kernel Library Version ([\d.]+)"))
    libraries = [f"{name} {found[1]}" for name, pattern in names if (found := re.search(pattern, built))]
    blas = [lib for lib in threadpool_info() if lib["user_api"] == "blas" and "numpy" in lib["filepath"]]
    chosen = [f"{name}={os.environ[name]}" for name in _CHOOSE if name in os.environ]
    return {
        "processor": _processor(),
        "kernels": ", ".join(
            [f"PyTorch {torch.backends.cpu.get_cpu_capability()}", *libraries, *map(_of_numpy, blas[:1]), *chosen]
        ),
        "threads": ", ".join(
            [f"PyTorch {torch.get_num_threads()}", *(f"NumPy {lib['num_threads']}" for lib in blas[:1])]
        ),
    }


def _of_numpy(lib: dict[str, Any]) -> str:
    return f"NumPy {lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip()


def _processor() -> str:
    """Model, and the features that kernels are chosen by."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    have = [flag for flag in _FLAGS if flags and flag in flags[1].split()]
    return f"{model[1].strip() if model else platform.machine()} ({', '.join(have) or 'no known vector units'})"
