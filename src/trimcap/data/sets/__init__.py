"""Readers of published data sets, one module per set, and what is known about each."""

from trimcap.data.foreign.matlab import mat_shapes, read_mat
from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.sets.amigos import iter_amigos, read_amigos
from trimcap.data.sets.catalogue import CATALOGUE, DataSet, data_set
from trimcap.data.sets.dasps import iter_dasps, read_dasps
from trimcap.data.sets.deap import iter_deap, read_deap
from trimcap.data.sets.dreamer import iter_dreamer, read_dreamer
from trimcap.data.sets.faced import iter_faced, read_faced, read_faced_features
from trimcap.data.sets.features.seed import read_seed_features, read_seed_iv_features, read_seed_v_features
from trimcap.data.sets.recognise import SetReport, recognise
from trimcap.data.sets.seed import iter_seed, read_seed
from trimcap.data.sets.seed_iv import iter_seed_iv, read_seed_iv
from trimcap.data.sets.seed_v import iter_seed_v, read_seed_v

__all__ = [
    "CATALOGUE",
    "DataSet",
    "SetReport",
    "data_set",
    "iter_amigos",
    "iter_dasps",
    "iter_deap",
    "iter_dreamer",
    "iter_faced",
    "iter_seed",
    "iter_seed_iv",
    "iter_seed_v",
    "mat_shapes",
    "read_amigos",
    "read_dasps",
    "read_deap",
    "read_dreamer",
    "read_faced",
    "read_faced_features",
    "read_mat",
    "read_pickle",
    "read_seed",
    "read_seed_features",
    "read_seed_iv",
    "read_seed_iv_features",
    "read_seed_v",
    "read_seed_v_features",
    "recognise",
]
