import re
import shutil
import subprocess
from math import prod

import numpy as np
import pytest
from export_builds import disagreement, needs_arm, needs_compiler
from export_programs import Maker, ccnn_like, eegnet_like, every_kind, windows

from trimcap.export.build import CODE, STRICT, BuildError, compile_c, host_compiler, run
from trimcap.export.c.source import digest, emit_c
from trimcap.export.c.text import ExportError
from trimcap.program.check import check
from trimcap.program.kinds.conv import strategy

BOTH = pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])
MAKERS = pytest.mark.parametrize("make", [eegnet_like, ccnn_like, every_kind], ids=lambda f: f.__name__)


@needs_compiler
@MAKERS
@BOTH
def test_every_operation_agrees_with_the_interpreter(make, integer, tmp_path):
    program = make(integer=integer)
    worst, mismatch = disagreement(program, windows(program, 40), tmp_path)
    assert mismatch is None, mismatch
    assert worst.difference <= (0 if integer else 1e-5)


def convolutions(integer):
    """Geometries that reach every branch of both strategies."""
    m = Maker((6, 11, 37), integer=integer, seed=5)
    pads = {"padding": (2, 3, 1, 0)}
    names = [
        m.conv("x", 5, (1, 1)),
        m.conv("x", 4, (3, 1)),
        m.conv("x", 3, (1, 7), **pads),
        m.conv("x", 6, (3, 3), groups=6, **pads),
        m.conv("x", 12, (2, 5), groups=3, dilation=(2, 3), **pads),
        m.conv("x", 7, (3, 2), stride=(2, 1), **pads),
        m.conv("x", 8, (3, 3), stride=(3, 2), dilation=(2, 2), **pads),
        m.conv("x", 6, (2, 4), stride=(1, 3), groups=2, low=-9, high=11),
        m.conv("x", 9, (4, 4), padding=(6, 7, 5, 4)),
        m.conv("x", 5, (11, 30)),
        m.conv("x", 4, (11, 37)),
        m.conv("x", 6, (5, 1), stride=(4, 1), groups=3, dilation=(2, 1)),
    ]
    flat = [m.reshape(n, prod(m.shape(n))) for n in names]
    return m.program(m.linear(m.concat(flat, 0) if not integer else flat[0], 2))


@needs_compiler
@BOTH
def test_convolutions_of_all_geometries(integer, tmp_path):
    program = convolutions(integer)
    used = {strategy(program, op) for op in program.ops if op.kind == "conv"}
    assert used == {"rows", "columns"}
    _, mismatch = disagreement(program, windows(program, 8), tmp_path)
    assert mismatch is None, mismatch


@needs_compiler
@pytest.mark.parametrize("seed", range(3))
def test_extreme_integers(seed, tmp_path):
    """Largest weights and inputs, multipliers and shifts at their limits."""
    m = Maker((8, 3, 24), integer=True, seed=seed)
    a = m.conv("x", 4, (3, 3), padding=(1, 1, 1, 1))
    b = m.conv("x", 8, (3, 9), padding=(1, 4, 1, 4))
    program = m.program(m.linear(m.reshape(m.act(b), 8 * 3 * 24), 5, wide=True))
    rng = np.random.default_rng(seed)
    for name, c in program.constants.items():
        if name.endswith("weight"):
            c[...] = rng.choice([-127, 127], c.shape)
        if name.endswith("multiplier"):
            c[...] = rng.choice([0, 1, 2**31 - 1], c.shape)
        if name.endswith("shift"):
            c[...] = rng.choice([1, 17, 31, 46, 62], c.shape)
    assert a in program.values
    X = np.where(rng.random((20, 8, 3, 24)) < 0.5, -1e9, 1e9).astype(np.float32)
    _, mismatch = disagreement(program, X, tmp_path)
    assert mismatch is None, mismatch


@needs_compiler
def test_input_quantization_is_the_interpreters_to_the_last_bit(tmp_path):
    m = Maker((1, 1, 4000), integer=True)
    program = m.program(m.act("x"))
    rng = np.random.default_rng(0)
    v = program.values["x"]
    ties = (rng.integers(-140, 140, 4000) + 0.5) * v.scale
    near = np.nextafter(ties.astype(np.float32), np.float32(np.inf))
    odd = np.resize([0.0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-45, 0.185, -0.185], 4000)
    X = np.stack([ties, near, odd, rng.standard_normal(4000) * 100]).reshape(4, 1, 1, 4000).astype(np.float32)
    _, mismatch = disagreement(program, X, tmp_path)
    assert mismatch is None, mismatch


def assembly(source, c, work, mode):
    """Assembly for a processor with fused multiply-add, contraction asked for."""
    (work / f"{c.name}.h").write_text(c.header)
    (work / f"{c.name}.c").write_text(source)
    flags = (mode, "-O3", "-mfma", "-ffp-contract=fast", "-S")
    try:
        return compile_c(str(host_compiler()), flags, [work / f"{c.name}.c"], work / "a.s").read_text()
    except BuildError:
        pytest.skip("this compiler has no -mfma")


FUSED = re.compile(r"vfn?m(add|sub)")


@needs_compiler
@pytest.mark.parametrize("mode", ["-std=c99", "-std=gnu99"])
def test_contraction_cannot_reach_the_input_quantization(mode, tmp_path):
    c = emit_c(eegnet_like(integer=True))
    text = assembly(c.source, c, tmp_path, mode)
    assert re.search(r"vmul[sp]s", text)
    assert not FUSED.search(text)


@needs_compiler
def test_it_is_the_pragma_that_forbids_contraction(tmp_path):
    c = emit_c(eegnet_like(integer=True))
    fusible = re.sub(r"    v = v [<>]= .*\n", "", c.source).replace("(v >= 0.0f ? 0.5f : -0.5f)", "0.5f")
    assert not FUSED.search(assembly(fusible, c, tmp_path, "-std=gnu99"))
    bare = fusible.replace('#pragma GCC optimize("fp-contract=off")', "")
    assert FUSED.search(assembly(bare, c, tmp_path, "-std=gnu99"))


def undefined_symbols(compiler, nm, flags, make, integer, work):
    c = emit_c(make(integer=integer))
    (work / f"{c.name}.h").write_text(c.header)
    (work / f"{c.name}.c").write_text(c.source)
    target = compile_c(compiler, (*STRICT, *CODE, *flags, "-c"), [work / f"{c.name}.c"], work / "a.o")
    lines = subprocess.run([nm, "-u", str(target)], capture_output=True, text=True, check=True).stdout.split()
    return {word for word in lines if word != "U"}


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@MAKERS
def test_int8_needs_no_library_at_all(make, tmp_path):
    assert undefined_symbols(host_compiler(), "nm", (), make, True, tmp_path) == set()


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
def test_float_needs_only_the_functions_of_math_h(tmp_path):
    assert undefined_symbols(host_compiler(), "nm", (), every_kind, False, tmp_path) == {
        "expf",
        "expm1f",
        "sqrtf",
        "tanhf",
    }


@pytest.mark.arm
@needs_arm[1]
@MAKERS
def test_int8_needs_no_library_on_cortex_m4(make, tmp_path):
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    assert undefined_symbols("arm-none-eabi-gcc", "arm-none-eabi-nm", flags, make, True, tmp_path) == set()


@BOTH
def test_the_same_program_gives_the_same_text(integer):
    a, b = emit_c(every_kind(integer=integer)), emit_c(every_kind(integer=integer))
    assert (a.source, a.header, a.digest) == (b.source, b.header, b.digest)
    assert not re.search(r"\b(malloc|calloc|free|memcpy|memset)\b", a.source)


def test_the_digest_sees_one_bit():
    program = eegnet_like(integer=True)
    before = digest(program)
    program.constants["conv0.weight"].view(np.uint8)[0, 0, 0, 0] ^= 1
    assert digest(program) != before


def test_the_header_says_what_a_firmware_engineer_needs():
    program = eegnet_like(integer=True)
    c = emit_c(program, unit="µV")
    for text in ("#define EEGNET_LIKE_INPUT_SIZE 512", "#define EEGNET_LIKE_OUTPUT_SIZE 2", "1 x 8 x 64 int8_t",
                 "real unit: uV", "classes: rest, task", "EEGNET_LIKE_INPUT_SCALE 0.370000005f /* 0x1.7ae148p-2 */",
                 "EEGNET_LIKE_INPUT_ZERO_POINT (-5)", f"ARENA_BYTES {c.arena_bytes}", c.digest, "no heap"):  # fmt: skip
        assert text in c.header
    assert c.source.isascii()
    assert c.header.isascii()


@needs_compiler
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
@pytest.mark.parametrize("standard", ["c++11", "c++17"])
def test_the_header_is_good_for_cpp_too(tmp_path, standard):
    program = eegnet_like(integer=True)
    (tmp_path / "net.h").write_text(emit_c(program).header)
    scale = float(np.float32(program.values[program.input].scale)).hex()
    (tmp_path / "main.cpp").write_text(
        '#include "net.h"\n#include <cstdio>\n'
        'int main() { std::printf("%a", static_cast<double>(EEGNET_LIKE_INPUT_SCALE)); return 0; }\n'
    )
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run(["g++", *flags, str(tmp_path / "main.cpp"), "-o", str(tmp_path / "main")])
    assert float.fromhex(run([str(tmp_path / "main")])).hex() == scale


def test_int16_in_the_middle_is_refused_by_name():
    m = Maker((1, 4, 16), integer=True)
    wide = m.conv("x", 2, (1, 1), wide=True)
    with pytest.raises(ExportError, match=r"'op_softmax1' \(softmax\) reads int16 from 'conv0'"):
        emit_c(m.program(m.softmax(wide, 2)))


def test_a_table_of_eight_bits_does_not_read_sixteen():
    m = Maker((1, 4, 16), integer=True)
    program = m.program(m.act(m.conv("x", 2, (1, 1), wide=True)))
    with pytest.raises(ValueError, match="table has not 1280 entries"):
        check(program)


@needs_compiler
def test_int16_may_be_moved(tmp_path):
    m = Maker((1, 4, 16), integer=True)
    wide = m.conv("x", 2, (2, 3), wide=True)
    moved = m.pad(m.permute(wide, (2, 0, 1)), (1, 0, 0, 2))
    program = m.program(m.slice(m.concat([moved, moved], 1), 2, 0, 5, 2))
    _, mismatch = disagreement(program, windows(program, 5), tmp_path)
    assert mismatch is None, mismatch


def test_a_program_that_computes_nothing_is_refused():
    m = Maker((1, 4, 16), integer=True)
    with pytest.raises(ExportError, match="computes nothing"):
        emit_c(m.program(m.reshape("x", 64)))


def test_an_unknown_kind_is_refused_by_name():
    m = Maker((1, 4, 16), integer=False)
    with pytest.raises(ExportError, match=r"'op_fft0': no C for kind 'fft'"):
        emit_c(m.program(m.op("fft", ["x"], (1, 4, 16))))


def test_a_weight_of_minus_128_is_refused():
    program = eegnet_like(integer=True)
    program.constants["conv0.weight"][0, 0, 0, 0] = -128
    with pytest.raises(ExportError, match="a weight is outside"):
        emit_c(program)
