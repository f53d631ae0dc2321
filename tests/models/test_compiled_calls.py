"""Public methods compiled where they are called eagerly: what must not change by it."""

from __future__ import annotations

import copy
import pickle
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import tfflows
from tests.testing_utils import randomize
from tfflows.backend import compiled
from tfflows.models.calls.compiled_calls import calls_of


def small_flow(**kwargs):
    flow = tfflows.models.realnvp(
        (2,), num_couplings=2, hidden_units=(8,), actnorm=False, **kwargs
    )
    randomize(flow)
    return flow


def small_vae():
    vae = tfflows.FlowVAE(
        keras.layers.Dense(4, activation="tanh"),
        keras.layers.Dense(3),
        2,
        tfflows.bijectors.Planar(),
        event_shape=(3,),
    )
    randomize(vae)
    return vae


X = np.random.default_rng(0).normal(size=(100, 2)).astype("float32")
BITS = np.random.default_rng(0).integers(0, 2, size=(100, 3)).astype("float32")
LABELS = np.arange(100) % 3


def target(x):
    return -0.5 * tf.reduce_sum(x**2, axis=-1)


@pytest.fixture(scope="module")
def flow():
    return small_flow()


@pytest.fixture(scope="module")
def conditional():
    network = keras.layers.Embedding(3, 4)
    return small_flow(context_shape=(), context_network=network)


@pytest.fixture(scope="module")
def vae():
    return small_vae()


@pytest.fixture(scope="module")
def kl(flow):
    return tfflows.ReverseKL(flow, target)


# Model, method, and calls of one kind.
CALLS = {
    "log_prob": ("flow", [lambda f, n=n: f.log_prob(X[:n]) for n in (1, 64, 100)]),
    "bits_per_dim": ("flow", [lambda f: f.bits_per_dim(X), lambda f: f.log_prob(X)]),
    "encode": ("flow", [lambda f, n=n: f.encode(X[:n]) for n in (1, 100)]),
    "decode": ("flow", [lambda f, n=n: f.decode(X[:n]) for n in (1, 100)]),
    "dequantize": ("flow", [lambda f, n=n: f.dequantize(X[:n]) for n in (1, 100)]),
    "sample": (
        "flow",
        [
            lambda f: f.sample(1, seed=0),
            lambda f: f.sample(5, seed=2**40, temperature=0.7),
            lambda f: f.sample(np.int64(64), seed=tf.constant([1, 2]), temperature=1),
        ],
    ),
    "sample_and_log_prob": (
        "flow",
        [
            lambda f, n=n: tf.nest.flatten(f.sample_and_log_prob(n, n))
            for n in (2, 3, 4)
        ],
    ),
    "leading axes": (
        "flow",
        [lambda f, n=n: f.log_prob(X[:n].reshape(2, -1, 2)) for n in (4, 100)],
    ),
    "distribution": (
        "flow",
        [lambda f, n=n: f.distribution.log_prob(X[:n]) for n in (1, 64)],
    ),
    "context": (
        "conditional",
        [lambda f, n=n: f.log_prob(X[:n], LABELS[:n]) for n in (1, 64, 100)],
    ),
    "one context": (
        "conditional",
        [lambda f, n=n: f.sample(n, 0, context=n) for n in (1, 2)],
    ),
    "distribution's draws": (
        "flow",
        [lambda f, n=n: f.distribution.sample((n, 2), seed=[n, 2]) for n in (1, 5)],
    ),
    "conditional distribution": (
        "conditional",
        [lambda f, n=n: f.conditional(LABELS[:n]).log_prob(X[:n]) for n in (3, 100)],
    ),
    "conditional distribution's draws": (
        "conditional",
        [lambda f, n=n: f.conditional(2).sample(n, seed=[n, 2]) for n in (1, 5)],
    ),
    "elbo": ("vae", [lambda v, n=n: v.elbo(BITS[:n], n, seed=n) for n in (1, 64)]),
    "iwae": ("vae", [lambda v, n=n: v.iwae(BITS[:n], n, seed=0) for n in (2, 100)]),
    "vae encode": ("vae", [lambda v, n=n: v.encode(BITS[:n], n) for n in (1, 64)]),
    "vae decode": ("vae", [lambda v, n=n: v.decode(X[:n]) for n in (1, 64)]),
    "reconstruct": ("vae", [lambda v, n=n: v.reconstruct(BITS[:n]) for n in (1, 64)]),
    "vae sample": (
        "vae",
        [lambda v: v.sample(3, seed=0), lambda v: v.sample(4, 1, temperature=0.5)],
    ),
    "free_energy": ("kl", [lambda k, n=n: k.free_energy(n, seed=n) for n in (3, 50)]),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_function_gives_what_the_plain_code_gives(name, request):
    fixture, calls = CALLS[name]
    model = request.getfixturevalue(fixture)
    tf.config.run_functions_eagerly(True)
    try:
        wanted = [call(model) for call in calls]
    finally:
        tf.config.run_functions_eagerly(False)
    if "distribution" in name:
        functions = calls_of(model.distribution)
    else:
        functions = calls_of(model)
    functions._drop()
    first, again = ([call(model) for call in calls] for _ in range(2))
    assert len(functions) == 1
    for values in (first, again):
        tf.nest.map_structure(_assert_close, wanted, values)


def _assert_close(wanted, value):
    assert value.shape == wanted.shape
    assert value.dtype == wanted.dtype
    np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)


def test_the_second_call_of_a_kind_compiles_and_is_equal_to_the_bit():
    flow = small_flow()
    values = [flow.log_prob(X) for _ in range(3)]
    assert len(calls_of(flow)) == 1
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[1], values[2])
    flow.log_prob(X.astype("float64"))
    assert len(calls_of(flow)) == 1
    flow.log_prob(X.astype("float64"))
    assert len(calls_of(flow)) == 2


def test_fresh_draws_differ(flow, vae):
    for model in (flow, vae, flow.distribution):
        assert len({model.sample(20).numpy().tobytes() for _ in range(4)}) == 4
    tf.random.set_seed(3)
    one = flow.sample(2)
    tf.random.set_seed(3)
    np.testing.assert_array_equal(flow.sample(2), one)


def test_an_old_distribution_keeps_its_parts():
    flow = small_flow()
    old, wanted = flow.distribution, flow.log_prob(X)
    replace_base(flow, None)
    for distribution in [old, flow.distribution] * 3:
        same = distribution is old
        found = distribution.log_prob(X)
        np.testing.assert_allclose(found, wanted if same else flow.log_prob(X), 1e-5)
    assert len(calls_of(old)) == len(calls_of(flow.distribution)) == 1


def test_threads_share_one_function():
    flow = small_flow()
    wanted = flow.log_prob(X).numpy()
    found = []
    start = threading.Barrier(4)

    def run():
        start.wait()
        found.extend(flow.log_prob(X[:n]).numpy() for n in (10, 50, 100))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls_of(flow)) == 1
    assert len(found) == 12
    for values in found:
        np.testing.assert_allclose(values, wanted[: len(values)], rtol=1e-5, atol=1e-5)


def test_reloaded_weights_are_those_of_the_next_call(tmp_path):
    flow, other = small_flow(), small_flow()
    other.save_weights(tmp_path / "w.weights.h5")
    for _ in range(2):
        flow.log_prob(X)
    flow.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(flow.log_prob(X), other.log_prob(X))
    flow.trainable_variables[-1].assign_add(tf.ones_like(flow.trainable_variables[-1]))
    assert np.abs(flow.log_prob(X) - other.log_prob(X)).max() > 0.1


def flow_through(layer):
    """A flow whose first coupling's network ends in a layer of the test's."""
    network = keras.Sequential([keras.layers.Dense(8, activation="tanh"), layer])
    couplings = [
        tfflows.bijectors.AffineCoupling(network, mask="half"),
        tfflows.bijectors.AffineCoupling(tfflows.networks.MLP((8,)), mask="half"),
    ]
    flow = tfflows.Flow(tfflows.bijectors.Chain(couplings), (2,))
    randomize(flow)
    return flow


def compiled_flow():
    flow = small_flow()
    flow.log_prob(X)
    flow.log_prob(X)
    assert len(calls_of(flow)) == 1
    return flow


class Doubled(keras.layers.Layer):
    """A layer whose outcome depends on what was set."""

    factor = 1.0

    def call(self, x):
        return self.factor * x if self.trainable else -x


def replace_step(flow, inner):
    other = small_flow()
    flow.bijector._tracker.unlock()
    flow.bijector.steps[0] = other.bijector.steps[0]


def replace_base(flow, inner):
    base = tfflows.distributions.Base(tfflows.distributions.StandardLogistic(2))
    flow.base = base


CHANGES = {
    "frozen": lambda flow, inner: setattr(inner, "trainable", False),
    "all frozen": lambda flow, inner: setattr(flow, "trainable", False),
    "an attribute": lambda flow, inner: setattr(inner, "factor", 3.0),
    "a weight frozen": lambda flow, inner: setattr(
        flow.trainable_variables[0], "trainable", False
    ),
    "a step replaced": replace_step,
    "the base replaced": replace_base,
    "another precision": lambda flow, inner: setattr(
        inner, "dtype_policy", keras.DTypePolicy("mixed_bfloat16")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_in_layers_is_never_computed_by_an_old_trace(change):
    inner = Doubled()
    flow = flow_through(inner)
    for _ in range(2):
        flow.log_prob(X)
    assert len(calls_of(flow)) == 1
    CHANGES[change](flow, inner)
    found = flow.log_prob(X)
    assert len(calls_of(flow)) == 0
    flow.log_prob(X)
    assert len(calls_of(flow)) == 1
    tf.config.run_functions_eagerly(True)
    try:
        np.testing.assert_allclose(found, flow.log_prob(X), rtol=1e-5, atol=1e-5)
    finally:
        tf.config.run_functions_eagerly(False)


def test_training_keeps_the_functions():
    flow = compiled_flow()
    flow.compile("sgd")
    flow.fit(X, batch_size=50, verbose=0)
    flow.log_prob(X)
    flow.log_prob(X)
    flow.fit(X, batch_size=50, verbose=0)
    flow.log_prob(X)
    assert len(calls_of(flow)) == 1


def second_order(flow, x):
    weights = flow.trainable_variables
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(x)
            value = tf.reduce_sum(flow.log_prob(x))
        slope = inner.gradient(value, x)
        of_weights = inner.gradient(value, weights)
        total = tf.reduce_sum(slope**2)
    return [slope, *of_weights, *outer.gradient(total, [x, *weights])]


def test_gradients_of_any_order_pass_through():
    flow, x = small_flow(dtype="float64"), tf.constant(X[:3], tf.float64)
    wanted = second_order(flow, x)
    found = second_order(flow, x)
    assert len(calls_of(flow)) == 1
    for one, other in zip(wanted, found, strict=True):
        if one is None:
            assert other is None
        else:
            np.testing.assert_allclose(other, one, atol=1e-10)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = flow.log_prob(x)[:, tf.newaxis]
    jacobian = tape.batch_jacobian(score, x)
    np.testing.assert_allclose(jacobian[:, 0], wanted[0], atol=1e-10)


REFUSED = {
    "values": lambda f: f.log_prob([[np.nan, 0.0]]),
    "shape": lambda f: f.log_prob([[1.0, 2.0, 3.0]]),
    "rank": lambda f: f.log_prob(1.0),
    "words": lambda f: f.log_prob([["a", "b"]]),
    "context": lambda f: f.log_prob(X, LABELS),
    "latents": lambda f: f.decode([[1.0]]),
    "number": lambda f: f.sample(-1),
    "temperature": lambda f: f.sample(3, temperature=-1.0),
    "temperatures": lambda f: f.sample(3, temperature=[1.0, 1.0]),
    "one of three": lambda f: f.sample(3, temperature=[1.0]),
    "seed": lambda f: f.sample(3, seed=1.5),
    "arguments": lambda f: f.log_prob(X, None, 3),
    "a name": lambda f: f.log_prob(X, labels=3),
    "twice": lambda f: f.log_prob(X, x=X),
}
REFUSED_CONTEXTS = {
    "none": lambda f: f.log_prob(X),
    "label": lambda f: f.log_prob(X[:2], [0, 3]),
    "too many": lambda f: f.log_prob(X[:2], [0, 1, 2]),
    "kind": lambda f: f.sample(2, context=[0.5, 1.5]),
}
REFUSED_DATA = {
    "values": lambda v: v.elbo(BITS + 0.5),
    "number": lambda v: v.iwae(BITS, 0),
    "shape": lambda v: v.reconstruct(X),
    "latents": lambda v: v.decode(BITS),
}


@pytest.mark.parametrize(
    ("fixture", "name"),
    [("flow", name) for name in REFUSED]
    + [("conditional", name) for name in REFUSED_CONTEXTS]
    + [("vae", name) for name in REFUSED_DATA],
)
def test_refusals_are_those_of_the_plain_code(fixture, name, request):
    model = request.getfixturevalue(fixture)
    table = {"flow": REFUSED, "conditional": REFUSED_CONTEXTS, "vae": REFUSED_DATA}
    call = table[fixture][name]
    good = {
        "flow": [lambda m: m.log_prob(X), lambda m: m.decode(X), lambda m: m.sample(3)],
        "conditional": [
            lambda m: m.log_prob(X, LABELS),
            lambda m: m.sample(2, context=0),
        ],
        "vae": [lambda m: m.elbo(BITS), lambda m: m.reconstruct(BITS)],
    }
    for one in good[fixture] * 2:
        one(model)
    tf.config.run_functions_eagerly(True)
    try:
        wanted = _error(call, model)
    finally:
        tf.config.run_functions_eagerly(False)
    assert isinstance(wanted, ValueError | TypeError)
    for _ in range(2):
        found = _error(call, model)
        assert type(found) is type(wanted)
        assert str(found) == str(wanted)
    for one in good[fixture]:  # a refusal changes nothing
        one(model)


def _error(call, model):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - compared by the test
        call(model)
    return caught.value


class Looking(keras.layers.Layer):
    """A network's layer that cannot be traced."""

    def call(self, x):
        return x * float(np.cos(np.mean(x.numpy() * 0)))

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_code_that_cannot_be_traced_runs_as_it_stands():
    flow = flow_through(Looking())
    values = [flow.log_prob(X) for _ in range(3)]
    assert len(calls_of(flow)) == 0
    np.testing.assert_array_equal(values[0], values[2])


def test_copies_pickles_and_files_have_no_functions(tmp_path):
    flow = compiled_flow()
    flow.distribution.log_prob(X)
    flow.distribution.log_prob(X)
    wanted = flow.log_prob(X)
    flow.save(tmp_path / "flow.keras")
    copies = [
        copy.deepcopy(flow),
        pickle.loads(pickle.dumps(flow)),
        keras.models.load_model(tmp_path / "flow.keras"),
    ]
    for other in copies:
        assert len(calls_of(other)) == 0
        np.testing.assert_allclose(other.log_prob(X), wanted, rtol=1e-5)
    for other in (
        copy.deepcopy(flow.distribution),
        pickle.loads(pickle.dumps(flow.distribution)),
    ):
        assert calls_of(other) is not calls_of(flow)
        np.testing.assert_allclose(other.log_prob(X), wanted, rtol=1e-5)
    assert len(calls_of(copy.copy(calls_of(flow)))) == 0


def test_a_saved_model_holds_none_of_them(tmp_path):
    sizes = []
    for number, model in enumerate((small_flow(), compiled_flow())):
        tf.saved_model.save(model, str(tmp_path / str(number)))
        graph = saved_model_pb2.SavedModel.FromString(
            (tmp_path / str(number) / "saved_model.pb").read_bytes()
        ).meta_graphs[0]
        functions = graph.graph_def.library.function
        sizes.append((len(functions), len(graph.object_graph_def.nodes)))
    assert sizes[0] == sizes[1]


def test_a_users_graph_holds_the_plain_code():
    flow = compiled_flow()
    function = tf.function(lambda x: (flow.log_prob(x), flow.sample(2, seed=0)))
    graph = function.get_concrete_function(tf.TensorSpec((None, 2))).graph
    calls = [op for op in graph.get_operations() if "PartitionedCall" in op.type]
    assert not calls
    assert len(calls_of(flow)) == 1
    np.testing.assert_allclose(function(X)[0], flow.log_prob(X), rtol=1e-5)


def test_replicas_run_the_plain_code():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with strategy.scope():
        flow = small_flow()
    values = strategy.run(lambda: flow.log_prob(X))
    with strategy.scope():
        for _ in range(2):
            flow.log_prob(X)
    assert len(calls_of(flow)) == 0
    for _ in range(3):
        np.testing.assert_allclose(flow.log_prob(X), values, rtol=1e-5)
    assert len(calls_of(flow)) == 1


def test_a_model_that_runs_eagerly_is_not_compiled():
    flow = small_flow()
    flow.compile(run_eagerly=True)
    for _ in range(3):
        flow.log_prob(X)
    assert len(calls_of(flow)) == 0
    flow.compile()
    tf.config.run_functions_eagerly(True)
    try:
        for _ in range(3):
            flow.log_prob(X)
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(calls_of(flow)) == 0


@pytest.mark.parametrize(
    "name", ["log_prob", "sample", "context", "elbo", "free_energy"]
)
def test_large_inputs_go_in_chunks(name, request, monkeypatch):
    fixture, calls = CALLS[name]
    model, call = request.getfixturevalue(fixture), calls[-1]
    calls_of(model)._drop()
    wanted = call(model)
    monkeypatch.setattr(compiled, "_WIDEST", 300)
    found = call(model)
    (one,) = filter(None, calls_of(model)._functions.values())
    assert 2 < one.rows < 40
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    calls_of(model)._drop()


def test_a_large_first_call_is_compiled_and_bounded(flow):
    calls_of(flow)._drop()
    assert flow.sample(2**15, seed=0).shape == (2**15, 2)
    (one,) = filter(None, calls_of(flow)._functions.values())
    # The widest tensor holds 8 numbers of 4 bytes a row, in 8 MiB.
    assert one.rows <= 2**23 // 32


def test_a_trace_leaves_no_tensors_in_layers():
    flow = flow_through(keras.layers.ActivityRegularization(l2=0.1))
    for _ in range(2):
        flow.log_prob(X)
    assert len(calls_of(flow)) == 1
    for loss in flow.losses:
        assert np.isfinite(float(loss))


def test_threads_that_are_refused_together_both_go_on():
    call = compiled.CompiledCall(lambda x: x, [tf.TensorSpec((None, 2))])
    run = call._run

    def refused(tensors, executor):
        if executor is None:
            return run(tensors, executor)
        call._executor = None  # another thread was refused, too
        message = f"s{compiled._REFUSAL}"
        raise tf.errors.InvalidArgumentError(None, None, message)

    call._run = refused
    np.testing.assert_array_equal(call(tf.constant(X)), X)


@pytest.mark.parametrize("kind", ["loop", "branch"])
def test_tensors_inside_of_loops_and_branches_bound_the_rows(kind):
    def wide(x):
        return tf.reduce_sum(tf.tile(x, [1, 1000]) ** 2, axis=1, keepdims=True) + x

    def function(x):
        if kind == "branch":
            return tf.cond(tf.reduce_sum(x) > 0.0, lambda: wide(x), lambda: x)
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9.0, lambda x: [wide(x)], [x])

    call = compiled.CompiledCall(function, [tf.TensorSpec((None, 2))])
    assert call.rows == 2**23 // 8000
