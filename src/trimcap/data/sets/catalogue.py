"""Facts about every data set that has a reader of its own."""

from __future__ import annotations

from dataclasses import dataclass

from trimcap._errors import unknown
from trimcap.data.sets import layouts
from trimcap.data.sets.eegmat import CHANNELS as EEGMAT


@dataclass(frozen=True)
class DataSet:
    """A published data set.

    Parameters
    ----------
    name : what the command line and the readers call it
    title : what it is
    licence : what may be done with it
    size : of the part that is read, about
    access : how to get it
    homepage : where
    subjects, sessions, trials : how many subjects, sessions of each and trials of each session
    rate : of the files, Hz
    channels : electrodes, in the order of the files
    labels : what can be predicted
    citation : to be cited with every use
    reader : the function that reads it
    download : whether the reader fetches it itself
    """

    name: str
    title: str
    licence: str
    size: str
    access: str
    homepage: str
    subjects: int
    sessions: int
    trials: int
    rate: float
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    citation: str
    reader: str
    download: bool = False


_BCMI = "Apply on the homepage; a person with a permanent position signs the licence, the answer comes by e-mail"
_BCMI_LICENCE = "Academic use only, by signed agreement; no redistribution"

CATALOGUE = (
    DataSet(
        name="eegmat",
        title="EEG during mental arithmetic: rest against serial subtraction (workload, not emotion)",
        licence="Open Data Commons Attribution 1.0 (ODC-By 1.0)",
        size="0.2 GB",
        access="Open; fetched by the reader",
        homepage="https://physionet.org/content/eegmat/1.0.0/",
        subjects=36, sessions=1, trials=2, rate=500.0, channels=EEGMAT, labels=("rest / arithmetic",),
        citation="Zyma et al., Data 2019;4(1):14, doi:10.3390/data4010014",
        reader="read_eegmat", download=True,
    ),
    DataSet(
        name="deap",
        title="Music videos with ratings of valence, arousal, dominance and liking",
        licence="Academic use only, by signed agreement; no redistribution",
        size="3.3 GB (preprocessed, Python)",
        access="Sign the end user licence agreement and apply on the homepage; take data_preprocessed_python.zip",
        homepage="https://www.eecs.qmul.ac.uk/mmv/datasets/deap/",
        subjects=32, sessions=1, trials=40, rate=128.0, channels=layouts.DEAP,
        labels=("valence", "arousal", "dominance", "liking"),
        citation="Koelstra et al., IEEE Trans. Affective Computing 2012;3(1):18-31, doi:10.1109/T-AFFC.2011.15",
        reader="read_deap",
    ),
    DataSet(
        name="seed",
        title="Film clips: negative, neutral, positive",
        licence=_BCMI_LICENCE,
        size="10 GB (Preprocessed_EEG)",
        access=_BCMI,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/",
        subjects=15, sessions=3, trials=15, rate=200.0, channels=layouts.SEED, labels=("emotion (3)",),
        citation="Zheng & Lu, IEEE Trans. Autonomous Mental Development 2015;7(3):162-175, "
        "doi:10.1109/TAMD.2015.2431497",
        reader="read_seed",
    ),
    DataSet(
        name="seed-iv",
        title="Film clips: neutral, sad, fear, happy",
        licence=_BCMI_LICENCE,
        size="10 GB (eeg_raw_data)",
        access=_BCMI,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/seed-iv.html",
        subjects=15, sessions=3, trials=24, rate=200.0, channels=layouts.SEED, labels=("emotion (4)",),
        citation="Zheng et al., IEEE Trans. Cybernetics 2019;49(3):1110-1122, doi:10.1109/TCYB.2018.2797176",
        reader="read_seed_iv",
    ),
    DataSet(
        name="seed-v",
        title="Film clips: disgust, fear, sad, neutral, happy",
        licence=_BCMI_LICENCE,
        size="30 GB (EEG_raw)",
        access=_BCMI,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/seed-v.html",
        subjects=16, sessions=3, trials=15, rate=1000.0, channels=layouts.SEED, labels=("emotion (5)",),
        citation="Liu et al., IEEE Trans. Cognitive and Developmental Systems 2022;14(2):715-729, "
        "doi:10.1109/TCDS.2021.3071170",
        reader="read_seed_v",
    ),
    DataSet(
        name="dreamer",
        title="Film clips with ratings of valence, arousal and dominance",
        licence="Academic use only, by agreement; no redistribution",
        size="0.5 GB",
        access="Ask for access on Zenodo with a purpose and an institution",
        homepage="https://zenodo.org/record/546113",
        subjects=23, sessions=1, trials=18, rate=128.0, channels=layouts.EMOTIV,
        labels=("valence", "arousal", "dominance"),
        citation="Katsigiannis & Ramzan, IEEE J. Biomedical and Health Informatics 2018;22(1):98-107, "
        "doi:10.1109/JBHI.2017.2688239",
        reader="read_dreamer",
    ),
    DataSet(
        name="amigos",
        title="Short and long videos, alone and in groups, with self-assessed ratings",
        licence="Academic use only, by signed agreement; no redistribution",
        size="1.5 GB (data_preprocessed)",
        access="Sign the end user licence agreement and apply on the homepage",
        homepage="http://www.eecs.qmul.ac.uk/mmv/datasets/amigos/",
        subjects=40, sessions=1, trials=20, rate=128.0, channels=layouts.EMOTIV,
        labels=("arousal", "valence", "dominance", "liking", "familiarity"),
        citation="Miranda-Correa et al., IEEE Trans. Affective Computing 2021;12(2):479-493, "
        "doi:10.1109/TAFFC.2018.2884461",
        reader="read_amigos",
    ),
    DataSet(
        name="faced",
        title="Film clips: nine emotions, three valences",
        licence="By application to the authors; see the homepage",
        size="6.6 GB (Processed_data)",
        access="Register on Synapse and apply on the homepage; take Processed_data",
        homepage="https://www.synapse.org/#!Synapse:syn50614194",
        subjects=123, sessions=1, trials=28, rate=250.0, channels=layouts.FACED, labels=("valence", "emotion"),
        citation="Chen et al., Scientific Data 2023;10:740, doi:10.1038/s41597-023-02650-w",
        reader="read_faced",
    ),
    DataSet(
        name="dasps",
        title="Anxiety provoked by a psychotherapist, with ratings of valence and arousal",
        licence="As stated on IEEE DataPort (open access); check before redistributing",
        size="0.1 GB",
        access="Register on IEEE DataPort",
        homepage="https://ieee-dataport.org/open-access/dasps-database",
        subjects=23, sessions=1, trials=12, rate=128.0, channels=layouts.EMOTIV, labels=("valence", "arousal"),
        citation="Baghdadi et al., arXiv:1901.02942",
        reader="read_dasps",
    ),
)  # fmt: skip


def data_set(name: str) -> DataSet:
    """The entry of a data set.

    Raises
    ------
    ValueError : unknown name; lists the known.
    """
    known = {entry.name: entry for entry in CATALOGUE}
    if name not in known:
        raise ValueError(unknown("data set", name, known))
    return known[name]
