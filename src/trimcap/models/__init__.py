"""Networks as plain `nn.Module`s, one per file; any other `nn.Module` is as good."""

from trimcap.models.build import MODELS, build, sizes
from trimcap.models.ccnn import CCNN
from trimcap.models.constraints import MaxNorm
from trimcap.models.eegnet import EEGNet
from trimcap.models.grid_cnn import GridCNN
from trimcap.models.scaled import Scaled

__all__ = ["CCNN", "MODELS", "EEGNet", "GridCNN", "MaxNorm", "Scaled", "build", "sizes"]
