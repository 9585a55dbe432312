"""Training and what a trained network says: `fit`, its losses and masks, `predict`, `evaluate`, and equal budgets."""

from trimcap.train.allocator import tune_allocator
from trimcap.train.budget import Spent, equal_epochs, equal_flops
from trimcap.train.epoch import Hook
from trimcap.train.fit import Fitted, fit
from trimcap.train.fresh import fresh
from trimcap.train.losses.attention_transfer import attention_transfer
from trimcap.train.losses.losses import Loss, cross_entropy, distillation
from trimcap.train.losses.slimming import slimming
from trimcap.train.losses.table import LOSSES, TEACHERS, Teacher
from trimcap.train.masks import Masks
from trimcap.train.metrics import Metrics, evaluate, per_subject, per_trial
from trimcap.train.optimizers import OPTIMIZERS, SCHEDULES
from trimcap.train.predict import Predictor, predict, probabilities, softmax
from trimcap.train.re_estimate import re_estimate_batch_norm

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "TEACHERS",
    "Fitted",
    "Hook",
    "Loss",
    "Masks",
    "Metrics",
    "Predictor",
    "Spent",
    "Teacher",
    "attention_transfer",
    "cross_entropy",
    "distillation",
    "equal_epochs",
    "equal_flops",
    "evaluate",
    "fit",
    "fresh",
    "per_subject",
    "per_trial",
    "predict",
    "probabilities",
    "re_estimate_batch_norm",
    "slimming",
    "softmax",
    "tune_allocator",
]
