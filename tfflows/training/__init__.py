"""Callbacks and helpers for training that Keras does not provide."""

from tfflows.system.termination import Termination
from tfflows.training.checkpoint_callback import CheckpointCallback
from tfflows.training.diverged import StopWhereDiverged
from tfflows.training.held_out import fit_until_settled
from tfflows.training.not_finite import NotFiniteGuard, naming_not_finite
from tfflows.training.progress import ProgressLines
from tfflows.training.resuming import skip_batches
from tfflows.training.sample_grid import SampleGridCallback
from tfflows.training.schedules import learning_rate_schedule
from tfflows.training.strategies import (
    STRATEGIES,
    is_chief,
    is_multi_worker,
    make_strategy,
    require_same_on_all_workers,
    set_cpu_devices,
)

__all__ = [
    "STRATEGIES",
    "CheckpointCallback",
    "NotFiniteGuard",
    "ProgressLines",
    "SampleGridCallback",
    "StopWhereDiverged",
    "Termination",
    "fit_until_settled",
    "is_chief",
    "is_multi_worker",
    "learning_rate_schedule",
    "make_strategy",
    "naming_not_finite",
    "require_same_on_all_workers",
    "set_cpu_devices",
    "skip_batches",
]
