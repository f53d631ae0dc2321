"""An export of a flow with variational dequantization and logistic mixtures."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.distributions import StandardLogistic
from tfflows.export import export_saved_model
from tfflows.preprocessing import Logit, VariationalDequantization

pytestmark = pytest.mark.large


def mixture(**kwargs):
    network = tfflows.networks.MLP((4,), **kwargs)
    return fb.MixtureLogisticCoupling(network, num_components=2)


def test_it_answers_as_the_model_and_decodes_integers(tmp_path):
    noise = tfflows.Flow(
        fb.Chain([fb.Invert(mixture(context_dim=2))]),
        (2,),
        StandardLogistic(2),
        Logit(),
        context_shape=2,
    )
    dequantization = VariationalDequantization(noise, 4)
    steps = fb.Chain([mixture(), fb.Permute()])
    flow = tfflows.Flow(steps, (2,), None, [dequantization, Logit(0.05, 0.0, 4.0)])
    randomize(flow)
    # Verifies each signature through the C API.
    loaded = tf.saved_model.load(export_saved_model(flow, tmp_path))
    x = np.array([[0, 3], [2, 1], [3, 3]], "uint8")
    call = loaded.signatures
    log_prob = call["log_prob"](x=x)["log_prob"]
    np.testing.assert_allclose(log_prob, flow.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(call["score"](x=x)["log_prob"], log_prob, rtol=1e-5)
    back = call["decode"](z=call["encode"](x=x)["z"])["x"]
    np.testing.assert_array_equal(back, x)
