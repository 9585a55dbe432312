"""Networks as plain `nn.Module`s, one per file; any other `nn.Module` is as good.

Parameters that several networks have are said here; a class says what is its own.

Parameters
----------
n_channels, n_times : electrodes and samples of a raw window
n_bands, rows, columns : feature maps and size of a grid
n_classes : outputs
kernel : samples of a temporal filter
widths : channels of the convolutions
hidden : units of the dense layers before the last
dropout : probability, per element
"""

from trimcap.models.build import MODELS, build, sizes
from trimcap.models.ccnn import CCNN
from trimcap.models.conformer import EEGConformer
from trimcap.models.constraints import MaxNorm
from trimcap.models.deep import DeepConvNet
from trimcap.models.eegnet import EEGNet
from trimcap.models.eegnet3d import EEGNet3D
from trimcap.models.fbccnn import FBCCNN
from trimcap.models.frame_cnn import FrameCNN, SqueezeExcite
from trimcap.models.grid_cnn import GridCNN
from trimcap.models.recurrent import RecurrentNet
from trimcap.models.resnet import ResNet
from trimcap.models.scaled import Scaled
from trimcap.models.shallow import ShallowConvNet
from trimcap.models.tsception import TSCeption
from trimcap.models.vgg import VGG16

__all__ = [
    "CCNN",
    "FBCCNN",
    "MODELS",
    "VGG16",
    "DeepConvNet",
    "EEGConformer",
    "EEGNet",
    "EEGNet3D",
    "FrameCNN",
    "GridCNN",
    "MaxNorm",
    "RecurrentNet",
    "ResNet",
    "Scaled",
    "ShallowConvNet",
    "SqueezeExcite",
    "TSCeption",
    "build",
    "sizes",
]
