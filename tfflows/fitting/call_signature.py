"""What Keras' methods ask a model for that knows its shapes without a call."""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf


class CallSignature:
    """Mixin of models: `export`, `summary`, `build` and saving without a first call.

    Keras infers shapes and dtypes from what `build` recorded at the first call. These
    models are built by their constructor, take dicts, and integers beside floats:
    `call_signature` says what a call takes, and all the rest follows from it.
    """

    name: str
    built: bool

    @property
    def call_signature(self) -> Any:
        """The specs of a call's inputs, batch axis None: one, or a dict of them."""
        raise NotImplementedError

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of what a call returns, batch axis None."""
        return (None,)

    @property
    def input_shape(self) -> Any:
        """Shape of what a call takes, batch axis None: one, or a dict of them."""
        return _shapes(self.call_signature)

    def build(self, input_shape: Any = None) -> None:
        """Checks the shape: the model is built already.

        Raises:
          ValueError: For another shape.
        """
        if input_shape is not None and not _fits(input_shape, self.input_shape):
            raise ValueError(
                f"{self.name}: expected inputs of shape {self.input_shape}, got "
                f"{input_shape}"
            )

    def _post_build(self) -> None:
        """Keras' hook after `build`, in place of the shape that `build` was given."""
        self._build_shapes_dict = {"input_shape": self.input_shape}

    def build_from_config(self, config: Any) -> None:
        """Builds a loaded model that its constructor has not built."""
        if config and not self.built:
            self.build(config["input_shape"])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of what a call returns for inputs of a shape."""
        self.build(input_shape)
        x_shape = input_shape["x"] if isinstance(input_shape, dict) else input_shape
        return (x_shape[0], *self.output_shape[1:])

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of what a call returns, from a trace."""
        return keras.Operation.compute_output_spec(self, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """`keras.Model.export`: a call of the model, in any of Keras' formats.

        `tfflows.export.export_saved_model` writes all methods of a model in place of
        its call, and checks what it wrote.

        Args:
          filepath: Where to write: a folder, or a file with the format's ending.
          format: "tf_saved_model", "onnx", "openvino" or "litert".
          verbose: As in Keras.
          input_signature: None: `call_signature`.
          **kwargs: The rest of `keras.Model.export`.

        Raises:
          ValueError: The model is not built, or Keras refuses the format.
        """
        if input_signature is None:
            input_signature = [self.call_signature]
        super().export(  # type: ignore[misc]
            os.fspath(filepath), format, verbose, input_signature, **kwargs
        )

    def _get_save_spec(self, dynamic_batch: bool = True) -> Any:
        """TensorFlow's hook: the specs of a call's inputs."""
        del dynamic_batch
        return tf.nest.map_structure(_tensor_spec, self.call_signature)

    @property
    def _default_save_signature(self) -> Any:
        """TensorFlow's hook: what `tf.saved_model.save` makes the default signature."""

        @tf.function(input_signature=[self._get_save_spec()], autograph=False)
        def serving_default(inputs: Any) -> Any:
            return self(inputs)  # type: ignore[operator]

        return serving_default


def input_spec(name: str, shape: tuple[int | None, ...], dtype: Any) -> Any:
    """The spec of one input `[batch, *shape]`."""
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
