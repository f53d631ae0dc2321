"""Weight decay of matrices alone."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from tfflows.backend.weight_kinds import is_matrix


def decay_matrices_only(
    optimizer: keras.optimizers.Optimizer, weights: Iterable[keras.Variable]
) -> None:
    """Excludes from an optimizer's decay what is neither a matrix nor a kernel.

    A decaying log-scale would pull the density towards the unit scale. Of the stacked
    weights of a `Repeated`, what each step's weight is counts.

    Args:
      optimizer: Not built; without `weight_decay` it stays as it is.
      weights: What it will train.
    """
    spared = [weight for weight in weights if not is_matrix(weight)]
    if optimizer.weight_decay and spared:
        optimizer.exclude_from_weight_decay(var_list=spared)
