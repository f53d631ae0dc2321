"""Answers Keras' questions about shapes for models that know them without a call."""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf


class CallSignature:
    """Mixin of models for `export`, `summary`, `build` and saving without a first call.

    Keras infers shapes and dtypes from the first call. These models are built by their
    constructor, and take dicts and integers. `call_signature` gives the specs of a
    call's inputs, and everything else follows from them.
    """

    name: str
    built: bool

    @property
    def call_signature(self) -> Any:
        """The specs of a call's inputs with None for the batch: one, or a dict."""
        raise NotImplementedError

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of a call's output, with None for the batch."""
        return (None,)

    @property
    def input_shape(self) -> Any:
        """Shape of a call's input with None for the batch: one, or a dict."""
        return _shapes(self.call_signature)

    def build(self, input_shape: Any = None) -> None:
        """Checks the shape; the model is already built.

        Raises:
          ValueError: If the shape is another one.
        """
        if input_shape is not None and not _fits(input_shape, self.input_shape):
            raise ValueError(
                f"{self.name}: expected inputs of shape {self.input_shape}, got "
                f"{input_shape}"
            )

    def _post_build(self) -> None:
        """Keras' hook after `build`; replaces the shape that `build` received."""
        self._build_shapes_dict = {"input_shape": self.input_shape}

    def build_from_config(self, config: Any) -> None:
        """Builds a loaded model that its constructor has not built."""
        if config and not self.built:
            self.build(config["input_shape"])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of a call's output for inputs of a shape."""
        self.build(input_shape)
        x_shape = input_shape["x"] if isinstance(input_shape, dict) else input_shape
        return (x_shape[0], *self.output_shape[1:])

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the spec of a call's output, from a trace."""
        return keras.Operation.compute_output_spec(self, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Exports a call of the model with `keras.Model.export`.

        `tfflows.export.export_saved_model` writes all methods of a model instead of its
        call, and checks the result.

        Args:
          filepath: The folder to write, or a file with the format's ending.
          format: "tf_saved_model", "onnx", "openvino" or "litert".
          verbose: As in Keras.
          input_signature: None: `call_signature`.
          **kwargs: Other arguments of `keras.Model.export`.

        Raises:
          ValueError: If the model is not built, or Keras refuses the format.
        """
        if input_signature is None:
            input_signature = [self.call_signature]
        super().export(  # type: ignore[misc]
            os.fspath(filepath), format, verbose, input_signature, **kwargs
        )

    def _get_save_spec(self, dynamic_batch: bool = True) -> Any:
        """Returns the specs of a call's inputs; TensorFlow's hook."""
        del dynamic_batch
        return tf.nest.map_structure(_tensor_spec, self.call_signature)

    @property
    def _default_save_signature(self) -> Any:
        """The default signature for `tf.saved_model.save`; TensorFlow's hook."""

        @tf.function(input_signature=[self._get_save_spec()], autograph=False)
        def serving_default(inputs: Any) -> Any:
            return self(inputs)  # type: ignore[operator]

        return serving_default


def input_spec(name: str, shape: tuple[int | None, ...], dtype: Any) -> Any:
    """Returns the spec of one input `[batch, *shape]`."""
    dtype = tf.as_dtype(dtype).name
    return keras.InputSpec(shape=(None, *shape), dtype=dtype, name=name)


def _tensor_spec(spec: keras.InputSpec) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, spec.dtype, spec.name)


def _shapes(signature: Any) -> Any:
    if isinstance(signature, dict):
        return {name: tuple(spec.shape) for name, spec in signature.items()}
    return tuple(signature.shape)


def _fits(given: Any, expected: Any) -> bool:
    if isinstance(expected, dict) != isinstance(given, dict):
        return False
    if isinstance(given, dict):
        same = set(given) == set(expected)
        return same and all(_fits(given[name], expected[name]) for name in given)
    return tf.TensorShape(given).is_compatible_with(expected)
