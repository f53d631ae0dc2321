"""Exports through the C API against the live model: what a server will answer."""

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from tfflows.export.c_api import CApiError

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
    return {
        "serving_default": (x, density),
        "log_prob": (x, density),
        "encode": (x, z | {"log_det_jacobian": (FLOAT, (-1,))}),
        "decode": (z, y),
        "sample": (rows, y | log_prob),
        "sample_n": (draw, y | log_prob),
    }


def test_names_dtypes_and_shapes_are_those_of_the_table(worker, export):
    found = {
        name: tuple({key: info[1:] for key, info in side.items()} for side in signature)
        for name, signature in worker.signatures(export.path).items()
    }
    assert found == table(export.flow)


@pytest.mark.parametrize("signature", ["log_prob", "serving_default"])
def test_log_prob(run, export, signature):
    outputs = run(signature, x=export.data)
    live = export.flow.log_prob(export.data)
    np.testing.assert_allclose(outputs["log_prob"], live, rtol=RTOL)
    if export.flow.levels is not None:
        live = export.flow.bits_per_dim(export.data)
        np.testing.assert_allclose(outputs["bits_per_dim"], live, rtol=RTOL)


def test_encode_and_decode(run, export):
    outputs = run("encode", x=export.data)
    z, log_det = export.flow.encode_and_log_det(export.data)
    np.testing.assert_allclose(outputs["z"], z, rtol=RTOL, atol=1e-6)
    np.testing.assert_allclose(outputs["log_det_jacobian"], log_det, rtol=RTOL)

    decoded = run("decode", z=outputs["z"])["x"]
    np.testing.assert_allclose(decoded, export.data, rtol=1e-4, atol=1e-4)
    live = export.flow.decode(outputs["z"])
    np.testing.assert_allclose(decoded, live, rtol=RTOL, atol=1e-5)


def test_sample(run, export):
    temperature = np.float32([1, 0.5, 2])
    outputs = run("sample", seed=seeds(3), temperature=temperature)
    x, log_prob = export.flow.sample_rows_and_log_prob(seeds(3), temperature)
    np.testing.assert_allclose(outputs["x"], x, rtol=RTOL, atol=1e-5)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=RTOL)


def test_sample_n(run, export):
    seed, temperature = np.int32([3, 4]), np.float32(0.7)
    count = np.int32(4)
    outputs = run("sample_n", num_samples=count, seed=seed, temperature=temperature)
    x, log_prob = export.flow.sample_and_log_prob(4, seed, 0.7)
    np.testing.assert_allclose(outputs["x"], x, rtol=RTOL, atol=1e-5)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=RTOL)
    again = run("sample_n", num_samples=count, seed=seed, temperature=temperature)
    np.testing.assert_array_equal(outputs["x"], again["x"])
    other = run("sample_n", num_samples=count, seed=seed + 1, temperature=temperature)
    assert np.all(np.any(outputs["x"] != other["x"], axis=0))


def test_a_row_of_sample_does_not_depend_on_its_batch(run, export):
    seed = seeds(5)
    whole = run("sample", seed=seed, temperature=ones(5))["x"]
    parts = [
        run("sample", seed=seed[rows], temperature=ones(len(seed[rows])))["x"]
        for rows in (slice(0, 1), slice(1, 5))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=RTOL, atol=1e-5)
    equal = run("sample", seed=seed[[2, 2]], temperature=ones(2))["x"]
    np.testing.assert_array_equal(equal[0], equal[1])
    rows = whole.reshape(5, -1)
    assert len(np.unique(rows.round(3), axis=0)) == 5


def test_log_prob_of_a_sample_is_that_of_the_model(run, export):
    temperature = np.float32([1, 0.5, 2])
    outputs = run("sample", seed=seeds(3), temperature=temperature)
    if export.flow.levels is None:
        log_prob = run("log_prob", x=outputs["x"])["log_prob"]
    else:  # the sample is y = x + u, for which no signature takes u
        log_prob = export.flow.distribution.log_prob(outputs["x"])
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=1e-4)


def test_temperature_zero_is_the_mode_of_the_base(run, export):
    x = run("sample", seed=seeds(3), temperature=0 * ones(3))["x"]
    np.testing.assert_allclose(x, x[[0, 0, 0]], rtol=RTOL)


def test_an_empty_batch_gives_empty_outputs(run, export):
    if export.flow.name in ("glow", "realnvp_multiscale"):
        pytest.skip("oneDNN's Conv2D gives an empty batch its input's channels")
    outputs = run("encode", x=export.data[:0])
    assert outputs["z"].shape == (0, export.flow.latent_dim)
    outputs = run("sample", seed=seeds(0), temperature=ones(0))
    assert outputs["x"].shape == (0, *export.flow.event_shape)


def wrong_shapes(export):
    one = np.float32(1)
    yield "log_prob", {"x": export.data[..., :1][:, :1]}
    yield "encode", {"x": export.data[0]}
    yield "decode", {"z": ones((3, 1))}
    yield "sample", {"seed": ones((3, 1)).astype(INT), "temperature": ones(3)}
    yield "sample", {"seed": seeds(3), "temperature": ones((3, 1))}
    draw = {"num_samples": np.int32(2), "seed": seeds(1)[0], "temperature": one}
    yield "sample_n", draw | {"seed": seeds(1)}
    yield "sample_n", draw | {"temperature": ones(1)}
    yield "sample_n", draw | {"num_samples": np.int32([2])}


def test_wrong_shapes_are_refused_not_broadcast(run, export):
    for signature, inputs in wrong_shapes(export):
        with pytest.raises(CApiError, match="not compatible with expected") as raised:
            run(signature, **inputs)
        assert raised.value.code == 3, signature


def test_one_temperature_for_two_seeds_is_refused(run):
    with pytest.raises(CApiError, match="one temperature for each row") as raised:
        run("sample", seed=seeds(2), temperature=ones(1))
    assert raised.value.code == 3


def wrong_values(export):
    x = export.data.copy()
    x[0] = np.nan if export.flow.levels is None else export.flow.levels
    yield "log_prob", {"x": x}
    yield "encode", {"x": x}
    yield "sample", {"seed": seeds(2), "temperature": np.float32([1, -1])}
    draw = {"num_samples": np.int32(2), "seed": seeds(1)[0]}
    yield "sample_n", draw | {"temperature": np.float32(np.nan)}
    draw["num_samples"] = np.int32(-1)
    yield "sample_n", draw | {"temperature": np.float32(1)}


def test_wrong_values_are_refused(run, export):
    for signature, inputs in wrong_values(export):
        with pytest.raises(CApiError, match=r"expected|must be >= 0") as raised:
            run(signature, **inputs)
        assert raised.value.code == 3, signature


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
