import numpy as np

from trimcap.export.compare import compare, differences


def test_integers_differ_by_their_difference():
    a, b = np.array([[-128, 5]], np.int8), np.array([[127, 5]], np.int8)
    assert differences(a, b).tolist() == [[255.0, 0.0]]


def test_floats_differ_relative_to_the_largest():
    a = np.array([[100.0, 0.0]], np.float32)
    assert np.allclose(differences(a, a + np.float32(1)), 0.01)


def test_what_is_not_finite_must_agree_exactly():
    e = np.array([[np.nan, np.inf, 1.0, 1.0]], np.float32)
    g = np.array([[np.nan, -np.inf, np.nan, 1.0]], np.float32)
    assert differences(e, g).tolist() == [[0.0, np.inf, np.inf, 0.0]]


def test_the_first_window_and_in_it_the_first_operation_is_named():
    e = {name: np.zeros((3, 2, 2), np.int8) for name in ("a", "b", "c")}
    g = {name: v.copy() for name, v in e.items()}
    g["a"][2, 0, 0] = 1
    g["b"][1, 1, 0] = 2
    g["c"][1] = 9
    worst, first = compare(e, g, tolerance=0)
    assert (worst.difference, worst.op, worst.window) == (9, "c", 1)
    assert (first.window, first.op, first.index, first.expected, first.got, first.count) == (1, "b", (1, 0), 0, 2, 1)
    assert "window 11, operation 'b'[1, 0]: expected 0, got 2" in first.text(integer=True, tolerance=0, first=10)


def test_within_the_tolerance_nothing_is_named():
    e = {"a": np.ones((1, 2), np.float32)}
    g = {"a": np.array([[1.0, 1.000001]], np.float32)}
    assert compare(e, g, tolerance=1e-5)[1] is None
    assert compare(e, g, tolerance=1e-7)[1] is not None
