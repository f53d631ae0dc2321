"""The signature `info`, by which a served model describes itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfflows.export.writing.endpoints import Endpoint, Outputs, make_endpoint

# The outputs; each has the name of its key in the model's description.
_STRINGS = ("model", "kind", "units", "training_data", "tfflows_version")
_NUMBERS = ("version", "latent_dim", "levels", "num_parameters")


def info_endpoint(description: Mapping[str, Any]) -> Endpoint:
    """Makes the signature `info`: the same facts in each row.

    REST cannot call a signature without inputs, and a server cannot batch outputs
    without a batch axis. The signature therefore takes any input `dummy`, and returns a
    row of facts for each of its rows.

    Args:
      description: `tfflows.export.writing.description.describe` of the model.

    Returns:
      `dummy` int32 `[B]` to strings `[B]` (empty if unknown), int64 numbers `[B]`
      (`levels` is 0 for continuous data) and `event_shape` int64 `[B, rank]`; of a
      model of a table also `table`, that of the description as JSON.
    """
    texts = {name: description[name] or "" for name in _STRINGS}
    if description.get("table") is not None:
        texts["table"] = json.dumps(description["table"])
    numbers = {name: description[name] or 0 for name in _NUMBERS}

    def info(dummy: tf.Tensor) -> Outputs:
        rows = tf.shape(dummy)

        def column(value: Any, dtype: tf.DType) -> tf.Tensor:
            return tf.fill(rows, tf.constant(value, dtype))

        shape = tf.constant([description["event_shape"]], tf.int64)
        return {
            **{name: column(text, tf.string) for name, text in texts.items()},
            **{name: column(number, tf.int64) for name, number in numbers.items()},
            "event_shape": tf.repeat(shape, rows, axis=0),
        }

    return make_endpoint(info, tf.TensorSpec((None,), tf.int32, "dummy"))
