"""Outside of a step's image, or of a base's support, the density is 0: never NaN."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows
from tfflows import bijectors as fb
from tfflows import networks
from tfflows.backend import domains
from tfflows.distributions.support import log_prob_in_support

X = np.array(
    [[0.5, 0.6], [1.5, 0.5], [1.0, 0.5], [0.0, 0.5], [-1.0, 0.5], [3.0, -2.0]],
    "float32",
)
UNIT = [1, 0, 0, 0, 0, 0]
POSITIVE = [1, 1, 1, 0, 0, 0]
BOUNDED = {
    "sigmoid": (tfb.Sigmoid, UNIT),
    "sigmoid_range": (lambda: tfb.Sigmoid(-1.0, 2.0), [1, 1, 1, 1, 0, 0]),
    "exp": (tfb.Exp, POSITIVE),
    "softplus": (tfb.Softplus, POSITIVE),
    "tanh": (tfb.Tanh, [1, 0, 0, 1, 0, 0]),
    "softsign": (tfb.Softsign, [1, 0, 0, 1, 0, 0]),
    "normal_cdf": (tfb.NormalCDF, UNIT),
    "gumbel_cdf": (tfb.GumbelCDF, UNIT),
    "root": (lambda: tfb.Power(0.5), POSITIVE),
    "chain": (lambda: tfb.Chain([tfb.Sigmoid(), tfb.Scale([2.0, 3.0])]), UNIT),
    "two": (lambda: tfb.Chain([tfb.Scale(2.0), tfb.Exp(), tfb.Tanh()]), None),
    "inverted": (
        lambda: tfb.Invert(tfb.Log()) if hasattr(tfb, "Log") else tfb.Exp(),
        None,
    ),
}
BASES = {
    "normal": lambda: tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0]),
    "tril": lambda: tfd.MultivariateNormalTriL([0.0, 0.0], [[1.0, 0.0], [0.5, 1.0]]),
    "logistic": lambda: tfd.Independent(tfd.Logistic([0.0, 0.0], 1.0), 1),
    "student": lambda: tfd.Independent(tfd.StudentT(3.0, [0.0, 0.0], 1.0), 1),
    "uniform": lambda: tfd.Independent(tfd.Uniform([-9.0, -9.0], 9.0), 1),
    "mixture": lambda: tfd.MixtureSameFamily(
        tfd.Categorical([0.0, 0.0]),
        tfd.MultivariateNormalDiag([[0.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [2.0, 1.0]]),
    ),
}


def densities(step, base, rows):
    """log_prob in each of the ways in which users ask for it."""
    flow = tfflows.Flow(step, (2,), base=base)
    stock = tfd.TransformedDistribution(base, step)
    chain = tfd.TransformedDistribution(
        base, tfb.Chain([step, tfb.Shift([1.0, -2.0]), tfb.Shift([-1.0, 2.0])])
    )
    rows = tf.constant(rows)
    return {
        "flow": flow.log_prob(rows),
        "distribution": flow.distribution.log_prob(rows),
        "stock": stock.log_prob(rows),
        "chain": chain.log_prob(rows),
        "graph": tf.function(flow.log_prob)(rows),
        "xla": tf.function(stock.log_prob, jit_compile=True)(rows),
    }


def check_densities(bijector, base, inside):
    step = fb.TFPStep(bijector())
    wanted = tfd.TransformedDistribution(base, bijector()).log_prob(X).numpy()
    if inside is None:
        inside = np.isfinite(wanted)
    wanted = np.where(inside, wanted, -np.inf)
    assert not np.all(inside)
    for way, log_prob in densities(step, base, X).items():
        np.testing.assert_allclose(log_prob, wanted, rtol=1e-4, err_msg=way)


@pytest.mark.parametrize("base", ["tril"])
def test_the_density_outside_is_zero_whatever_the_base(base):
    check_densities(*BOUNDED["sigmoid"][:1], BASES[base](), UNIT)


@pytest.mark.large
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("bijector", BOUNDED)
def test_the_density_outside_of_any_bijector(bijector, base):
    make, inside = BOUNDED[bijector]
    check_densities(make, BASES[base](), inside)


def test_the_density_outside_of_bijectors_without_compilation():
    base = BASES["normal"]()
    for make, inside in BOUNDED.values():
        log_prob = tfflows.Flow(fb.TFPStep(make()), (2,), base=base).log_prob(X)
        assert not np.isnan(log_prob).any()
        if inside is not None:
            np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(inside))


def test_off_the_simplex_the_density_is_zero():
    step = fb.TFPStep(tfb.IteratedSigmoidCentered())
    flow = tfflows.Flow(step, (3,))
    x = [[0.2, 0.3, 0.5], [0.2, 0.3, 0.4], [1.2, 0.3, -0.5], [0.0, 0.5, 0.5]]
    np.testing.assert_array_equal(np.isfinite(flow.log_prob(x)), [1, 0, 0, 0])
    assert not np.isnan(flow.log_prob(x)).any()


def test_logit_is_an_error_and_under_xla_the_density_is_zero():
    flow = tfflows.Flow(fb.Logit(), (2,))
    with pytest.raises(ValueError, match=r"inside \(0, 1\)"):
        flow.log_prob(X)
    log_prob = tf.function(flow.log_prob, jit_compile=True)(X)
    np.testing.assert_array_equal(np.isneginf(log_prob), [0, 1, 0, 0, 1, 1])
    assert not np.isnan(log_prob).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_sides_of_a_border(dtype):
    flow = tfflows.Flow(fb.TFPStep(tfb.Exp(), dtype=dtype), (1,))
    tiny = np.finfo(dtype).tiny
    assert np.isfinite(flow.log_prob(np.array([[1e-30]], dtype)))
    for bad in (0.0, -0.0, -tiny, -1.0, -1e30):
        assert np.isneginf(flow.log_prob(np.array([[bad]], dtype)))


def test_inverted_steps_and_repeats_know_their_domain():
    inverted = fb.Invert(fb.TFPStep(tfb.Invert(tfb.Exp())))
    repeated = fb.Repeated(fb.TFPStep(tfb.Exp()), 2)
    for step, inside in ((inverted, POSITIVE), (repeated, [0, 0, 0, 0, 0, 0])):
        log_prob = tfflows.Flow(step, (2,)).log_prob(X)
        np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(inside))
        assert not np.isnan(log_prob).any()


def bounded_flow(first, base=None):
    def coupling():
        return fb.AffineCoupling(networks.MLP((8,)))

    steps = [first, fb.ActNorm(), coupling(), fb.Permute(), coupling()]
    flow = tfflows.Flow(fb.Chain(steps), (2,), base=base)
    flow.initialize(data())
    return flow


def data(rows=32):
    z = np.random.default_rng(0).normal(size=(rows, 2))
    return (1.0 / (1.0 + np.exp(-z))).astype("float32")


def test_gradients_of_the_other_rows_stay_finite():
    flow = bounded_flow(tfb.Sigmoid())
    weights = [w.value for w in flow.trainable_weights]

    def gradients(x):
        with tf.GradientTape() as tape:
            log_prob = flow.log_prob(x)
            finite = tf.math.is_finite(log_prob)
            loss = tf.reduce_sum(tf.where(finite, log_prob, 0.0))
        return tape.gradient(loss, weights)

    inside = X[:1]
    for got, wanted in zip(gradients(X), gradients(inside), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_rows_without_latents_are_named_where_they_enter():
    flow = bounded_flow(tfb.Sigmoid())
    flow.compile("adam")
    assert np.isfinite(flow.fit(data(), verbose=0).history["loss"]).all()
    bad = data()
    bad[7] = [1.0, 0.25]
    with pytest.raises(ValueError, match=r"row 7 of the batch, of values 1 0\.25"):
        flow.fit(bad, shuffle=False, verbose=0)
    weight = np.ones(32, "float32")
    weight[7] = 0.0
    history = flow.fit({"x": bad, "sample_weight": weight}, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isposinf(flow.evaluate(bad, verbose=0))
    with pytest.raises(ValueError, match="have no latents"):
        flow.encode(bad)
    with pytest.raises(ValueError, match="got row 7"):
        flow.initialize(bad)


BOUNDED_BASES = {
    "uniform": tfd.Uniform([-1.0, -1.0], 1.0),
    "beta": tfd.TransformedDistribution(
        tfd.Beta([2.0, 2.0], 3.0), tfb.Chain([tfb.Shift(-1.0), tfb.Scale(2.0)])
    ),
}


@pytest.mark.parametrize(
    "base", ["uniform", pytest.param("beta", marks=pytest.mark.large)]
)
def test_a_flow_to_a_base_of_bounded_support_is_trained(base):
    spline = fb.RationalQuadraticCoupling(networks.MLP((4,)), num_bins=2, bound=1.0)
    base = tfd.Independent(BOUNDED_BASES[base], 1)
    flow = tfflows.Flow(fb.Chain([spline, fb.Permute()]), (2,), base=base)
    flow.compile(keras.optimizers.Adam(1e-2))
    losses = flow.fit(data(64), epochs=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for density in (flow, flow.distribution):
        log_prob = density.log_prob(
            np.array([[0.5, 0.5], [2.0, 0.5], [0.5, -3.0]], "f")
        )
        np.testing.assert_array_equal(np.isneginf(log_prob), [0, 1, 1])
    with pytest.raises(ValueError, match=r"row 1 of the batch, of values 2 0"):
        flow.fit(np.array([[0.5, 0.5], [2.0, 0.0]], "f"), shuffle=False, verbose=0)


@pytest.mark.parametrize(
    ("distribution", "inside"),
    [
        (tfd.Beta(2.0, 3.0), (0, 1)),
        (tfd.Gamma(2.0, 1.0), (0, np.inf)),
        (tfd.Exponential(1.0), (0, np.inf)),
        (tfd.Chi2(2.0), (0, np.inf)),
        (tfd.LogNormal(0.0, 1.0), (0, np.inf)),
        (tfd.LogitNormal(0.0, 1.0), (0, 1)),
        (tfd.InverseGamma(1.0, 1.0), (0, np.inf)),
        (tfd.TruncatedNormal(0.0, 1.0, -1.0, 1.0), (-1, 1)),
        (tfd.Uniform(-1.0, 3.0), (-1, 3)),
        (tfd.StudentT(3.0, 0.0, 1.0), (-np.inf, np.inf)),
        (tfd.VonMises(0.0, 1.0), (-np.inf, np.inf)),
        (
            tfd.MixtureSameFamily(
                tfd.Categorical([0.0, 0.0]), tfd.Beta([1.0, 2.0], [2.0, 3.0])
            ),
            (0, 1),
        ),
        (
            tfd.Mixture(
                tfd.Categorical([0.0, 0.0]), [tfd.Beta(2.0, 3.0), tfd.Uniform(0.0, 3.0)]
            ),
            (0, 3),
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_support_is_that_of_the_distribution(distribution, inside):
    low, high = inside
    value = tf.constant([-2.5, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        log_prob = log_prob_in_support(distribution, value)
    assert np.isfinite(tape.gradient(log_prob, value)).all()
    assert not np.isnan(log_prob).any()
    within = (value > low) & (value < high)
    np.testing.assert_array_equal(np.isfinite(log_prob)[within], True)
    beyond = (value < low) | (value > high)
    np.testing.assert_array_equal(np.isneginf(log_prob)[beyond], True)
    single = (
        distribution.log_prob(value) if "Mixture" not in distribution.name else None
    )
    if single is not None:
        np.testing.assert_array_equal(log_prob[within], single[within])


def test_a_bijector_of_several_inverses_is_named():
    with pytest.raises(ValueError, match="of one inverse"):
        fb.TFPStep(tfb.AbsoluteValue())


class Scale(tfb.Exp):
    """A user's bijector, of a stock one's name."""


class CountedCoupling(fb.AffineCoupling):
    """Counts its passes to latents."""

    passes = 0

    def _inverse_and_log_det(self, x, context=None):
        CountedCoupling.passes += 1
        return super()._inverse_and_log_det(x, context)


def normal():
    return tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])


def test_flow_steps_say_of_themselves_whether_they_are_onto():
    bounded = fb.TFPStep(tfb.Exp())
    onto = [
        fb.Chain([fb.Scale(), fb.Invert(fb.ActNorm())]),
        fb.Repeated(fb.Chain([fb.Scale()]), 2),
        tfb.Chain([fb.Scale(), tfb.Invert(fb.Scale()), tfb.Shift(1.0)]),
        fb.TFPStep(Scale(), onto=True),
    ]
    not_onto = [
        fb.Chain([fb.Scale(), fb.Invert(bounded.copy())]),
        fb.Repeated(fb.Chain([bounded.copy()]), 2),
        tfb.Invert(fb.Chain([bounded.copy()])),
        fb.Logit(),
        Scale(),
        fb.TFPStep(tfb.Shift(1.0), onto=False),
    ]
    assert [domains.is_onto(step) for step in onto] == [True] * 4  # none is built
    assert [domains.is_onto(step) for step in not_onto] == [False] * 6


def test_functions_of_the_user_are_not_taken_for_onto():
    def exp_of(inputs, units, **condition):
        return tfb.Chain([tfb.Exp(), tfb.Scale(tf.ones(units))])

    assert domains.is_onto(tfb.RealNVP(1, shift_and_log_scale_fn=lambda x, n: (x, x)))
    assert not domains.is_onto(tfb.RealNVP(1, bijector_fn=exp_of))
    assert not domains.is_onto(tfb.MaskedAutoregressiveFlow(bijector_fn=exp_of))
    step = fb.TFPStep(tfb.RealNVP(num_masked=1, bijector_fn=exp_of))
    log_prob = tfflows.Flow(step, (2,)).log_prob([[0.5, 2.0], [0.5, -1.0]])
    np.testing.assert_array_equal(np.isneginf(log_prob), [0, 1])


def test_a_users_class_of_a_stock_name_has_an_image():
    log_prob = tfflows.Flow(fb.TFPStep(Scale()), (2,)).log_prob(X)
    np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(POSITIVE))
    assert not np.isnan(log_prob).any()


def test_told_to_be_onto_is_kept():
    step = fb.TFPStep(tfb.Softsign(), onto=True)
    assert step.onto
    assert step.get_config()["onto"] is True
    assert fb.Chain([step]).copy(name="twin").steps[0].onto
    with pytest.raises(ValueError, match="onto as True or False"):
        fb.TFPStep(tfb.Exp(), onto="yes")


def test_flows_and_steps_in_a_base():
    other = tfflows.Flow(fb.Chain([CountedCoupling(networks.MLP((4,)))]), (2,))
    bounded = tfflows.Flow(fb.TFPStep(tfb.Exp()), (2,))
    bases = {
        "flow": (other.distribution, np.ones(6)),
        "bounded flow": (bounded.distribution, POSITIVE),
        "chain": (
            tfd.TransformedDistribution(normal(), fb.Chain([fb.Scale()])),
            np.ones(6),
        ),
        "invert": (
            tfd.TransformedDistribution(normal(), fb.Invert(fb.Scale())),
            np.ones(6),
        ),
    }
    for name, (base, inside) in bases.items():
        flow = tfflows.Flow(tfb.Identity(), (2,), base=base)
        CountedCoupling.passes = 0
        log_prob = flow.log_prob(X)
        assert CountedCoupling.passes == (name == "flow")
        np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(inside))
        wanted = base.log_prob(X)
        np.testing.assert_allclose(log_prob, wanted, rtol=1e-5, err_msg=name)


COMPOSITES = {
    "chain": lambda step: fb.Chain([step]),
    "repeated": lambda step: fb.Repeated(fb.Chain([fb.Scale(), step]), 1),
    "recomputed": lambda step: fb.RecomputedChain([fb.Scale(), step]),
    "nested": lambda step: fb.Invert(fb.Invert(fb.Chain([step]))),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_inverted_composites_know_their_domain(name):
    step = fb.Invert(COMPOSITES[name](fb.TFPStep(tfb.Invert(tfb.Exp()))))
    flow = tfflows.Flow(step, (2,))
    for density in (flow.log_prob, tf.function(flow.log_prob)):
        log_prob = density(X)
        np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(POSITIVE))
        assert not np.isnan(log_prob).any()
    with pytest.raises(ValueError, match=r"inside of the domain.*got row 3"):
        flow.initialize(X)


def test_an_inverted_multiscale_knows_its_domain():
    step = fb.Multiscale([fb.TFPStep(tfb.Invert(tfb.Exp()), event_ndims=3)])
    step.build((None, 1, 1, 2))
    log_prob = tfflows.Flow(fb.Invert(step), (2,), base=normal()).log_prob(X)
    np.testing.assert_array_equal(np.isfinite(log_prob), np.bool_(POSITIVE))


def test_one_element_of_density_zero_is_enough():
    base = tfd.Independent(tfd.Beta([0.5, 0.5], [0.5, 0.5]), 1)
    value = tf.constant([[0.0, 2.0], [2.0, 1.0], [0.5, 0.5], [0.0, 0.5]])
    with tf.GradientTape() as tape:
        tape.watch(value)
        log_prob = log_prob_in_support(base, value)
    np.testing.assert_array_equal(log_prob[:2], [-np.inf, -np.inf])
    np.testing.assert_allclose(log_prob[2], base.log_prob([0.5, 0.5]), rtol=1e-6)
    assert np.isposinf(log_prob[3])
    assert np.isfinite(tape.gradient(log_prob, value)[:3]).all()


class Shifted(tfd.Gamma):
    """A distribution whose log_prob takes an argument."""

    def _sample_control_dependencies(self, x, by=0.0):
        return super()._sample_control_dependencies(x)

    def _log_prob(self, x, by=0.0):
        return super()._log_prob(x) + by


@pytest.mark.parametrize(
    "distribution",
    [
        Shifted([2.0], 1.0),
        tfd.Independent(Shifted([2.0], 1.0), 1),
        tfd.MixtureSameFamily(tfd.Categorical([0.0]), Shifted([2.0], 1.0)),
        tfd.Mixture(tfd.Categorical([0.0, 0.0]), [Shifted(2.0, 1.0)] * 2),
    ],
)
def test_arguments_of_log_prob_reach_it(distribution):
    value = tf.constant([1.0])
    plain = log_prob_in_support(distribution, value)
    moved = log_prob_in_support(distribution, value, by=3.0)
    np.testing.assert_allclose(moved, plain + 3.0, rtol=1e-6)


def test_a_density_that_is_infinite_names_its_row():
    base = tfd.Independent(tfd.Gamma([0.5, 0.5], 1.0), 1)
    flow = tfflows.Flow(fb.Scale(), (2,), base=base)
    flow.compile("adam")
    x = np.array([[1.0, 2.0], [0.0, 3.0]], "f")
    with pytest.raises(ValueError, match=r"row 1 of the batch, of values 0 3"):
        flow.fit(x, shuffle=False, verbose=0)
    batch = {"x": x, "index": np.array([40, 41])}
    with pytest.raises(ValueError, match=r"row 41 of the data, of values 0 3"):
        flow.train_on_batch(batch)


def test_large_latents_are_no_mark_of_missing_ones():
    flow = tfflows.Flow(fb.TFPStep(tfb.Sigmoid()), (1,))
    np.testing.assert_array_equal(flow.decode([[1e12], [-1e12]]), [[1.0], [0.0]])
    wide = tfd.Independent(tfd.Normal([0.0], 1e13), 1)
    wide = tfflows.Flow(fb.TFPStep(tfb.Sigmoid()), (1,), base=wide)
    assert np.isfinite(wide.sample(5, seed=1)).all()
    assert np.isfinite(wide.distribution.sample(5, seed=1)).all()
    vae = tfflows.FlowVAE(
        keras.layers.Dense(3),
        keras.layers.Dense(4),
        2,
        prior=fb.TFPStep(tfb.Sigmoid()),
        likelihood="gaussian",
        event_shape=(2,),
    )
    assert np.isfinite(vae.sample(3, seed=1, temperature=1e14)).all()


def test_samples_around_a_mode_that_is_not_defined():
    base = tfd.Independent(tfd.Beta([0.5, 2.0], [0.5, 3.0]), 1)
    flow = tfflows.Flow(fb.Scale(), (2,), base=base)
    cold = flow.sample(3, seed=1, temperature=0.0)
    np.testing.assert_allclose(cold, [[0.5, 1.0 / 3.0]] * 3, rtol=1e-5)
    strict = tfd.Independent(tfd.Beta([0.5], [0.5], allow_nan_stats=False), 1)
    flow = tfflows.Flow(fb.Scale(), (1,), base=strict)
    np.testing.assert_allclose(flow.sample(2, temperature=0.0), [[0.5]] * 2)
    nowhere = tfd.Independent(tfd.Cauchy([0.0], 1.0), 1)
    nowhere = tfd.TransformedDistribution(nowhere, tfb.Exp())
    flow = tfflows.Flow(fb.Scale(), (1,), base=nowhere)
    assert np.isfinite(flow.sample(2, seed=1)).all()
    with pytest.raises(ValueError, match="neither mode nor mean"):
        flow.sample(2, temperature=0.5)
