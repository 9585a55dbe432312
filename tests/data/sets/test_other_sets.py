"""DREAMER, AMIGOS, FACED and DASPS against written files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from set_files import (
    EMOTIV,
    amigos_arrays,
    cells,
    dreamer_subject,
    faced_clips,
    write_amigos,
    write_dasps,
    write_dreamer,
    write_faced,
    write_v73,
)

from trimcap.data.sets.amigos import AMIGOS
from trimcap.data.sets.dreamer import DREAMER
from trimcap.data.sets.faced import FACED
from trimcap.data.sources import open_source, read_set


@pytest.mark.parametrize("compress", [True, False])
def test_dreamer_values_labels_and_order(tmp_path: Path, compress: bool) -> None:
    write_dreamer(tmp_path, compress=compress)
    read = read_set("dreamer", tmp_path, baseline="apart", label="arousal")
    assert [r.name for r in read] == [f"{s:02d}/1/{t:02d}" for s in (1, 2) for t in range(1, 19)]
    assert list(read[0].channels) == EMOTIV
    for recording in read:
        written = dreamer_subject(int(recording.subject), 60)
        t = int(recording.trial) - 1
        np.testing.assert_array_equal(recording.signal, written["EEG"]["stimuli"][t, 0].T.astype(np.float32))
        np.testing.assert_array_equal(recording.info["baseline"], written["EEG"]["baseline"][t, 0].T.astype(np.float32))
        assert recording.label == int(written["ScoreArousal"][t, 0] > 3)
        scores = tuple(written[f"Score{key}"][t, 0] for key in ("Valence", "Arousal", "Dominance"))
        assert tuple(recording.info["ratings"].values()) == scores
    assert (read[0].rate, read[0].info["age"], read[0].info["sex"]) == (128.0, "22", "male")
    assert read[0].info["rule"] == "arousal > 3"
    assert DREAMER.files(tmp_path).missing[0] == "03"


def test_dreamer_baseline_is_kept_before_the_clip_or_apart(tmp_path: Path) -> None:
    write_dreamer(tmp_path, subjects=1)
    written = dreamer_subject(1, 60)["EEG"]
    dropped = read_set("dreamer", tmp_path)
    whole, some = (read_set("dreamer", tmp_path, baseline="keep", baseline_seconds=s) for s in (None, 0.25))
    apart = read_set("dreamer", tmp_path, baseline="apart", baseline_seconds=0.25)
    for t in range(18):
        before, clip = (written[key][t, 0].T.astype(np.float32) for key in ("baseline", "stimuli"))
        assert before.shape == (14, 40 + t)
        np.testing.assert_array_equal(whole[t].signal, np.concatenate([before, clip], axis=1))
        assert whole[t].info["baseline_seconds"] == (40 + t) / 128
        np.testing.assert_array_equal(some[t].signal, np.concatenate([before[:, -32:], clip], axis=1))
        assert some[t].info["baseline_seconds"] == 0.25
        np.testing.assert_array_equal(apart[t].info["baseline"], before[:, -32:])
        np.testing.assert_array_equal(apart[t].signal, clip)
        np.testing.assert_array_equal(dropped[t].signal, clip)
        assert apart[t].info["baseline_seconds"] == dropped[t].info["baseline_seconds"] == 0.0
        assert "baseline" not in dropped[t].info


def test_dreamer_baselines_that_make_no_sense(tmp_path: Path) -> None:
    write_dreamer(tmp_path, subjects=1)
    for options, message in (
        ({"baseline": "kept"}, "unknown baseline 'kept'; did you mean 'keep'"),
        ({"baseline_seconds": 3}, r"baseline_seconds=3 of a baseline that is dropped; read with baseline='keep'"),
        ({"baseline": "keep", "baseline_seconds": 0}, "baseline_seconds is 0; it must be a number of seconds"),
        ({"baseline": "keep", "baseline_seconds": float("nan")}, "baseline_seconds is nan"),
        ({"baseline": "apart", "baseline_seconds": "3"}, "baseline_seconds is '3'"),
        (
            {"baseline": "keep", "baseline_seconds": 61},
            r"DREAMER\.mat: subject 01: baseline 01 lasts 0.3125 s, shorter than baseline_seconds=61",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            read_set("dreamer", tmp_path, **options)
    flat = dreamer_subject(1, 60)
    flat["EEG"]["baseline"][3, 0][:, 5] = 7
    write_dreamer(tmp_path, subjects=1, Data=cells((1, 1), [flat]))
    assert len(read_set("dreamer", tmp_path)) == 18
    broken = dreamer_subject(1, 60)
    broken["EEG"]["baseline"][4, 0] = np.zeros((40, 13))
    write_dreamer(tmp_path, subjects=1, Data=cells((1, 1), [broken]))
    with pytest.raises(ValueError, match="baseline 05 is an array of shape"):
        read_set("dreamer", tmp_path, baseline="keep")


def test_dreamer_streams_and_skips(tmp_path: Path) -> None:
    write_dreamer(tmp_path, subjects=3)
    read = read_set("dreamer", tmp_path, subjects=[3, 1])
    assert [r.subject for r in read] == ["01"] * 18 + ["03"] * 18  # the order of the file
    np.testing.assert_array_equal(read[18 + 4].signal, dreamer_subject(3, 60)["EEG"]["stimuli"][4, 0].T.astype("f4"))
    with pytest.raises(ValueError, match="DREAMER: subject 9 has no file"):
        open_source("dreamer", tmp_path, subjects=[9])


def test_dreamer_states_its_rate_and_electrodes_and_they_are_checked(tmp_path: Path) -> None:
    write_dreamer(tmp_path, EEG_SamplingRate=256)
    with pytest.raises(ValueError, match=r"DREAMER\.mat: EEG_SamplingRate is \[256\]; DREAMER has \[128\.0\]"):
        read_set("dreamer", tmp_path)
    swapped = [EMOTIV[1], EMOTIV[0], *EMOTIV[2:]]
    write_dreamer(tmp_path, EEG_Electrodes=cells((1, 14), swapped))
    with pytest.raises(ValueError, match=r"EEG_Electrodes is \['F7', 'AF3'"):
        read_set("dreamer", tmp_path)


def test_dreamer_damage_is_named(tmp_path: Path) -> None:
    path = write_dreamer(tmp_path, subjects=1, samples=8)
    whole = path.read_bytes()
    for end in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"DREAMER\.mat"):
            read_set("dreamer", tmp_path)
    for change, message in (
        ({"Data": cells((1, 1), [{"EEG": 1.0}])}, "subject 01 is no struct with EEG"),
        (
            {"Data": cells((1, 1), [dreamer_subject(1, 9) | {"ScoreValence": np.ones((17, 1))}])},
            "shape 17 × 1; expected 18",
        ),
        (
            {"Data": cells((1, 1), [dreamer_subject(1, 9) | {"ScoreValence": np.full((18, 1), 6)}])},
            "rated 6, outside 1 to 5",
        ),
        ({"Data": 5.0}, "DREAMER.Data is no cell array"),
    ):
        write_dreamer(tmp_path, subjects=1, samples=8, **change)
        with pytest.raises(ValueError, match=rf"DREAMER\.mat.*{message}"):
            read_set("dreamer", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no DREAMER\.mat"):
        read_set("dreamer", tmp_path / "elsewhere")


def test_amigos_values_labels_and_order(tmp_path: Path) -> None:
    for subject in (1, 2):
        write_amigos(tmp_path, subject)
    read = read_set("amigos", tmp_path, videos="all", baseline="apart")
    assert [r.name for r in read] == [f"P{s:02d}/1/{t:02d}" for s in (1, 2) for t in range(1, 21)]
    for recording in read:
        trials, ratings = amigos_arrays(int(recording.subject[1:]), 30)
        t = int(recording.trial) - 1
        np.testing.assert_array_equal(recording.signal, trials[t][640:, :14].T.astype(np.float32))
        np.testing.assert_array_equal(recording.info["baseline"], trials[t][:640, :14].T.astype(np.float32))
        assert recording.label == int(ratings[t][0, 1] > 5)  # arousal comes first
        assert tuple(recording.info["ratings"].values()) == tuple(ratings[t][0])
    assert list(read[0].info["ratings"])[:2] == ["arousal", "valence"]
    arousal = read_set("amigos", tmp_path, label="arousal")
    assert [r.label for r in arousal[:16]] == [int(r[0, 0] > 5) for r in amigos_arrays(1, 30)[1][:16]]
    assert len(arousal) == 32
    assert [r.trial for r in read_set("amigos", tmp_path, videos="long", subjects="P02")] == ["17", "18", "19", "20"]
    keep = read_set("amigos", tmp_path, baseline="keep")[0]
    np.testing.assert_array_equal(keep.signal, amigos_arrays(1, 30)[0][0][:, :14].T.astype(np.float32))


def test_amigos_empty_and_unrated_trials_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_amigos(tmp_path, 8, empty=(16, 17, 18, 19), nan=(2,))
    with pytest.warns(
        UserWarning, match=r"P08\.mat: 5 trials left out \(1/03: its rating is NaN; 1/17: the file has no"
    ):
        read = read_set("amigos", tmp_path, videos="all")
    assert [r.trial for r in read] == [f"{t:02d}" for t in range(1, 17) if t != 3]
    assert len(read[0].info["left_out"]) == 5
    nested = tmp_path / "AMIGOS" / "data_preprocessed" / "Data_Preprocessed_P08"
    nested.mkdir()
    path.rename(nested / path.name)
    assert list(AMIGOS.files(tmp_path).files) == ["P08"]


def test_faced_values_labels_and_order(tmp_path: Path) -> None:
    write_faced(tmp_path, 7)
    valence, emotion = read_set("faced", tmp_path), read_set("faced", tmp_path, label="emotion")
    assert [r.name for r in valence] == [f"sub007/1/{t:02d}" for t in range(1, 29)]
    assert " ".join(valence[0].channels) == (
        "Fp1 Fp2 Fz F3 F4 F7 F8 FC1 FC2 FC5 FC6 Cz C3 C4 T7 T8 CP1 CP2 CP5 CP6 Pz P3 P4 P7 P8 PO3 PO4 Oz O1 O2"
    )
    for clip, recording in enumerate(valence):
        np.testing.assert_array_equal(recording.signal, faced_clips(7)[clip, :30])
    assert [r.label for r in valence] == [0] * 12 + [1] * 4 + [2] * 12
    assert [emotion[i - 1].classes[emotion[i - 1].label] for i in (1, 4, 9, 12, 13, 17, 22, 25, 28)] == [
        "anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy", "tenderness"
    ]  # fmt: skip
    assert (valence[0].rate, valence[0].duration) == (250.0, 30.0)
    assert len(FACED.files(tmp_path).missing) == 122


def test_faced_damage_is_named(tmp_path: Path) -> None:
    path = write_faced(tmp_path)
    whole = path.read_bytes()
    for end in (0, 1, 20, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"sub000\.pkl is not a whole pickle"):
            read_set("faced", tmp_path)
    path.write_bytes(pickle.dumps(np.zeros((28, 30, 7500), "f4"), protocol=4))
    with pytest.raises(ValueError, match=r"sub000\.pkl: array has the shape 28 × 30 × 7500; expected 28 × 32 × 7500"):
        read_set("faced", tmp_path)
    path.write_bytes(pickle.dumps({"no": 1}))
    with pytest.raises(ValueError, match=r"sub000\.pkl has no array of numbers"):
        read_set("faced", tmp_path)


@pytest.mark.parametrize("form", ["raw", "preprocessed"])
def test_dasps_values_labels_and_order(tmp_path: Path, form: str) -> None:
    data, labels = write_dasps(tmp_path, 3, form=form)
    read = read_set("dasps", tmp_path, form=form)
    assert [r.name for r in read] == [f"S03/1/{t:02d}" for t in range(1, 13)]
    assert list(read[0].channels) == EMOTIV
    for t, recording in enumerate(read):
        np.testing.assert_array_equal(recording.signal, data[:, :, t].astype(np.float32))
        assert recording.label == int(labels[t, 1] > 5)
        assert (recording.info["situation"], recording.info["phase"]) == (
            str(t // 2 + 1),
            ("recitation", "recall")[t % 2],
        )
    assert read[0].info["hamilton"] == (1.0, 1.0)
    other = "raw" if form == "preprocessed" else "preprocessed"
    with pytest.raises(FileNotFoundError, match="DASPS: no files like"):
        read_set("dasps", tmp_path, form=other)
    write_v73(tmp_path / "S01.mat", {"data": data[:13], "labels": labels})
    with pytest.raises(ValueError, match=r"S01\.mat: data has the shape 13 × 1920 × 12; expected 14"):
        read_set("dasps", tmp_path, form="raw")


def test_dasps_as_published_has_its_labels_in_the_raw_files(tmp_path: Path) -> None:
    data, _ = write_dasps(tmp_path, 4, labelled=False)
    with pytest.raises(ValueError, match=r"S04preprocessed.mat has no labels, as published: .* raw file S04.mat"):
        read_set("dasps", tmp_path)
    _, labels = write_dasps(tmp_path, 4, form="raw")
    read = read_set("dasps", tmp_path)
    np.testing.assert_array_equal(read[3].signal, data[:, :, 3].astype(np.float32))
    assert [r.info["ratings"]["arousal"] for r in read] == labels[:, 1].tolist()
    source = open_source("dasps", tmp_path)
    assert [p.name for p in source.also] == ["S04.mat"]
    assert len(list(source)) == 12
