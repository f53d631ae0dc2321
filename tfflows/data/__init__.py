"""Data sets as `tf.data` pipelines: built-in, from TFDS, or the user's own files."""

from tfflows.data import potentials, simulators, toy
from tfflows.data.registry import list_datasets, load
from tfflows.data.source import DataSource

__all__ = ["DataSource", "list_datasets", "load", "potentials", "simulators", "toy"]
