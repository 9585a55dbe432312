"""Chains drawn at random: any blocks of samples give what the whole recording gives."""

from __future__ import annotations

import numpy as np
import pytest
from brown import brown
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_stream import CHAINS, streamed

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import STEPS, make_step
from trimcap.data.preprocess.stream import Stream
from trimcap.data.sets.deap import BASELINE as DEAP_BASELINE

BEFORE = st.lists(
    st.sampled_from(
        [
            make_step("pick", names=["Cz", "Fp1", "F3"]),
            make_step("rereference"),
            make_step("rereference", to="Cz", keep=True),
            make_step("rereference", to=["Fp1"]),
            make_step("notch"),
            make_step("notch", frequency=30, harmonics=0, quality=5),
            make_step("bandpass", low=1, high=40),
            make_step("bandpass", low=None, high=30, order=2),
            make_step("bandpass", low=0.5, high=None, order=1),
            make_step("resample", rate=100),
            make_step("resample", rate=200),
            make_step("resample", rate=128),
            make_step("subtract_baseline_mean", seconds=0.7),
            make_step("running_z_score", seconds=0.5),
            make_step("keep_first", seconds=3.2),
        ]
    ),
    max_size=4,
    unique_by=lambda step: step.name,
)
WINDOWS = st.builds(
    lambda seconds, step, start, baseline: make_step(
        "windows",
        seconds=seconds,
        step=step,
        on_bad="drop",
        baseline=baseline * seconds,
        start=None if start is None else start + baseline * seconds,
    ),
    st.sampled_from([0.25, 0.5, 1]),
    st.sampled_from([None, 0.1, 0.3, 1.5]),
    st.sampled_from([None, 0, 0.2]),
    st.sampled_from([0, 0, 1, 3]),
)
BANDS = {"alpha": (8, 14), "beta": (14, 30)}
FEATURES = st.sampled_from(
    [
        (),
        (make_step("differential_entropy", bands=BANDS),),
        (make_step("band_power", bands=BANDS, segment=0.5),),
        (make_step("log_variance"),),
        (make_step("log_variance", bands=BANDS, order=3),),
        (make_step("frames", every=3),),
        (make_step("differential_entropy", bands=BANDS), make_step("grid")),
        (make_step("window_z_score", per="channel"),),
        (make_step("log_variance"), make_step("grid", rows=5, columns=5)),
        (make_step("window_z_score"), make_step("frames")),
    ]
)
REJECT = st.sampled_from(
    [(), (make_step("reject", peak_to_peak=80),), (make_step("reject", flat=0.5, peak_to_peak=200),)]
)
SIZES = st.lists(st.one_of(st.integers(0, 7), st.integers(0, 400)), max_size=40)


def chain_of(before, windows, reject, features):
    average = "feature" if len(before) % 2 else "waveform"
    late = (make_step("subtract_baseline", average=average),) if windows.options["baseline"] else ()
    return Chain((*before, windows, *reject, *features, *late))


def compare(chain, recording, sizes):
    try:
        whole = chain.apply([recording])
    except ValueError as error:
        message = str(error)
        assume(not any(text in message for text in ("no window is left", "constant", "no whole number", "hold")))
        raise
    stream, X, start = streamed(chain, recording, sizes)
    np.testing.assert_allclose(X, whole.X, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(start, whole.metadata.start)
    assert stream.total - sum(stream.dropped.values()) == len(whole)


def legal(chain, recording):
    """Whether the steps fit each other: an electrode may be gone, a filter above half the new rate."""
    try:
        chain.stream(recording.rate, recording.channels)
    except ValueError:
        return False
    return True


def drawn(before, windows, reject, features, sizes, seed):
    recording = brown(channels=5, n_times=650, offset=2000, seed=seed)
    chain = chain_of(before, windows, reject, features)
    assume(legal(chain, recording))
    compare(chain, recording, sizes)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(BEFORE, WINDOWS, REJECT, FEATURES, SIZES, st.integers(0, 5))
def test_random_chains_stream(before, windows, reject, features, sizes, seed):
    drawn(before, windows, reject, features, sizes, seed)


@pytest.mark.long
@settings(max_examples=1500, deadline=None, derandomize=True)
@given(BEFORE, WINDOWS, REJECT, FEATURES, SIZES, st.integers(0, 99))
def test_many_random_chains_stream(before, windows, reject, features, sizes, seed):
    drawn(before, windows, reject, features, sizes, seed)


EACH = {
    "keep_first": [{"seconds": 2}, {"seconds": 3.3}, {"seconds": 99}],
    "pick": [{"names": ["Cz"]}],
    "rereference": [{}, {"to": "Cz"}, {"to": ["Cz", "F4"], "keep": True}],
    "notch": [{}, {"frequency": 25, "harmonics": 1}],
    "bandpass": [{"low": 1, "high": 40}, {"low": None, "high": 20}, {"low": 2, "high": None, "order": 2}],
    "resample": [{"rate": 100}, {"rate": 250}],
    "subtract_baseline_mean": [{"seconds": 1}],
    "running_z_score": [{"seconds": 1}],
    "reject": [{"peak_to_peak": 60}, {"flat": 5}],
    "differential_entropy": [{}, {"bands": BANDS, "order": 3}],
    "band_power": [{}, {"bands": BANDS, "segment": 0.5}],
    "log_variance": [{}, {"bands": BANDS}],
    "window_z_score": [{}, {"per": "channel"}],
    "frames": [{}, {"every": 5, "rows": 5, "columns": 5}],
}
#: cuts, or needs a feature or a baseline before it, or other recordings: in the chains of test_stream, or refused there
ELSEWHERE = {"windows", "grid", "subtract_baseline", "subject_z_score"}


def test_every_built_in_step_is_streamed_here_or_in_test_stream():
    assert set(EACH) | ELSEWHERE == set(STEPS)
    used = {step.name for steps in CHAINS.values() for step in steps}
    assert {"windows", "grid", "subtract_baseline"} <= used


@pytest.mark.parametrize("name", EACH)
def test_each_step_alone_with_each_option(name):
    for options in EACH[name]:
        step = make_step(name, **options)
        cut = make_step("windows", seconds=1, step=0.3, on_bad="drop")
        chain = Chain((step, cut) if STEPS[name].level == "recording" else (cut, step))
        for sizes in ([1] * 200, [64] * 12, [], [0, 699]):
            compare(chain, brown(channels=5, n_times=700, offset=500), sizes)


def test_the_comparison_sees_a_stream_that_loses_a_sample(monkeypatch):
    """The twin that must fail."""
    real = Stream.push
    monkeypatch.setattr(Stream, "push", lambda self, block: real(self, block[:, : max(1, block.shape[1] - 1)]))
    with pytest.raises((AssertionError, ValueError)):
        compare(Chain(CHAINS["filters"]), brown(channels=5, n_times=700), [300])


# ---- conventions for the seconds before a stimulus, written out


def entropy(x, low, high, rate=128.0):
    from scipy.signal import butter, sosfilt

    y = sosfilt(butter(5, [low, high], btype="bandpass", fs=rate, output="sos"), x)
    return 0.5 * np.log(2 * np.pi * np.e * y.var())


@pytest.mark.parametrize(("what", "seconds"), [("deap", 3), ("amigos", 5), ("dreamer", 61)])
@pytest.mark.parametrize("features", [False, True])
def test_the_averaged_baseline_is_subtracted_as_published(what, seconds, features):
    """The baseline's seconds are averaged sample by sample; after DE it is the entropy of that average (torcheeg)."""
    assert DEAP_BASELINE == 3 * 128
    trial = brown(channels=3, n_times=(seconds + 4) * 128, offset=4200 * (what == "dreamer"), seed=seconds)
    late = (make_step("differential_entropy", bands=BANDS),) if features else ()
    chain = Chain((make_step("windows", seconds=1, baseline=seconds), *late, make_step("subtract_baseline")))
    made = chain.apply([trial])
    x = trial.signal.astype(np.float64)
    base = x[:, : seconds * 128].reshape(3, seconds, 128).mean(axis=1)
    assert len(made) == 4
    assert made.metadata.start.tolist() == [seconds + k for k in range(4)]
    for k in range(4):
        window = x[:, (seconds + k) * 128 :][:, :128]
        for c in range(3):
            if not features:
                np.testing.assert_allclose(made.X[k, c], window[c] - base[c], atol=1e-3)
                continue
            for b, (low, high) in enumerate(BANDS.values()):
                expected = entropy(window[c], low, high) - entropy(base[c], low, high)
                assert made.X[k, c, b] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("N", [3, 5, 61], ids=["deap", "amigos", "dreamer"])
def test_the_mean_of_the_features_of_the_baseline_is_subtracted_as_published(N):
    """Yang et al. 2018: base_mean = Σ_i DE(base_i) / N over its N seconds; DE_final(j) = DE(raw_j) − base_mean."""
    trial = brown(channels=3, n_times=(N + 4) * 128, seed=N)
    entropies = make_step("differential_entropy", bands=BANDS)
    cut = make_step("windows", seconds=1, baseline=N)
    made = Chain((cut, entropies, make_step("subtract_baseline", average="feature"))).apply([trial])
    seconds = trial.signal.astype(np.float64).reshape(3, N + 4, 128).transpose(1, 0, 2)
    DE = np.array([[[entropy(x, low, high) for low, high in BANDS.values()] for x in second] for second in seconds])
    base_mean = sum(DE[i] for i in range(N)) / N
    assert made.metadata.start.tolist() == [N + j for j in range(4)]
    for j in range(4):
        np.testing.assert_allclose(made.X[j], DE[N + j] - base_mean, atol=2e-4)
    # twin: the entropy of the averaged seconds is another number
    other = Chain((cut, entropies, make_step("subtract_baseline"))).apply([trial])
    assert np.abs(other.X - made.X).max() > 0.05


def test_without_a_feature_both_averages_are_the_same():
    trial, cut = brown(channels=3, n_times=7 * 128, offset=4200), make_step("windows", seconds=1, baseline=3)
    one = Chain((cut, make_step("subtract_baseline"))).apply([trial])
    other = Chain((cut, make_step("subtract_baseline", average="feature"))).apply([trial])
    np.testing.assert_allclose(one.X, other.X, atol=1e-3)
    assert one.steps != other.steps


def test_z_scores_are_labelled_by_what_they_know():
    recordings = [brown("s1", "0"), brown("s1", "1"), brown("s2", "0")]
    causal = Chain((make_step("running_z_score", seconds=2), make_step("windows", seconds=1))).apply(recordings)
    assert "causal" in causal.steps[0]
    changed = brown("s1", "0")
    changed.signal[:, 600:] += 50
    again = Chain((make_step("running_z_score", seconds=2), make_step("windows", seconds=1))).apply([changed])
    np.testing.assert_array_equal(again.X[:4], causal.X[:4])  # the past does not know the future
    transductive = Chain((make_step("windows", seconds=1), make_step("subject_z_score"))).apply(recordings)
    assert "transductive" in transductive.steps[-1]
    rows = transductive.metadata.subject.to_numpy() == "s1"
    assert np.abs(transductive.X[rows].mean(axis=(0, 2))).max() < 1e-3
    with pytest.raises(ValueError, match="would need the training windows"):
        make_step("z_score")
