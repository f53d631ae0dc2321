"""Builds a flow from its parts and checks that they fit."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.bijectors import Bounded, Chain, Flatten, FlowStep, RecomputedChain
from tfflows.bijectors.composite import as_step
from tfflows.distributions import Base, StandardNormal
from tfflows.preprocessing import Dequantization

_SUPPORTS = {"positive": (0.0, None), "unit": (0.0, 1.0)}


def split_preprocessing(
    preprocessing: Any, event_shape: tuple[int, ...], dtype: tf.DType
) -> tuple[Dequantization | None, list[FlowStep]]:
    """Returns the built dequantization or None, and the steps of `preprocessing`.

    Args:
      preprocessing: None, a part, or a list of parts.
      event_shape: Shape of one raw event.
      dtype: The bijector's dtype.

    Raises:
      ValueError: If a Dequantization is not the first part, or has another dtype.
    """
    parts = [] if preprocessing is None else preprocessing
    parts = list(parts) if isinstance(parts, list | tuple) else [parts]
    dequantization = None
    if parts and isinstance(parts[0], Dequantization):
        dequantization = parts.pop(0)
        if not dequantization.built:
            dequantization.build((None, *event_shape))
        if dequantization.flow_dtype != dtype:
            raise ValueError(
                f"{dequantization.name}: expected dtype {dtype.name}, the bijector's, "
                f"got {dequantization.flow_dtype.name}; give dtype= to each part"
            )
    if any(isinstance(part, Dequantization) for part in parts):
        raise ValueError("expected a Dequantization as the first preprocessing only")
    return dequantization, [as_step(part) for part in parts]


def support_steps(
    support: Any, event_shape: tuple[int, ...], integers: bool, dtype: Any
) -> tuple[Any, list[FlowStep]]:
    """A flow's `support` as its config has it, and the step that keeps data inside.

    Args:
      support: None, "positive", "unit" or (low, high).
      event_shape: Shape of one event.
      integers: Whether the data are integers.
      dtype: Keras dtype policy of the step.

    Raises:
      ValueError: For anything else, and for a support of integers.
    """
    if support is None:
        return None, []
    if integers:
        raise ValueError(
            "expected support for continuous data only, got it with a Dequantization: "
            "integers have their levels"
        )
    bounds = _SUPPORTS.get(support) if isinstance(support, str) else support
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise ValueError(
            "expected support None, 'positive', 'unit' or (low, high), each a number, "
            f"None for no bound, or an array of these, got {support!r}"
        )
    step = Bounded(*bounds, event_ndims=len(event_shape), dtype=dtype)
    word = support if isinstance(support, str) else (step.low, step.high)
    return word, [step]


def assemble_transform(
    steps: list[FlowStep],
    event_shape: tuple[int, ...],
    base: Any,
    dtype: Any,
    backprop: str = "stored",
) -> Chain:
    """Returns the built chain between (dequantized) data and the base's events.

    It flattens latents to a vector, unless the base has events of their shape.

    Args:
      steps: Data side first.
      event_shape: Shape of one raw event.
      base: None, a `tfd.Distribution` or a `Base`.
      dtype: Keras dtype policy of the chain.
      backprop: "stored", "remat" or "reversible", see `RecomputedChain`.

    Raises:
      ValueError: If backprop is unknown or the steps do not fit each other.
    """

    def built_chain(steps: list[FlowStep]) -> Chain:
        ndims = len(event_shape)
        if backprop == "stored":
            chain = Chain(steps, event_ndims=ndims, dtype=dtype)
        else:
            chain = RecomputedChain(
                steps, backprop=backprop, event_ndims=ndims, dtype=dtype
            )
        chain.build((None, *event_shape))
        return chain

    chain = built_chain(steps)
    latent = chain.latent_event_shape
    if len(latent) == 1 or (base is not None and tuple(base.event_shape) == latent):
        return chain
    return built_chain([*steps, Flatten(dtype=dtype)])


def make_base(base: Any, transform: Chain) -> Base:
    """Returns the base of a flow: the given one, or a standard normal.

    Raises:
      ValueError: If its events or dtype differ from the transform's latents.
    """
    latent, dtype = transform.latent_event_shape, transform.flow_dtype
    if base is None:
        base = StandardNormal(latent, dtype=dtype)
    base = base if isinstance(base, Base) else Base(base)
    if base.event_shape != latent:
        raise ValueError(
            f"expected a base with event shape {latent}, got {base.event_shape}"
        )
    if base.distribution.dtype != dtype:
        raise ValueError(
            f"expected a base of dtype {tf.as_dtype(dtype).name}, the bijector's, got "
            f"{base.distribution.dtype.name}"
        )
    return base
