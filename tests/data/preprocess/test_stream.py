from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brown import NAMES, brown
from hypothesis import given, settings
from hypothesis import strategies as st

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.recordings.resample import Resample, resample
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.features import LogVariance
from trimcap.data.sources import read_set

ONE = make_step("windows", seconds=1)
CHAINS = {
    "raw": (make_step("windows", seconds=0.5, step=0.1),),
    "gaps": (make_step("windows", seconds=0.25, step=0.8, start=0.3),),
    "filters": (
        make_step("notch"),
        make_step("bandpass", low=1, high=40),
        make_step("windows", seconds=0.5, step=0.25),
    ),
    "running": (
        make_step("rereference"),
        make_step("running_z_score", seconds=1),
        make_step("windows", seconds=1, step=0.3),
    ),
    "down": (make_step("resample", rate=100), make_step("windows", seconds=0.5)),
    "up": (make_step("resample", rate=200), make_step("notch"), make_step("windows", seconds=0.5, step=0.05)),
    "entropy": (
        make_step("rereference", to="Cz"),
        make_step("bandpass", low=1, high=None),
        make_step("windows", seconds=1, step=0.2, baseline=2),
        make_step("differential_entropy"),
        make_step("subtract_baseline"),
        make_step("grid"),
    ),
    "mean": (
        make_step("subtract_baseline_mean", seconds=1.2),
        make_step("windows", seconds=0.5, start=1.2),
        make_step("frames", every=4),
    ),
    "reject": (
        make_step("bandpass", low=1, high=40),
        make_step("windows", seconds=0.5, step=0.1, on_bad="drop"),
        make_step("reject", peak_to_peak=60),
        make_step("window_z_score"),
    ),
    "first": (
        make_step("keep_first", seconds=3.1),
        make_step("resample", rate=100),
        make_step("bandpass", low=1, high=40),
        make_step("windows", seconds=0.5, step=0.2),
    ),
    "each second of the baseline": (
        make_step("bandpass", low=1, high=None),
        make_step("windows", seconds=0.5, step=0.2, baseline=1.5),
        make_step("differential_entropy"),
        make_step("subtract_baseline", average="feature"),
        make_step("grid"),
    ),
    "all": (
        make_step("pick", names=["Cz", "Fp1", "F3"]),
        make_step("notch", frequency=60),
        make_step("bandpass", low=2, high=45),
        make_step("resample", rate=64),
        make_step("running_z_score", seconds=2),
        make_step("windows", seconds=1, step=0.5, start=2),
        make_step("log_variance", bands={"a": (4, 8), "b": (8, 14)}),
    ),
}


def blocks(signal, sizes):
    at = 0
    for size in sizes:
        yield signal[:, at : at + size]
        at += size
    yield signal[:, at:]


def streamed(chain, recording, sizes):
    stream = chain.stream(recording.rate, recording.channels)
    made = [stream.push(block) for block in blocks(recording.signal, sizes)] + [stream.finish()]
    made = [windows for windows in made if windows is not None]
    return stream, np.concatenate([w.X for w in made]), np.concatenate([w.metadata.start for w in made])


@pytest.mark.parametrize("name", CHAINS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(sizes=st.lists(st.one_of(st.integers(0, 9), st.integers(0, 500)), max_size=60), seed=st.integers(0, 9))
def test_any_blocks_give_what_the_whole_gives(name, sizes, seed):
    recording = brown(channels=5, n_times=700, offset=1000, seed=seed)
    chain = Chain(CHAINS[name])
    whole = chain.apply([recording])
    stream, X, start = streamed(chain, recording, sizes)
    np.testing.assert_allclose(X, whole.X, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(start, whole.metadata.start)
    assert stream.total - sum(stream.dropped.values()) == len(whole)


@pytest.mark.parametrize("name", CHAINS)
def test_sample_by_sample(name):
    recording = brown(channels=5, n_times=500, offset=1000)
    _, X, _ = streamed(Chain(CHAINS[name]), recording, [1] * 500)
    np.testing.assert_allclose(X, Chain(CHAINS[name]).apply([recording]).X, rtol=0, atol=1e-9)


def test_a_filter_that_forgets_its_state_is_noticed():
    """The twin that must differ: filtering each block anew."""
    recording = brown(n_times=700)
    chain = Chain(CHAINS["filters"])
    parts = [replace(recording, signal=block, trial=str(i)) for i, block in enumerate(blocks(recording.signal, [350]))]
    anew = chain.apply(parts).X
    assert np.abs(anew[-4:] - chain.apply([recording]).X[-4:]).max() > 0.01


@pytest.mark.parametrize(("have", "want"), [(500, 128), (250, 128), (128, 250), (200, 100), (100, 300), (128, 128)])
def test_resampling_needs_only_its_delay(have, want):
    recording = brown(n_times=have * 2, rate=float(have))
    online = Resample(want).online(recording.rate, recording.channels)
    expected = resample(recording, want).signal
    first = online.push(recording.signal[:, :have])
    late = have - round(online.delay * have)
    assert abs(first.shape[1] - late * want / have) <= 1  # nothing is held back for longer
    rest = [online.push(recording.signal[:, have:])] + ([online.finish()] if online.finish else [])
    np.testing.assert_array_equal(np.concatenate([first, *rest], axis=1), expected)


def test_delay_is_told():
    assert Chain(CHAINS["filters"]).stream(128.0, NAMES).delay == 0
    assert Chain(CHAINS["down"]).stream(128.0, NAMES).delay == pytest.approx(10 * 32 / (25 * 128))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((make_step("bandpass", low=1, high=4, phase="zero"), ONE), r"step 1 \(bandpass\) can't stream.*backwards"),
        ((make_step("pick", names="Cz"), make_step("notch", phase="zero"), ONE), r"step 2 \(notch\).*backwards"),
        ((ONE, make_step("subject_z_score")), "subject_z_score can't stream: it is transductive"),
        ((ONE, make_step("own_steps:centre")), r"own_steps:centre can't stream: it may mix.*centre.per_window"),
        ((make_step("own_steps:double"), ONE), "a function on whole recordings; give it an attribute `online`"),
        ((make_step("bandpass", low=1, high=70), ONE), "edge 70 Hz is not below 64 Hz"),
        ((make_step("pick", names="C3"), ONE), "unknown electrode 'C3'"),
    ],
)
def test_what_cannot_stream(steps, message):
    with pytest.raises(ValueError, match=message):
        Chain(steps).stream(128.0, NAMES)


def test_own_steps_that_can_stream():
    recording = brown()
    chain = Chain((make_step("own_steps:half"), make_step("windows", seconds=1), make_step("own_steps:absolute")))
    _, X, _ = streamed(chain, recording, [100, 3, 555])
    np.testing.assert_array_equal(X, np.abs(chain.apply([recording]).X))


def test_a_lost_packet_is_refused_and_the_stream_goes_on():
    recording = brown(n_times=700)
    chain = Chain(CHAINS["filters"])
    stream = chain.stream(recording.rate, recording.channels)
    made = [stream.push(recording.signal[:, :300])]
    lost = recording.signal[:, 300:310].copy()
    lost[1, 4] = np.nan
    with pytest.raises(ValueError, match=r"channel Fp2 has NaN.*replace the lost samples"):
        stream.push(lost)
    made.append(stream.push(recording.signal[:, 300:]))
    np.testing.assert_array_equal(np.concatenate([w.X for w in made]), chain.apply([recording]).X)


def test_a_stream_forgets_what_comes_after_the_first_seconds():
    recording = brown(n_times=700)
    chain = Chain((make_step("keep_first", seconds=2), ONE))
    stream = chain.stream(recording.rate, recording.channels)
    first, later = stream.push(recording.signal[:, :200]), stream.push(recording.signal[:, 200:500])
    np.testing.assert_array_equal(np.concatenate([first.X, later.X]), chain.apply([recording]).X)
    assert stream.push(recording.signal[:, 500:]) is None
    assert stream.push(np.full((4, 50), np.nan)) is None
    assert stream.finish() is None
    with pytest.raises(ValueError, match=r"step 1 \(keep_first\) can't stream: keep_first: 0.001 s are less than one"):
        Chain((make_step("keep_first", seconds=0.001), ONE)).stream(128.0, NAMES)


@pytest.mark.parametrize("late", [(), (make_step("grid"),)])
def test_the_features_of_a_baseline_are_computed_once_in_a_stream(monkeypatch, late):
    """61 s of them would be computed anew with every second of signal."""
    rows = []

    def counted(_step, windows):
        rows.append(len(windows))
        return windows.with_X(windows.X.var(axis=2, keepdims=True), step="variance")

    monkeypatch.setattr(LogVariance, "apply", counted)
    subtract = make_step("subtract_baseline", average="feature")
    chain = Chain((make_step("windows", seconds=1, baseline=3), make_step("log_variance"), subtract, *late))
    recording = brown(n_times=900)
    _, X, _ = streamed(chain, recording, [64] * 14)
    assert sorted(rows) == [1, 1, 1, 1, 3]
    np.testing.assert_array_equal(X, chain.apply([recording]).X)


def test_blocks_that_do_not_fit():
    stream = Chain(CHAINS["raw"]).stream(128.0, NAMES[:3])
    for bad in (np.zeros(3), np.zeros((4, 10)), np.zeros((10, 3))):
        with pytest.raises(ValueError, match=r"must have shape \(3, n\)"):
            stream.push(bad)
    assert stream.push(np.zeros((3, 0))) is None
    assert stream.finish() is None
    for call in (stream.finish, lambda: stream.push(np.zeros((3, 1)))):
        with pytest.raises(ValueError, match="ended"):
            call()


def test_device_that_makes_no_sense():
    for rate, channels in ((0.0, NAMES), (128.0, ("Cz", "Cz"))):
        with pytest.raises(ValueError, match=r"sampling rate|occur twice"):
            Chain(CHAINS["raw"]).stream(rate, channels)


@pytest.mark.real
@pytest.mark.slow
def test_a_real_recording_at_500_hz(eegmat_folder):

    recording = read_set("eegmat", eegmat_folder, subjects=[0], rate=None)[0]
    chain = Chain(
        (
            make_step("rereference"),
            make_step("notch"),
            make_step("bandpass", low=1, high=45),
            make_step("resample", rate=128),
            *CHAINS["entropy"][2:],
        )
    )
    sizes = np.random.default_rng(0).integers(0, 400, 500).tolist()
    _, X, _ = streamed(chain, recording, sizes)
    np.testing.assert_allclose(X, chain.apply([recording]).X, rtol=0, atol=1e-9)
