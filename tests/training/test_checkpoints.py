"""Checkpoints that cannot be read or written, and averaged weights."""

from __future__ import annotations

import resource

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows.training import CheckpointCallback
from tfflows.training.checkpoint_callback import restore_best
from tfflows.training.checkpoints import CheckpointFolder


@pytest.fixture
def folder(tmp_path):
    """Checkpoints 1 and 2 of a variable that holds as many."""
    return fill(CheckpointFolder, tmp_path, 1, 2)


def fill(make, path, *numbers):
    value = tf.Variable(tf.zeros(999, tf.int64))
    folder = make({"value": value}, path, keep=3)
    for number in numbers:
        value.assign(tf.fill(value.shape, np.int64(number)))
        folder.save(number)
    return folder, value, path


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", [truncate, flip_a_bit, lambda path: path.unlink()])
def test_the_one_before_a_broken_checkpoint_is_used(folder, damage, ending, capsys):
    folder, value, path = folder
    damage(path / f"ckpt-2.{ending}")
    assert folder.restore()
    np.testing.assert_array_equal(value, 1)
    assert f"of this model in {path / 'ckpt-2'}: " in capsys.readouterr().err
    damage(path / f"ckpt-1.{ending}")
    with pytest.raises(ValueError, match=r"expected a readable checkpoint .*ckpt-2"):
        folder.restore()


def test_tensorflows_own_list_of_checkpoints_may_be_lost(folder):
    _, _, path = folder
    (path / "checkpoint").write_text("not a list")
    again, value, _ = fill(CheckpointFolder, path)
    assert again.numbers == [1, 2]
    assert again.restore()
    np.testing.assert_array_equal(value, 2)


def test_a_full_disk_leaves_the_last_good_checkpoint(folder, capsys):
    folder, value, path = folder
    value.assign_add(tf.ones_like(value))
    before = sorted(path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"to write checkpoint 3 .* are as they were"):
            folder.save(3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.iterdir()) == before
    assert folder.restore()
    np.testing.assert_array_equal(value, 2)
    assert not capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="expected to write checkpoint 1"):
        fill(CheckpointFolder, tmp_path / "file" / "folder", 1)


def test_averaged_weights_are_validated_and_kept_as_the_best(tmp_path):
    def make():
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((1,)), layer])
        model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        return model

    model, x = make(), np.ones((1, 1))
    callback = CheckpointCallback(model, tmp_path)
    validated = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: validated.append(logs["val_loss"])
    )
    model.fit(
        *(x, 0 * x),
        validation_data=(x, 0 * x),
        epochs=2,
        callbacks=[callback, look],
        verbose=0,
    )
    # w <- w - 0.1 * 2 w: 0.8, 0.64; averages 0.8 and (0.8 + 0.64) / 2.
    np.testing.assert_allclose(validated, [0.8**2, 0.72**2], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], 0.72, rtol=1e-5)
    best, last = make(), make()
    restore_best(best, tmp_path)
    np.testing.assert_array_equal(best.get_weights()[0], model.get_weights()[0])
    CheckpointCallback(last, tmp_path).restore()
    np.testing.assert_allclose(last.get_weights()[0], 0.64, rtol=1e-5)
