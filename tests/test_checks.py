"""Checks on values."""

import numpy as np
import pytest
import tensorflow as tf

from tfflows.backend.checks import (
    all_finite,
    failed_requirements_as_value_errors,
    require,
)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
@pytest.mark.parametrize("jit_compile", [None, True])
def test_all_finite_sees_one_bad_value_among_many(dtype, jit_compile):
    check = tf.function(all_finite, jit_compile=jit_compile)
    good = np.full((50, 40), float(dtype.max))
    assert check(tf.constant(good, dtype))  # their sum would be infinite
    assert check(tf.zeros([0, 3], dtype))
    for bad in ([np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]):
        values = good.copy()
        values[7, : len(bad)] = bad
        assert not check(tf.constant(values, dtype))


def test_the_error_of_a_graph_says_what_was_written():
    message = 'the step\'s range "[0, 1]", naïve, C:\\new: row'

    @tf.function(autograph=False)
    def in_graph(number):
        with require(number > 5, message, number, "of the batch"):
            return tf.identity(number)

    for run in (in_graph, in_graph.python_function):
        with (
            pytest.raises(ValueError, match="row") as caught,
            failed_requirements_as_value_errors(),
        ):
            run(tf.constant(3))
        assert str(caught.value) == f"{message} 3 of the batch"
