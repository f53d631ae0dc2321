"""Codes of a table's columns, and the probabilities of integers."""

from tfflows.backend.codes.columns import CodeColumns, are_valid, one_hot
from tfflows.backend.codes.rounded import chosen, log_bins, log_far_bins

__all__ = [
    "CodeColumns",
    "are_valid",
    "chosen",
    "log_bins",
    "log_far_bins",
    "one_hot",
]
