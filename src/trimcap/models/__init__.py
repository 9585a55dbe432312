"""Networks as plain `nn.Module`s, one per file; any other `nn.Module` is as good."""

from trimcap.models.build import MODELS, build, sizes
from trimcap.models.ccnn import CCNN
from trimcap.models.conformer import EEGConformer
from trimcap.models.constraints import MaxNorm
from trimcap.models.deep import DeepConvNet
from trimcap.models.eegnet import EEGNet
from trimcap.models.eegnet3d import EEGNet3D
from trimcap.models.fbccnn import FBCCNN
from trimcap.models.frame_cnn import FrameCNN
from trimcap.models.grid_cnn import GridCNN
from trimcap.models.recurrent import RecurrentNet
from trimcap.models.resnet import ResNet
from trimcap.models.scaled import Scaled
from trimcap.models.shallow import ShallowConvNet
from trimcap.models.squeeze_excite import SqueezeExcite
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
