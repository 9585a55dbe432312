import json

import numpy as np
import pytest
from export_builds import edit, needs_arm, needs_compiler
from export_programs import Maker, ccnn_like, eegnet_like, every_kind, windows

from trimcap._errors import ArtifactError, VerifyError
from trimcap.export import cortexm
from trimcap.export.artifact import export
from trimcap.export.verify import verify
from trimcap.program.interpret import interpret

BOTH = pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])
HOST = ("host", "sanitize")
LOOK_UP = "for (int32_t i = 0; i < n; i++) y[i] = table[x[i] + 128];"
pytestmark = needs_compiler


@pytest.fixture
def made(tmp_path):
    program = eegnet_like(integer=True)
    return export(program, tmp_path / "fw", golden=windows(program, 6))


@BOTH
def test_host_and_sanitizers(integer, tmp_path):
    program = every_kind(integer=integer)
    folder = export(program, tmp_path / "fw", golden=windows(program, 3))
    found = verify(folder, targets=HOST, n=150, save=tmp_path)
    assert found.passed
    assert [(r.target, r.status, r.windows) for r in found.rows] == [
        ("host", "passed", 150),
        ("sanitize", "passed", 150),
    ]
    assert found.operations == len(program.ops)
    worst = [r.worst for r in found.rows]
    assert worst == [0, 0] if integer else max(worst) < 1e-5
    assert json.loads(json.dumps(found.as_dict()))["passed"] is True
    assert "passed: 150 windows" in str(found)


def test_bit_exact_on_a_thousand_windows(made):
    program = eegnet_like(integer=True)
    assert verify(made, targets=["host"], windows=windows(program, 1000, seed=9)).rows[0].windows == 1000


def flip_weight(folder, name="eegnet_like.c", constant="int8_t w0"):
    """The lowest bit of the first weight (of a float: one percent), with hashes that agree."""
    tail = (folder / name).read_text().split(f"{constant}[", 1)[1]
    declared, data = tail.split("{\n", 1)
    first = data.split(",")[0].strip()
    changed = f"{float.fromhex(first[:-1]) * 1.01:.9g}f" if first.endswith("f") else str(int(first) ^ 1)
    start = f"{constant}[{declared}{{\n  "
    edit(folder, name, f"{start}{first},", f"{start}{changed},")


@pytest.mark.parametrize("target", HOST)
def test_one_weight_bit_is_found_and_named(made, target, tmp_path):
    # the self-test must not be what notices: it has no window in which the bit matters
    edit(made, "eegnet_like_test.c", "#define WINDOWS 4", "#define WINDOWS 0")
    flip_weight(made)
    program = eegnet_like(integer=True)
    X = np.concatenate([np.zeros((2, 1, 8, 64)), windows(program, 8)]).astype(np.float32)
    with pytest.raises(VerifyError, match=rf"{target}: window \d+, operation 'op_conv0'\[0, .* difference 1;") as error:
        verify(made, targets=[target], windows=X, save=tmp_path / "wrong")
    saved = next((tmp_path / "wrong").glob("verify-*.npz"))
    assert str(saved) in str(error.value)
    with np.load(saved) as kept:
        assert str(kept["op"]) == "op_conv0"
        assert (kept["x"] == X[kept["window"]]).all()


@pytest.mark.parametrize("target", HOST)
def test_the_operation_is_named_although_the_self_test_fails_too(made, target):
    edit(made, "eegnet_like.c", LOOK_UP, LOOK_UP.replace("x[i] + 128", "(x[i] + 129) & 255"))
    with pytest.raises(VerifyError, match=rf"{target}: window 0, operation 'op_table2'"):
        verify(made, targets=[target], save=made)


def test_one_weight_is_found_in_float(tmp_path):
    program = ccnn_like(integer=False)
    folder = export(program, tmp_path / "fw", golden=windows(program, 3))
    edit(folder, "ccnn_like_test.c", "#define WINDOWS 3", "#define WINDOWS 0")
    flip_weight(folder, "ccnn_like.c", "float w1")
    found = verify(folder, targets=["host"], save=tmp_path, check=False)
    assert not found.passed
    assert "operation 'op_conv1'" in found.rows[0].reason
    assert "of the operation's scale, tolerance 1e-05" in found.rows[0].reason
    assert found.rows[0].worst > 1e-5


def test_the_self_test_alone_notices_too(made):
    edit(made, "eegnet_like_test.c", "wanted[i];\n", "wanted[i] + 1;\n")
    with pytest.raises(VerifyError, match=r"host: harness ended with 1: window 0, output 0: expected"):
        verify(made, targets=["host"])


def test_a_corrupt_operation_is_named(made):
    edit(made, "eegnet_like.c", LOOK_UP, LOOK_UP.replace("x[i] + 128", "(x[i] + 129) & 255"))
    edit(made, "eegnet_like_test.c", "#define WINDOWS 4", "#define WINDOWS 0")
    assert "operation 'op_table2'" in verify(made, targets=["host"], check=False, save=made).rows[0].reason


def test_sanitizers_see_a_read_outside(made):
    """A table that is read one element too far gives the right numbers and is caught all the same."""
    beyond = "\n  volatile int32_t past = 256;\n  volatile int8_t lost = table[past];\n  (void)lost;"
    edit(made, "eegnet_like.c", LOOK_UP, LOOK_UP + beyond)
    assert verify(made, targets=["host"]).passed
    with pytest.raises(VerifyError, match=r"sanitize: [^$]*(out of bounds|overflow)"):
        verify(made, targets=["sanitize"])


def test_sanitizers_see_undefined_arithmetic(made):
    edit(made, "eegnet_like.c", "const int64_t sign = -(int64_t)(v < 0);",
         "const int64_t sign = -(int64_t)(v < 0); volatile int32_t big = 2147483647; big = big + 1;")  # fmt: skip
    assert verify(made, targets=["host"]).passed
    with pytest.raises(VerifyError, match=r"sanitize: [^$]*signed integer overflow"):
        verify(made, targets=["sanitize"])


def test_a_warning_is_an_error(made):
    edit(made, "eegnet_like.c", "int best = 0;", "int best = 0; int unused;")
    with pytest.raises(VerifyError, match="unused variable"):
        verify(made, targets=["host"])


def test_an_edited_file_is_refused_before_anything_is_built(made):
    (made / "eegnet_like.c").write_text("int x;")
    with pytest.raises(ArtifactError, match=r"eegnet_like.c was changed after"):
        verify(made)


def test_a_misspelt_target(made):
    with pytest.raises(ValueError, match="unknown target 'cortex-m5'; did you mean 'cortex-m"):
        verify(made, targets=["cortex-m5"])


def test_windows_of_another_shape(made):
    with pytest.raises(ValueError, match=r"takes windows of shape \(1, 8, 64\)"):
        verify(made, windows=np.zeros((2, 8, 64)))


def test_missing_tools_are_named(made, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(cortexm.shutil, "which", lambda _: None)
    found = verify(made)
    assert not found.passed
    assert [r.status for r in found.rows] == ["skipped"] * 4
    assert "no C compiler found" in found.rows[0].reason
    assert "arm-none-eabi-gcc, arm-none-eabi-size, qemu-system-arm not installed" in found.rows[3].reason


def on_arm(function):
    for mark in needs_arm:
        function = mark(function)
    return function


@on_arm
@BOTH
def test_emulated_cortex_m(integer, tmp_path):
    program = every_kind(integer=integer)
    folder = export(program, tmp_path / "fw", golden=windows(program, 3))
    arena = json.loads((folder / "manifest.json").read_text())["cost"]["arena_bytes"]
    for row in verify(folder, targets=["cortex-m4", "cortex-m7"]).rows:
        assert (row.status, row.windows) == ("passed", 4)
        assert row.ram == arena
        assert row.flash > program.flash_bytes
        assert 50 < row.stack < 2000
        assert 50_000 < row.instructions < 5_000_000


@on_arm
def test_the_dsp_instructions_are_used_and_bit_exact(tmp_path):
    """Without them the same network takes at least a third more instructions, and gives the same bits."""
    program = ccnn_like(integer=True)
    folder = export(program, tmp_path / "fw", golden=windows(program, 3))
    fast = verify(folder, targets=["cortex-m4"]).rows[0].instructions
    edit(folder, "ccnn_like.c", "#define DUAL_MAC", "#undef DUAL_MAC")
    plain = verify(folder, targets=["cortex-m4"]).rows[0].instructions
    assert plain > 1.33 * fast


@on_arm
def test_one_weight_bit_is_found_under_emulation(made):
    flip_weight(made)
    with pytest.raises(VerifyError, match=r"cortex-m4: window 0, operation 'op_conv0'"):
        verify(made, targets=["cortex-m4"], save=made)


WASTE = """static void waste(void)
{
  volatile char big[4000];
  for (int i = 0; i < 4000; i++) big[i] = 0;
  (void)big[0];
  __asm volatile("movw r3, #0x4240\\n movt r3, #0xF\\n1: nop\\n nop\\n nop\\n nop\\n nop\\n subs r3, #1\\n bne 1b\\n"
                 ::: "r3", "cc");
}
static int inner_run(eegnet_like_state *state, const int8_t *x, int16_t *y);
int eegnet_like_run(eegnet_like_state *state, const int8_t *x, int16_t *y)
{
  waste();
  return inner_run(state, x, y);
}
static int inner_run("""


@on_arm
def test_instructions_and_stack_are_really_counted(made):
    """A loop of 7 million instructions and an array of 4000 bytes are added; both must show."""
    before = verify(made, targets=["cortex-m4"]).rows[0]
    edit(made, "eegnet_like.c", "int eegnet_like_run(", WASTE)
    after = verify(made, targets=["cortex-m4"]).rows[0]
    assert abs(after.instructions - before.instructions - 7_000_000) < 100_000
    assert before.stack < 4000 < after.stack < 4400


@pytest.mark.slow
@on_arm
def test_the_clock_survives_its_wrap(made):
    """The 24-bit counter wraps after 671 million instructions; 1400 million are added."""
    before = verify(made, targets=["cortex-m4"]).rows[0].instructions
    edit(
        made,
        "eegnet_like.c",
        "int eegnet_like_run(",
        WASTE.replace("#0xF\\n", "#0xBEB\\n").replace("0x4240", "0xC200"),
    )
    after = verify(made, targets=["cortex-m4"], n_emulated=1).rows[0].instructions
    assert abs(after - before - 7 * 0x0BEBC200) < 2_000_000


@on_arm
def test_a_network_too_large_for_the_board(tmp_path, monkeypatch):
    m = Maker((64, 32, 32), integer=True)
    h = m.avg_pool(m.conv("x", 80, (1, 1)), (32, 32))
    program = m.program(m.linear(m.reshape(h, 80), 2))
    folder = export(program, tmp_path / "fw", golden=windows(program, 1))
    small = cortexm.cortexm_files()
    small["cortexm.ld"] = small["cortexm.ld"].replace(
        "ORIGIN = 0x20000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 64K"
    )
    monkeypatch.setattr(cortexm, "cortexm_files", lambda: small)
    with pytest.raises(
        VerifyError, match=r"does not fit the emulated cortex-m4 board \(mps2-an386\): .*overflowed by \d+ KiB"
    ):
        verify(folder, targets=["cortex-m4"])


@on_arm
def test_large_constants_move_to_the_large_memory(tmp_path, monkeypatch):
    program = ccnn_like(integer=True)
    folder = export(program, tmp_path / "fw", golden=windows(program, 1))
    small = cortexm.cortexm_files()
    small["cortexm.ld"] = small["cortexm.ld"].replace("0x00000000, LENGTH = 4M", "0x00000000, LENGTH = 50K")
    monkeypatch.setattr(cortexm, "cortexm_files", lambda: small)
    assert verify(folder, targets=["cortex-m4", "cortex-m7"], n_emulated=1).passed


def test_expected_outputs_are_those_of_the_interpreter(made):
    program = eegnet_like(integer=True)
    X = windows(program, 6)
    text = (made / "eegnet_like_test.c").read_text()
    data = text.split("expected[8] = {\n")[1].split("\n};")[0].replace(",", " ").split()
    assert [int(v) for v in data] == interpret(program, X)[:4].ravel().tolist()
