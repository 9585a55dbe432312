import ctypes
import re

import numpy as np
import pytest
from export_builds import needs_compiler

from trimcap.export.build import STRICT, compile_c, host_compiler
from trimcap.export.c.text import ExportError, array, comment, fill_in, float_literal, identifier, int_literal


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("EEGNet 50 %", "eegnet_50"), ("2b", "net_2b"), ("int", "net_int"), ("ä", "net"), ("main", "net_main")],
)
def test_identifier(name, wanted):
    assert identifier(name) == wanted


def test_comment_cannot_end_itself_or_continue_a_line():
    text = comment("a */ b /* µV \\ ?? é")
    assert "*/" not in text
    assert "\\" not in text
    assert "??" not in text
    assert text.isascii()


@needs_compiler
def test_literals_are_exactly_the_numbers(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 500, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = np.array([0.0, -0.0, 1.0, 0.1, -3.5, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 16.0, 256.0], np.float32)
    floats = np.concatenate([special, bits])
    ints = np.array([-(2**31), 2**31 - 1, 0, -1], np.int64)
    text = array("float", "f", floats) + array("int32_t", "i", ints) + array("uint32_t", "u", np.array([2**32 - 1, 0]))
    text = text.replace("static const", "const")
    declared = "extern const float f[]; extern const int32_t i[]; extern const uint32_t u[];\n"
    source = tmp_path / "literals.c"
    source.write_text(f"#include <math.h>\n#include <stdint.h>\n{declared}{text}", encoding="ascii")
    flags = (*STRICT, "-shared", "-fPIC")
    library = ctypes.CDLL(str(compile_c(str(host_compiler()), flags, [source], tmp_path / "l.so")))
    got = np.array((ctypes.c_float * len(floats)).in_dll(library, "f"), np.float32)
    nan = np.isnan(floats)
    assert (np.isnan(got) == nan).all()
    assert (got[~nan].view(np.uint32) == floats[~nan].view(np.uint32)).all()
    assert list((ctypes.c_int32 * 4).in_dll(library, "i")) == ints.tolist()
    assert list((ctypes.c_uint32 * 2).in_dll(library, "u")) == [2**32 - 1, 0]


def test_literals_without_a_compiler():
    for value in (0.1, -2.5, 3e-41, 65504.0):
        literal = float_literal(value)
        assert re.fullmatch(r"-?0x[01](\.[0-9a-f]+)?p-?\d+f", literal)
        assert np.float32(float.fromhex(literal[:-1])) == np.float32(value)
    assert int_literal(-(2**31)) == "(-2147483647 - 1)"


def test_a_template_word_without_value_is_an_error():
    with pytest.raises(ExportError, match="@Y@ has no value"):
        fill_in("@X@ @Y@", {"X": "1"})
