"""What `fit`, `evaluate` and a call take: one batch in any of its accepted forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

_KEYS = ("x", "context", "index", "sample_weight")


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch of data.

    Attributes:
      x: `[B, *event]`.
      context: None or `[B, ...]`.
      index: None or int64 `[B]`, the example's position in its data set, which keys
        the noise of training.
      sample_weight: None or `[B]`.
    """

    x: tf.Tensor
    context: tf.Tensor | None = None
    index: tf.Tensor | None = None
    sample_weight: tf.Tensor | None = None

    @classmethod
    def of(cls, data: Any) -> Batch:
        """From `x`, `(x, sample_weight)`, Keras' `(x, None, sample_weight)` or a dict.

        Args:
          data: The dict has the key "x", and may have "context", "index" and
            "sample_weight".

        Raises:
          ValueError: For other structures, keys, or weights that are labels.
        """
        weight = None
        if isinstance(data, tuple):
            data, weight = unpack(data)
        if not isinstance(data, dict):
            data = {"x": data}
        unknown = sorted(set(data) - set(_KEYS))
        if unknown or data.get("x") is None:
            raise ValueError(
                f"expected a batch x, (x, sample_weight) or a dict with keys of "
                f"{_KEYS}, got the keys {sorted(data)}"
            )
        if weight is not None:
            data = {**data, "sample_weight": weight}
        given = {key: value for key, value in data.items() if value is not None}
        batch = cls(**{key: _as_tensor(value, key) for key, value in given.items()})
        _check_weight(batch)
        return batch

    @property
    def inputs(self) -> Any:
        """What a model is called with: x, or the dict where there is more."""
        keys = {"x": self.x, "context": self.context, "index": self.index}
        given = {key: value for key, value in keys.items() if value is not None}
        return self.x if list(given) == ["x"] else given

    def index_or_position(self) -> tf.Tensor:
        """`index`, or the row's position, distinct on each replica."""
        if self.index is not None:
            return self.index
        rows = tf.range(tf.shape(self.x, out_type=tf.int64)[0])
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return rows
        return rows + tf.cast(replica.replica_id_in_sync_group, tf.int64) * 2**32


def weighted(x: Any, weight: Any) -> Any:
    """Data and their weights as one dict; the data as they are if weight is None."""
    if weight is None:
        return x
    return {**(x if isinstance(x, dict) else {"x": x}), "sample_weight": weight}


def unpack(data: tuple) -> tuple[Any, Any]:
    """The data and weight of the tuples (x,), (x, weight), (x, None, weight).

    Raises:
      ValueError: For other tuples.
    """
    if len(data) == 3 and data[1] is None:
        return data[0], data[2]
    if len(data) in (1, 2):
        return data[0], data[1] if len(data) == 2 else None
    raise ValueError(
        "expected a batch x, (x, sample_weight) or a dict: there are no targets; a "
        f"label is given as the dict's 'context'. Got a tuple of {len(data)}"
    )


def _as_tensor(value: Any, name: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected {name} as a tensor or array, got {type(value).__name__}"
        ) from error


def _check_weight(batch: Batch) -> None:
    weight = batch.sample_weight
    if weight is None:
        return
    if not weight.dtype.is_floating or weight.shape.rank != 1:
        raise ValueError(
            "expected sample weights of a float dtype and shape (batch,), got "
            f"{weight.dtype.name} of shape {tuple(weight.shape)}; a label is given as "
            "{'x': ..., 'context': label}"
        )
