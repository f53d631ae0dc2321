"""The context arguments that all builders of flows share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from tfflows.backend.arguments import check_count
from tfflows.bijectors.shapes import at_least_single
from tfflows.models.contexts.conditioning import Conditioning


class BuilderContext(NamedTuple):
    """The context of a flow, for its builder.

    Attributes:
      dim: Size of the context that conditioners receive: a vector's size or an image's
        channels. None: the flow is not conditional.
      shape: Shape of that context, or None.
      arguments: Context arguments of `Flow`.
    """

    dim: int | None
    shape: tuple[int | None, ...] | None
    arguments: dict[str, Any]


def builder_context(
    context_shape: int | Sequence[int | None] | None,
    context_dtype: Any,
    context_network: Any,
    *,
    context_dim: int | None = None,
    context: Mapping[str, Any] | None = None,
    images: bool = False,
) -> BuilderContext:
    """Checks the context arguments of a builder.

    Args:
      context_shape: See `Flow`.
      context_dtype: See `Flow`.
      context_network: See `Flow`.
      context_dim: Short for the context_shape of vectors of that size. With a
        context_shape, the size of the embedded context.
      context: The first three arguments as a dict.
      images: Whether the conditioners take images, too.

    Raises:
      ValueError: If conditioners cannot take the context or its embedding.
    """
    arguments = {
        "context_shape": context_shape,
        "context_dtype": context_dtype,
        "context_network": context_network,
    }
    if context is not None:
        if not set(context) <= set(arguments) or any(
            value is not None for value in arguments.values()
        ):
            raise ValueError(
                "expected context as a dict of context_shape, context_dtype and "
                f"context_network, or these themselves, got {context}"
            )
        arguments |= context
    if context_dim is not None:
        check_count("context_dim", context_dim)
        if all(value is None for value in arguments.values()):
            arguments["context_shape"] = context_dim
    flow_dtype = at_least_single(keras.config.dtype_policy().variable_dtype)
    shape = Conditioning(**arguments, flow_dtype=flow_dtype).embedded_shape
    if shape is None:
        return BuilderContext(None, None, arguments)
    sizes = (1, 3) if images else (1,)
    if len(shape) not in sizes or shape[-1] is None:
        kinds = "vectors or images" if images else "vectors"
        raise ValueError(
            f"expected contexts that are {kinds}, or that a context_network embeds as "
            f"such, got shape {shape}; for class labels give context_shape=() and "
            "context_network=keras.layers.Embedding(num_classes, 16), for sets one "
            "that pools them"
        )
    if context_dim is not None and shape[-1] != context_dim:
        raise ValueError(
            f"expected a context of size context_dim={context_dim}, got one of shape "
            f"{shape}; leave out context_dim where there is a context_shape"
        )
    return BuilderContext(int(shape[-1]), shape, arguments)
