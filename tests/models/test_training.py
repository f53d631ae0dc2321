"""`fit` and `evaluate`: what they take, weigh, report and refuse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows.fitting.array_rounds import ArrayRounds
from tfflows.fitting.replica_sums import global_mean
from tfflows.fitting.rounds import steps_in_round
from tfflows.fitting.step_loop import in_rounds
from tfflows.preprocessing import Dequantization
from tfflows.training import CheckpointCallback, skip_batches


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(40, 2)).astype("float32")


def flow_of(step=None, **kwargs):
    flow = tfflows.Flow(fb.Scale() if step is None else step, (2,), **kwargs)
    flow.compile(keras.optimizers.SGD(0.1))
    return flow


def test_history_has_the_mean_nll_and_it_falls(rows):
    flow = flow_of()
    wanted = -np.mean(flow.log_prob(rows))
    history = flow.fit(
        rows * 3.0, epochs=5, verbose=0, validation_data=rows * 3.0, shuffle=False
    ).history
    assert set(history) == {"loss", "val_loss", "skipped_steps"}
    assert history["skipped_steps"] == [0] * 5
    assert history["val_loss"][-1] < history["val_loss"][0]
    fresh = flow_of()
    assert fresh.evaluate(rows, verbose=0) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "form", ["x", "triple", "dict", "dict_in_triple", "arrays", "tuple"]
)
def test_every_form_of_a_batch_gives_the_same_weighted_mean(rows, form):
    flow = flow_of()
    weight = np.linspace(0.0, 2.0, 40).astype("float32")
    nll = -flow.log_prob(rows).numpy()
    wanted = nll.mean() if form == "x" else (weight * nll).sum() / weight.sum()
    data = {
        "x": rows,
        "triple": (rows, None, weight),
        "dict": {"x": rows, "sample_weight": weight},
        "dict_in_triple": ({"x": rows}, None, weight),
    }
    if form == "arrays":
        loss = flow.evaluate(rows, sample_weight=weight, batch_size=16, verbose=0)
    elif form == "tuple":
        loss = flow.evaluate((rows, None, weight), batch_size=16, verbose=0)
    else:
        dataset = tf.data.Dataset.from_tensor_slices(data[form]).batch(16)
        loss = flow.evaluate(dataset, verbose=0)
        flow.fit(dataset, verbose=0)
    assert loss == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "form", [lambda x, w: {"x": x, "sample_weight": w}, lambda x, w: (x, None, w)]
)
def test_validation_data_are_weighted(rows, form):
    weight = np.array([0.0] * 39 + [5.0], "float32")
    flow = flow_of()
    history = flow.fit(rows, validation_data=form(rows, weight), verbose=0).history
    wanted = -float(flow.log_prob(rows[-1]))
    assert history["val_loss"] == [pytest.approx(wanted, rel=1e-5)]


def test_the_gradient_is_of_the_weighted_mean(rows):
    weight = np.array([0.0] * 39 + [5.0], "float32")
    weighted, alone = flow_of(), flow_of()
    weighted.fit(rows, sample_weight=weight, batch_size=40, verbose=0)
    alone.fit(rows[-1:], verbose=0)
    np.testing.assert_allclose(weighted.get_weights()[0], alone.get_weights()[0])


def test_a_batch_without_weight_leaves_the_model_alone(rows):
    flow = flow_of()
    flow.fit(rows, sample_weight=np.zeros(40), verbose=0)
    np.testing.assert_array_equal(flow.get_weights()[0], 0.0)
    value = global_mean(tf.constant([np.inf, 2.0]), tf.constant([0.0, 1.0]))
    np.testing.assert_array_equal(value, 2.0)


def test_regularizers_of_a_conditioner_count(rows):
    def loss_gap(strength):
        network = keras.layers.Dense(
            8, kernel_regularizer=keras.regularizers.L2(strength)
        )
        keras.utils.set_random_seed(0)
        flow = flow_of(fb.AffineCoupling(network))
        flow.fit(rows, epochs=3, verbose=0)
        return np.abs(network.kernel.numpy()).mean()

    assert loss_gap(1.0) < 0.9 * loss_gap(0.0)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_it_trains_in_every_precision(rows, dtype):
    network = keras.layers.Dense(8, "relu", dtype=dtype)
    flow = flow_of(fb.AffineCoupling(network, dtype=dtype))
    history = flow.fit(rows * 3.0, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert flow.log_prob(rows).dtype == ("float64" if dtype == "float64" else "float32")


def test_the_loss_is_scaled_for_float16_by_the_number_of_its_terms(rows, tmp_path):
    wide = tfflows.Flow(fb.Scale(dtype="mixed_float16"), (60,))  # 64 to a power of 2
    wide.compile("adam")
    assert wide.optimizer.initial_scale == 2**9
    kl = tfflows.ReverseKL(wide, lambda x: x[:, 0])
    kl.compile("adam")
    assert kl.optimizer.initial_scale == 2**9
    wide.compile("adam", auto_scale_loss=False)
    assert not hasattr(wide.optimizer, "initial_scale")
    flow = tfflows.Flow(fb.Scale(dtype="mixed_float16"), (2,))
    flow.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), 2.0**3))
    assert flow.optimizer.initial_scale == 2**3
    flow.fit(rows, verbose=0)
    flow.optimizer.dynamic_scale.assign(5.0)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert (loaded.optimizer.initial_scale, loaded.optimizer.dynamic_scale) == (8, 5)
    loaded.fit(rows, verbose=0)
    assert loaded.optimizer.dynamic_scale == 5


def test_callbacks_and_execution_options(rows):
    flow = flow_of()
    flow.compile("adam", steps_per_execution=2, jit_compile=True)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1)
    history = flow.fit(
        rows, validation_split=0.25, epochs=3, verbose=0, callbacks=[stop]
    )
    assert len(history.history["loss"]) >= 1


def _weighted(rows):
    data = {"x": rows, "sample_weight": np.linspace(0.5, 1.5, 40).astype("float32")}
    return tf.data.Dataset.from_tensor_slices(data)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("batches", ["arrays", "dicts", "without end"])
def test_a_loop_over_steps_trains_as_single_steps_do(rows, batches, jit_compile):
    # 7 batches of 6 rows, the last of 4: two loops of 3 steps, and 1 step alone.
    arguments = {
        "arrays": lambda: {"x": rows, "batch_size": 6, "shuffle": False},
        "dicts": lambda: {"x": _weighted(rows).batch(6)},
        "without end": lambda: {
            "x": _weighted(rows).batch(6, drop_remainder=True).repeat(),
            "steps_per_epoch": 6,
        },
    }[batches]()
    results = []
    for settings in ({}, {"jit_compile": jit_compile, "steps_per_execution": 3}):
        keras.utils.set_random_seed(0)
        flow = flow_of()
        flow.compile(keras.optimizers.Adam(1e-2), **settings)
        history = flow.fit(**arguments, epochs=2, verbose=0).history
        results.append((history["loss"], *flow.get_weights()))
        steps = 12 if batches == "without end" else 14
        assert int(flow.optimizer.iterations) == steps
    for looped, single in zip(*results, strict=True):
        np.testing.assert_allclose(looped, single, rtol=1e-4, atol=1e-6)


def test_the_number_of_steps_in_a_loop_may_change(rows):
    data = tf.data.Dataset.from_tensor_slices(rows).batch(6, drop_remainder=True)
    results = []
    for numbers in ((1, 1, 1, 1), (2, 4, 2, 1)):
        keras.utils.set_random_seed(0)
        flow = flow_of()
        flow.compile(keras.optimizers.Adam(1e-2))
        for number in numbers:
            flow.steps_per_execution = number
            flow.fit(data.repeat(), steps_per_epoch=4, verbose=0)
        flow.run_eagerly = True
        flow.fit(data.repeat(), steps_per_epoch=4, verbose=0)
        flow.run_eagerly, flow.steps_per_execution = False, 4
        flow.fit(data.repeat(), steps_per_epoch=4, verbose=0)
        assert int(flow.optimizer.iterations) == 24
        results.append(flow.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_batches_come_in_rounds_where_all_are_of_one_shape():
    batches = tf.data.Dataset.range(7).batch(2)
    rounds = in_rounds(batches.take(3).repeat().map(lambda i: tf.reshape(i, [2])), 3)
    first, second = [element.batches.numpy() for element in rounds.take(2)]
    np.testing.assert_array_equal(first, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(second, first)
    # One ends, one has batches of 2 and of 1; arrays are Keras' to cut.
    for data in (batches, batches.repeat(), np.ones((4, 2))):
        assert in_rounds(data, 3) is data


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x: f.compile("adam", loss="mse"), "neither loss nor metrics"),
        (lambda f, x: f.compile("adam", metrics=["mse"]), "neither loss nor metrics"),
        (lambda f, x: f.fit(x, x[:, 0], verbose=0), "no targets y"),
        (lambda f, x: f.evaluate(x, x[:, 0], verbose=0), "no targets y"),
        (lambda f, x: f.fit({"y": x}, verbose=0), "keys \\['y'\\]"),
        (lambda f, x: f.fit({"x": x, "contxt": x}), "'contxt' is perhaps 'context'"),
        (lambda f, x: f.fit(x, class_weight={0: 2.0}), "no class_weight"),
        (lambda f, x: f.fit([x, x[:, 0]]), "x as one array, got a list of 2"),
        (lambda f, x: f.fit([x], verbose=0), r"shape \(batch, \*event\)"),
        (lambda f, x: f.compile("adam", max_skipped=0), "max_skipped >= 1"),
        (lambda f, x: f.compile("adam", max_skipped=True), "max_skipped >= 1"),
        (lambda f, x: f.compile("adam", jit_compile="auto"), "True or False"),
        (lambda f, x: f.compile("adam", loss_weights=[1.0]), "neither loss nor"),
        (
            lambda f, x: f.fit(tf.data.Dataset.from_tensors(x), sample_weight=x[:, 0]),
            "sample_weight= with arrays",
        ),
        (
            lambda f, x: f.fit(tf.data.Dataset.from_tensors((x, None, x)), verbose=0),
            "numbers of shape \\(40,\\).*got float32 of shape \\(40, 2\\)",
        ),
        (lambda f, x: f.fit(x[:0], verbose=0), "expected data, got none"),
        (lambda f, x: f.evaluate(x[:0], verbose=0), "expected data, got none"),
        (
            lambda f, x: f.evaluate(x, sample_weight=-np.ones(40), verbose=0),
            "weights >= 0",
        ),
        (lambda f, x: f.fit(np.full((4, 2), np.nan), verbose=0), "finite data"),
        (lambda f, x: f.fit(x[:, :1], verbose=0), "shape \\(batch, 2\\)"),
    ],
)
def test_what_training_refuses(rows, call, message):
    with pytest.raises(ValueError, match=message):
        call(flow_of(), rows)


def test_another_shape_is_refused_by_a_traced_graph_too(rows):
    flow = flow_of()
    for call in (flow.fit, flow.evaluate, flow.predict):
        call(rows, verbose=0)
        with pytest.raises(ValueError, match=r"expected data of shape \(batch, 2\)"):
            call(np.ones((4, 3)), verbose=0)
        call(rows, verbose=0)


def test_an_uninitialised_model_is_not_trained(rows):
    flow = flow_of(fb.ActNorm())
    with pytest.raises(ValueError, match=r"initialize\(batch\)"):
        flow.fit(rows, verbose=0)
    flow.initialize(rows)
    flow.fit(rows, verbose=0)


def test_a_step_without_xla_is_refused_when_it_is_asked_for():
    class Eager(fb.Scale):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_jit = False

    flow = tfflows.Flow(fb.Chain([Eager()]), (2,))
    with pytest.raises(ValueError, match="cannot be compiled by XLA"):
        flow.compile("adam", jit_compile=True)
    free = fb.Invertible1x1Conv("free", name="mix")
    flow = tfflows.Flow(fb.Chain([free], event_ndims=3), (2, 2, 2))
    with pytest.raises(ValueError, match=r"step mix \(XLA has no log-determinant"):
        flow.compile("adam", jit_compile=True)


def noisy(draws=1):
    return flow_of(preprocessing=Dequantization(4, evaluation_draws=draws))


def test_training_noise_is_keyed_by_the_index_not_by_the_place_in_the_batch():
    x = np.random.default_rng(0).integers(0, 4, (12, 2))
    index = np.arange(12)
    flow = noisy()
    flow.optimizer.build(flow.trainable_variables)
    whole = flow({"x": x, "index": index}, training=True).numpy()
    order = np.random.default_rng(1).permutation(12)
    shuffled = flow({"x": x[order], "index": index[order]}, training=True)
    np.testing.assert_array_equal(shuffled, whole[order])
    flow.optimizer.iterations.assign(1)
    assert np.all(flow({"x": x, "index": index}, training=True) != whole)
    assert np.all(flow(x) == flow(x))


def test_evaluation_draws_are_averaged_and_repeat_exactly():
    x = np.random.default_rng(0).integers(0, 4, (12, 2))
    one, many = noisy(), noisy(draws=64)
    figures = [many.evaluate(x, verbose=0, return_dict=True) for _ in range(2)]
    assert figures[0] == figures[1]
    assert set(figures[0]) == {"loss", "bits_per_dim"}
    # E over u in [0, 1) of (x + u)^2 is x^2 + x + 1/3.
    exact = 0.5 * (x**2 + x + 1.0 / 3.0).sum(axis=1).mean() + np.log(2.0 * np.pi)
    assert figures[0]["loss"] == pytest.approx(exact, abs=0.05)
    bits = figures[0]["loss"] / (2 * np.log(2.0))
    assert figures[0]["bits_per_dim"] == pytest.approx(bits, rel=1e-6)
    assert one.evaluate(x, verbose=0) != figures[0]["loss"]


class EachBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.seen = [*getattr(self, "seen", []), batch]


def test_steps_per_execution_auto_is_one_step_where_somebody_looks(rows, tmp_path):
    flow = flow_of()
    flow.compile("adam", steps_per_execution="auto")
    per_epoch = [keras.callbacks.EarlyStopping("loss")]
    assert steps_in_round(flow, 6, per_epoch) == 32
    assert steps_in_round(flow, 10**9, per_epoch) == 1
    watching = [EachBatch(), keras.callbacks.ModelCheckpoint("x.keras", save_freq=2)]
    for callback in watching:
        assert steps_in_round(flow, 6, [*per_epoch, callback]) == 1
    often = CheckpointCallback(flow, tmp_path, every_steps=48)
    assert steps_in_round(flow, 6, [often]) == 3
    each = EachBatch()
    flow.fit(rows, batch_size=6, epochs=2, verbose=0, callbacks=[each])
    assert each.seen == [*range(7), *range(7)]
    assert flow.get_compile_config()["steps_per_execution"] == "auto"


def test_auto_rounds_train_as_single_steps_do(rows):
    endless = tf.data.Dataset.from_tensor_slices(rows).batch(6, drop_remainder=True)
    results = []
    for number in (1, "auto", 4):  # of 7 steps: one round, or rounds of 4 and 3
        keras.utils.set_random_seed(0)
        flow = flow_of()
        flow.compile(keras.optimizers.Adam(1e-2), steps_per_execution=number)
        flow.fit(rows, batch_size=6, epochs=2, verbose=0, validation_data=rows)
        flow.fit(endless.repeat(), steps_per_epoch=7, epochs=2, verbose=0)
        assert int(flow.optimizer.iterations) == 28
        assert flow.steps_per_execution == (4 if number == 4 else 1)
        results.append(flow.get_weights())
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_an_epoch_goes_on_in_the_middle_of_its_rounds(rows):
    endless = tf.data.Dataset.from_tensor_slices(rows).batch(6, drop_remainder=True)
    endless, results = endless.repeat(), []
    for done in (0, 3):  # of 5 steps an epoch, in rounds of 3 and 2
        flow = flow_of()
        flow.compile(keras.optimizers.SGD(0.1), steps_per_execution=3)
        if done:
            flow.fit(endless.take(done), verbose=0)
            skip_batches(flow, done)
        data = endless.skip(done)
        flow.fit(data, steps_per_epoch=5, epochs=2, shuffle=False, verbose=0)
        assert int(flow.optimizer.iterations) == 10
        results.append(flow.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_arrays_are_seen_once_in_each_epoch_in_its_own_order():
    def epochs(number):
        keras.utils.set_random_seed(3)
        arrays = ArrayRounds({"x": np.arange(10)}, 3, number, True)
        assert (arrays.num_batches, arrays.partial_batch_size) == (4, 1)
        return [
            np.concatenate([np.ravel(part["x"]) for r in arrays for part in r if part])
            for _ in range(2)
        ]

    one, other = epochs(2)
    assert sorted(one) == sorted(other) == list(range(10))
    assert list(one) != list(other)
    np.testing.assert_array_equal(epochs(3), [one, other])
