"""Recordings, windows, features, folds and their audit."""

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.arrays.read import arrays_facts, open_arrays
from trimcap.data.arrays.source import arrays_source
from trimcap.data.arrays.write import write_arrays
from trimcap.data.baselines.classifiers import covariance_baseline, evoked_baseline, linear_baseline, nearest_neighbours
from trimcap.data.cache.cache import cache_info, cached, clear_cache
from trimcap.data.cache.make import make_windows
from trimcap.data.cache.reading import user_cache
from trimcap.data.check import check_signal
from trimcap.data.electrodes.montage import Grid, grid
from trimcap.data.electrodes.names import TEN_TWENTY, canonical, hemispheres, positions
from trimcap.data.electrodes.regions import Region, region
from trimcap.data.files.bids.read import bids_source, read_bids
from trimcap.data.files.labelled import files_source, read_files
from trimcap.data.files.labels import read_labels
from trimcap.data.files.survey.look import Survey, survey
from trimcap.data.generated.synthetic import make_fingerprint, make_synthetic
from trimcap.data.join import join
from trimcap.data.ledger import STAGES, Ledger
from trimcap.data.libraries.braindecode import braindecode_recordings, eegdash_recordings, recordings_from_braindecode
from trimcap.data.libraries.braindecode_windows import from_braindecode
from trimcap.data.libraries.moabb import from_moabb, moabb_recordings
from trimcap.data.libraries.objects import from_arrays, from_epochs, from_raw
from trimcap.data.libraries.torcheeg import from_torcheeg
from trimcap.data.libraries.triple import from_triple
from trimcap.data.preprocess.chain import FORMAT, Chain, make_chain
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.recordings.crop import crop
from trimcap.data.preprocess.recordings.filters import bandpass, notch
from trimcap.data.preprocess.recordings.rereference import rereference
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.preprocess.recordings.running import running_z_score, subtract_baseline_mean
from trimcap.data.preprocess.steps import STEPS, make_step
from trimcap.data.preprocess.stream import Stream
from trimcap.data.preprocess.windows.artefacts import reject
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import (
    BANDS,
    DELTA,
    POWER_BANDS,
    band_power,
    differential_entropy,
    log_variance,
    to_grid,
)
from trimcap.data.preprocess.windows.scaling import Scaler, fit_scaler, subject_z_score
from trimcap.data.preprocess.windows.windowwise import frames, window_z_score
from trimcap.data.recording import Recording
from trimcap.data.rows.lazy import LazyArray
from trimcap.data.sets.recognise import SetReport, recognise
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.table import data_set, data_sets
from trimcap.data.source import Source
from trimcap.data.sources import SOURCES, WINDOW_SOURCES, open_source, open_windows, read_set
from trimcap.data.split_files.audit import audit_split
from trimcap.data.split_files.file import read_splits, write_splits
from trimcap.data.split_files.rows import read_split, split_of
from trimcap.data.splits.audit import audit
from trimcap.data.splits.findings import Audit, Finding
from trimcap.data.splits.folds import Fold, make_fold
from trimcap.data.splits.nesting import nested
from trimcap.data.splits.protocols.named import (
    PROTOCOLS,
    few_shot,
    k_fold_subjects,
    leaky_windows,
    leaky_within_trial,
    leave_one_subject_out,
    leave_sessions_out,
    leave_stimuli_out,
    leave_trials_out,
    split,
    subject_and_stimulus,
    within_subject,
    within_subject_sessions,
)
from trimcap.data.splits.protocols.stimuli import with_stimulus
from trimcap.data.splits.random_labels import random_labels
from trimcap.data.splits.sealed import Sealed
from trimcap.data.windows import Windows

__all__ = [
    "BANDS",
    "DELTA",
    "FORMAT",
    "POWER_BANDS",
    "PROTOCOLS",
    "SOURCES",
    "STAGES",
    "STEPS",
    "TEN_TWENTY",
    "WINDOW_SOURCES",
    "Audit",
    "Chain",
    "Effect",
    "Facts",
    "Finding",
    "Fold",
    "Grid",
    "LazyArray",
    "Ledger",
    "PublishedSet",
    "Recording",
    "Region",
    "Scaler",
    "Sealed",
    "SetReport",
    "Source",
    "Stream",
    "Survey",
    "Windows",
    "arrays_facts",
    "arrays_source",
    "audit",
    "audit_split",
    "band_power",
    "bandpass",
    "bids_source",
    "braindecode_recordings",
    "cache_info",
    "cached",
    "canonical",
    "check_signal",
    "clear_cache",
    "covariance_baseline",
    "crop",
    "cut",
    "data_set",
    "data_sets",
    "differential_entropy",
    "eegdash_recordings",
    "evoked_baseline",
    "few_shot",
    "files_source",
    "fit_scaler",
    "frames",
    "from_arrays",
    "from_braindecode",
    "from_epochs",
    "from_moabb",
    "from_raw",
    "from_torcheeg",
    "from_triple",
    "grid",
    "hemispheres",
    "join",
    "k_fold_subjects",
    "leaky_windows",
    "leaky_within_trial",
    "leave_one_subject_out",
    "leave_sessions_out",
    "leave_stimuli_out",
    "leave_trials_out",
    "linear_baseline",
    "log_variance",
    "make_chain",
    "make_fingerprint",
    "make_fold",
    "make_step",
    "make_synthetic",
    "make_windows",
    "moabb_recordings",
    "nearest_neighbours",
    "nested",
    "notch",
    "open_arrays",
    "open_source",
    "open_windows",
    "positions",
    "random_labels",
    "read_bids",
    "read_files",
    "read_labels",
    "read_npz",
    "read_set",
    "read_split",
    "read_splits",
    "recognise",
    "recordings_from_braindecode",
    "region",
    "reject",
    "rereference",
    "resample",
    "running_z_score",
    "split",
    "split_of",
    "subject_and_stimulus",
    "subject_z_score",
    "subtract_baseline_mean",
    "survey",
    "to_grid",
    "user_cache",
    "window_z_score",
    "with_stimulus",
    "within_subject",
    "within_subject_sessions",
    "write_arrays",
    "write_npz",
    "write_splits",
]
