"""Recordings become windows, and windows become folds: what a script needs of it.

The rest is in its room: `electrodes` (names, regions, headsets), `preprocess` (steps, chains), `files` (EEG files,
BIDS), `arrays`, `libraries`, `sets` (published sets), `cache`, `splits` (protocols, audit), `split_files`, `copies`,
`baselines`.
"""

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.arrays.read import open_arrays
from trimcap.data.arrays.write import write_arrays
from trimcap.data.cache.make import make_windows
from trimcap.data.electrodes.montage import grid
from trimcap.data.electrodes.regions import region
from trimcap.data.files.labelled import read_files
from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.join import join
from trimcap.data.ledger import Ledger
from trimcap.data.libraries.braindecode_windows import from_braindecode
from trimcap.data.libraries.moabb import from_moabb
from trimcap.data.libraries.objects import from_arrays, from_epochs, from_raw
from trimcap.data.libraries.torcheeg import from_torcheeg
from trimcap.data.libraries.triple import from_triple
from trimcap.data.preprocess.chain import Chain, make_chain
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.recordings.crop import crop
from trimcap.data.preprocess.recordings.filters import bandpass, notch
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import band_power, differential_entropy, to_grid
from trimcap.data.preprocess.windows.scaling import subject_z_score
from trimcap.data.recording import Recording
from trimcap.data.sources import open_source, read_set
from trimcap.data.split_files.file import read_splits, write_splits
from trimcap.data.splits.audit import audit
from trimcap.data.splits.folds import Fold, make_fold
from trimcap.data.splits.nesting import nested
from trimcap.data.splits.protocols.named import split
from trimcap.data.splits.protocols.subjects import k_fold_subjects
from trimcap.data.windows import Windows

__all__ = [
    "Chain",
    "Effect",
    "Fold",
    "Ledger",
    "Recording",
    "Windows",
    "audit",
    "band_power",
    "bandpass",
    "crop",
    "cut",
    "differential_entropy",
    "from_arrays",
    "from_braindecode",
    "from_epochs",
    "from_moabb",
    "from_raw",
    "from_torcheeg",
    "from_triple",
    "grid",
    "join",
    "k_fold_subjects",
    "make_chain",
    "make_fold",
    "make_step",
    "make_synthetic",
    "make_windows",
    "nested",
    "notch",
    "open_arrays",
    "open_source",
    "read_files",
    "read_npz",
    "read_set",
    "read_splits",
    "region",
    "resample",
    "split",
    "subject_z_score",
    "to_grid",
    "write_arrays",
    "write_npz",
    "write_splits",
]
