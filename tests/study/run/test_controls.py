"""Controls: honest protocols at chance, leaky ones far above, and what must not pass."""

from dataclasses import replace

import numpy as np
import pytest

from trimcap.data.preprocess.windows.features import band_power
from trimcap.data.split_files.file import write_splits
from trimcap.data.splits.protocols.leaky import leaky_windows
from trimcap.data.splits.protocols.named import split
from trimcap.data.splits.random_labels import random_labels
from trimcap.data.units import keys
from trimcap.study.recipe.derived import derive
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.control_report import headline, write_controls
from trimcap.study.run.controls import FINGERPRINT, RANDOM, WITNESS, Draw, controls, score_draw
from trimcap.study.run.prepare import prepare

TEXT = """
name = "small"
[data]
source = "fingerprint"
subjects = 8
rate = 128
seconds = 20
window = 2
[data.options]
seed = 77
trials = 4
channels = ["Fp1", "Fp2", "F3", "C3", "C4", "O1", "O2", "Cz"]
[protocol]
name = "k_fold_subjects"
folds = 4
valid = 0.4
[model]
options = {F1 = 4, kernel = 16}
[train]
epochs = 1
"""
RECIPE = parse_recipe(TEXT)


def hidden_leak(windows, *, n_folds=5, valid=0.2, seed=0):
    """A protocol that leaks and does not say so."""
    made = leaky_windows(windows, n_folds=n_folds, valid=valid, seed=seed)
    return [replace(fold, leaky=False, protocol="subject-grouped, it says") for fold in made]


@pytest.fixture(scope="module")
def found():
    lines = []
    return controls(RECIPE, draws=6, progress=lines.append), lines


def rows_of(found, **wanted):
    return [r for r in found.rows if all(getattr(r, key) == value for key, value in wanted.items())]


def test_honest_at_chance_and_leaky_far_above(found):
    found, _ = found
    assert found.failed == ""
    assert {r.verdict for r in rows_of(found, honest=True)} <= {"at chance", "not shown above chance", "below chance"}
    for control in (RANDOM, FINGERPRINT):
        for protocol in ("leaky_windows", "leaky_within_trial"):
            (row,) = rows_of(found, control=control, protocol=protocol, classifier=WITNESS)
            assert row.accuracy > 0.9
            assert row.verdict == "leaks, as it should"
        for row in rows_of(found, control=control, honest=True):
            assert abs(row.accuracy - row.chance) < row.high - row.low  # four standard errors
    assert len(found.rows) == 2 * 3 * 2
    assert headline(found).startswith("Passed: without information k_fold_subjects ")


def test_one_line_per_draw(found):
    _, lines = found
    assert len(lines) == 12
    assert lines[0].startswith("[1/12] random labels, draw 0: at most k_fold_subjects 0.")


def test_a_protocol_that_leaks_in_secret_is_above_chance():
    """The twin of the first test: the same data and classifiers, but windows of one trial are on both sides."""
    found = controls(derive(RECIPE, protocol="test_controls:hidden_leak", folds=5), draws=3)
    secret = rows_of(found, protocol="test_controls:hidden_leak", classifier=WITNESS)
    assert [r.honest for r in secret] == [True, True]
    assert [r.verdict for r in secret] == ["ABOVE CHANCE"] * 2
    assert (
        "test_controls:hidden_leak is above chance on fingerprint: nearest neighbours in band power 1.000"
        in found.failed
    )
    assert headline(found).startswith("Not passed: ")


def test_a_declared_leak_can_not_pass():
    found = controls(derive(RECIPE, protocol="leaky_windows", folds=5), draws=3)
    assert not any(r.honest for r in found.rows)
    assert found.failed == "leaky_windows leaks by its own declaration"
    # and it is there once, with the recipe's own number of folds
    assert len(rows_of(found, control=RANDOM, protocol="leaky_windows")) == 2


def test_data_without_anything_to_recognise_give_a_control_without_power():
    plain = derive(
        RECIPE, data={"options": {**RECIPE.data.options, "strength": 0.0, "subject_variation": 0.0, "trials": 12}}
    )
    found = controls(plain, draws=3)
    assert "the control by random labels has no power: under leaky_windows" in found.failed
    assert not any("fingerprint" in text for text in found.failed.split(";"))


def test_a_draw_by_hand():
    """Replica: labels, folds, neighbours and chance of one draw, written out."""
    drawn = derive(RECIPE, data={"labels": "random", "label_seed": 2}, protocol="leave_one_subject_out")
    scores = score_draw(Draw(RANDOM, 2, drawn.model_dump_json()))
    (score,) = [s for s in scores if s.honest and s.classifier == WITNESS]
    features = band_power(random_labels(prepare(RECIPE).windows, seed=2))
    X, y = features.X.reshape(len(features), -1).astype(float), features.y
    subject = features.metadata.subject.to_numpy()
    hits = []
    for name in np.unique(subject):
        own = subject == name
        z = (X - X[~own].mean(axis=0)) / X[~own].std(axis=0)
        distance = ((z[own][:, None] - z[~own][None]) ** 2).sum(axis=2)
        votes = y[~own][np.argsort(distance, axis=1)[:, :5]].mean(axis=1)
        hits += ((votes > 0.5) == y[own]).tolist()
    assert score.accuracy == pytest.approx(np.mean(hits), abs=1e-12)
    assert score.chance == max(y.mean(), 1 - y.mean())


def test_the_same_classifiers_find_what_is_there():
    """Positive control: with a real effect the honest protocol is far above chance."""
    options = {
        "seed": 0,
        "trials_per_class": 4,
        "effect": 12.0,
        "subject_variation": 0.3,
        "channels": ["O1", "O2", "Cz"],
    }
    effect = derive(RECIPE, data={"source": "synthetic", "options": options})
    scores = score_draw(Draw("effect", 0, effect.model_dump_json()))
    assert min(s.accuracy for s in scores if s.honest) > 0.85


def test_three_classes_and_trials_of_one_window():
    options = {**RECIPE.data.options, "classes": ["a", "b", "c"], "trials": 6}
    found = controls(derive(RECIPE, data={"options": options, "seconds": 2}), draws=3)
    assert {r.protocol for r in found.rows} == {"k_fold_subjects", "leaky_windows"}
    assert found.notes == ("leaky_within_trial was left out: the shortest trial has one window.",)
    assert rows_of(found, control=RANDOM)[0].chance == pytest.approx(1 / 3)
    assert "no power" in found.failed  # a trial of one window can't be on both sides


def test_a_split_file_takes_random_labels_only(tmp_path):
    folds = split(prepare(RECIPE).windows, "k_fold_subjects", n_folds=4)
    write_splits(folds, tmp_path / "mine.json")
    text = TEXT[: TEXT.index("[protocol]")] + f'[protocol]\nfile = "{tmp_path / "mine.json"}"\n'
    found = controls(parse_recipe(text), draws=3)
    assert {r.control for r in found.rows} == {RANDOM}
    assert found.protocol == "mine.json"
    assert {r.protocol for r in found.rows} == {"mine.json", "leaky_windows", "leaky_within_trial"}
    assert "synthetic recordings have no sessions" in found.notes[0]
    assert found.failed == ""


def test_memory_falls_below_chance_where_a_split_goes_through_a_balanced_group():
    """What the documentation says of the bias: with two trials per subject the other one has the other label."""
    two = derive(RECIPE, data={"options": {**RECIPE.data.options, "trials": 2}}, protocol="leave_trials_out", folds=4)
    knn = {
        balance: rows_of(controls(two, draws=3, balance=balance), control=RANDOM, honest=True, classifier=WITNESS)[0]
        for balance in ("subject", "none")
    }
    assert knn["subject"].accuracy < knn["none"].accuracy
    assert knn["subject"].accuracy < 0.45
    assert knn["subject"].verdict != "ABOVE CHANCE"


def test_files_are_written_and_say_it_all(found, tmp_path):
    page = write_controls(found[0], tmp_path / "c")
    html, markdown = page.read_text(), (tmp_path / "c" / "controls.md").read_text()
    for text in (html, markdown):
        assert text.count("LEAKY: leaky_windows, nearest neighbours in band power") == 2
        assert "leaks, as it should" in text
        assert "balanced within every subject" in text
    tex = (tmp_path / "c" / "controls.tex").read_text()
    assert tex.count(r"\begin{table}") == 2
    assert r"leaky\_windows" in tex
    assert (tmp_path / "c" / "controls.json").is_file()


def test_too_few_draws():
    with pytest.raises(ValueError, match="2 draws make no interval; take at least 3"):
        controls(RECIPE, draws=2)


@pytest.mark.slow
def test_processes_change_nothing(found):
    again = controls(RECIPE, draws=6, jobs=2)
    assert again.rows == found[0].rows


@pytest.mark.slow
def test_the_network_is_judged_on_the_same_draws_and_goes_on(tmp_path, monkeypatch):
    small = derive(RECIPE, data={"subjects": 4}, protocol="k_fold_subjects", folds=2)
    found = controls(small, draws=3, network=True, folder=tmp_path)
    own = rows_of(found, classifier="network (eegnet)")
    assert [(r.control, r.protocol, r.honest, r.draws) for r in own] == [
        (RANDOM, "k_fold_subjects", True, 3),
        (RANDOM, "leaky_windows", False, 3),
        (FINGERPRINT, "k_fold_subjects", True, 3),
        (FINGERPRINT, "leaky_windows", False, 3),
    ]
    monkeypatch.setattr("trimcap.study.steps.fitting.train", lambda *_, **__: pytest.fail("trained again"))
    assert controls(small, draws=3, network=True, folder=tmp_path).rows == found.rows


@pytest.mark.real
@pytest.mark.slow
def test_eegmat_reference_numbers(eegmat_folder):
    """5 nearest neighbours, random labels over all recordings, ten draws: 0.944 (0.933 to 0.959) with shuffled windows,
    0.945 within recordings, 0.469 (0.381 to 0.527) leaving one subject out.
    """
    text = f"""
name = "eegmat"
[data]
source = "eegmat"
path = "{eegmat_folder}"
[protocol]
name = "leave_one_subject_out"
"""
    found = controls(parse_recipe(text), draws=10, balance="recordings")
    knn = {r.protocol: r for r in rows_of(found, control=RANDOM, classifier=WITNESS)}
    assert knn["leaky_windows"].accuracy == pytest.approx(0.944, abs=0.012)
    assert knn["leaky_within_trial"].accuracy == pytest.approx(0.945, abs=0.012)
    assert 0.42 < knn["leave_one_subject_out"].accuracy < 0.53
    assert knn["leave_one_subject_out"].lowest > 0.33
    finger = rows_of(found, control=FINGERPRINT, classifier=WITNESS)
    assert [r.low <= 0.5 <= r.high for r in finger if r.honest] == [True]
    assert min(r.accuracy for r in finger if not r.honest) > 0.9
    assert found.failed == ""


def test_whole_trials_are_labelled(found):
    windows = random_labels(prepare(RECIPE).windows, seed=0)
    trial = keys(windows, "subject", "session", "trial")
    assert all(len(set(windows.y[trial == t].tolist())) == 1 for t in np.unique(trial))
