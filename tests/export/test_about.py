"""Header and manifest say what the input is, in macros, and no recipe for an ADC where steps lie before the network."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import torch
from export_builds import needs_compiler
from torch import nn

from trimcap.data import Effect, from_arrays, make_chain
from trimcap.data.preprocess.recordings.running import running_z_score
from trimcap.data.recording import Recording
from trimcap.export.artifact import export
from trimcap.export.build import STRICT, compile_c, host_compiler
from trimcap.graph.trace.trace import trace
from trimcap.program.lower.lower import lower
from trimcap.quantize.network import quantize_network

CHANNELS, HOSTILE = ("Fz", "T7", "P8", "Oz"), 'x"; */ \\ ??/ µ\n#'
CUT = {"name": "windows", "seconds": 0.5}


def recording() -> Recording:
    return Recording(np.random.default_rng(0).normal(0, 20, (4, 1280)).astype(np.float32), 64.0, CHANNELS, "s1")


def exported(folder, windows, *, integer=True, **options):
    torch.manual_seed(0)
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(windows.shape)), 2)), windows)
    program = quantize_network(network, windows).program if integer else lower(network)
    place = export(program, folder, golden=windows.take(range(4)), **options)
    return json.loads((place / "manifest.json").read_text()), (place / "net.h").read_text(), place


def test_raw_windows_have_a_recipe_and_others_have_none(tmp_path):
    raw = make_chain([CUT]).apply([recording()])
    manifest, header, _ = exported(tmp_path / "raw", raw)
    assert (manifest["from_counts"], manifest["unit"], manifest["rate_hz"]) == (True, "µV", 64.0)
    assert "q = clamp(round(counts * (lsb / NET_INPUT_SCALE" in header
    assert "#define NET_STEPS_BEFORE 0" in header
    for steps in (["bandpass", "running_z_score"], ["running_z_score"], ["bandpass"]):
        options = {"bandpass": {"low": 1, "high": 20}}
        chain = make_chain([*({"name": s, **options.get(s, {})} for s in steps), CUT])
        manifest, header, _ = exported(tmp_path / "-".join(steps), chain.apply([recording()]))
        assert manifest["from_counts"] is False
        assert "counts * " not in header
        assert "counts of an ADC are not the input" in header
        assert f"#define NET_STEPS_BEFORE {len(steps)}" in header
        assert manifest["unit"] == ("z" if "running_z_score" in steps else "µV")
    for windows in (raw.with_X(raw.X, step="scaled by hand"), raw.with_X(raw.X, step="standardised", unit="z")):
        assert exported(tmp_path / "own", windows, integer=False)[0]["from_counts"] is False


def test_a_running_z_score_is_no_microvolt(tmp_path):
    """It said `real unit: uV`, and firmware that followed the recipe had 0.500 instead of 0.871."""
    from trimcap.data import cut

    windows = cut([running_z_score(recording())], seconds=0.5)
    _, header, _ = exported(tmp_path / "z", windows)
    assert "real unit: z" in header
    assert '#define NET_UNIT "z"' in header
    assert "One window in z to the integers" in header


@needs_compiler
@pytest.mark.parametrize("integer", [True, False])
def test_macros_compile_and_say_what_the_manifest_says(tmp_path, integer):
    chain = make_chain([{"name": "resample", "rate": 64}, {"name": "bandpass", "low": 1, "high": 20}, CUT])
    fast = Recording(np.random.default_rng(0).normal(0, 20, (4, 2560)).astype(np.float32), 128.0, CHANNELS, "s1")
    windows = chain.apply([fast])
    manifest, _, place = exported(tmp_path / "fw", windows, integer=integer, chain=chain, device_rate=128.0)
    (tmp_path / "main.c").write_text(
        '#include "net.h"\n#include <stdio.h>\nint main(void) { const char *names[] = NET_CHANNEL_NAMES;\n'
        "for (int i = 0; i < NET_CHANNELS; i++) puts(names[i]);\n"
        'printf("%s\\n%s\\n%s\\n%g\\n%g\\n", NET_UNIT, NET_PROGRAM_SHA256, NET_CHAIN_SHA256, (double)NET_RATE_HZ,\n'
        "(double)NET_CHAIN_DELAY_S); return 0; }\n"
    )
    compile_c(host_compiler(), (*STRICT, f"-I{place}"), [tmp_path / "main.c"], tmp_path / "main")
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split("\n")
    assert tuple(lines[:4]) == CHANNELS
    assert lines[4:8] == ["uV", manifest["program_sha256"], chain.hash, "64"]
    assert float(lines[8]) == pytest.approx(chain.stream(128.0, CHANNELS).delay)
    assert manifest["chain"] == {"sha256": chain.hash, "delay_s": pytest.approx(10 * 2 / 128)}


def test_names_cannot_leave_their_string(tmp_path):
    windows = make_chain([CUT]).apply([recording()])
    names = [HOSTILE, "b", "c", "d"]
    _, header, _ = exported(tmp_path / "fw", windows, channels=names, unit=HOSTILE)
    (line,) = [line for line in header.splitlines() if "CHANNEL_NAMES" in line]
    assert line == '#define NET_CHANNEL_NAMES {"x_; _/ _ __/ u__", "b", "c", "d"}'
    assert "\\" not in header


def test_a_chain_that_needs_the_future_has_no_delay(tmp_path):
    chain = make_chain([{"name": "bandpass", "low": 1, "high": 20, "phase": "zero"}, CUT])
    manifest, header, _ = exported(tmp_path / "fw", chain.apply([recording()]), chain=chain)
    assert manifest["chain"] == {"sha256": chain.hash, "delay_s": None}
    assert "CHAIN_DELAY" not in header


def test_a_step_that_says_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "silent_step.py").write_text(
        "from dataclasses import replace\n\n\ndef louder(recording):\n"
        "    return replace(recording, signal=recording.signal * 2)\n"
    )
    chain = make_chain(["silent_step:louder", CUT])
    windows = chain.apply([recording()])
    with pytest.raises(ValueError, match=r"silent_step:louder.* does not declare what it does .*effect = trimcap"):
        exported(tmp_path / "fw", windows)
    with pytest.raises(ValueError, match="silent_step:louder does not declare"):
        exported(tmp_path / "fw", make_chain([CUT]).apply([recording()]), chain=chain)
    assert exported(tmp_path / "known", windows, unit="µV")[0]["unit"] == "µV"
    import silent_step

    monkeypatch.setattr(silent_step.louder, "effect", Effect(scale=True), raising=False)
    chain = make_chain(["silent_step:louder", CUT])
    declared = chain.apply([recording()])
    assert exported(tmp_path / "fw", declared, chain=chain)[0]["from_counts"] is False


def test_windows_of_arrays_are_raw(tmp_path):
    X = np.random.default_rng(0).normal(0, 20, (24, 4, 32))
    windows = from_arrays(X, np.arange(24) % 2, channels=CHANNELS, rate=64, subject="s1")
    assert exported(tmp_path / "fw", windows)[0]["from_counts"] is True


@needs_compiler
@pytest.mark.parametrize("scales", ["one", "channels"])
def test_the_formula_of_the_header_is_what_the_code_computes(tmp_path, scales):
    """It was `round(x / scale)`, which is another integer for one sample in thousands; counts may differ by one."""
    windows = make_chain([CUT]).apply([recording()])
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(windows.shape)), 2)), windows)
    program = quantize_network(network, windows, input_scales=scales).program
    place = export(program, tmp_path / "net", golden=windows.take(range(4)))
    header = (place / "net.h").read_text()
    assert "clamp((int)(v + copysignf(0.5f, v)) + zero point, -128, 127) with v = x * (1.0f / scale)" in header
    assert ("counts * (lsb / scales[channel])" in header) == (scales == "channels")
    scale = "scales[i / (NET_INPUT_SIZE / NET_INPUT_CHANNELS)]" if scales == "channels" else "NET_INPUT_SCALE"
    (place / "main.c").write_text(
        '#include "net.h"\n#include <math.h>\n#include <stdlib.h>\n'
        + ("static const float scales[] = NET_INPUT_SCALES;\n" if scales == "channels" else "")
        + "static float x[NET_INPUT_SIZE]; static int8_t q[NET_INPUT_SIZE];\n"
        "static int clamp(float v) { return v < -128.0f ? -128 : v > 127.0f ? 127 : (int)v; }\n"
        "int main(void) { for (int n = 0; n < 2000; n++) {\n"
        "for (int i = 0; i < NET_INPUT_SIZE; i++) {\n"
        # halves, and their neighbours
        f"x[i] = ((float)(rand() % 400 - 200) + 0.5f) * {scale};\n"
        "if (rand() % 2) x[i] = nextafterf(x[i], rand() % 2 ? 1e9f : -1e9f); }\n"
        "net_quantize(x, q);\n"
        "for (int i = 0; i < NET_INPUT_SIZE; i++) {\n"
        f"volatile float v = x[i] * (1.0f / {scale}); volatile float u = v + copysignf(0.5f, v);\n"
        "if (clamp((float)((int)u + NET_INPUT_ZERO_POINT)) != q[i]) return 1;\n"
        f"if (abs(clamp(roundf(x[i] / {scale}) + (float)NET_INPUT_ZERO_POINT) - q[i]) > 1) return 2;\n"
        "} } return 0; }\n"
    )
    subprocess.run(["gcc", "-std=c99", "-O1", "main.c", "net.c", "-o", "main", "-lm"], cwd=place, check=True)
    assert subprocess.run(["./main"], cwd=place, check=False).returncode == 0


def test_only_floats_have_outputs_without_a_decision(tmp_path):
    windows = make_chain([CUT]).apply([recording()])
    for integer in (True, False):
        _, header, _ = exported(tmp_path / str(integer), windows, integer=integer)
        assert ("NO_DECISION if an output is NaN" in header) is not integer
        assert ("range are clamped, and it does not say so: net_quantize does" in header) is integer
