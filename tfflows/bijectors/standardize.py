"""Standardises data."""

from __future__ import annotations

import keras

from tfflows.bijectors.actnorm import ActNorm


@keras.saving.register_keras_serializable("tfflows")
class Standardize(ActNorm):
    """Data standardised to mean 0 and deviation 1 per feature, not trained.

    It has `ActNorm`'s formulas with fixed weights: shift is the mean and exp(log_scale)
    the deviation of the data given to `initialize`. As a model's preprocessing its
    log-det counts, so log_prob stays in raw data units.

    Args:
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.
    """

    trains_weights = False
