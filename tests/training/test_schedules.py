import keras
import numpy as np
import pytest

from tfflows.training import learning_rate_schedule


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


def test_cosine_falls_from_the_full_rate_to_zero():
    schedule = learning_rate_schedule(0.5, 100)
    expected = 0.25 * (1 + np.cos(np.pi * np.array([0, 25, 50, 100]) / 100))
    np.testing.assert_allclose(rates(schedule, [0, 25, 50, 100]), expected, atol=1e-7)


def test_constant_stays_constant():
    schedule = learning_rate_schedule(0.5, 100, schedule="constant")
    np.testing.assert_allclose(rates(schedule, [0, 50, 99, 500]), 0.5)


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_warmup_rises_linearly_from_above_zero(kind):
    schedule = learning_rate_schedule(1.0, 100, schedule=kind, warmup_steps=10)
    rising = rates(schedule, range(11))
    assert rising[0] > 0
    np.testing.assert_allclose(np.diff(rising), np.diff(rising)[0], rtol=1e-4)
    np.testing.assert_allclose(rising[-1], 1.0, rtol=1e-6)
    last = 1.0 if kind == "constant" else 0.0
    np.testing.assert_allclose(rates(schedule, [100]), last, atol=1e-7)


def test_is_a_keras_schedule_with_a_config():
    schedule = learning_rate_schedule(0.5, 100, warmup_steps=3)
    again = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(schedule)
    )
    np.testing.assert_allclose(rates(again, [0, 2, 60]), rates(schedule, [0, 2, 60]))


def test_bad_arguments():
    with pytest.raises(ValueError, match="expected schedule cosine or constant"):
        learning_rate_schedule(0.1, 10, schedule="linear")
    with pytest.raises(ValueError, match="warmup_steps from 0 to below the 10"):
        learning_rate_schedule(0.1, 10, warmup_steps=10)
