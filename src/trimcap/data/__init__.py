"""Recordings, windows, features, folds and their audit."""

from trimcap.data.artefacts import reject
from trimcap.data.audit import Audit, Finding, audit
from trimcap.data.baseline import linear_baseline
from trimcap.data.cache import cache_info, cached, clear_cache
from trimcap.data.chain import FORMAT, Chain, Step, make_chain
from trimcap.data.check import check_signal
from trimcap.data.crop import crop
from trimcap.data.cut import cut
from trimcap.data.eegmat import read_eegmat
from trimcap.data.electrodes import TEN_TWENTY, canonical, positions
from trimcap.data.features import BANDS, DELTA, POWER_BANDS, band_power, differential_entropy, to_grid
from trimcap.data.filters import bandpass, notch
from trimcap.data.folds import Fold, Sealed, make_fold
from trimcap.data.join import join
from trimcap.data.ledger import STAGES, Ledger
from trimcap.data.montage import Grid, grid
from trimcap.data.npz import read_npz, write_npz
from trimcap.data.protocols import (
    PROTOCOLS,
    k_fold_subjects,
    leaky_windows,
    leaky_within_trial,
    leave_one_subject_out,
    leave_sessions_out,
    leave_trials_out,
    split,
)
from trimcap.data.readers import from_arrays, from_epochs, from_raw
from trimcap.data.recording import Recording
from trimcap.data.regions import Region, region
from trimcap.data.rereference import rereference
from trimcap.data.resample import resample
from trimcap.data.running import running_z_score, subtract_baseline_mean
from trimcap.data.scaling import Scaler, fit_scaler, z_score_per_subject
from trimcap.data.sets import (
    CATALOGUE,
    DataSet,
    SetReport,
    data_set,
    iter_amigos,
    iter_dasps,
    iter_deap,
    iter_dreamer,
    iter_faced,
    iter_seed,
    iter_seed_iv,
    iter_seed_v,
    mat_shapes,
    read_amigos,
    read_dasps,
    read_deap,
    read_dreamer,
    read_faced,
    read_faced_features,
    read_mat,
    read_pickle,
    read_seed,
    read_seed_features,
    read_seed_iv,
    read_seed_iv_features,
    read_seed_v,
    read_seed_v_features,
    recognise,
)
from trimcap.data.steps import STEPS
from trimcap.data.stream import Stream
from trimcap.data.synthetic import make_fingerprint, make_synthetic
from trimcap.data.windows import Windows
from trimcap.data.windowwise import frames, log_variance, window_z_score

__all__ = [
    "BANDS",
    "CATALOGUE",
    "DELTA",
    "FORMAT",
    "POWER_BANDS",
    "PROTOCOLS",
    "STAGES",
    "STEPS",
    "TEN_TWENTY",
    "Audit",
    "Chain",
    "DataSet",
    "Finding",
    "Fold",
    "Grid",
    "Ledger",
    "Recording",
    "Region",
    "Scaler",
    "Sealed",
    "SetReport",
    "Step",
    "Stream",
    "Windows",
    "audit",
    "band_power",
    "bandpass",
    "cache_info",
    "cached",
    "canonical",
    "check_signal",
    "clear_cache",
    "crop",
    "cut",
    "data_set",
    "differential_entropy",
    "fit_scaler",
    "frames",
    "from_arrays",
    "from_epochs",
    "from_raw",
    "grid",
    "iter_amigos",
    "iter_dasps",
    "iter_deap",
    "iter_dreamer",
    "iter_faced",
    "iter_seed",
    "iter_seed_iv",
    "iter_seed_v",
    "join",
    "k_fold_subjects",
    "leaky_windows",
    "leaky_within_trial",
    "leave_one_subject_out",
    "leave_sessions_out",
    "leave_trials_out",
    "linear_baseline",
    "log_variance",
    "make_chain",
    "make_fingerprint",
    "make_fold",
    "make_synthetic",
    "mat_shapes",
    "notch",
    "positions",
    "read_amigos",
    "read_dasps",
    "read_deap",
    "read_dreamer",
    "read_eegmat",
    "read_faced",
    "read_faced_features",
    "read_mat",
    "read_npz",
    "read_pickle",
    "read_seed",
    "read_seed_features",
    "read_seed_iv",
    "read_seed_iv_features",
    "read_seed_v",
    "read_seed_v_features",
    "recognise",
    "region",
    "reject",
    "rereference",
    "resample",
    "running_z_score",
    "split",
    "subtract_baseline_mean",
    "to_grid",
    "window_z_score",
    "write_npz",
    "z_score_per_subject",
]
