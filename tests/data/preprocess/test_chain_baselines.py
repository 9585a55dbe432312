"""Chains whose windows have a baseline, and chains that leave windows out."""

from __future__ import annotations

import numpy as np
import own_steps
import pytest
from brown import brown, several

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import differential_entropy

ONE = make_step("windows", seconds=1)


# ---- baselines


def with_baseline(*after, seconds=1, baseline=3, **options):
    return Chain((make_step("windows", seconds=seconds, baseline=baseline, **options), *after))


def averaged(recording, seconds=1, baseline=3):
    n = round(seconds * recording.rate)
    head = recording.signal[:, : round(baseline * recording.rate)].astype(float)
    return np.mean([head[:, i : i + n] for i in range(0, head.shape[1], n)], axis=0)


def test_baseline_in_the_time_domain():
    recording = brown(n_times=1000)
    out = with_baseline(make_step("subtract_baseline")).apply([recording])
    expected = [recording.signal[:, i : i + 128] - averaged(recording) for i in range(384, 873, 128)]
    np.testing.assert_allclose(out.X, expected, atol=1e-4)
    np.testing.assert_allclose(out.metadata.start, [3, 4, 5, 6])


def test_baseline_of_entropies_is_the_entropy_of_the_averaged_waveform():
    from toy_windows import raw

    recordings = several()
    out = with_baseline(make_step("differential_entropy"), make_step("subtract_baseline")).apply(recordings)
    recording = recordings[2]
    whole = differential_entropy(cut([recording], seconds=1)).X
    reference = differential_entropy(raw(averaged(recording)[None])).X
    np.testing.assert_allclose(out.X[8:12], whole[3:7] - reference, atol=1e-5)
    # twin: the average of the entropies of the three chunks is something else
    assert np.abs(whole[3:7] - whole[:3].mean(axis=0) - out.X[8:12]).max() > 0.05


def test_each_second_of_a_baseline_whose_features_are_averaged_must_be_usable():
    """One constant second has no entropy; averaged with others it goes unnoticed."""
    recordings = several()
    recordings[1].signal[2, 128:256] = 7
    late = (make_step("differential_entropy"), make_step("subtract_baseline", average="feature"))
    assert len(with_baseline(late[0], make_step("subtract_baseline")).apply(recordings)) == 16
    with pytest.raises(ValueError, match=r"baseline of window s1/0/1@1.0000: channel F3 is constant \(1 of 3"):
        with_baseline(*late).apply(recordings)
    out = with_baseline(*late, on_bad="drop").apply(recordings)
    assert out.steps[-1] == "4 of 16 windows dropped (bad baseline 4)"


def test_a_gain_on_the_whole_recording_cancels_in_the_entropy_difference():
    quiet = brown(n_times=1000)
    loud = own_steps.double(quiet, factor=8)
    chain = with_baseline(make_step("differential_entropy"), make_step("subtract_baseline"))
    np.testing.assert_allclose(chain.apply([loud]).X, chain.apply([quiet]).X, atol=1e-5)


def test_tsception_baseline_takes_a_second_of_stimulus():
    """Published: one chunk of 4 s, though the rest lasts 3 s."""
    recording = brown(n_times=8064)
    out = with_baseline(make_step("subtract_baseline"), seconds=4, baseline=4).apply([recording])
    assert len(out) == 14
    np.testing.assert_allclose(out.X[0], recording.signal[:, 512:1024] - recording.signal[:, :512], atol=1e-4)


def test_baselines_that_do_not_fit():
    with pytest.raises(ValueError, match=r"baseline of 3 s is no whole number of 2-s windows.*baseline of 2 s"):
        with_baseline(make_step("subtract_baseline"), seconds=2).apply([brown()])
    with pytest.raises(ValueError, match="subtract_baseline needs a baseline"):
        Chain((ONE, make_step("subtract_baseline")))
    with pytest.raises(ValueError, match="a baseline that no step uses"):
        with_baseline(make_step("differential_entropy"))
    with pytest.raises(ValueError, match="used once"):
        with_baseline(make_step("subtract_baseline"), make_step("subtract_baseline"))
    with pytest.raises(ValueError, match="0 ≤ baseline ≤ start"):
        with_baseline(make_step("subtract_baseline"), start=1)


# ---- dropping


def dirty():
    recordings = several()
    recordings[0].signal[1, 130:140] += 500
    recordings[1].signal[2, 256:384] = 7
    recordings[3].signal[0, 5] = np.nan
    return recordings


def test_rejected_windows_are_counted_over_all_recordings():
    chain = Chain(
        (
            make_step("windows", seconds=1, on_bad="drop"),
            make_step("reject", peak_to_peak=400),
            make_step("band_power", segment=1),
        )
    )
    out = chain.apply(dirty())
    assert out.steps[-1] == "3 of 28 windows dropped (peak-to-peak 1, constant 1, not finite 1)"
    gone = {"s1/0/0@1.0000", "s1/0/1@2.0000", "s2/0/1@0.0000"}
    whole = Chain((ONE, make_step("band_power", segment=1))).apply(several())
    assert set(whole.ids) - set(out.ids) == gone
    np.testing.assert_allclose(out.X, whole.X[[i not in gone for i in whole.ids]], atol=1e-6)


def test_two_rejections_add_up():
    both = Chain(
        (
            make_step("windows", seconds=1, on_bad="drop"),
            make_step("reject", peak_to_peak=400),
            make_step("reject", flat=1),
        )
    )
    assert both.apply(dirty()).steps[-1] == "3 of 28 windows dropped (peak-to-peak 1, flat 1, not finite 1)"


def test_bad_windows_raise_by_default():
    with pytest.raises(ValueError, match=r"window s1/0/1@2.0000: channel F3 is constant .*on_bad='drop'"):
        Chain((ONE,)).apply(dirty())


def test_flat_windows_are_rejected_before_they_raise():
    recordings = dirty()[1:2]
    out = Chain((ONE, make_step("reject", flat=1))).apply(recordings)
    assert out.steps[-1] == "1 of 7 windows dropped (flat 1)"


def test_short_recordings_and_bad_baselines():
    recordings = [brown("s1", n_times=1000), brown("s2", n_times=100), brown("s3", n_times=1000)]
    recordings[2].signal[0, :384] = 1
    with pytest.raises(
        ValueError, match=r"recording s2/0/0 lasts 0.78125 s, shorter than one window of 1 s from 3 s on"
    ):
        with_baseline(make_step("subtract_baseline")).apply(recordings)
    out = with_baseline(make_step("subtract_baseline"), on_bad="drop").apply(recordings)
    assert out.steps[-1] == "5 of 9 windows dropped (recording too short 1, bad baseline 4)"
    with pytest.raises(ValueError, match=r"baseline of window s3/0/0@0.0000: channel Fp1 is constant"):
        with_baseline(make_step("subtract_baseline")).apply(recordings[2:])


def test_nothing_left():
    with pytest.raises(ValueError, match="no window is left: 28 of 28 windows dropped"):
        Chain((ONE, make_step("reject", peak_to_peak=0.001))).apply(several())
    with pytest.raises(ValueError, match="no recordings"):
        Chain((ONE,)).apply([])
