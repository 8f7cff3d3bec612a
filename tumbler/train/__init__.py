"""Training: batches, loader, loss, optimizers, the loop as a generator of reports, states on disk."""

from tumbler.train.batch import IGNORE, Batch
from tumbler.train.checkpoint import resume, save_state
from tumbler.train.loader import Documents, Loader, PackedLoader, pack
from tumbler.train.loop import Report, TrainPlan, train
from tumbler.train.objective import Objective, evaluate
from tumbler.train.optimizers import LearningRates, make_optimizers
from tumbler.train.state import TrainState

__all__ = [
    "IGNORE",
    "Batch",
    "Documents",
    "LearningRates",
    "Loader",
    "Objective",
    "PackedLoader",
    "Report",
    "TrainPlan",
    "TrainState",
    "evaluate",
    "make_optimizers",
    "pack",
    "resume",
    "save_state",
    "train",
]
