"""Domains: where a bijector has an inverse, and what replaces it elsewhere.

A row outside a step's image has log-det -inf in the pass to the latents, and so density
0 under every base. Inside a flow such a row continues with latents of 0, so that later
steps and all gradients stay finite. Callers of `inverse` get the latents `FAR`. The
forward pass recognises them, because stock TFP computes its log-det from the latents
alone.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

# Far from all mass of a base; its square is finite in float32. Affine maps of a stock
# chain and their inverses leave it above its half, which is where `FAR` begins.
FAR = 2.0**40

# Bijectors onto all of R^n; also those of no other domain, so that inverses are too.
_ONTO = {
    "BatchNormalization",
    "DiscreteCosineTransform",
    "FFJORD",
    "Householder",
    "Identity",
    "MaskedAutoregressiveFlow",
    "MatvecLU",
    "Permute",
    "RationalQuadraticSpline",
    "RealNVP",
    "Reshape",
    "Scale",
    "ScaleMatvecDiag",
    "ScaleMatvecLinearOperator",
    "ScaleMatvecLinearOperatorBlock",
    "ScaleMatvecLU",
    "ScaleMatvecTriL",
    "Shift",
    "SinhArcsinh",
    "Transpose",
}


def is_onto(bijector: tfb.Bijector) -> bool:
    """Returns whether every value is known to have an inverse.

    Flow steps tell it themselves; stock bijectors are known by their class. A user's
    class may do anything, whatever its name and base class.
    """
    if isinstance(bijector, keras.layers.Layer):
        # Look at its parts: a composite that is not built has not asked them.
        layers = bijector._flatten_layers()
        return all(getattr(layer, "onto", True) for layer in layers)
    if is_of_class(bijector, "Chain"):
        return all(map(is_onto, bijector.bijectors))
    if is_of_class(bijector, "Invert"):
        return is_onto(bijector.bijector)
    # A user's function may return any range.
    calls_code = (bijector.parameters or {}).get("bijector_fn") is not None
    return is_of_class(bijector, *_ONTO) and not calls_code


def is_of_class(obj: Any, *names: str) -> bool:
    """Returns whether a TFP object is of one of these classes, by public name.

    TFP's composites come in two classes, `Chain` and `_Chain`, the second where a part
    is no CompositeTensor; they are no subclasses of each other.
    """
    if not type(obj).__module__.startswith("tensorflow_probability."):
        return False
    classes = [cls.__name__.lstrip("_") for cls in type(obj).__mro__]
    return any(name in classes for name in names)


def in_image(bijector: tfb.Bijector, x: tf.Tensor) -> tf.Tensor:
    """Returns which rows `[B]` have an inverse, away from the border.

    Args:
      bijector: A bijector of one tensor.
      x: `[B, *event]`.
    """
    if is_onto(bijector):
        return tf.ones(tf.shape(x)[:1], tf.bool)
    if not is_of_class(bijector, "Chain"):
        return _has_finite_inverse(bijector, x)
    parts = list(bijector.bijectors)  # data side first
    while is_onto(parts[-1]):  # may be costly, and is not needed here
        parts.pop()
    inside = tf.ones(tf.shape(x)[:1], tf.bool)
    for part in parts:
        inside &= in_image(part, x)
        x = tf.identity(part.inverse(x))
    return inside


def _has_finite_inverse(bijector: tfb.Bijector, x: tf.Tensor) -> tf.Tensor:
    ndims = int(bijector.inverse_min_event_ndims)
    x = tf.identity(x)
    z = bijector.inverse(x)
    log_det = bijector.inverse_log_det_jacobian(x, event_ndims=ndims)
    log_det = tf.broadcast_to(log_det, tf.shape(x)[: x.shape.rank - ndims])
    inside = all_of_row(tf.math.is_finite(z)) & all_of_row(tf.math.is_finite(log_det))
    if ndims and math.prod(x.shape[1:]) <= math.prod(z.shape[1:]):
        return inside
    # Some inverses are finite outside the image too, for example those of maps to a
    # simplex or of a square root.
    again = bijector.forward(tf.identity(z))
    return inside & all_of_row(tf.abs(again - x) <= 1e-3 + 1e-2 * tf.abs(x))


def inner_point(
    bijector: tfb.Bijector, latent_shape: tuple[int, ...], dtype: tf.DType
) -> tf.Tensor:
    """Returns a point `[1, *event]` inside the image, for latents `[1, *latent_shape]`.

    Its latents are ascending in (0, 1), which is in the domain of most maps.
    """
    size = math.prod(latent_shape)
    z = tf.cast(tf.linspace(0.25, 0.75, size), dtype)
    z = tf.reshape(z, (1, *latent_shape))
    return tf.stop_gradient(bijector.forward(z))


def far_where_no_image(z: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
    """Returns latents, set to `FAR` where the inverse's log-det `[...]` is -inf."""
    return select_rows(outside(log_det), tf.fill(tf.shape(z), _as(FAR, z)), z)


def without_far(z: tf.Tensor, event_ndims: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns latents with zeros in place of `FAR`, and a mask `[...]` of the rows."""
    nowhere = all_of_row(tf.abs(z) > FAR / 2.0, z.shape.rank - event_ndims)
    return select_rows(nowhere, tf.zeros_like(z), z), nowhere


def nan_where(
    nowhere: tf.Tensor, x: tf.Tensor, log_det: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the forward pass's data and log-dets, NaN and inf for latents `FAR`."""
    nowhere |= outside(log_det)  # of an `Invert`
    x = select_rows(nowhere, tf.fill(tf.shape(x), _as(math.nan, x)), x)
    return x, tf.where(nowhere, _as(math.inf, log_det), log_det)


def zero_outside(bijector: Any, log_prob: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
    """Returns log-densities, -inf outside a step's image.

    Args:
      bijector: The flow step.
      log_prob: Log-densities `[...]` of the data.
      log_det: Log-dets `[...]` of the step's inverse.
    """
    if bijector.onto:
        return log_prob
    return tf.where(outside(log_det), log_det, log_prob)


def outside(log_det: tf.Tensor) -> tf.Tensor:
    """Returns which rows are outside the image, from the inverse's log-dets."""
    return tf.equal(log_det, _as(-math.inf, log_det))


def _as(value: float, like: tf.Tensor) -> tf.Tensor:
    return tf.constant(value, like.dtype)


def select_rows(mask: tf.Tensor, x: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Applies `tf.where` with a mask `[...]` to whole events `[..., *event]`."""
    for _ in range(x.shape.rank - mask.shape.rank):
        mask = mask[..., tf.newaxis]
    return tf.where(mask, x, other)


def all_of_row(values: tf.Tensor, batch_ndims: int = 1) -> tf.Tensor:
    """Returns whether all elements of each event are true, `[...]`."""
    return tf.reduce_all(values, axis=list(range(batch_ndims, values.shape.rank)))
