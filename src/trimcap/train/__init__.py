"""Training and what a trained network says: `fit`, `predict`, `evaluate`."""

from trimcap.train.allocator import tune_allocator
from trimcap.train.epoch import Hook
from trimcap.train.fit import Fitted, fit
from trimcap.train.losses import LOSSES, Loss, cross_entropy, distillation
from trimcap.train.metrics import Metrics, evaluate, per_subject
from trimcap.train.optimizers import OPTIMIZERS, SCHEDULES
from trimcap.train.predict import Predictor, predict, probabilities, softmax

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Fitted",
    "Hook",
    "Loss",
    "Metrics",
    "Predictor",
    "cross_entropy",
    "distillation",
    "evaluate",
    "fit",
    "per_subject",
    "predict",
    "probabilities",
    "softmax",
    "tune_allocator",
]
