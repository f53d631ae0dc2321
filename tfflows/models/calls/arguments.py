"""The arguments of compiled methods: how they become tensors, and rows of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfflows.backend import random
from tfflows.bijectors.shapes import as_float
from tfflows.models.calls.sampling import checked_number

_Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Argument:
    """How an argument of a compiled method becomes a tensor.

    Args:
      own_shape: Maps the model to the shape of one example's part; None: the model does
        not take the argument.
      convert: Maps the model and the caller's value to a tensor.
      role: "rows": one row for each example, or one for all; "all", "seed": one for
        all; "number": the number of rows; "start": the number of the first row;
        "sizes": sizes of leading axes, whose number is known. A seed of None is drawn
        before the call.
    """

    own_shape: Callable[[Any], _Shape | None] = lambda model: ()
    convert: Callable[[Any, Any], tf.Tensor] = lambda _, value: _as_tensor(value)
    role: str = "rows"

    def kind(self, model: Any, tensor: tf.Tensor) -> tuple[Any, ...] | None:
        """Returns dtype and sizes (None for leading axes); None for a wrong shape."""
        own, sizes = self.own_shape(model), tensor.shape.as_list()
        if self.role == "sizes":
            return (tensor.dtype, *sizes)
        if own is None or len(sizes) < len(own):
            return None
        leading = len(sizes) - len(own)
        for size, wanted in zip(sizes[leading:], own, strict=True):
            if wanted is not None and size != wanted:
                return None
        return (tensor.dtype, *[None] * leading, *own)

    def _has_rows(self, model: Any, tensor: tf.Tensor) -> bool:
        own = self.own_shape(model) or ()
        return self.role == "rows" and tensor.shape.rank > len(own)

    def slice(self, model: Any, tensor: tf.Tensor, first: int, last: int) -> tf.Tensor:
        """Returns the argument for a call with some of the rows."""
        if self.role == "number":
            return tf.constant(last - first, tensor.dtype)
        if self.role == "start":
            return tensor + first
        # With several leading axes, one row may stand for all.
        each = self._has_rows(model, tensor) and tensor.shape[0] != 1
        return tensor[first:last] if each else tensor

    def rows(self, model: Any, tensor: tf.Tensor) -> int | None:
        """Returns the number of rows, or None if the argument does not tell it."""
        if self.role == "number":
            return int(tensor)
        return tensor.shape[0] if self._has_rows(model, tensor) else None


def _as_tensor(value: Any) -> tf.Tensor:
    return tf.convert_to_tensor(value)


def temperature_in(dtype: Callable[[Any], tf.DType]) -> Argument:
    """Returns the argument for one temperature or one per row, in a model's dtype."""
    return Argument(
        convert=lambda model, value: as_float(value, dtype(model), "temperature")
    )


DATA = Argument(lambda model: model.event_shape)
CONTEXT = Argument(lambda model: model.context_shape)
LATENTS = Argument(lambda model: (model.latent_dim,))
SEEDS = Argument(lambda _: (2,))
SEED = Argument(lambda _: (2,), lambda _, seed: random.as_seed(seed), "seed")
NUMBER = Argument(convert=lambda _, number: checked_number(number), role="number")
START = Argument(role="start")
ONE = Argument(role="all")
