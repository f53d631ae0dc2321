"""Exports through the C API against the live model: what a server will answer."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from tfflows.export.c_api import CApiError
from tfflows.export.writing.endpoints import most_samples, sample_n_endpoint

RTOL = 1e-5
INT, FLOAT = "int32", "float32"


def seeds(rows):
    return np.arange(2 * rows, dtype=np.int32).reshape(rows, 2)


def ones(rows):
    return np.ones(rows, np.float32)


@pytest.fixture
def run(worker, export):
    def run(signature, **inputs):
        return worker.run(export.path, signature, inputs)

    return run


def table(flow):
    """The table of DESIGN.md: (inputs, outputs) as {name: (dtype, shape)}."""
    event, size = flow.event_shape, flow.latent_dim
    x = {"x": (FLOAT if flow.levels is None else "uint8", (-1, *event))}
    y, z = {"x": (FLOAT, (-1, *event))}, {"z": (FLOAT, (-1, size))}
    log_prob = {"log_prob": (FLOAT, (-1,))}
    density = log_prob | ({"bits_per_dim": (FLOAT, (-1,))} if flow.levels else {})
    rows = {"seed": (INT, (-1, 2)), "temperature": (FLOAT, (-1,))}
    draw = {"seed": (INT, (2,)), "temperature": (FLOAT, ()), "num_samples": (INT, ())}
    context, one = {}, {}
    if flow.context_shape is not None:
        dtype = flow.conditioning.context_dtype.name
        context = {"context": (dtype, (-1, *flow.context_shape))}
        one = {"context": (dtype, flow.context_shape)}
    return {
        "serving_default": (x | context, density),
        "log_prob": (x | context, density),
        "encode": (x | context, z | {"log_det_jacobian": (FLOAT, (-1,))}),
        "decode": (z | context, y),
        "sample": (rows | context, y | log_prob),
        "sample_n": (draw | one, y | log_prob),
        "score": (x | context, {"score": y["x"], **log_prob}),
        "info": ({"dummy": (INT, (-1,))}, INFO | info_shape(len(event))),
    } | (interpolation(x["x"], y, context) if len(event) == 3 else {})


STRINGS = ("kind", "model", "tfflows_version", "training_data", "units")
NUMBERS = ("latent_dim", "levels", "num_parameters", "version")
INFO = dict.fromkeys(STRINGS, ("string", (-1,)))
INFO |= dict.fromkeys(NUMBERS, ("int64", (-1,)))


def info_shape(rank):
    return {"event_shape": ("int64", (-1, rank))}


def interpolation(x, y, context):
    inputs = {"x_a": x, "x_b": x, "weight": (FLOAT, (-1,))}
    return {"interpolate": (inputs | context, y)}


def test_names_dtypes_and_shapes_are_those_of_the_table(worker, export):
    found = {
        name: tuple({key: info[1:] for key, info in side.items()} for side in signature)
        for name, signature in worker.signatures(export.path).items()
    }
    assert found == table(export.flow)


@pytest.mark.parametrize("signature", ["log_prob", "serving_default"])
def test_log_prob(run, export, signature):
    context = export.context(5)
    outputs = run(signature, x=export.data, **context)
    live = export.flow.log_prob(export.data, **context)
    np.testing.assert_allclose(outputs["log_prob"], live, rtol=RTOL)
    if export.flow.levels is not None:
        live = export.flow.bits_per_dim(export.data, **context)
        np.testing.assert_allclose(outputs["bits_per_dim"], live, rtol=RTOL)


def test_encode_and_decode(run, export):
    context = export.context(5)
    outputs = run("encode", x=export.data, **context)
    z, log_det = export.flow.encode_and_log_det(export.data, **context)
    np.testing.assert_allclose(outputs["z"], z, rtol=RTOL, atol=1e-6)
    np.testing.assert_allclose(outputs["log_det_jacobian"], log_det, rtol=RTOL)

    decoded = run("decode", z=outputs["z"], **context)["x"]
    np.testing.assert_allclose(decoded, export.data, rtol=1e-4, atol=1e-4)
    live = export.flow.decode(outputs["z"], **context)
    np.testing.assert_allclose(decoded, live, rtol=RTOL, atol=1e-5)


def test_score_is_the_gradient_of_log_prob(run, export):
    """Along a direction: the difference quotient of the density in float32."""
    flow, context = export.flow, export.context(5)
    outputs = run("score", x=export.data, **context)
    np.testing.assert_allclose(
        outputs["log_prob"], flow.log_prob(export.data, **context), rtol=RTOL
    )
    y = flow.dequantize(export.data)
    direction = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    step = 1e-2 / np.sqrt(y[0].shape.num_elements())
    ends = [
        flow.distribution.log_prob(y + sign * step * direction, **context)
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * step)
    found = np.sum(outputs["score"] * direction, axis=tuple(range(1, y.shape.rank)))
    scale = np.sqrt(np.sum(np.square(outputs["score"])) / len(y))
    np.testing.assert_allclose(found, slope, rtol=1e-2, atol=2e-2 * scale)


def test_interpolate_goes_from_one_image_to_the_other(run, export):
    if len(export.flow.event_shape) != 3:
        pytest.skip("the events are no images")
    x_a, x_b = export.data[:3], export.data[1:4]
    ends = {"x_a": x_a, "x_b": x_b, **export.context(3)}
    x = run("interpolate", weight=np.float32([0, 0.3, 1]), **ends)["x"]
    np.testing.assert_allclose(x[0], x_a[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(x[2], x_b[2], rtol=1e-4, atol=1e-3)
    context = export.context(slice(1, 2))
    both = np.stack([x_a[1], x_b[1]])
    z_a, z_b = export.flow.encode(both, **{k: v[[0, 0]] for k, v in context.items()})
    live = export.flow.decode(0.7 * z_a[None] + 0.3 * z_b[None], **context)
    np.testing.assert_allclose(x[1], live[0], rtol=1e-4, atol=1e-3)


def test_info_describes_the_model_in_each_row(run, export):
    outputs = run("info", dummy=np.int32([7, 8, 9]))
    facts = json.loads((export.path / "assets.extra" / "flow.json").read_text())
    for name in STRINGS:
        assert outputs[name].tolist() == 3 * [(facts[name] or "").encode()]
    for name in NUMBERS:
        assert outputs[name].tolist() == 3 * [facts[name] or 0]
    assert outputs["event_shape"].tolist() == 3 * [list(export.flow.event_shape)]
    assert facts["model"] == export.flow.name
    assert facts["num_parameters"] == export.flow.count_params() - sum(
        w.value.shape.num_elements() for w in export.flow.non_trainable_weights
    )


def test_flow_json_describes_the_signatures(worker, export):
    facts = json.loads((export.path / "assets.extra" / "flow.json").read_text())
    found = worker.signatures(export.path)
    assert set(facts["signatures"]) == set(found) - {"serving_default"}
    assert facts["default"] == "log_prob"
    for name, signature in facts["signatures"].items():
        for side in ("inputs", "outputs"):
            shapes = {
                key: (info.dtype, [None if n < 0 else n for n in info.shape])
                for key, info in getattr(found[name], side).items()
            }
            told = {k: (v["dtype"], v["shape"]) for k, v in signature[side].items()}
            assert told == shapes
        assert signature["batchable"] == (name != "sample_n")


def test_sample(run, export):
    temperature, context = np.float32([1, 0.5, 2]), export.context(3)
    outputs = run("sample", seed=seeds(3), temperature=temperature, **context)
    x, log_prob = export.flow.sample_rows_and_log_prob(seeds(3), temperature, **context)
    np.testing.assert_allclose(outputs["x"], x, rtol=RTOL, atol=1e-5)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=RTOL)


def test_sample_n(run, export):
    seed, temperature = np.int32([3, 4]), np.float32(0.7)
    one = export.one_context()
    inputs = {"num_samples": np.int32(4), "temperature": temperature, **one}
    outputs = run("sample_n", seed=seed, **inputs)
    x, log_prob = export.flow.sample_and_log_prob(4, seed, 0.7, **one)
    np.testing.assert_allclose(outputs["x"], x, rtol=RTOL, atol=1e-5)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=RTOL)
    again = run("sample_n", seed=seed, **inputs)
    np.testing.assert_array_equal(outputs["x"], again["x"])
    other = run("sample_n", seed=seed + 1, **inputs)
    assert np.all(np.any(outputs["x"] != other["x"], axis=0))


def test_a_row_of_sample_does_not_depend_on_its_batch(run, export):
    def sample(rows):
        seed = seeds(5)[rows]
        inputs = {"temperature": ones(len(seed)), **export.context(rows)}
        return run("sample", seed=seed, **inputs)["x"]

    whole = sample(slice(0, 5))
    parts = [sample(slice(0, 1)), sample(slice(1, 5))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=RTOL, atol=1e-5)
    equal = sample([2, 2])
    # Up to rounding: not on every CPU are they equal to the bit.
    np.testing.assert_allclose(equal[0], equal[1], rtol=RTOL, atol=1e-5)
    rows = whole.reshape(5, -1)
    assert len(np.unique(rows.round(3), axis=0)) == 5


def test_log_prob_of_a_sample_is_that_of_the_model(run, export):
    temperature, context = np.float32([1, 0.5, 2]), export.context(3)
    outputs = run("sample", seed=seeds(3), temperature=temperature, **context)
    if export.flow.levels is None:
        log_prob = run("log_prob", x=outputs["x"], **context)["log_prob"]
    else:  # the sample is y = x + u, for which no signature takes u
        log_prob = export.flow.distribution.log_prob(outputs["x"], **context)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=1e-4)


def test_temperature_zero_is_the_mode_of_the_base(run, export):
    context = export.context([0, 0, 0])
    x = run("sample", seed=seeds(3), temperature=0 * ones(3), **context)["x"]
    np.testing.assert_allclose(x, x[[0, 0, 0]], rtol=RTOL)


def test_an_empty_batch_gives_empty_outputs(run, export):
    if export.flow.name in ("glow", "realnvp_multiscale"):
        pytest.skip("oneDNN's Conv2D gives an empty batch its input's channels")
    outputs = run("encode", x=export.data[:0], **export.context(0))
    assert outputs["z"].shape == (0, export.flow.latent_dim)
    outputs = run("sample", seed=seeds(0), temperature=ones(0), **export.context(0))
    assert outputs["x"].shape == (0, *export.flow.event_shape)


def wrong_shapes(export):
    one, rows = np.float32(1), export.context(3)
    yield "log_prob", {"x": export.data[..., :1][:, :1], **export.context(5)}
    yield "encode", {"x": export.data[0], **rows}
    yield "decode", {"z": ones((3, 1)), **rows}
    yield "sample", {"seed": ones((3, 1)).astype(INT), "temperature": ones(3), **rows}
    yield "sample", {"seed": seeds(3), "temperature": ones((3, 1)), **rows}
    draw = {"num_samples": np.int32(2), "seed": seeds(1)[0], "temperature": one}
    draw |= export.one_context()
    if rows:
        wrong = {"context": rows["context"][..., np.newaxis]}
        yield "log_prob", {"x": export.data[:3], **wrong}
        yield "sample", {"seed": seeds(3), "temperature": ones(3), **wrong}
        yield "sample_n", draw | rows
    yield "sample_n", draw | {"seed": seeds(1)}
    yield "sample_n", draw | {"temperature": ones(1)}
    yield "sample_n", draw | {"num_samples": np.int32([2])}


def test_wrong_shapes_are_refused_not_broadcast(run, export):
    for signature, inputs in wrong_shapes(export):
        with pytest.raises(CApiError, match="not compatible with expected") as raised:
            run(signature, **inputs)
        assert raised.value.code == 3, signature


def test_one_temperature_for_two_seeds_is_refused(run, export):
    with pytest.raises(CApiError, match="one temperature for each row") as raised:
        run("sample", seed=seeds(2), temperature=ones(1), **export.context(2))
    assert raised.value.code == 3


def test_one_context_for_two_rows_is_refused(run, export):
    context = export.context(1)
    if not context:
        pytest.skip("the flow has no context")
    z = ones((2, export.flow.latent_dim))
    for signature, inputs in {
        "log_prob": {"x": export.data[:2]},
        "score": {"x": export.data[:2]},
        "encode": {"x": export.data[:2]},
        "decode": {"z": z},
        "sample": {"seed": seeds(2), "temperature": ones(2)},
    }.items():
        with pytest.raises(CApiError, match="one context for each row") as raised:
            run(signature, **inputs, **context)
        assert raised.value.code == 3, signature


def wrong_values(export):
    x, context = export.data.copy(), export.context(5)
    x[0] = np.nan if export.flow.levels is None else export.flow.levels
    for signature in ("log_prob", "encode", "score"):
        yield signature, {"x": x, **context}
    if len(export.flow.event_shape) == 3:
        ends = {"x_a": x, "x_b": export.data, **context}
        yield "interpolate", {**ends, "weight": ones(5)}
        ends["x_a"] = export.data
        yield "interpolate", {**ends, "weight": np.float32([0, 1, np.inf, 0, 0])}
    rows = {"seed": seeds(2), "temperature": np.float32([1, -1])}
    yield "sample", rows | export.context(2)
    draw = {"num_samples": np.int32(2), "seed": seeds(1)[0], **export.one_context()}
    if export.flow.name == "glow" and context:
        yield "log_prob", {"x": export.data, "context": np.int32([0, 1, 2, 3, -1])}
    yield "sample_n", draw | {"temperature": np.float32(np.nan)}
    for number in (-1, most_samples(export.flow.event_shape) + 1):
        many = {"num_samples": np.int32(number), "temperature": np.float32(1)}
        yield "sample_n", draw | many


def test_wrong_values_are_refused(run, export):
    for signature, inputs in wrong_values(export):
        with pytest.raises(CApiError, match=r"expected|must be >= 0") as raised:
            run(signature, **inputs)
        assert raised.value.code == 3, signature


def test_sample_n_draws_so_many_samples_for_a_request():
    endpoint = sample_n_endpoint(lambda number, *_: {"n": number}, (8, 8, 1))
    draw = (tf.constant([1, 2]), tf.constant(1.0))
    assert endpoint.function(tf.constant(2**16), *draw)["n"] == 2**16
    with pytest.raises(ValueError, match="num_samples of at most 65536"):
        endpoint.function(tf.constant(2**16 + 1), *draw)
    assert most_samples((2**12, 2**12)) == 1
    assert most_samples((2,)) == 2**16  # whose networks are wider than they are


# The stateful ops of an export read the weights, call functions and check values ...
STATEFUL = {"VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall", "Assert"}
# ... or belong to the checkpoint beside the graph.
STATEFUL |= {"AssignVariableOp", "DisableCopyOnRead"}
STATEFUL |= {"MergeV2Checkpoints", "RestoreV2", "SaveV2"}


def test_graph_has_no_other_state_no_random_stream_and_no_xla(export):
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((export.path / "saved_model.pb").read_bytes())
    graph = message.meta_graphs[0].graph_def
    functions = graph.library.function
    nodes = [*graph.node, *(node for f in functions for node in f.node_def)]
    names = {function.signature.name for function in functions}
    ops = {node.op for node in nodes} - names
    assert "EnsureShape" in ops  # the walk does see the bodies of the functions
    assert {op for op in ops if op_def_registry.get(op).is_stateful} <= STATEFUL
    assert not any("_XlaMustCompile" in node.attr for node in [*nodes, *functions])
