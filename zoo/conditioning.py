"""What the data of an experiment make of its model: one given labels or columns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tfflows.zoo import families
from tfflows.zoo.errors import ConfigError

if TYPE_CHECKING:
    from tfflows.zoo.config import DataConfig, ModelConfig

_EMBEDDING = 16  # size of the vector of a class


def context_arguments(model: ModelConfig, data: DataConfig) -> dict[str, Any]:
    """The context of a model, as its family's builder takes it.

    Class labels are embedded, and columns of numbers standardised, from the batch that
    initialises the model.

    Args:
      model: The model's configuration.
      data: Its data's, with the names of the classes or columns that condition it.

    Returns:
      Keywords; none if the family's own arguments say what the context is.

    Raises:
      ConfigError: The family takes no context.
    """
    own = ("num_classes", "context_dim")
    told = any(model.arguments.get(name) is not None for name in own)
    known = data.context_columns is not None or data.label_names is not None
    if not data.label_as_context or told or not known:
        return {}
    taken = inspect.signature(families.find_builder(model.family)).parameters
    if "context_shape" not in taken:
        raise ConfigError(
            f"expected a family that takes a context with data.label_as_context, got "
            f"{model.family}; without it, labels still serve tfflows-evaluate and "
            "tfflows-explore"
        )
    import keras

    if data.context_columns is not None:
        from tfflows.bijectors import Standardize

        size = len(data.context_columns)
        network: Any = Standardize(name="standardized_context")
        return {"context_shape": (size,), "context_network": network}
    network = keras.layers.Embedding(len(data.label_names or ()), _EMBEDDING)
    return {"context_shape": (), "context_network": network}
