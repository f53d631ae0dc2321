"""Integer data: exact likelihoods, levels, bits."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.preprocessing import Dequantization, Logit, Rescale


def digits_flow(levels=17, event=(3, 2, 1), **kwargs):
    flow = tfflows.models.realnvp(
        event, num_couplings=2, hidden_units=(8,), levels=levels, **kwargs
    )
    randomize(flow)
    return flow


def integers(levels, *shape):
    return np.random.default_rng(0).integers(0, levels, shape)


@pytest.mark.parametrize("levels", [2, 17, 256, 1000])
def test_a_uniform_density_over_the_levels_has_log2_levels_bits(levels):
    # A logistic through the logit's inverse is uniform on (0, levels).
    flow = tfflows.Flow(
        tfflows.bijectors.Scale(),
        (5,),
        base=tfflows.distributions.StandardLogistic(5),
        preprocessing=[Dequantization(levels), Logit(0.0, 0.0, levels)],
    )
    x = integers(levels, 9, 5)
    np.testing.assert_allclose(flow.bits_per_dim(x), np.log2(levels), rtol=1e-4)
    np.testing.assert_allclose(flow.log_prob(x), -5 * np.log(levels), rtol=1e-4)


def test_log_prob_is_the_density_of_the_dequantized_data():
    flow = digits_flow()
    x = integers(17, 8, 3, 2, 1)
    y = flow.dequantize(x)
    np.testing.assert_array_equal(tf.floor(y), x)
    np.testing.assert_allclose(
        flow.distribution.log_prob(y), flow.log_prob(x), rtol=1e-5
    )
    for dtype in ("uint8", "int64", "float32"):
        np.testing.assert_array_equal(flow.log_prob(x.astype(dtype)), flow.log_prob(x))


def test_the_pattern_is_one_for_every_row_and_saved(tmp_path):
    flow = digits_flow()
    x = np.repeat(integers(17, 1, 3, 2, 1), 4, axis=0)
    u = flow.dequantize(x) - x
    np.testing.assert_array_equal(u, np.repeat(u[:1], 4, axis=0))
    assert len(np.unique(u[0])) == 6
    flow.dequantization.pattern.assign(tf.fill((3, 2, 1), 0.25))
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    np.testing.assert_allclose(loaded.dequantize(x), x + 0.25)


def test_decode_is_the_inverse_and_samples_are_continuous():
    flow = digits_flow(dtype="float64")
    x = integers(17, 8, 3, 2, 1)
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, atol=1e-9)
    y, log_prob = flow.sample_and_log_prob(50, seed=1)
    assert np.any(y != np.floor(y))
    inside = np.all((y >= 0) & (y < 17), axis=(1, 2, 3))
    assert inside.any()
    np.testing.assert_allclose(flow.distribution.log_prob(y), log_prob, rtol=1e-6)


def test_n_bits_keeps_the_upper_bits_and_the_raw_range():
    flow = tfflows.Flow(
        fb.Scale(), (4,), preprocessing=[Dequantization(256, 5), Rescale(0.0, 32.0)]
    )
    x = np.array([[0, 7, 8, 255]])
    y = flow.dequantize(x)
    np.testing.assert_array_equal(np.floor(y), [[0, 0, 1, 31]])
    np.testing.assert_allclose(flow.decode(flow.encode(x)), [[0, 0, 8, 248]], atol=1e-3)
    sample = flow.sample(3, seed=0, temperature=0.0)
    wanted = 8.0 * flow.distribution.bijector.forward(np.zeros((3, 4)))
    np.testing.assert_allclose(sample, wanted)
    with pytest.raises(ValueError, match="2\\^n_bits divides 17"):
        Dequantization(17, 2)


def test_the_largest_level_and_noise_stay_below_the_number_of_levels():
    for levels in (17, 256, 60_000):
        layer = Dequantization(levels)
        layer.build((None, 2))
        layer.pattern.assign([0.0, np.nextafter(np.float32(1.0), np.float32(0.0))])
        noise = layer.training_noise(tf.range(2**14, dtype=tf.int64), 0)
        y = layer.dequantize(np.full((2**14, 2), levels - 1), noise)
        assert float(tf.reduce_max(y)) < levels
        assert float(tf.reduce_min(noise)) >= 0.0


def test_noise_is_uniform():
    layer = Dequantization(256)
    layer.build((None, 64))
    u = layer.training_noise(tf.range(2000, dtype=tf.int64), 3).numpy()
    counts = np.histogram(u, bins=20, range=(0.0, 1.0))[0]
    assert np.abs(counts / counts.sum() - 0.05).max() < 0.002
    assert abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("value", [-1, 17, 0.5, 300])
def test_values_that_are_no_levels_are_errors_in_eager_mode_and_in_training(value):
    flow = digits_flow()
    x = np.full((4, 3, 2, 1), value, "float32")
    with pytest.raises(ValueError, match="integers from 0 to 16"):
        flow.log_prob(x)
    flow.compile("adam")
    with pytest.raises(ValueError, match="integers from 0 to 16"):
        flow.fit(x, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": 1}, "levels >= 2"),
        ({"levels": 2.5}, "levels >= 2"),
        ({"evaluation_draws": 0}, "evaluation_draws >= 1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dequantization(**arguments)


def test_a_dequantization_stands_first():
    with pytest.raises(ValueError, match="as the first preprocessing only"):
        tfflows.Flow(fb.Scale(), (2,), preprocessing=[Rescale(), Dequantization()])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
def test_half_precisions_dequantize_in_float32(dtype):
    layer = Dequantization(256, dtype=dtype)
    layer.build((None, 3))
    y = layer.dequantize(np.array([[0, 254, 255]]))
    np.testing.assert_array_equal(np.floor(y), [[0, 254, 255]])
    assert len(np.unique(layer.pattern)) == 3


def test_more_levels_than_the_dtype_can_tell_apart_are_refused():
    with pytest.raises(ValueError, match="at most 65536 levels in float32"):
        Dequantization(2**24)
    Dequantization(2**24, dtype="float64")


def test_training_noise_is_fresh_without_an_optimizer_too():
    flow = tfflows.Flow(fb.Scale(), (2,), preprocessing=Dequantization(4))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, flow(inputs))
    x = np.ones((4, 2))
    assert np.all(model(x, training=True) != model(x, training=True))
    np.testing.assert_array_equal(model(x), flow.log_prob(x))
