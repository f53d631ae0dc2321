"""What stock TFP does with a step, in each way in which TensorFlow runs it.

`values` computes all of it in one function, so that a mode traces it once. `CONTAINERS`
hold `tfd.TransformedDistribution(base, step)`; their log-density follows from its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tests.testing_utils import fused

SEED = (3, 4)
Values = dict[str, tf.Tensor]
Function = Callable[[Any, tf.Tensor], Values]


def density(step: Any, dtype: Any = tf.float64, loc: float = 0.0) -> tfd.Distribution:
    shape = step.latent_event_shape
    normal = tfd.Normal(tf.fill(shape, tf.constant(loc, dtype)), 1.0)
    return tfd.TransformedDistribution(tfd.Independent(normal, len(shape)), step)


def values(step: Any, x: tf.Tensor) -> Values:
    """What TFP makes of a step at `[..., *event]`, by few passes.

    It is data or, of a step without an inverse, latents.
    """
    base = density(step, x.dtype).distribution
    turned = tfd.TransformedDistribution(base, tfb.Invert(tfb.Invert(step)))
    chained = tfd.TransformedDistribution(base, tfb.Chain([step]))
    ndims = len(step.data_event_shape)
    found = {
        "sample": turned.sample([2, 3], seed=SEED),
        "event_shape": chained.event_shape_tensor(),
        "batch_shape": chained.batch_shape_tensor(),
        "latent_shape": step.inverse_event_shape_tensor(tf.shape(x)[-ndims:]),
    }
    return found | _density_of(chained, step, x)


def densities(step: Any, x: tf.Tensor) -> Values:
    """The least: the log-density."""
    return _density_of(density(step, x.dtype), step, x)


def _density_of(d: tfd.Distribution, step: Any, x: tf.Tensor) -> Values:
    """The log-density or, where there is no inverse, both of a fused pass."""
    if step.has_inverse:
        return {"log_prob": d.log_prob(x)}
    return dict(zip(("value", "log_det"), fused(step, x), strict=True))


def all_values(step: Any, x: tf.Tensor) -> Values:
    """`values`, and those of all other methods."""
    stock, found = density(step, x.dtype), values(step, x)
    ndims, latent_ndims = len(step.data_event_shape), len(step.latent_event_shape)
    chain, twice = tfb.Chain([step]), tfb.Invert(tfb.Invert(step))
    z = x
    if step.has_inverse:
        z = tf.identity(step.inverse(x))
        pair = stock.experimental_sample_and_log_prob([2, 3], seed=SEED)
        found |= {
            "prob": stock.prob(x),
            "sample_log_prob": stock.log_prob(found["sample"]),
            "drawn_log_prob": pair[1],
            "chain_inverse": chain.inverse(x),
            "twice_inverse": twice.inverse(x),
            "inverse_log_det": step.inverse_log_det_jacobian(x, event_ndims=ndims),
            "chain_log_det": chain.inverse_log_det_jacobian(x, event_ndims=ndims),
        }
    return found | {
        "forward": twice.forward(z),
        "data_shape": step.forward_event_shape_tensor(tf.shape(z)[-latent_ndims:]),
        "forward_log_det": twice.forward_log_det_jacobian(z, event_ndims=latent_ndims),
    }


def assert_alike(got: Values, wanted: Values, rtol: float = 1e-9) -> None:
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        assert got[key].dtype == value.dtype, key
        np.testing.assert_allclose(got[key], value, rtol=rtol, atol=1e-10, err_msg=key)


def in_graph(function: Function, step: Any, x: tf.Tensor) -> Values:
    """With a batch that is known when the graph runs."""
    spec = tf.TensorSpec([None, *x.shape[1:]], x.dtype)
    return tf.function(lambda x: function(step, x), input_signature=[spec])(x)


def in_xla(function: Function, step: Any, x: tf.Tensor) -> Values:
    return tf.function(lambda x: function(step, x), jit_compile=True)(x)


def vectorized(function: Function, step: Any, x: tf.Tensor) -> Values:
    """Row by row, by pfor; what does not depend on rows is that of each."""
    return tf.vectorized_map(lambda row: function(step, row), x)


def as_vectorized(found: Values, rows: int) -> Values:
    """`values` at a batch as `vectorized` gives them."""
    by_rows = {"sample", "sample_log_prob", "drawn_log_prob", "event_shape"}
    by_rows |= {"batch_shape", "latent_shape", "data_shape"}
    return {
        key: tf.stack([value] * rows) if key in by_rows else value
        for key, value in found.items()
    }


def _coroutine(d: Any) -> Any:
    @tfd.JointDistributionCoroutineAutoBatched
    def joint() -> Any:
        yield tfp.distributions.Sample(d, 2, name="two")
        yield d

    return joint


def _of_copies(number: int, axis: int = 0) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: tf.stack([x] * number, axis=axis)


# name -> (container of d, its value from x `[4, *event]`, log-density from d's).
CONTAINERS: dict[str, tuple[Callable, Callable, Callable]] = {
    "independent": (
        lambda d: tfd.Independent(tfd.BatchBroadcast(d, [3]), 1),
        _of_copies(3, axis=1),
        lambda log_prob: 3 * log_prob,
    ),
    "sample": (
        lambda d: tfd.Sample(d, 3),
        _of_copies(3, axis=1),
        lambda log_prob: 3 * log_prob,
    ),
    "batch_reshape": (
        lambda d: tfd.BatchReshape(tfd.BatchBroadcast(d, [4]), [2, 2]),
        lambda x: tf.reshape(x, [2, 2, *x.shape[1:]]),
        lambda log_prob: tf.reshape(log_prob, [2, 2]),
    ),
    "mixture": (
        lambda d: tfd.Mixture(tfd.Categorical(_logits(d)), [d, d]),
        tf.identity,
        tf.identity,
    ),
    "mixture_same_family": (
        lambda d: tfd.MixtureSameFamily(
            tfd.Categorical(_logits(d)), tfd.BatchBroadcast(d, [2])
        ),
        tf.identity,
        tf.identity,
    ),
    "joint_sequential": (
        lambda d: tfd.JointDistributionSequential([d, lambda x: d]),
        lambda x: [x, x],
        lambda log_prob: 2 * log_prob,
    ),
    "joint_named": (
        lambda d: tfd.JointDistributionNamed({"a": d, "b": lambda a: d}),
        lambda x: {"a": x, "b": x},
        lambda log_prob: 2 * log_prob,
    ),
    "coroutine_auto_batched": (
        _coroutine,
        lambda x: (tf.stack([x] * 2, axis=1), x),
        lambda log_prob: 3 * log_prob,
    ),
    "nested": (
        lambda d: tfd.TransformedDistribution(d, tfb.Identity()),
        tf.identity,
        tf.identity,
    ),
}


def _logits(d: Any) -> tf.Tensor:
    return tf.zeros([2], d.dtype)


def in_containers(
    step: Any, x: tf.Tensor, names: Iterable[str] = tuple(CONTAINERS)
) -> tuple[Values, Values]:
    """Log-densities of containers, and those that d itself implies."""
    d = density(step, x.dtype)
    log_prob = d.log_prob(x)
    got, wanted = {}, {}
    for name in names:
        make, value, implied = CONTAINERS[name]
        container = make(d)
        got[name] = container.log_prob(value(x))
        wanted[name] = implied(log_prob)
    return got, wanted


def check_samples_of_containers(step: Any, x: tf.Tensor) -> None:
    """Every container draws what its own log-density takes."""
    d = density(step, x.dtype)
    for name, (make, _, _) in CONTAINERS.items():
        container = make(d)
        drawn = container.sample(seed=SEED)
        assert np.isfinite(container.log_prob(drawn)).all(), name


def check_dataset(step: Any, x: tf.Tensor) -> None:
    d = density(step, x.dtype)
    rows = list(tf.data.Dataset.from_tensor_slices(x).map(d.log_prob))
    np.testing.assert_allclose(rows, d.log_prob(x), rtol=1e-9)


def check_hmc(step: Any, x: tf.Tensor) -> None:
    d = density(step, x.dtype)
    step_size = tf.constant(1e-3, x.dtype)
    kernel = tfp.mcmc.HamiltonianMonteCarlo(d.log_prob, step_size, 2)

    @tf.function
    def run() -> Any:
        return tfp.mcmc.sample_chain(
            2, current_state=x, kernel=kernel, trace_fn=lambda _, k: k, seed=SEED
        )

    states, trace = run()
    _check_chain(d, states[-1], trace.accepted_results.target_log_prob[-1])


def _check_chain(d: tfd.Distribution, state: tf.Tensor, target: tf.Tensor) -> None:
    assert np.isfinite(state).all()
    np.testing.assert_allclose(target, d.log_prob(state), rtol=1e-6)


def check_saved_model(step: Any, x: tf.Tensor, folder: Any) -> None:
    """Its log-density compiled, moved along by HMC, saved, and loaded."""
    module = tf.Module()
    d = module.density = density(step, x.dtype)
    spec = tf.TensorSpec([None, *x.shape[1:]], x.dtype)
    log_prob = module.log_prob = tf.function(d.log_prob, input_signature=[spec])
    step_size = tf.constant(1e-3, x.dtype)
    kernel = tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size, 1)
    state, results = kernel.one_step(x, kernel.bootstrap_results(x), seed=SEED)
    _check_chain(d, state, results.accepted_results.target_log_prob)
    tf.saved_model.save(module, str(folder))
    loaded = tf.saved_model.load(str(folder))
    np.testing.assert_allclose(loaded.log_prob(x), d.log_prob(x), rtol=1e-9)


def check_extras(step: Any, x: tf.Tensor) -> None:
    """The default event space bijector, leading axes, KL of equal steps."""
    d = density(step, x.dtype)
    onto = d.experimental_default_event_space_bijector()
    sample = d.sample(3, seed=SEED)
    np.testing.assert_allclose(
        onto.forward(tf.identity(onto.inverse(sample))), sample, atol=1e-6
    )
    one = d.log_prob(x[0])
    assert one.shape == ()
    np.testing.assert_allclose(one, d.log_prob(x)[0], rtol=1e-9)
    many = tf.reshape(tf.stack([x] * 6), [2, 3, *x.shape])
    assert d.log_prob(many).shape == (2, 3, x.shape[0])
    other = density(step, x.dtype, loc=1.0)
    kl = tfd.kl_divergence(d.distribution, other.distribution)
    np.testing.assert_allclose(tfd.kl_divergence(d, other), kl)
