"""Draws for many contexts at once: `[contexts, draws, *event]`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.backend import random
from tfflows.models.calls.arguments import SEEDS, Argument
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.calls.sampling import checked_number, temperature_rows

_EMBEDDED = Argument(lambda model: model.conditioning.embedded_shape)


def has_axis_of_draws(context: Any, shape: tuple[int | None, ...] | None) -> bool:
    """Returns whether a context has axes `[..., draws or 1]` in front of its own.

    Args:
      context: What a caller of `sample` gives.
      shape: Shape of one context; None: the model takes none.
    """
    if context is None or shape is None:
        return False
    try:
        rank = tf.convert_to_tensor(context).shape.rank
    except (TypeError, ValueError):  # `sample` says what is wrong
        return False
    return rank is not None and rank >= len(shape) + 2


def draws_of_each(
    model: Any, num_samples: Any, seed: Any, temperature: Any, context: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws of each of many contexts, each embedded once.

    Args:
      model: A conditional flow.
      num_samples: N.
      seed: As in `sample`. Draw j of context i depends on the seed, i and j alone.
      temperature: One, or one for each draw `[N]`.
      context: `[..., 1, *context_shape]` or `[..., N, *context_shape]`.

    Returns:
      x `[..., N, *event]` in raw data units, and log p(x | context) `[..., N]`.

    Raises:
      ValueError: For a context of another shape.
    """
    number = checked_number(num_samples)
    context = tf.convert_to_tensor(context)
    axes = context.shape.rank - len(model.context_shape)
    leading = tf.concat([tf.shape(context)[: axes - 1], [number]], axis=0)
    embedded = model._embedded(context, tf.zeros(leading), 0)
    own = tf.shape(embedded)[axes:]
    rows = tf.reshape(embedded, tf.concat([[tf.reduce_prod(leading)], own], axis=0))
    rows = tf.ensure_shape(rows, (None, *model.conditioning.embedded_shape))
    contexts = tf.reduce_prod(leading[:-1])
    temperatures = temperature_rows(temperature, number, model.flow_dtype)
    x, log_prob = _drawn_rows(
        model,
        _seeds(random.as_seed(seed), contexts, number),
        tf.tile(temperatures, [contexts]),
        rows,
    )
    shape = tf.concat([leading, model.event_shape], axis=0)
    return tf.reshape(x, shape), tf.reshape(log_prob, leading)


def _seeds(seed: tf.Tensor, contexts: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """A seed for each draw of each context, `[contexts * number, 2]`."""
    each = random.fold_in(seed, tf.range(contexts))
    draws = tf.tile(tf.range(number), [contexts])
    return random.fold_in(tf.repeat(each, number, axis=0), draws)


@compiled_call(seeds=SEEDS, temperature=Argument(), c=_EMBEDDED)
def _drawn_rows(
    model: Any, seeds: tf.Tensor, temperature: tf.Tensor, c: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """One draw for each row of seeds, temperatures and embedded contexts."""
    y, log_prob = model._drawn(seeds, temperature, c)
    return model._raw.drawn(y), log_prob
