import pickle
from functools import partial

import numpy as np
import pytest
from toy_windows import toy

from trimcap.data.preprocess.windows.scaling import fit_scaler, subject_z_score
from trimcap.data.rows import lazy as module
from trimcap.data.rows.lazy import LazyArray, as_lazy, contiguous, in_file, lazy, pick, pieces, select
from trimcap.data.splits.protocols.named import split
from trimcap.data.windows import Windows

X = np.random.default_rng(0).standard_normal((50, 4, 6)).astype(np.float32)


def counted(rows, index):
    rows.extend(index.tolist())
    return X[index]


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(7),
        slice(4, 40, 3),
        slice(0, 0),
        [5, 3, 3, -2],
        np.arange(50) % 7 == 0,
        np.array([[1, 2], [3, 4]]),
        (2, 1),
        (slice(3, 9), 2),
        (slice(None), [0, 3]),
        (slice(5, 8), slice(None), slice(1, 3)),
        (slice(9, 9), 1),
        ([1, 2], [0, 3]),
        (Ellipsis, 2),
        (),
        None,
    ],
)
def test_indexing_is_that_of_numpy(key, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 7 * X[0].nbytes)
    got = lazy(X)[key]
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, X[key])


@pytest.mark.parametrize("key", [50, -51, [0, 50], (slice(0, 2), 4)])
def test_indices_outside_are_refused(key):
    with pytest.raises(IndexError):
        lazy(X)[key]


def test_selections_compose_and_read_only_what_is_asked_for():
    rows = []
    array = LazyArray(partial(counted, rows), X.shape)
    chosen = array.select(np.array([40, 3, 8, 8])).select(np.array([False, True, True, True])).select(np.array([-1, 0]))
    assert (chosen.shape, chosen.ndim, chosen.size, len(chosen), chosen.nbytes) == ((2, 4, 6), 3, 48, 2, 192)
    assert rows == []
    np.testing.assert_array_equal(chosen, X[[8, 3]])
    assert rows == [8, 3]
    with pytest.raises(IndexError):
        array.select(np.array([50]))


def test_everything_else_reads_all(monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 7 * X[0].nbytes)
    array = lazy(X)
    np.testing.assert_array_equal(array - 1, X - 1)
    np.testing.assert_array_equal(np.concatenate([array, array]), np.concatenate([X, X]))
    np.testing.assert_array_equal(array.max(axis=(0, 2)), X.max(axis=(0, 2)))
    np.testing.assert_array_equal(np.stack(list(array)), X)
    np.testing.assert_array_equal(np.concatenate(list(pieces(array))), X)
    np.testing.assert_array_equal(pick(array, [2, 0]), X[:, [2, 0]])
    assert np.asarray(array, dtype=np.float64).dtype == np.float64
    assert contiguous(array) is array
    with pytest.raises(AttributeError, match="LazyArray"):
        array.numpy()
    with pytest.raises(ValueError, match="copy"):
        np.array(array, copy=False)
    assert repr(array) == "LazyArray(50×4×6 float32, 0.0 MB, not in memory)"


def test_it_travels_to_other_processes():
    array = pickle.loads(pickle.dumps(as_lazy(lazy(X)).select(np.array([4, 1]))))
    np.testing.assert_array_equal(array, X[[4, 1]])


def test_only_large_selections_of_files_stay_there(tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert in_file(mapped)
    assert in_file(np.asarray(mapped)[3:])
    assert not in_file(X)
    rows = np.arange(10)
    assert isinstance(select(mapped, rows), np.ndarray)
    monkeypatch.setattr(module, "AT_ONCE", 9 * X[0].nbytes)
    assert isinstance(select(X, rows), np.ndarray)
    assert isinstance(select(mapped, rows), LazyArray)
    assert isinstance(select(lazy(X), rows), LazyArray)
    assert isinstance(select(mapped, rows[:9]), np.ndarray)


def lazily(windows):
    return Windows(**{**vars(windows), "X": lazy(windows.X)})


@pytest.fixture
def never_whole(monkeypatch):
    """No more than the 16 rows with which a fold tries a transform may be had at once by accident."""
    monkeypatch.setattr(module, "AT_ONCE", 0)
    read = LazyArray.__array__

    def refuse(self, *args, **options):
        assert len(self) <= 16, "the whole array was read"
        return read(self, *args, **options)

    monkeypatch.setattr(LazyArray, "__array__", refuse)


@pytest.mark.parametrize("protocol", ["leave_one_subject_out", "leave_trials_out", "leaky_windows"])
def test_folds_scaling_and_sealed_sets_never_read_everything(protocol, never_whole):
    for one, other in zip(split(toy(), protocol), split(lazily(toy()), protocol), strict=True):
        one, other = one.scaled(), other.scaled()
        assert isinstance(other.train.X, LazyArray)
        np.testing.assert_array_equal(other.scaler.mean, one.scaler.mean)
        np.testing.assert_array_equal(other.scaler.std, one.scaler.std)
        for a, b in (
            (one.train, other.train),
            (one.valid, other.valid),
            (one.test.open("evaluate"), other.test.open("evaluate")),
        ):
            np.testing.assert_array_equal(b.X[:], a.X)
            np.testing.assert_array_equal(b.y, a.y)
            assert b.ids.tolist() == a.ids.tolist()


def test_scaling_gives_the_same_bits(never_whole):
    windows = toy(per_trial=60)
    shuffled = windows.take(np.random.default_rng(1).permutation(len(windows)))
    assert len(windows) > 1024
    for per in ("channel", "feature"):
        one, other = fit_scaler(shuffled, per=per), fit_scaler(lazily(shuffled), per=per)
        np.testing.assert_array_equal(other.mean, one.mean)
        np.testing.assert_array_equal(other.std, one.std)
        np.testing.assert_array_equal(other.apply(lazily(shuffled)).X[:], one.apply(shuffled).X)
        z = subject_z_score(lazily(shuffled), per=per)
        assert z.unit == "z"
        np.testing.assert_array_equal(z.X[:], subject_z_score(shuffled, per=per).X)
        np.testing.assert_array_equal(z.take([7, 3]).X[:], z.X[:][[7, 3]])


def test_scaling_of_no_windows():
    assert subject_z_score(toy().take([])).X.shape == (0, 3, 2)
