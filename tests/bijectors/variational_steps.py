"""The variational steps: rows of the contract, with free and amortised parameters."""

from __future__ import annotations

import keras
import tensorflow as tf

from tests.testing_utils import ONE_WAY, StepCase
from tfflows import bijectors as fb
from tfflows.bijectors.composite import build_step


@keras.saving.register_keras_serializable("tests")
class ContextFromEvent(fb.FlowStep):
    """Gives a step the first elements of each event as its context.

    [c, z] -> [c, f(z; c)]: block triangular, with the log-det of f, so that the whole
    contract holds for parameters that differ from example to example.
    """

    context_dim = None  # from outside it takes no context

    def __init__(self, step, num_given, **kwargs):
        super().__init__(**kwargs)
        self.step, self.num_given = step, num_given
        self.has_inverse = step.has_inverse

    def build(self, data_shape):
        build_step(self.step, (data_shape[-1] - self.num_given,))

    def _forward_and_log_det(self, z, context=None):
        context, z = self._split(z)
        x, log_det = self.step._forward_and_log_det(z, context)
        return tf.concat([context, x], axis=-1), log_det

    def _inverse_and_log_det(self, x, context=None):
        context, x = self._split(x)
        z, log_det = self.step._inverse_and_log_det(x, context)
        return tf.concat([context, z], axis=-1), log_det

    def _split(self, value):
        return value[:, : self.num_given], value[:, self.num_given :]

    def get_config(self):
        step = keras.saving.serialize_keras_object(self.step)
        own = {"step": step, "num_given": self.num_given}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        step = keras.saving.deserialize_keras_object(config["step"])
        return cls(**{**config, "step": step})


def _free(step, *args, **kwargs):
    return lambda d: step(*args, dtype=d, **kwargs)


def _amortized(step, *args, **kwargs):
    return lambda d: ContextFromEvent(
        step(*args, context_dim=2, dtype=d, **kwargs), 2, dtype=d
    )


def _one_way(make, event_shape):
    return StepCase(make, event_shape, except_for=ONE_WAY)


def _repeated_planar(dtype, **kwargs):
    return fb.Repeated(fb.Planar(dtype=dtype, **kwargs), 3)


def _sylvester_chain(dtype):
    steps = [
        fb.TriangularSylvester(dtype=dtype),
        fb.TriangularSylvester(reverse=True, dtype=dtype),
    ]
    return fb.Chain(steps, dtype=dtype)


VARIATIONAL_STEPS: dict[str, StepCase] = {
    "planar": StepCase(_free(fb.Planar), (3,)),
    "planar_line_softplus": StepCase(_free(fb.Planar, "softplus"), (1,)),
    "planar_amortized": StepCase(_amortized(fb.Planar), (5,)),
    "planar_repeated": StepCase(_repeated_planar, (3,)),
    "planar_repeated_amortized": StepCase(
        lambda d: ContextFromEvent(_repeated_planar(d, context_dim=2), 2, dtype=d), (5,)
    ),
    "radial": StepCase(_free(fb.Radial), (3,)),
    "radial_amortized": StepCase(_amortized(fb.Radial), (5,)),
    "sylvester_orthogonal": _one_way(_free(fb.OrthogonalSylvester, 2), (4,)),
    "sylvester_orthogonal_amortized": _one_way(
        _amortized(fb.OrthogonalSylvester, 2), (5,)
    ),
    "sylvester_householder": _one_way(_free(fb.HouseholderSylvester, 3), (4,)),
    "sylvester_householder_amortized": _one_way(
        _amortized(fb.HouseholderSylvester, 2), (5,)
    ),
    "sylvester_triangular_amortized": _one_way(
        _amortized(fb.TriangularSylvester, reverse=True), (5,)
    ),
    "sylvester_chain": _one_way(_sylvester_chain, (4,)),
}
