"""What networks see of categories and integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.codes import CodeColumns


@keras.saving.register_keras_serializable("tfflows")
class CodeFeatures(keras.layers.Layer):
    """Codes `[B, G]` as features `[B, F]`: one-hot categories, standardised integers.

    It has no weights.

    Args:
      columns: `CodeColumns.config()` of the codes.
      **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, columns: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.columns = CodeColumns.of(columns)

    @property
    def num_features(self) -> int:
        """F."""
        return sum(self.columns.widths)

    def call(self, codes: tf.Tensor) -> tf.Tensor:
        """Maps `[B, G]` to `[B, F]`."""
        return tf.concat(self.columns.features(codes), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns `(B, F)`."""
        return (*tuple(input_shape)[:-1], self.num_features)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "columns": self.columns.config()}
