"""The checks that every flow step passes, and what tests share."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows


@dataclasses.dataclass(frozen=True)
class StepCase:
    """One row of the contract's table.

    `make(dtype)` gives a fresh step; `data` maps standard normals of `event_shape` into
    the step's data side (identity unless its domain is bounded); `extreme` is the size
    of latents that must stay finite; `except_for` names checks that cannot hold, with
    the reason; `large` those that take long, and run with the large tests.
    """

    make: Callable[[str], Any]
    event_shape: tuple[int, ...]
    data: Callable[[np.ndarray], np.ndarray] = lambda x: x
    extreme: float = 30.0
    except_for: dict[str, str] = dataclasses.field(default_factory=dict)
    large: tuple[str, ...] = ()

    def values(self, *leading: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return self.data(rng.standard_normal((*leading, *self.event_shape)))

    def step(self, dtype: str = "float64") -> Any:
        """A built step with weights away from their start."""
        step = self.make(dtype)
        step.build((None, *self.event_shape))
        randomize(step)
        return step

    def shared(self, dtype: str = "float64") -> Any:
        """The same `step` for all checks that leave it as it is."""
        key = (self.make, self.event_shape, dtype)
        if key not in _SHARED:
            _SHARED[key] = self.step(dtype)
        return _SHARED[key]


_SHARED: dict[tuple[Callable, tuple[int, ...], str], Any] = {}


# What a step without an inverse cannot do; the other checks then run it forward.
ONE_WAY = dict.fromkeys(
    ("round_trips", "transformed_distribution"),
    "the step has no inverse",
)


def randomize(layer: keras.layers.Layer, size: float = 0.3, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        noise = size * rng.standard_normal(weight.shape)
        weight.assign(weight.numpy() + noise.astype(weight.numpy().dtype))


def latents(step: Any, x: Any) -> tf.Tensor:
    return tf.identity(step.inverse(x) if step.has_inverse else tf.constant(x))


def fused(step: Any, x: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The pass from data to latent or, where there is none, the other one."""
    if step.has_inverse:
        return step.inverse_and_log_det(x)
    return step.forward_and_log_det(x)


def autodiff_log_det(function: Callable, x: np.ndarray) -> np.ndarray:
    """log|det df/dx| per row by a Jacobian of single-output gradients.

    The batch is repeated once per output, so that one gradient gives all of them.
    """
    number, size = x.shape[0], x[0].size
    x = tf.tile(tf.constant(x), [size, *(1 for _ in x.shape[1:])])
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = tf.reshape(function(x), (size, number, size))
        chosen = tf.linalg.diag_part(tf.transpose(outputs, (1, 0, 2)))
    gradient = tape.gradient(
        chosen, x, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    jacobian = tf.transpose(tf.reshape(gradient, (size, number, size)), (1, 0, 2))
    return tf.linalg.slogdet(jacobian)[1].numpy()


def check_round_trips(case: StepCase) -> None:
    """Both ways in turn; their log-dets cancel."""
    for dtype, tolerance in (("float64", 1e-9), ("float32", 1e-4)):
        step, x = case.shared(dtype), case.values(5)
        z, inverse_log_det = step.inverse_and_log_det(x)
        back, forward_log_det = step.forward_and_log_det(tf.identity(z))
        np.testing.assert_allclose(back, x, atol=tolerance, rtol=tolerance)
        again = step.inverse(tf.identity(back))
        np.testing.assert_allclose(again, z, atol=tolerance, rtol=tolerance)
        assert inverse_log_det.shape == (5,)
        if dtype == "float64":
            total = inverse_log_det + forward_log_det
            np.testing.assert_allclose(total, 0.0, atol=1e-9)


def check_log_det_is_autodiffs(case: StepCase) -> None:
    step, x = case.shared(), case.values(3)
    z = latents(step, x).numpy()
    if step.has_inverse:
        np.testing.assert_allclose(
            step.inverse_log_det_jacobian(x),
            autodiff_log_det(step.inverse, x),
            atol=1e-8,
        )
    np.testing.assert_allclose(
        step.forward_log_det_jacobian(z), autodiff_log_det(step.forward, z), atol=1e-8
    )


def check_finite_at_extremes(case: StepCase) -> None:
    step = case.shared("float32")
    sizes = tf.repeat([0.0, case.extreme, -case.extreme], 4)
    z = tf.reshape(sizes, (12, *(1 for _ in step.latent_event_shape)))
    z = tf.broadcast_to(z, (12, *step.latent_event_shape))
    x, log_det = step.forward_and_log_det(z)
    assert np.isfinite(x).all()
    assert np.isfinite(log_det).all()


def check_gradients_reach_every_weight(case: StepCase) -> None:
    step, x = case.shared(), tf.constant(case.values(6))
    with tf.GradientTape() as tape:
        z, log_det = fused(step, x)
        loss = tf.reduce_sum(tf.sin(z)) + tf.reduce_sum(log_det)
    gradients = tape.gradient(loss, [v.value for v in step.trainable_variables])
    for weight, gradient in zip(step.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient != 0), weight.path


def check_config_round_trip(case: StepCase) -> None:
    """Each argument of the constructor is there, and stays."""
    step = case.make("float32")
    config = step.get_config()
    wanted = inspect.signature(type(step)).parameters.values()
    assert {p.name for p in wanted if p.kind is not p.VAR_KEYWORD} <= config.keys()
    assert type(step).from_config(config).get_config() == config


def check_keras_model(case: StepCase, folder: Any) -> None:
    """In a functional model: called, saved and loaded, and its weights alone."""
    step = case.shared("float32")
    z = latents(step, case.values(3))
    inputs = keras.Input(z.shape[1:])
    model = keras.Model(inputs, step(inputs))
    assert model.output_shape == (None, *case.event_shape)
    x = step.forward(z)
    np.testing.assert_allclose(model(z), x, rtol=1e-6)
    model.save(folder / "step.keras")
    loaded = keras.models.load_model(folder / "step.keras")
    np.testing.assert_array_equal(loaded(z), x)
    model.save_weights(folder / "step.weights.h5")
    loaded.load_weights(folder / "step.weights.h5")


def check_checkpoint(case: StepCase, folder: Any) -> None:
    step, x = case.shared("float32"), case.values(3)
    path = tf.train.Checkpoint(step=step).write(str(folder / "checkpoint"))
    fresh = case.make("float32")
    fresh.build((None, *case.event_shape))
    status = tf.train.Checkpoint(step=fresh).read(path)
    status.assert_existing_objects_matched()
    np.testing.assert_array_equal(fused(fresh, x)[0], fused(step, x)[0])


def check_mixed_precision(case: StepCase) -> None:
    for policy in ("mixed_float16", "mixed_bfloat16"):
        step, x = case.step(policy), case.values(3)
        z, log_det = fused(step, x)
        assert z.dtype == log_det.dtype == tf.float32
        called = step(tf.identity(z))
        assert called.dtype == tf.float32
        if step.has_inverse:
            np.testing.assert_allclose(called, x, atol=1e-3, rtol=1e-3)


def check_leading_axes(case: StepCase) -> None:
    step, x = case.shared(), case.values(2, 3)
    flat_z, flat_log_det = fused(step, x.reshape(6, *case.event_shape))
    z, log_det = fused(step, x)
    np.testing.assert_array_equal(tf.reshape(z, flat_z.shape), flat_z)
    np.testing.assert_array_equal(log_det, tf.reshape(flat_log_det, (2, 3)))
    one, one_log_det = fused(step, x[0, 0])
    assert one_log_det.shape == ()
    np.testing.assert_allclose(one, z[0, 0], rtol=1e-12, atol=1e-14)
    if step.has_inverse:
        np.testing.assert_allclose(step.forward(tf.identity(z)), x, atol=1e-9)


def check_transformed_distribution(case: StepCase) -> None:
    step, x = case.shared(), case.values(4)
    base = tfflows.distributions.StandardNormal(step.latent_event_shape, "float64")
    stock = tfd.TransformedDistribution(base, step)
    flow = tfflows.Flow(step, case.event_shape, base=base)
    log_prob = flow.log_prob(x)
    np.testing.assert_allclose(stock.log_prob(x), log_prob, rtol=1e-9)
    np.testing.assert_allclose(flow.distribution.log_prob(x), log_prob)


def check_variables_are_the_same_for_tfp(case: StepCase) -> None:
    step = case.shared()
    base = tfflows.distributions.StandardNormal(step.latent_event_shape, "float64")
    stock = tfd.TransformedDistribution(base, step)
    keras_side = {id(v.value) for v in step.trainable_variables}
    assert {id(v) for v in stock.trainable_variables} == keras_side
    assert len(step.trainable_variables) == len(keras_side)
    in_chain = tfb.Chain([step])
    assert {id(v) for v in in_chain.trainable_variables} == keras_side


def check_stock_bijectors_accept_it(case: StepCase) -> None:
    step, x = case.shared(), case.values(3)
    ndims = len(case.event_shape)
    way = "inverse" if step.has_inverse else "forward"
    value, log_det = fused(step, x)
    for stock in (tfb.Chain([step]), tfb.Invert(tfb.Invert(step))):
        np.testing.assert_allclose(getattr(stock, way)(x), value)
        got = getattr(stock, f"{way}_log_det_jacobian")(x, event_ndims=ndims)
        np.testing.assert_allclose(got, log_det)


def check_nothing_is_memoised(case: StepCase) -> None:
    step, x = case.shared(), tf.constant(case.values(3))
    first = fused(step, x)[0]
    assert step.forward(first) is not x
    before = step.get_weights()
    if step.trainable_variables:
        randomize(step, seed=7)
        changed = fused(step, x)[0]
        step.set_weights(before)
        assert np.any(first != changed)


def check_wrong_input_is_named(case: StepCase) -> None:
    step = case.shared()
    wrong = np.zeros((3, *case.event_shape[:-1], case.event_shape[-1] + 1))
    with pytest.raises(ValueError, match=r"expected shape .*got \(3, "):
        fused(step, wrong)
    with pytest.raises(ValueError, match=r"expected .*(numeric|real numbers)"):
        fused(step, np.full((3, *case.event_shape), "a"))
