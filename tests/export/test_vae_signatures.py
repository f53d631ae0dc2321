"""Exports of VAEs, and of flows without an inverse, through the C API."""

import numpy as np
import pytest
import tensorflow as tf

from tests.testing_utils import randomize
from tfflows import Flow, bijectors, data, models
from tfflows.export import export_saved_model
from tfflows.export.c_api import CApiError

SEEDS = np.arange(10, dtype=np.int32).reshape(5, 2)
TEMPERATURES = np.float32([1.0, 0.5, 2.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def x():
    return data.load("static_binarized:digits").arrays("test")[:5]


@pytest.fixture(scope="module", params=["planar", "sylvester_orthogonal"])
def export(request, x, tmp_path_factory):
    prior = "realnvp" if request.param == "planar" else "none"
    vae = models.vae(
        (8, 8, 1),
        latent_dim=3,
        hidden_units=(8,),
        posterior=request.param,
        num_flows=1,
        prior=prior,
        **({"num_columns": 2} if request.param == "sylvester_orthogonal" else {}),
    )
    vae.initialize(x)
    randomize(vae, 0.1)
    return vae, export_saved_model(vae, tmp_path_factory.mktemp(request.param))


def test_every_signature_answers_as_the_model(worker, export, x):
    vae, path = export
    one = {"seed": SEEDS[0], "temperature": np.float32(0.7), "num_samples": np.int32(4)}
    z = np.float32([[0.1, -0.2, 0.3]])
    asked = {
        "elbo": ({"x": x, "seed": SEEDS}, vae.elbo_rows(x, SEEDS)),
        "serving_default": ({"x": x, "seed": SEEDS}, vae.elbo_rows(x, SEEDS)),
        "encode": ({"x": x, "seed": SEEDS}, vae.encode_rows(x, SEEDS)),
        "decode": ({"z": z}, {"x": vae.decode(z)}),
        "interpolate": (
            {"x_a": x, "x_b": x[::-1], "weight": np.zeros(5, np.float32)},
            {"x": vae.reconstruct(x)},
        ),
        "sample": (
            {"seed": SEEDS, "temperature": TEMPERATURES},
            vae.sample_rows(SEEDS, TEMPERATURES),
        ),
        "sample_n": (one, {"x": vae.sample(4, SEEDS[0], 0.7)}),
    }
    assert set(worker.signatures(path)) == {*asked, "info"}
    for signature, (inputs, wanted) in asked.items():
        outputs = worker.run(path, signature, inputs)
        assert set(outputs) >= set(wanted)
        for name, value in wanted.items():
            np.testing.assert_allclose(outputs[name], value, rtol=1e-4, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(worker, export, x):
    _, path = export
    whole = worker.run(path, "elbo", {"x": x, "seed": SEEDS})
    part = worker.run(path, "elbo", {"x": x[2:3], "seed": SEEDS[2:3]})
    np.testing.assert_allclose(part["elbo"], whole["elbo"][2:3], rtol=1e-5)


def test_what_does_not_fit_is_refused(worker, export, x):
    _, path = export
    for signature, inputs, message in (
        ("elbo", {"x": x, "seed": SEEDS[:1]}, "one seed for each row of x"),
        ("elbo", {"x": x + 2, "seed": SEEDS}, "integers from 0 to 1"),
        ("encode", {"x": x[:, :4], "seed": SEEDS}, "not compatible with expected"),
        ("decode", {"z": np.ones((2, 1), np.float32)}, "not compatible with expected"),
        (
            "sample",
            {"seed": SEEDS, "temperature": TEMPERATURES[:1]},
            "one temperature for each row",
        ),
    ):
        with pytest.raises(CApiError, match=message) as raised:
            worker.run(path, signature, inputs)
        assert raised.value.code == 3


def test_a_flow_without_an_inverse_exports_what_it_can(worker, tmp_path):
    flow = Flow(bijectors.Chain([bijectors.TriangularSylvester()]), (3,))
    randomize(flow)
    path = export_saved_model(flow, tmp_path)
    signatures = {"serving_default", "decode", "info", "sample", "sample_n"}
    assert set(worker.signatures(path)) == signatures
    inputs = {"seed": SEEDS, "temperature": TEMPERATURES}
    x, log_prob = flow.sample_rows_and_log_prob(
        tf.constant(SEEDS), tf.constant(TEMPERATURES)
    )
    outputs = worker.run(path, "serving_default", inputs)
    np.testing.assert_allclose(outputs["x"], x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs["log_prob"], log_prob, rtol=1e-5)
