"""Weight decay for matrices only."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from tfflows.backend.weight_kinds import is_matrix


def decay_matrices_only(
    optimizer: keras.optimizers.Optimizer, weights: Iterable[keras.Variable]
) -> None:
    """Excludes weights that are neither matrices nor kernels from an optimizer's decay.

    Decay of a log-scale would pull the density towards unit scale. A stacked weight of
    a `Repeated` counts as its steps' weights do.

    Args:
      optimizer: An optimizer that is not built yet. Without `weight_decay` it does not
        change.
      weights: The weights that it will train.
    """
    spared = [weight for weight in weights if not is_matrix(weight)]
    if optimizer.weight_decay and spared:
        optimizer.exclude_from_weight_decay(var_list=spared)
