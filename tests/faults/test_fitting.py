"""`fit` under bad luck and bad input: what is seen, counted, refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb
from tfflows.fitting.skipped_steps import SkippedSteps
from tfflows.preprocessing import Dequantization

X = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
FAR = np.full((8, 2), 1e30, "float32")  # its density overflows


def flow_of(levels=None, **kwargs):
    flow = tfflows.Flow(
        fb.Scale(),
        (2,),
        preprocessing=None if levels is None else Dequantization(levels),
    )
    flow.compile("adam", **kwargs)
    return flow


def batches(*each):
    return tf.data.Dataset.from_tensor_slices(np.stack(each))


class Seen(keras.callbacks.Callback):
    """What a user's callback sees at the end of an epoch."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


SETTINGS = [{}, {"steps_per_execution": 2}, {"run_eagerly": True}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_epoch_without_a_finite_step_is_nan_and_says_so(settings):
    flow = flow_of(**settings, max_skipped=None)
    seen = Seen()
    with pytest.warns(UserWarning, match="epoch 1: left out 2 training steps"):
        history = flow.fit(batches(FAR, FAR), callbacks=[seen], verbose=0).history
    assert np.isnan(history["loss"]).all()
    assert history["skipped_steps"] == [2]
    assert seen.logs[0]["skipped_steps"] == 2
    stop = keras.callbacks.TerminateOnNaN()
    with pytest.warns(UserWarning, match="epoch 1: left out"):
        history = flow.fit(batches(FAR, FAR), epochs=9, callbacks=stop, verbose=0)
    assert len(history.history["loss"]) == 1
    with pytest.warns(UserWarning, match="left out 1 training step,"):
        history = flow.fit(batches(X, FAR, X), epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped_steps"] == [1]


def test_all_metrics_of_such_an_epoch_are_nan():
    encoder, decoder = keras.layers.Dense(3), keras.layers.Dense(4)
    vae = tfflows.FlowVAE(encoder, decoder, 2, likelihood="gaussian", event_shape=(2,))
    flow = flow_of(levels=4)
    for model, x in ((vae, FAR), (flow, np.ones((4, 2)))):
        model.compile("adam", run_eagerly=True)
        for weight in model.trainable_weights:
            weight.assign(tf.fill(weight.shape, -1e30))
        with pytest.warns(UserWarning, match="train_on_batch: left out 1"):
            logs = model.train_on_batch(x, return_dict=True)
        assert np.isnan(list(logs.values())).all(), logs


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_training_ends_soon_after_too_many_in_a_row(settings):
    flow = flow_of(**settings, max_skipped=3)
    endless = batches(FAR).repeat()
    message = r"3 steps in a row .*learning rate.*max_skipped"
    with pytest.raises(ValueError, match=message):
        flow.fit(endless, steps_per_epoch=10_000, verbose=0)
    assert flow.skipped_steps.total.numpy() <= 3 + 8 * 2
    with pytest.warns(UserWarning, match="left out 2"):  # it begins anew
        flow.fit(batches(FAR, X, FAR), verbose=0)
    config = flow.get_compile_config()
    assert config["max_skipped"] == 3


def test_a_row_that_ended_is_not_forgotten():
    skipped = SkippedSteps(2)
    for finite in (True, False, False, True):
        skipped.count(tf.constant(finite))
    with pytest.raises(ValueError, match="2 steps in a row"):
        skipped.check()
    skipped.check()


def test_steps_that_find_the_scale_of_the_loss_do_not_count():
    flow = flow_of()
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=2.0**127
    )
    flow.compile(scaled, max_skipped=2)  # whose first steps overflow
    before = flow.get_weights()[0]
    history = flow.fit(batches(1e2 * X).repeat(), steps_per_epoch=20, verbose=0).history
    assert float(flow.optimizer.dynamic_scale) < 2.0**127
    assert not np.array_equal(flow.get_weights()[0], before)
    assert history["skipped_steps"] == [0]
    assert np.isfinite(history["loss"]).all()
    with (
        pytest.raises(ValueError, match="2 steps in a row"),
        pytest.warns(UserWarning, match="left out 2"),
    ):
        flow.fit(batches(FAR, FAR), verbose=0)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, weight=None, size=3):
        super().__init__()
        self.x, self.weight, self.size = x, weight, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, number):
        rows = slice(number * self.size, (number + 1) * self.size)
        weight = None if self.weight is None else self.weight[rows]
        return self.x[rows], None, weight


def pairs():
    yield X, X[:, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda flow: flow.fit((X, X[:, 0])),
        lambda flow: flow.evaluate((X, X[:, 0])),
        lambda flow: flow.fit(X, validation_data=(X, X[:, 0])),
        lambda flow: flow.fit(X, validation_data=[X, X[:, 0]]),
        lambda flow: flow.fit(tf.data.Dataset.from_tensors((X, X[:, 0]))),
        lambda flow: flow.evaluate(tf.data.Dataset.from_tensors((X, X[:, 0]))),
        lambda flow: flow.fit(pairs(), shuffle=False),
        lambda flow: flow.train_on_batch((X, X[:, 0])),
        lambda flow: flow((X, X[:, 0])),
    ],
)
def test_a_pair_could_be_two_things(call):
    with pytest.raises(ValueError, match=r"sample_weight=(.|\n)*'context': y"):
        call(flow_of())


def test_the_noise_of_an_example_does_not_depend_on_how_it_is_handed():
    x = np.random.default_rng(0).integers(0, 4, (8, 2))
    weight = np.linspace(0.0, 2.0, 8).astype("float32")
    flow = flow_of(levels=4, run_eagerly=True)
    wanted = flow.evaluate(
        {"x": x, "index": np.arange(8)}, sample_weight=weight, batch_size=8, verbose=0
    )

    def generator(size):
        for start in range(0, 8, size):
            yield x[start : start + size], None, weight[start : start + size]

    data = tf.data.Dataset.from_tensor_slices((x, None, weight))
    for form in (data.batch(3), generator(3), Batches(x, weight)):
        found = flow.evaluate(form, steps=3, verbose=0)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    found = flow.evaluate((x, None, weight), batch_size=3, verbose=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    found = flow.test_on_batch(x, sample_weight=weight)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def weighted(form, weight):
    """Rows X with weights, in a form that `evaluate` and `fit` take."""
    triple = (X[: len(weight)], None, weight)
    batches = tf.data.Dataset.from_tensor_slices(triple).batch(8)
    return {
        "dict": {"x": triple[0], "sample_weight": weight},
        "dataset": batches,
        "unknown": tf.data.Dataset.from_generator(
            lambda: iter([(triple[0], weight)]),
            output_signature=(
                tf.TensorSpec(None, "float32"),
                tf.TensorSpec(None, np.asarray(weight).dtype),
            ),
        ).map(lambda x, w: (tf.ensure_shape(x, (None, 2)), None, w)),
    }[form]


WEIGHT_FORMS = ["dict", "dataset", "unknown"]


@pytest.mark.parametrize("form", WEIGHT_FORMS)
def test_weights_are_finite_and_not_negative(form):
    flow = flow_of()
    for bad in (-1.0, np.inf):
        data = weighted(form, np.float32([bad] * 5))
        with pytest.raises(ValueError, match="finite sample weights >= 0"):
            flow.evaluate(data, verbose=0)
    with pytest.raises(ValueError, match="finite sample weights >= 0"):
        flow.fit(data, verbose=0)
    with pytest.raises(ValueError, match="finite sample weights >= 0"):
        flow.fit(X, validation_data=data, verbose=0)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("form", WEIGHT_FORMS)
def test_weights_are_numbers_of_any_kind(form):
    flow = flow_of()
    weight = np.arange(8)
    wanted = -np.average(flow.log_prob(X), weights=weight)
    for dtype in ("int64", "float64"):
        found = flow.evaluate(weighted(form, weight.astype(dtype)), verbose=0)
        assert found == pytest.approx(wanted, rel=1e-5)
    found = flow.evaluate(weighted(form, weight > 3), verbose=0)
    assert found == pytest.approx(-np.mean(flow.log_prob(X[4:])), rel=1e-5)


@pytest.mark.large
def test_xla_which_drops_requirements_gives_nan_for_bad_weights():
    flow = flow_of(jit_compile=True)
    bad = np.float32([-3.0] * 8)
    assert np.isnan(flow.test_on_batch({"x": X, "sample_weight": bad}))
    with pytest.warns(UserWarning, match="left out 1"):
        flow.train_on_batch({"x": X, "sample_weight": bad})


def test_one_weight_is_not_that_of_all_rows():
    for weight in (np.float32([2.0]), 2.0, [[1.0]] * 8, ["1"] * 8):
        with pytest.raises(ValueError, match="weight"):
            flow_of().evaluate(X, sample_weight=weight, verbose=0)
    alone = tf.data.Dataset.from_tensors((X, None, [2.0]))
    data = alone.map(lambda x, _, w: (x, None, w[: tf.cast(tf.reduce_sum(w), "int32")]))
    with pytest.raises(ValueError, match="one for each example"):
        flow_of().evaluate(data, verbose=0)


class Uneven(keras.utils.PyDataset):
    """Batches of 1, 2 and 5 rows; counts how often they are asked for."""

    def __init__(self, x, **kwargs):
        super().__init__(**kwargs)
        self.batches, self.asked = np.split(x, [1, 3]), 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        self.asked += 1
        return self.batches[number]


def test_batches_of_a_py_dataset_need_not_be_equally_long():
    x = np.random.default_rng(0).integers(0, 4, (8, 2))
    flow = flow_of(levels=4, run_eagerly=True)
    wanted = flow.evaluate(x, verbose=0)
    data = Uneven(x)
    np.testing.assert_allclose(flow.evaluate(data, verbose=0), wanted, rtol=1e-6)
    plain = Uneven(x.astype("float32"))  # Keras looks at two batches before the first
    flow_of(run_eagerly=True).evaluate(plain, verbose=0)
    assert data.asked == plain.asked
    data = Uneven(x, workers=3)
    np.testing.assert_allclose(flow.evaluate(data, verbose=0), wanted, rtol=1e-6)

    seen = []
    per_example = flow.per_example

    def watched(batch, training):
        seen.extend(batch.index.numpy())
        return per_example(batch, training)

    flow.per_example = watched
    flow.fit(Uneven(x), epochs=2, shuffle=False, verbose=0)
    assert seen == 2 * list(range(8))
    seen.clear()
    data = Uneven(x)
    flow.fit(data, verbose=0)
    assert data.asked == plain.asked
    assert sorted(seen) == [0, *(2**32 + np.arange(2)), *(2**33 + np.arange(5))]


@pytest.mark.parametrize("shape", [(), (3,)])
def test_one_context_for_all_rows(shape):
    flow = tfflows.Flow(
        fb.AffineCoupling(tfflows.networks.MLP((4,), context_dim=3)),
        (2,),
        context_shape=shape,
        context_network=None if shape else keras.layers.Embedding(4, 3),
    )
    flow.compile("adam")
    one = np.float32([1, 2, 3]) if shape else 3
    data = {"x": X, "context": one}
    wanted = flow.log_prob(X, one)
    for each in (data, {"x": X, "context": np.asarray(one).tolist()}):
        np.testing.assert_allclose(flow.predict(each, verbose=0), wanted, rtol=1e-5)
        found = flow.evaluate(each, batch_size=3, verbose=0)
        assert found == pytest.approx(-np.mean(wanted), rel=1e-5)
    weighted = flow.evaluate((data, None, np.arange(8)), verbose=0)
    assert weighted == pytest.approx(-np.average(wanted, weights=range(8)), rel=1e-5)
    history = flow.fit(data, validation_data=data, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
    bad = {"x": X, "context": np.ones((7, *shape))}
    with pytest.raises(ValueError, match="context with 8 rows, one for each of x"):
        flow.evaluate(bad, verbose=0)


def test_a_training_that_is_over_has_an_empty_history():
    flow = flow_of()
    assert flow.fit(X, epochs=3, initial_epoch=3, verbose=0).history == {}


def test_initialize_takes_the_first_batch_of_a_dataset():
    flow = tfflows.Flow(fb.ActNorm(), (2,))
    kl = tfflows.ReverseKL(flow, lambda x: x[:, 0])
    data = tf.data.Dataset.from_tensor_slices(3.0 * X)
    with pytest.raises(ValueError, match="batch it first"):
        kl.initialize(data)
    with pytest.raises(ValueError, match="one without an element"):
        kl.initialize(data.take(0))
    kl.initialize(data.batch(8))
    np.testing.assert_allclose(np.std(flow.encode(3.0 * X), axis=0), 1.0, rtol=1e-3)


def test_a_vae_names_the_bounds_of_its_density():
    vae = tfflows.FlowVAE(keras.layers.Dense(3), keras.layers.Dense(4), 2)
    assert not hasattr(vae, "log_prob")
    with pytest.raises(AttributeError, match="iwae"):
        vae.log_prob(X)


@keras.saving.register_keras_serializable("tests")
def quadratic(x):
    return -tf.reduce_sum(x**2, axis=-1)


def small_models():
    """Of each class a model, and inputs of its call."""
    x = {"x": X, "context": X[:, :1]}
    conditional = fb.AffineCoupling(tfflows.networks.MLP((4,), context_dim=1))
    flow = tfflows.Flow(fb.Scale(), (2,))
    yield flow, X
    yield tfflows.Flow(conditional, (2,), context_shape=(1,)), x
    parts = keras.layers.Dense(3), keras.layers.Dense(4)
    yield tfflows.FlowVAE(*parts, 2, likelihood="gaussian", event_shape=(2,)), X
    yield tfflows.ReverseKL(flow, quadratic), np.arange(16, dtype="int32").reshape(8, 2)


def glow():
    model = tfflows.models.glow(
        (4, 4, 1),
        num_steps=1,
        num_levels=2,
        width=4,
        num_classes=3,
        classifier_weight=0.1,
        levels=4,
    )
    x = np.random.default_rng(0).integers(0, 4, (8, 4, 4, 1)).astype("float32")
    inputs = {"x": x, "context": np.arange(8, dtype="int32") % 3}
    model.initialize(inputs)
    return model, inputs


large = pytest.mark.large


@pytest.mark.parametrize(
    "number", [1, *(pytest.param(number, marks=large) for number in (0, 2, 3))]
)
def test_keras_export_and_saved_models_need_no_call_before(number, tmp_path):
    model, inputs = list(small_models())[number]
    tensors = tf.nest.map_structure(tf.constant, inputs)
    model.export(tmp_path / "keras", verbose=False)
    tf.saved_model.save(model, str(tmp_path / "tf"))
    wanted = model(inputs)
    keras_made = tf.saved_model.load(str(tmp_path / "keras"))
    np.testing.assert_allclose(keras_made.serve(tensors), wanted, rtol=1e-6)
    tf_made = tf.saved_model.load(str(tmp_path / "tf"))
    name = "x" if number < 3 else "seeds"
    named = tensors if isinstance(tensors, dict) else {name: tensors}
    (saved,) = tf_made.signatures["serving_default"](**named).values()
    np.testing.assert_allclose(saved, wanted, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict:UserWarning")
def test_keras_reads_the_shapes_of_models_that_were_never_called():
    for model, inputs in small_models():
        rows = []
        model.summary(print_fn=rows.append, expand_nested=True)
        assert "?" not in "".join(rows)
        shapes = tf.nest.map_structure(lambda part: (None, *part.shape[1:]), inputs)
        assert model.input_shape == shapes
        model.build(shapes)
        with pytest.raises(ValueError, match="expected inputs of shape"):
            model.build((None, 77))
        assert model.get_build_config() == {"input_shape": shapes}
        outputs = tuple(model(inputs).shape)
        assert model.output_shape == (None, *outputs[1:])
        clone = keras.models.clone_model(model)
        assert clone.count_params() == model.count_params()
        again = keras.models.model_from_json(model.to_json())
        assert again.input_shape == shapes
        placeholders = tf.nest.map_structure(
            lambda spec: keras.Input(spec.shape[1:], dtype=spec.dtype),
            model.call_signature,
        )
        wrapped = keras.Model(placeholders, model(placeholders))
        np.testing.assert_allclose(wrapped(inputs), model(inputs), rtol=1e-6)


def run_onnx(path, inputs):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    return session.run(None, inputs)[0]


def run_openvino(path, inputs):
    openvino = pytest.importorskip("openvino")
    # Some CPUs would compute in bfloat16.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(path, "CPU", exact)(inputs)[0]


def run_litert(path, inputs):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(path).get_signature_runner()
    return next(iter(runner(**inputs).values()))


FORMATS = {
    "onnx": (".onnx", run_onnx),
    "openvino": (".xml", run_openvino),
    "litert": (".tflite", run_litert),
}


@pytest.mark.large
@pytest.mark.parametrize("name", FORMATS)
def test_the_other_formats_of_keras_export(name, tmp_path):
    ending, run = FORMATS[name]
    *models, (kl, _) = small_models()
    with pytest.raises(ValueError, match=r"flow\.export"):
        kl.export(str(tmp_path / f"kl{ending}"), format=name)
    for number, (model, inputs) in enumerate([*models, glow()]):
        path = str(tmp_path / f"{number}{ending}")
        model.export(path, format=name, verbose=False)
        named = inputs if isinstance(inputs, dict) else {"x": inputs}
        np.testing.assert_allclose(run(path, named), model(inputs), rtol=1e-4)
