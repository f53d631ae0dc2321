"""Event and batch axes, and the checks of every step's inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Run = Callable[[tf.Tensor, Any], tuple[tf.Tensor, ...]]


def only_event_ndims(kwargs: Mapping[str, Any], ndims: int) -> dict[str, Any]:
    """Checks the keyword arguments of a step with a fixed number of event axes.

    Raises:
      ValueError: If event_ndims differs.
    """
    given = kwargs.get("event_ndims")
    if given not in (None, ndims):
        raise ValueError(f"expected event_ndims={ndims} or none, got {given!r}")
    return {**kwargs, "event_ndims": ndims}


def event_shape(
    shape: Sequence[int | None], event_ndims: int | None, name: str
) -> tuple[int, ...]:
    """Returns the event part of a build shape `[batch, *event]`.

    Raises:
      ValueError: If there is no event axis, or one has unknown or zero size.
    """
    shape = tuple(shape)
    ndims = len(shape) - 1 if event_ndims is None else event_ndims
    event = shape[len(shape) - ndims :] if 0 < ndims < len(shape) else ()
    if not event or any(size is None or size < 1 for size in event):
        wanted = "one or more" if event_ndims is None else event_ndims
        raise ValueError(
            f"{name}: expected a data shape (batch, *event) with {wanted} event axes "
            f"of known size, got {shape}"
        )
    return tuple(int(size) for size in event)  # type: ignore[arg-type]


def mapped_shape(
    rule: Callable[[tf.TensorShape], tf.TensorShape],
    shape: tf.TensorShape,
    own: tuple[int, ...],
    mapped: tuple[int, ...],
) -> tf.TensorShape:
    """Returns the shape `[..., *mapped]` that a step makes of `[..., *own]`.

    Args:
      rule: The step's map of event shapes, for events other than its own.
      shape: The shape, which may be partly unknown.
      own: Shape of the step's events on this side.
      mapped: Shape of its events on the other side.
    """
    if shape.rank is None:
        return shape
    leading = shape.rank - len(own)
    if leading >= 0 and shape[leading:].is_compatible_with(own):
        return shape[:leading].concatenate(mapped)
    return rule(shape)


def mapped_shape_tensor(
    rule: Callable[[tf.TensorShape], tf.TensorShape],
    shape: tf.Tensor,
    own: tuple[int, ...],
    mapped: tuple[int, ...],
) -> tf.Tensor:
    """Applies `mapped_shape` to an integer vector, static or dynamic."""
    static = tf.get_static_value(shape)
    if static is not None:
        return tf.constant(rule(tf.TensorShape(static)).as_list(), shape.dtype)
    leading = shape[: tf.size(shape) - len(own)]
    return tf.concat([leading, tf.constant(mapped, shape.dtype)], axis=0)


def at_least_single(dtype: Any) -> tf.DType:
    """Returns the dtype, or float32 instead of a half precision."""
    dtype = tf.as_dtype(dtype)
    return tf.float32 if dtype in (tf.float16, tf.bfloat16) else dtype


def static_event_ndims(event_ndims: Any) -> int | None:
    """Returns `event_ndims`, possibly a tensor or NumPy scalar, as an int."""
    if event_ndims is None:
        return None
    value = tf.get_static_value(event_ndims)
    if value is None:
        raise ValueError("expected event_ndims to be known statically, got a tensor")
    return int(value)


def as_float(value: Any, dtype: tf.DType, name: str) -> tf.Tensor:
    """Returns the value as a tensor of the flow's dtype.

    Raises:
      ValueError: If it is not numeric.
    """
    if type(value) is float and dtype == tf.float32:  # the fast way
        return tf.constant(value, dtype)
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected a numeric tensor, got {type(value).__name__}"
        ) from error
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
        raise ValueError(
            f"{name}: expected real numbers, got dtype {tensor.dtype.name}"
        )
    return tf.cast(tensor, dtype)


def on_one_batch_axis(
    run: Run,
    value: tf.Tensor,
    context: Any,
    event: tuple[int, ...],
    name: str,
) -> tuple[tf.Tensor, ...]:
    """Runs `run(value, context)` on one flat batch axis and restores the others.

    Args:
      run: Takes `[B, *event]` and the context, and returns tensors with leading axis B.
      value: `[..., *event]`.
      context: None, or a tensor whose leading axes are the value's.
      event: The event shape expected.
      name: Name of the step, for errors.

    Raises:
      ValueError: If the value does not end in the event shape, or the context does
        not begin with the value's leading axes.
    """
    leading = value.shape.rank - len(event)
    if leading < 0 or not value.shape[leading:].is_compatible_with(event):
        raise ValueError(
            f"{name}: expected shape (..., {', '.join(map(str, event))}), "
            f"got {tuple(value.shape)}"
        )
    if context is not None:
        context = tf.convert_to_tensor(context)
        _check_context(context, value.shape[:leading], name)
    if leading == 1:
        return run(value, context)
    batch = tf.shape(value)[:leading]
    static = value.shape[:leading]
    if context is not None:
        context = tf.reshape(
            context, tf.concat([[-1], tf.shape(context)[leading:]], axis=0)
        )
    outputs = run(tf.reshape(value, (-1, *event)), context)
    return tuple(_restore(output, batch, static) for output in outputs)


def _restore(output: tf.Tensor, batch: tf.Tensor, static: tf.TensorShape) -> tf.Tensor:
    shape = output.shape[1:]
    restored = tf.reshape(output, tf.concat([batch, shape], axis=0))
    return tf.ensure_shape(restored, static.concatenate(shape))


def _check_context(context: tf.Tensor, batch: tf.TensorShape, name: str) -> None:
    rank = batch.rank
    if context.shape.rank < rank or not context.shape[:rank].is_compatible_with(batch):
        raise ValueError(
            f"{name}: expected a context with the leading axes {tuple(batch)} of the "
            f"value, got shape {tuple(context.shape)}"
        )


def sum_extra_axes(
    log_det: tf.Tensor, event_ndims: Any, own_ndims: int, name: str
) -> tf.Tensor:
    """Sums a log-det over further axes that the caller counts as event axes.

    Args:
      log_det: `[...]`, summed over the step's own event.
      event_ndims: The caller's number of event axes (TFP's argument), or None.
      own_ndims: The step's number of event axes.
      name: Name of the step.

    Raises:
      ValueError: If the caller counts fewer axes than the step needs.
    """
    ndims = static_event_ndims(event_ndims)
    if ndims is None or ndims == own_ndims:
        return log_det
    if ndims < own_ndims:
        raise ValueError(f"{name}: expected event_ndims >= {own_ndims}, got {ndims}")
    return tf.reduce_sum(log_det, axis=list(range(own_ndims - ndims, 0)))


def sum_over_event(value: tf.Tensor) -> tf.Tensor:
    """Sums `[B, *event]` over all axes but the first, to `[B]`."""
    return tf.reduce_sum(value, axis=list(range(1, value.shape.rank)))


def no_log_det(value: tf.Tensor) -> tf.Tensor:
    """Returns the zero log-det `[B]` of a map that keeps volume."""
    return tf.zeros(tf.shape(value)[:1], value.dtype)
