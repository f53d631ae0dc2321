"""A batch for `fit`, `evaluate` and calls, in any of its accepted forms."""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any

import tensorflow as tf

from tfflows.backend.checks import require

_KEYS = ("x", "context", "index", "sample_weight")


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch of data.

    Attributes:
      x: `[B, *event]`.
      context: None or `[B, ...]`.
      index: None or int64 `[B]`, each example's position in its data set, which keys
        the training noise.
      sample_weight: None or floats `[B]`, finite and >= 0.
    """

    x: tf.Tensor
    context: tf.Tensor | None = None
    index: tf.Tensor | None = None
    sample_weight: tf.Tensor | None = None

    @classmethod
    def of(cls, data: Any) -> Batch:
        """Returns a batch from `x`, `(x,)`, `(x, None, sample_weight)` or a dict.

        Args:
          data: A dict has the key "x", and may have "context", "index" and
            "sample_weight".

        Raises:
          ValueError: If the structure or a key is another one, or weights have another
            shape, are below 0 or not finite. In a graph, InvalidArgumentError for the
            values of weights.
        """
        given = parts(data)
        given = {key: _as_tensor(value, key) for key, value in given.items()}
        if "sample_weight" in given:
            weight = _checked_weight(given["sample_weight"], given["x"])
            given["sample_weight"] = weight
        return cls(**given)

    @property
    def inputs(self) -> Any:
        """The argument for a call of the model: x, or a dict if there is more."""
        keys = {"x": self.x, "context": self.context, "index": self.index}
        given = {key: value for key, value in keys.items() if value is not None}
        return self.x if list(given) == ["x"] else given

    def index_or_position(self) -> tf.Tensor:
        """Returns `index`, or else the rows' positions, distinct on each replica."""
        if self.index is not None:
            return self.index
        rows = tf.range(tf.shape(self.x, out_type=tf.int64)[0])
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return rows
        return rows + tf.cast(replica.replica_id_in_sync_group, tf.int64) * 2**32


def parts(data: Any) -> dict[str, Any]:
    """Returns the given ones of "x", "context", "index", "sample_weight", by name.

    Args:
      data: A batch of tensors, arrays or specs in any form, see `Batch.of`.

    Raises:
      ValueError: If the structure or a key is another one.
    """
    weight = None
    if isinstance(data, tuple):
        data, weight = unpack(data)
    given = data if isinstance(data, dict) else {"x": data}
    given = {key: value for key, value in given.items() if not _is_none(value)}
    unknown = sorted(str(key) for key in set(given) - set(_KEYS))
    if unknown or "x" not in given:
        near = {
            key: difflib.get_close_matches(key.lower(), _KEYS, 1) for key in unknown
        }
        hints = [f"{key!r} is perhaps {n[0]!r}" for key, n in near.items() if n]
        raise ValueError(
            "expected a batch x, (x, None, sample_weight) or a dict with the key 'x' "
            f"and any of {_KEYS[1:]}, got the keys {sorted(map(str, given))}"
            + "".join(f"; {hint}" for hint in hints)
        )
    if weight is None:
        return given
    if "sample_weight" in given:
        raise ValueError("expected sample weights once, got them twice")
    return {**given, "sample_weight": weight}


def unpack(data: tuple) -> tuple[Any, Any]:
    """Returns data and weight of the tuples (x,) and (x, None, weight).

    Raises:
      ValueError: For other tuples. In (x, y), y could be weights or labels.
    """
    if len(data) == 3 and _is_none(data[1]):
        return data[0], None if _is_none(data[2]) else data[2]
    if len(data) == 1:
        return data[0], None
    raise ValueError(
        f"expected a batch x, (x, None, sample_weight) or a dict, got a tuple of "
        f"{len(data)}, in which the second could be weights or labels; weights are "
        "given as sample_weight=, {'x': x, 'sample_weight': w} or (x, None, w); labels "
        "as {'x': x, 'context': y}: there are no targets"
    )


def first_batch(data: Any) -> Any:
    """Returns the first batch of a dataset, or the argument if it is no dataset.

    Raises:
      ValueError: If the dataset is empty.
    """
    if not isinstance(data, tf.data.Dataset):
        return data
    for batch in data.take(1):
        return batch
    raise ValueError("expected a dataset of batches, got one without an element")


def start_batch(data: Any, context: Any, event_ndims: int, name: str) -> Batch:
    """Returns the batch for a data-dependent start.

    Args:
      data: A batch in any of its forms, or a dataset of batches.
      context: The context if it is not in the batch, or None.
      event_ndims: Number of axes of an event.
      name: Name of the model.

    Raises:
      ValueError: If there is no batch axis, or there are two contexts.
    """
    batch = Batch.of(first_batch(data))
    if batch.x.shape.rank == event_ndims:
        raise ValueError(
            f"{name}.initialize: expected a batch of data, got one event of shape "
            f"{tuple(batch.x.shape)}; of a dataset, batch it first"
        )
    if context is None:
        return batch
    if batch.context is not None:
        raise ValueError(
            f"{name}.initialize: expected one context, got one in the batch and "
            "context="
        )
    return dataclasses.replace(batch, context=context)


def _is_none(value: Any) -> bool:
    # Keras' own pipelines have an optional there, and a dataset's specs have a class
    # without a public name in TensorFlow.
    is_spec = type(value).__name__ == "NoneTensorSpec"
    return value is None or is_spec or isinstance(value, tf.experimental.Optional)


def _as_tensor(value: Any, name: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected {name} as a tensor or array, got {type(value).__name__}"
        ) from error


def _checked_weight(weight: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns weights as floats; the only place that checks them."""
    if weight.dtype.is_integer or weight.dtype.is_bool:
        weight = tf.cast(weight, tf.float32)
    rows = x.shape[:1]
    if not weight.dtype.is_floating or not weight.shape.is_compatible_with(rows):
        raise ValueError(
            f"expected sample weights as numbers of shape {tuple(rows)}, one for each "
            f"example, got {weight.dtype.name} of shape {tuple(weight.shape)}; labels "
            "are given as {'x': x, 'context': labels}"
        )
    valid = tf.reduce_all(tf.math.is_finite(weight) & (weight >= 0))
    if rows.rank:
        # Broadcasting would turn one weight into many.
        valid &= (tf.rank(weight) == 1) & (tf.size(weight) == tf.shape(x)[0])
    message = "expected finite sample weights >= 0, one for each example, got"
    with require(valid, message, weight):
        # XLA drops the check; figures then become NaN.
        weight = tf.where(valid, weight, tf.constant(math.nan, weight.dtype))
    weight.set_shape(rows)
    return weight
