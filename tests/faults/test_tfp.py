"""Steps inside stock TFP, where others have met faults."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfflows import bijectors as fb
from tfflows import networks


def test_the_example_of_the_readme_in_a_graph():
    coupling = fb.AffineCoupling(networks.MLP((8,)), mask="half")
    density = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(4)), tfb.Chain([tfb.Shift(1.0), coupling])
    )
    x = density.sample(3, seed=1)
    wanted = density.log_prob(x)
    spec = tf.TensorSpec([None, 4])
    in_graph = tf.function(density.log_prob, input_signature=[spec])
    np.testing.assert_allclose(in_graph(x), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("step", "data", "latent"),
    [
        (fb.Scale(), (4,), (4,)),
        (fb.Flatten(), (2, 3, 2), (12,)),
        (fb.Squeeze(), (2, 4, 1), (1, 2, 4)),
        (fb.Invert(fb.Squeeze()), (1, 2, 4), (2, 4, 1)),
        (fb.Chain([fb.Squeeze(), fb.Flatten()]), (2, 2, 1), (4,)),
        (fb.TFPStep(tfb.IteratedSigmoidCentered()), (4,), (3,)),
        (fb.TFPStep(tfb.Reshape([4], [2, 2])), (4,), (2, 2)),
        (fb.TFPStep(tfb.FillTriangular()), (2, 2), (3,)),
    ],
)
def test_shapes_that_are_known_only_when_a_graph_runs(step, data, latent):
    step.build((None, *data))

    @tf.function
    def shapes(data, latent):
        sides = step.inverse_event_shape_tensor, step.forward_event_shape_tensor
        return sides[0](data), sides[1](latent), sides[0](tf.shape(tf.zeros(data)))

    for leading in ((), (5,), (5, 6)):
        given = (tf.constant([*leading, *side]) for side in (data, latent))
        z, x, again = shapes(*given)
        assert tuple(z) == tuple(again) == (*leading, *latent)
        assert tuple(x) == (*leading, *data)
        assert z.dtype == x.dtype == tf.int32
        assert tuple(step.inverse_event_shape((*leading, *data))) == tuple(z)
        static = tf.function(step.forward_event_shape_tensor)
        assert tuple(static((*leading, *latent))) == tuple(x)
    assert step.inverse_event_shape((None, *data)).as_list() == [None, *latent]


def test_a_shape_of_a_step_not_built_is_named_when_it_cannot_be_known():
    @tf.function
    def shape(z):
        return fb.Squeeze().forward_event_shape_tensor(z)

    with pytest.raises(ValueError, match="expected a built step"):
        shape(tf.constant([1, 1, 4]))
