"""Every classification network of braindecode, torcheeg and trimcap that can be built, at a size that tests can pay.

`NETWORKS` maps a name to a function that returns (model, shape of one window). Foundation models are built with two of
their many equal blocks and narrow, which changes nothing about what has to be understood.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from stubs import framework

Made = tuple[nn.Module, tuple[int, ...]]

#: not networks that sort windows into classes, or not to be had without a download, and why
LEFT_OUT = {
    "braindecode REVE": "its electrode positions come from the network",
    "torcheeg ATCNet": "can't be built: gives BatchNorm2d a bias in the place of its eps, which torch 2.13 refuses",
    "torcheeg MTCNN": "two outputs; doesn't run on the window that its documentation names",
    "torcheeg GIN": "takes a graph of torch_geometric",
    "torcheeg RGNN": "takes a graph of torch_geometric",
    "torcheeg EEGfuseNet": "an autoencoder with two outputs",
    "torcheeg BCGenerator and its kind": "generators, discriminators and flows, not classifiers",
}
NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2 FC1 FC2 CP1".split()  # noqa: SIM905
BENDR = "FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 T5 P3 PZ P4 T6 O1 O2 SCALE".split()  # noqa: SIM905


def _info(names: list[str], sfreq: float) -> Any:
    import mne

    info = mne.create_info(names, sfreq, "eeg")
    info.set_montage(mne.channels.make_standard_montage("standard_1020"), match_case=False, on_missing="ignore")
    return info["chs"]


def _braindecode(
    name: str,
    *,
    chans: int = 22,
    times: int = 1000,
    sfreq: float = 250.0,
    names: list[str] | None = None,
    **options: Any,
) -> Made:
    framework("braindecode", "models")
    cls = getattr(importlib.import_module("braindecode.models"), name)
    if names is not None or chans == len(NAMES):
        options["chs_info"] = _info(names or NAMES, sfreq)
    return cls(n_chans=chans, n_outputs=4, n_times=times, sfreq=sfreq, **options), (chans, times)


def _torcheeg(name: str, shape: tuple[int, ...], **options: Any) -> Made:
    framework("torcheeg", "models")
    return getattr(importlib.import_module("torcheeg.models"), name)(**options), shape


class _Named(nn.Module):
    """A model whose forward wants the names of the electrodes too."""

    def __init__(self, model: nn.Module, electrodes: list[str]) -> None:
        super().__init__()
        self.model, self.electrodes = model, electrodes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x, electrodes=self.electrodes)


def _labram() -> Made:
    model, _ = _torcheeg("LaBraM", (), depth=2, num_classes=4)
    return _Named(model, ["FP1", "FPZ", "FP2", "AF9", "AF7", "AF5"]), (6, 8, 200)


def _trimcap(name: str, shape: tuple[int, ...], *, classes: int = 3, **options: Any) -> Made:
    from trimcap.models.build import MODELS

    return MODELS[name](*shape, classes, **options), options.pop("window", shape)


#: options that a model needs, or that make it small
BRAINDECODE: dict[str, dict[str, Any]] = {
    "ATCNet": {},
    "AttentionBaseNet": {},
    "AttnSleep": {"chans": 1, "times": 3000, "sfreq": 100.0},
    "BDTCN": {},
    "BENDR": {"chans": 20, "names": BENDR, "transformer_layers": 2, "encoder_h": 64, "contextualizer_hidden": 96},
    "BIOT": {"embed_dim": 64, "num_layers": 2},
    "BrainModule": {"times": 400},
    "CBraMod": {"n_layer": 2, "dim_feedforward": 100},
    "CTNet": {},
    "CodeBrain": {"num_res_layers": 2, "codebook_size_t": 16, "codebook_size_f": 16},
    "ContraWR": {},
    "DANCE": {
        "times": 500, "n_queries": 8, "n_virtual_channels": 20, "fourier_emb_dim": 128,
        "embed_dim": 32, "conv_hidden": 48, "conv_depth": 3, "conv_initial_linear": 32, "num_latents": 8,
        "perceiver_depth": 2, "decoder_dim": 32, "decoder_depth": 2,
    },
    "DGCNN": {},
    "Deep4Net": {},
    "DeepSleepNet": {"chans": 1, "times": 3000, "sfreq": 100.0, "bilstm_hidden_size": 48, "small_n_filters_1": 16,
                     "small_n_filters_2": 24, "large_n_filters_1": 16, "large_n_filters_2": 24},
    "EEGConformer": {},
    "EEGDINO": {"chans": 19, "n_layer": 2, "dim_feedforward": 100},
    "EEGITNet": {},
    "EEGInceptionERP": {},
    "EEGInceptionMI": {"n_filters": 12},
    "EEGMiner": {},
    "EEGNeX": {},
    "EEGNet": {},
    "EEGPT": {"embed_dim": 64, "depth": 2, "times": 512, "sfreq": 256.0},
    "EEGSimpleConv": {},
    "EEGSym": {},
    "EEGTCNet": {},
    "EMG2QwertyNet": {"chans": 32, "times": 4000, "sfreq": 2000.0},
    "FBCNet": {},
    "FBLightConvNet": {},
    "FBMSNet": {},
    "IFNet": {},
    "LUNA": {"depth": 2},
    "Labram": {"chans": 128, "num_layers": 2, "times": 400, "sfreq": 200.0},
    "MEDFormer": {"num_layers": 2, "embed_dim": 32, "dim_feedforward": 48, "times": 500},
    "MSVTNet": {},
    "MVPFormer": {"n_layers": 2, "d_model": 64, "d_inner": 96, "times": 2560, "sfreq": 512.0},
    "MetaNeuromotorHand": {"chans": 16, "times": 4000, "sfreq": 2000.0, "conformer_num_layers": 2,
                           "conformer_stride": (1, 2), "conformer_attn_window_size": (16, 8)},
    "NeuroPose": {"chans": 16},
    "PBT": {},
    "SCCNet": {},
    "SPARCNet": {},
    "SSTDPN": {},
    "STEEGFormer": {"embed_dim": 64, "depth": 2},
    "SensingDynamics": {"chans": 16, "times": 2000, "sfreq": 2000.0, "temporal_channels": 32, "mlp_hidden": 48},
    "ShallowFBCSPNet": {},
    "SignalJEPA": {},
    "SignalJEPA_Contextual": {},
    "SignalJEPA_PostLocal": {},
    "SignalJEPA_PreLocal": {},
    "SincShallowNet": {},
    "SleepStagerBlanco2020": {"chans": 2, "times": 3000, "sfreq": 100.0},
    "SleepStagerChambon2018": {"chans": 2, "times": 3000, "sfreq": 100.0},
    "SyncNet": {},
    "TCFormer": {},
    "TIDNet": {},
    "TSception": {},
    "USleep": {"chans": 2, "times": 3000, "sfreq": 128.0, "depth": 6},
    "VEMG2Pose": {"chans": 16, "times": 2200, "sfreq": 2000.0, "encoder_channels": 32, "hidden_size": 24,
                  "decoder_hidden_sizes": (24, 24)},
    "ZUNA": {"dim": 64, "n_layers": 2, "n_heads": 2, "head_dim": 16, "times": 256, "sfreq": 256.0},
}  # fmt: skip
REGIONS = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
TORCHEEG: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "ArjunViT": ((32, 128), {}),
    "CCNN": ((4, 9, 9), {}),
    "CSPNet": ((1, 22, 1750), {}),
    "Conformer": ((1, 62, 200), {"depth": 2, "cls_channels": 32}),
    "DGCNN": ((62, 5), {}),
    "DeepSleepNet": ((1, 3000, 1), {}),
    "EEGNet": ((1, 60, 151), {}),
    "FBCCNN": ((4, 9, 9), {}),
    "FBCNet": ((9, 20, 1000), {}),
    "FBMSNet": ((9, 22, 512), {"in_channels": 9, "num_electrodes": 22, "chunk_size": 512}),
    "GRU": ((32, 128), {}),
    "LGGNet": ((1, 12, 128), {"region_list": REGIONS, "num_electrodes": 12}),
    "LMDA": ((1, 22, 1750), {}),
    "LSTM": ((32, 128), {}),
    "SSTEmotionNet": ((30, 16, 16), {"grid_size": (16, 16)}),
    "STNet": ((128, 9, 9), {}),
    "SimpleViT": ((128, 9, 9), {}),
    "TCNet": ((22, 1000), {}),
    "TSCeption": ((1, 28, 512), {}),
    "TSLANet": ((1, 3000), {}),
    "TinySleepNet": ((1, 3000, 1), {}),
    "USleep": ((1, 3000), {}),
    "VanillaTransformer": ((32, 128), {}),
    "ViT": ((128, 9, 9), {}),
}
TRIMCAP: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "ccnn": ((4, 9, 9), {}),
    "conformer": ((22, 500), {"depth": 2}),
    "deep": ((22, 600), {}),
    "eegnet": ((22, 256), {}),
    "eegnet3d": ((4, 9, 9), {}),
    "fbccnn": ((4, 9, 9), {}),
    "frame_cnn": ((4, 9, 9), {}),
    "grid_cnn": ((4, 9, 9), {}),
    "recurrent": ((22, 256), {"cell": "lstm", "layers": 2}),
    "resnet": ((3, 32, 32), {}),
    "shallow": ((22, 500), {}),
    "tsception": ((22, 512), {}),
    "vgg16": ((3, 32, 32), {}),
}
NETWORKS: dict[str, Callable[[], Made]] = {
    **{f"trimcap {n}": partial(_trimcap, n, shape, **o) for n, (shape, o) in TRIMCAP.items()},
    **{f"braindecode {n}": partial(_braindecode, n, **options) for n, options in BRAINDECODE.items()},
    **{f"torcheeg {n}": partial(_torcheeg, n, shape, **options) for n, (shape, options) in TORCHEEG.items()},
    "torcheeg LaBraM": _labram,
}
#: one of each kind, for the quick tests: depth multiplier, attention, recurrent, residual, dense, transformer
QUICK = (
    "trimcap recurrent", "braindecode EEGNet", "braindecode ShallowFBCSPNet", "braindecode CTNet",
    "braindecode TCFormer", "torcheeg ViT",
)  # fmt: skip
#: half of all the time, in twelve networks
LONG = (
    "braindecode ATCNet", "braindecode CodeBrain", "braindecode EEGSym", "braindecode EMG2QwertyNet",
    "braindecode MVPFormer", "braindecode MetaNeuromotorHand", "braindecode SignalJEPA",
    "braindecode SignalJEPA_Contextual", "braindecode TIDNet", "torcheeg GRU", "torcheeg LMDA", "torcheeg LSTM",
)  # fmt: skip


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The model with weights of which none is 0 or 1 by chance, in evaluation mode, and two windows."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with torch.no_grad():  # a tensor computed from weights can't be copied with its gradient
            model, shape = NETWORKS[name]()
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.data += 0.02 * torch.randn_like(parameter)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                module.running_mean.normal_(0, 0.3)
                if module.bias is not None:  # no layer whose units are all off
                    module.bias.data.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 2)
        return model.eval(), torch.randn(2, *shape)
