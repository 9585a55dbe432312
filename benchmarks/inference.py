"""Latency of one window: int8 C and float C against PyTorch eager and ONNX Runtime, one thread, in one run.

    OMP_NUM_THREADS=1 python benchmarks/inference.py [--rounds 5] [--json FILE]

Variants take turns; the least wall time of a call counts, because everything else on the machine can only add. The C
is called as a user calls it, `runner(X)`: shape and NaN checks, input quantization and dequantization are included.
Random weights: latency only, no accuracy. ONNX Runtime int8 is static QDQ, per-channel weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CASES = {
    "EEGNet 32×128": ("EEGNet", (32, 128), {}),
    "EEGNet 32×256": ("EEGNet", (32, 256), {}),
    "CCNN 4×9×9": ("CCNN", (4, 9, 9), {}),
    "CCNN 4×9×9, half as wide": ("CCNN", (4, 9, 9), {"widths": (32, 64, 128, 32), "hidden": 512}),
}


def variants(case: str, work: Path) -> dict[str, Callable[[], Any]]:
    """Name → one call on one window."""
    import torch

    from trimcap import models, runtime
    from trimcap.export.artifact import export
    from trimcap.graph.rewrite.rewrite import rewrite
    from trimcap.graph.trace.trace import trace
    from trimcap.program.lower.lower import lower
    from trimcap.quantize.quantize import quantize

    kind, shape, options = CASES[case]
    torch.manual_seed(0)
    model = getattr(models, kind)(*shape, 2, **options).eval()
    X = np.random.default_rng(0).standard_normal((64, *shape)).astype(np.float32)
    network = rewrite(trace(model, torch.from_numpy(X[:2])))
    network = getattr(network, "network", network)
    float_program = lower(network, name="net")
    int_program = quantize(float_program, X)
    runners = {}
    for name, program in (("C int8", int_program), ("C float", float_program)):
        folder = export(program, work / name.replace(" ", "_"), golden=X[:2])
        runners[name] = runtime.load(folder, cache=work / "cache")
    x, t = X[:1], torch.from_numpy(X[:1])
    rewritten = network.module().eval()
    calls: dict[str, Callable[[], Any]] = {name: lambda r=r: r(x) for name, r in runners.items()}
    calls["PyTorch eager"] = lambda: model(t)
    calls["PyTorch eager, rewritten"] = lambda: rewritten(t)
    return {**calls, **onnx_variants(network, X, work)}


def onnx_variants(network: Any, X: np.ndarray, work: Path) -> dict[str, Callable[[], Any]]:
    """ONNX Runtime in float and int8, of the rewritten network; none if the extra is missing."""
    try:
        import onnxruntime
        from onnxruntime import quantization as q

        from trimcap.export.onnx import export_onnx

        path = export_onnx(network, X[:2], work / "model.onnx")
    except ImportError:
        return {}
    paths = {"ONNX Runtime float": path}

    class Reader(q.CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self.rows = iter([{name: X[i : i + 1]} for i in range(32)])

        def get_next(self) -> Any:
            return next(self.rows, None)

    name = onnxruntime.InferenceSession(str(path)).get_inputs()[0].name
    try:
        q.quant_pre_process(str(path), str(work / "prepared.onnx"))
        q.quantize_static(str(work / "prepared.onnx"), str(work / "int8.onnx"), Reader(name), per_channel=True,
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)  # fmt: skip
        paths["ONNX Runtime int8"] = work / "int8.onnx"
    except Exception as error:  # whatever the quantizer can't do: say so and go on
        print(f"ONNX Runtime int8 left out: {error}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = {k: onnxruntime.InferenceSession(str(p), options) for k, p in paths.items()}
    return {k: lambda s=s: s.run(None, {name: X[:1]}) for k, s in sessions.items()}


def measure(calls: dict[str, Callable[[], Any]], rounds: int, seconds: float = 0.3) -> dict[str, float]:
    """Least time of a call, ms."""
    import torch

    best = dict.fromkeys(calls, float("inf"))
    with torch.no_grad():
        for _ in range(rounds):
            for name, call in calls.items():
                stop = time.perf_counter() + seconds
                while time.perf_counter() < stop:
                    start = time.perf_counter()
                    call()
                    best[name] = min(best[name], time.perf_counter() - start)
    return {name: 1e3 * t for name, t in best.items()}


def main() -> None:
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", choices=list(CASES), action="append")
    arguments = parser.parse_args()
    results = {}
    for case in arguments.case or CASES:
        with tempfile.TemporaryDirectory() as work:
            results[case] = measure(variants(case, Path(work)), arguments.rounds)
        base = results[case]["PyTorch eager"]
        print(case)
        for name, ms in sorted(results[case].items(), key=lambda item: item[1]):
            print(f"  {name:<26} {ms:8.4f} ms   {base / ms:6.2f}× PyTorch eager")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
