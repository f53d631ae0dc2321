"""Parts of a training run that Keras does not bring: checkpoints and schedules."""

from tfflows.training.callbacks import CheckpointCallback
from tfflows.training.sample_grid import SampleGridCallback
from tfflows.training.schedules import learning_rate_schedule

__all__ = ["CheckpointCallback", "SampleGridCallback", "learning_rate_schedule"]
