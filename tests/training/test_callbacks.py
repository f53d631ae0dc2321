import keras
import numpy as np
import pytest

import tfflows
from tfflows import bijectors as fb
from tfflows.training import CheckpointCallback, ProgressLines, skip_batches
from tfflows.training.checkpoint_callback import restore_best

X = np.random.default_rng(0).standard_normal((32, 3)).astype("float32")


def make_model(units=4):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.compile("adam", "mse")
    return model


def targets(units=4):
    return np.zeros((len(X), units), "float32")


def finish_epoch(callback, epoch, **logs):
    callback.on_epoch_end(epoch, {"loss": 1.0, **logs})


def test_the_best_is_the_lowest_and_the_last_is_the_newest(tmp_path):
    model = make_model()
    callback = CheckpointCallback(model, tmp_path)
    kernels = []
    for epoch, value in enumerate([3.0, 1.0, 2.0]):
        model.fit(X, targets(), verbose=0)
        kernels.append(model.get_weights()[0])
        finish_epoch(callback, epoch, val_loss=value)

    best = make_model()
    progress = restore_best(best, tmp_path)
    np.testing.assert_array_equal(best.get_weights()[0], kernels[1])
    assert progress == {"epoch": 2, "step": 2}

    last = make_model()
    assert CheckpointCallback(last, tmp_path).restore() == 3
    np.testing.assert_array_equal(last.get_weights()[0], kernels[2])
    assert len(list(tmp_path.glob("last/*.index"))) == 2
    assert len(list(tmp_path.glob("best/*.index"))) == 1


def test_a_restored_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = make_model()
    callback = CheckpointCallback(whole, tmp_path)
    whole.fit(X, targets(), epochs=3, verbose=0, shuffle=False)
    finish_epoch(callback, 2, val_loss=1.0)
    whole.fit(X, targets(), epochs=2, verbose=0, shuffle=False)

    resumed = make_model()
    CheckpointCallback(resumed, tmp_path).restore()
    resumed.fit(X, targets(), epochs=2, verbose=0, shuffle=False)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # The best value so far goes along: a worse epoch must not replace the best.
    callback = CheckpointCallback(resumed, tmp_path)
    callback.restore()
    finish_epoch(callback, 3, val_loss=1.5)
    assert restore_best(make_model(), tmp_path)["epoch"] == 3


def test_patience_counts_over_a_resume(tmp_path):
    values = [3.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.5, 1.5]
    model = make_model()
    callback = CheckpointCallback(model, tmp_path, patience=3)
    for epoch, value in enumerate(values[:6]):
        finish_epoch(callback, epoch, val_loss=value)
        assert not model.stop_training
    resumed = make_model()
    callback = CheckpointCallback(resumed, tmp_path, patience=3)
    assert callback.restore() == 6
    assert not callback.is_patience_over
    finish_epoch(callback, 6, val_loss=1.5)
    assert not resumed.stop_training
    finish_epoch(callback, 7, val_loss=1.5)
    assert resumed.stop_training
    finished = CheckpointCallback(make_model(), tmp_path, patience=3)
    finished.restore()
    assert finished.is_patience_over
    assert restore_best(make_model(), tmp_path)["epoch"] == 5
    # A run without patience has none of it in its checkpoints.
    assert CheckpointCallback(make_model(), tmp_path).restore() == 8


def make_flow(**settings):
    flow = tfflows.Flow(fb.Scale(), (3,))
    flow.compile(keras.optimizers.Adam(0.1), **settings)
    return flow


def test_executions_of_several_steps_count_each_step_once(tmp_path):
    # 8 batches, the last of 2 rows, in executions of 3, 3 and 2.
    rows = np.concatenate([X, X[:14]])
    arguments = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0}
    losses = make_flow().fit(rows, **arguments).history["loss"]
    flow = make_flow(steps_per_execution=3)
    callback = CheckpointCallback(flow, tmp_path, "loss", every_steps=5)
    found = flow.fit(rows, callbacks=[callback], **arguments).history["loss"]
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    assert callback.steps == 24
    saved = []
    flow = make_flow(steps_per_execution=3)
    callback = CheckpointCallback(flow, tmp_path / "steps", "loss", every_steps=5)
    callback._save_last = lambda: saved.append(callback.steps)
    flow.fit(rows, callbacks=[callback], **arguments)
    assert [step for step in saved if step % 8] == [6, 11, 22]  # passed 5, 10, 20


def test_batches_to_skip_are_whole_executions():
    flow = make_flow(steps_per_execution=3)
    with pytest.raises(ValueError, match=r"that 3 \(steps_per_execution\) divides"):
        skip_batches(flow, 4)
    skip_batches(flow, 3)
    flow.fit(X, batch_size=4, steps_per_epoch=6, verbose=0)
    assert flow.optimizer.iterations == 3


def test_restored_best_weights_survive_a_later_compile(tmp_path):
    model = make_model()
    callback = CheckpointCallback(model, tmp_path)
    model.fit(X, targets(), verbose=0)
    finish_epoch(callback, 0, val_loss=1.0)
    best = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    restore_best(best, tmp_path)
    best.compile(keras.optimizers.SGD(0.25), "mse")
    best.fit(X, targets(), verbose=0)
    assert float(best.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    "logs", [{"val_loss": np.nan}, {"loss": np.inf, "val_loss": 1.0}]
)
def test_an_epoch_that_diverged_is_not_saved(tmp_path, logs):
    callback = CheckpointCallback(make_model(), tmp_path)
    finish_epoch(callback, 0, **logs)
    assert callback.finished_epochs == 0
    assert not list(tmp_path.glob("*/*.index"))


def test_errors(tmp_path):
    callback = CheckpointCallback(make_model(), tmp_path)
    assert callback.restore() == 0
    with pytest.raises(ValueError, match="expected a checkpoint in"):
        restore_best(make_model(), tmp_path)
    with pytest.raises(ValueError, match="fit with validation_data"):
        finish_epoch(callback, 0)
    finish_epoch(callback, 0, val_loss=1.0)
    with pytest.raises(ValueError, match="expected a readable checkpoint"):
        restore_best(make_model(units=5), tmp_path)
    for path in tmp_path.glob("best/*.index"):
        path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="expected a readable checkpoint"):
        restore_best(make_model(), tmp_path)


@pytest.mark.parametrize(("seconds", "lines"), [(1e-9, 2), (1000.0, 0)])
def test_long_epochs_give_signs_of_life(capsys, seconds, lines):
    callback = ProgressLines(seconds)
    callback.set_params({"steps": 20})
    callback.on_epoch_begin(3)
    for batch in (3, 4):
        callback.on_train_batch_end(batch, {"loss": 1.25})
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == lines
    assert printed[-1:] == ["epoch 4: step 5 of 20, loss 1.25"][:lines]
