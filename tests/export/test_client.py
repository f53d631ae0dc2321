"""Both clients on a real wire, against servers that run the export by the C API."""

import contextlib
import functools
import gc
import json

import numpy as np
import pytest
import requests

from tests.export.servers import grpc_server, rest_server, served
from tfflows.export.c_api import Signature, TensorInfo
from tfflows.export.client import GrpcClient, RestClient, ServingError

# Each client and each export once in the quick suite.
QUICK = {"row": "plane", "columnar": "class_glow", "grpc": "digits"}
CLIENTS = {
    "row": (rest_server, functools.partial(RestClient, form="row")),
    "columnar": (rest_server, functools.partial(RestClient, form="columnar")),
    "grpc": (grpc_server, GrpcClient),
}


@pytest.fixture(params=CLIENTS)
def connect(request, worker):
    """Serves a folder and returns what makes a client of its address."""
    server, client = CLIENTS[request.param]
    with contextlib.ExitStack() as stack:

        def connect(folder):
            address = stack.enter_context(server(served(worker, folder)))
            return functools.partial(client, address)

        yield connect


@pytest.fixture
def scale_client(connect, scale_export):
    with connect(scale_export)("mine") as client:
        yield client


@pytest.mark.parametrize(
    ("connect", "export"),
    [
        pytest.param(
            *(client, export),
            marks=() if QUICK[client] == export else pytest.mark.large,
        )
        for client in CLIENTS
        for export in QUICK.values()
    ],
    indirect=True,
)
def test_the_methods_give_what_the_live_model_gives(connect, export, worker):
    client = connect(export.path.parent)("mine", chunk_size=2)
    flow, x, context = export.flow, export.data, export.context(5)
    log_prob = flow.log_prob(x, **context)
    np.testing.assert_allclose(client.log_prob(x, **context), log_prob, rtol=1e-5)
    if flow.levels is not None:
        bits = flow.bits_per_dim(x, **context)
        np.testing.assert_allclose(client.bits_per_dim(x, **context), bits, rtol=1e-5)
    else:
        with pytest.raises(ValueError, match="model of integer data for bits_per_dim"):
            client.bits_per_dim(x, **context)
    z = client.encode(x, **context)
    np.testing.assert_allclose(z, flow.encode(x, **context), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(client.decode(z, **context), x, rtol=1e-3, atol=1e-3)

    assert client.score(x, **context).shape == x.shape
    if flow.levels is not None:
        way = client.interpolate(x[0], x[1], [0, 1], **export.context([0, 0]))
        np.testing.assert_allclose(way, x[:2], rtol=1e-3, atol=1e-3)
    samples = client.sample(5, seed=3, temperature=0.7, **context)
    seeds = np.int32([[3, row] for row in range(5)])
    live, _ = flow.sample_rows_and_log_prob(seeds, np.full(5, 0.7, "f"), **context)
    np.testing.assert_allclose(samples, live, rtol=1e-4, atol=1e-4)
    client.chunk_size = 256
    whole = client.sample(5, seed=3, temperature=0.7, **context)
    np.testing.assert_allclose(samples, whole, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(client.log_prob(x, **context), log_prob, rtol=1e-5)

    assert client.metadata() == worker.signatures(export.path)
    assert client.status() == {1: "AVAILABLE"}
    client.close()


def test_scalars_go_in_columns(scale_client):
    inputs = {"num_samples": 3, "seed": [1, 2], "temperature": 0.5}
    outputs = scale_client.predict("sample_n", **inputs)
    assert outputs["x"].shape == (3, 2)
    assert outputs["x"].dtype == np.float32


def test_info(scale_client, scale_flow):
    facts = scale_client.info()
    assert facts["model"] == scale_flow.name
    assert (facts["event_shape"], facts["levels"]) == ([2], 0)


def test_samples_without_a_seed_are_new_ones(scale_client):
    first, second = scale_client.sample(3), scale_client.sample(3)
    assert np.all(first != second)
    seeds = np.int32([[1, 2], [3, 4]])
    own = scale_client.sample(2, seed=seeds, temperature=[1, 0])
    np.testing.assert_array_equal(own[1], [0, 0])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.log_prob(np.zeros((2, 3))), r"of shape \['B', 2\], got \[2, 3\]"),
        (lambda c: c.log_prob([[np.nan, 1]]), "finite ones, got nan"),
        (lambda c: c.log_prob([["a", "b"]]), "expected float32 as x"),
        (lambda c: c.log_prob(np.zeros((0, 2))), "1 or more"),
        (lambda c: c.log_prob([[0, 1]], context=[1]), r"inputs \['x'\], got \['cont"),
        (lambda c: c.encode([[0, 1]], seed=1), "expected no seed"),
        (lambda c: c.sample(0), "expected 1 sample or more"),
        (lambda c: c.sample(1, seed=2**31), "fits into int32"),
        (lambda c: c.sample(1, seed=[[1, 2], [3, 4]]), r"\[1, 2\], got \(2, 2\)"),
        (lambda c: c.predict("nothing", x=1), "expected a signature of decode,"),
        (lambda c: c.predict("sample", seed=[[1, 2]], temperature=[1, 1]), "rows"),
        (lambda c: c.predict("sample", seed=[[1.5, 2]], temperature=[1]), "int32 hol"),
    ],
)
def test_what_does_not_fit_is_not_sent(scale_client, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(scale_client)


def test_what_the_server_refuses(connect, scale_export):
    make = connect(scale_export)
    with make("mine", version=1) as client:
        with pytest.raises(ServingError, match=r"expected|must be >= 0") as raised:
            client.sample(1, temperature=-1.0)
        assert raised.value.code == "INVALID_ARGUMENT"
    for name, version in (("mine", 9), ("other", None)):
        with make(name, version) as client:
            with pytest.raises(ServingError, match="not found") as raised:
                client.log_prob([[0, 1]])
            assert raised.value.code == "NOT_FOUND"


def test_python_collects_garbage_while_the_server_works():
    class Session:
        def request(self, *args, data, **kwargs):
            assert gc.isenabled()
            rows = json.loads(data)["instances"]
            answer = requests.Response()
            answer.status_code = 200
            answer._content = json.dumps({"predictions": rows}).encode()
            return answer

    client = RestClient("http://127.0.0.1:1", "mine")
    client._session = Session()
    infos = {
        "x": TensorInfo("x", "float32", (-1, 2)),
        "y": TensorInfo("y", "float32", (-1,)),
    }
    inputs = {"x": np.ones((3, 2), "float32"), "y": np.zeros(3, "float32")}
    found = client._call("both", Signature(infos, infos), inputs)
    np.testing.assert_array_equal(found["x"], inputs["x"])
    assert gc.isenabled()
