"""A training that is killed and started again ends as if it had not been."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.test_cli import run
from tfflows import zoo
from tfflows.zoo import train
from tfflows.zoo.running import run_dir, trainer

# Two epochs of six steps, with checkpoints after steps 4, 6, 8 and 12.
COMMAND = [
    "--model=realnvp_three_gaussians",
    "--set=model.num_couplings=2",
    "--set=model.hidden_units=8",
    "--set=trainer.batch_size=8192",
    "--set=trainer.epochs=2",
    "--set=trainer.checkpoint_steps=4",
    "--set=trainer.ema=0.5",
    "--set=trainer.warmup_steps=3",
    "--set=trainer.clip_norm=1",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(train, *COMMAND, f"--model_dir={folder}") == 0
    return folder


def newest(folder):
    files = (folder / "checkpoints" / "last").glob("ckpt-*.index")
    return max(files, key=lambda path: int(path.stem.split("-")[1])).with_suffix("")


def require_same_run(one, other):
    for path in (newest(one), *(one / "checkpoints" / "best").glob("*.index")):
        relative = path.with_suffix("").relative_to(one)
        first, second = (tf.train.load_checkpoint(f / relative) for f in (one, other))
        names = first.get_variable_to_shape_map()
        assert names == second.get_variable_to_shape_map()
        for name in names:
            if name.startswith(("_CHECKPOINTABLE", "save_counter")):
                continue
            a, b = first.get_tensor(name), second.get_tensor(name)
            np.testing.assert_array_equal(a, b, err_msg=name)
    histories = [(folder / "history.csv").read_bytes() for folder in (one, other)]
    assert histories[0] == histories[1]


def interrupt(monkeypatch, folder, step, how):
    """Starts the training, and calls `how` after a step."""

    class Interrupting(keras.callbacks.CSVLogger):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            if self.seen == step:
                how()

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks, "CSVLogger", Interrupting)
        return run(train, *COMMAND, f"--model_dir={folder}")


def crash():
    raise KeyboardInterrupt  # no handler of ours: nothing is saved


@pytest.mark.parametrize(
    ("step", "saved"),
    [
        pytest.param(3, None, marks=pytest.mark.large),
        (5, 4),
        pytest.param(7, 6, marks=pytest.mark.large),
        # As SIGTERM and a broken checkpoint below: in the second epoch.
        pytest.param(11, 8, marks=pytest.mark.large),
    ],
)
def test_a_crash_at_any_step(whole, tmp_path, monkeypatch, capsys, step, saved):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        interrupt(monkeypatch, folder, step, crash)
    capsys.readouterr()
    assert run(train, *COMMAND, f"--model_dir={folder}") == 0
    if saved is not None:
        middle = f" and {saved % 6} of 6 steps" if saved % 6 else ""
        going_on = f"goes on after epoch {saved // 6} of 2{middle}\n"
        assert going_on in capsys.readouterr().out
    require_same_run(whole, folder)


def test_sigterm_saves_at_once_and_exits_with_75(whole, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    with pytest.raises(SystemExit) as stop:
        interrupt(monkeypatch, folder, 9, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert stop.value.code == 75
    told = f"stopped by SIGTERM: step 9 is saved in {folder}/checkpoints/last; the same"
    assert told in capsys.readouterr().err
    assert not (folder / ".lock").exists()
    assert newest(folder).name == "ckpt-9"
    # A row that was written just before a crash is not there twice afterwards.
    with (folder / "history.csv").open("a") as history:
        history.write("1,0.0,0.0,0\r\n2,0.")
    assert run(train, *COMMAND, f"--model_dir={folder}") == 0
    require_same_run(whole, folder)


def test_a_broken_newest_checkpoint(whole, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        interrupt(monkeypatch, folder, 9, crash)
    broken = newest(folder)
    data = broken.with_suffix(".data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-8])
    capsys.readouterr()
    assert run(train, *COMMAND, f"--model_dir={folder}") == 0
    assert str(broken) in capsys.readouterr().err
    require_same_run(whole, folder)


def test_early_stopping_goes_on_exactly(tmp_path, monkeypatch, capsys):
    command = [*COMMAND, "--set=trainer.epochs=9", "--set=trainer.patience=1"]
    command += ["--set=trainer.learning_rate=0.3", "--set=trainer.clip_norm=none"]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert run(train, *command, f"--model_dir={whole}") == 0
    told = "none of the last 1 had a lower validation loss"
    assert told in capsys.readouterr().out
    rows = (whole / "history.csv").read_text().splitlines()
    assert 3 <= len(rows) < 9  # a header, at least one epoch before the last
    monkeypatch.setattr("tests.zoo.test_resuming.COMMAND", command)
    with pytest.raises(KeyboardInterrupt):
        interrupt(monkeypatch, resumed, 6 * (len(rows) - 1) - 1, crash)
    assert run(train, *command, f"--model_dir={resumed}") == 0
    require_same_run(whole, resumed)
    capsys.readouterr()
    assert run(train, *command, f"--model_dir={resumed}") == 0
    assert f"finished, stopped after epoch {len(rows) - 1}" in capsys.readouterr().out


def test_a_finished_run_has_the_averaged_weights(whole):
    config = run_dir.read_config(whole)
    resumed = trainer.train(config, whole)
    best = zoo.load(whole)  # the last epoch's
    for one, other in zip(resumed.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.large
@pytest.mark.parametrize("name", ["glow_digits", "planar_vae_digits", "nice_digits"])
def test_sigkill_at_a_random_time(tmp_path, name):
    command = [sys.executable, "-m", "tfflows.zoo.train", f"--model={name}"]
    command += ["--set=trainer.epochs=3", "--set=trainer.checkpoint_steps=3"]
    command += ["--deterministic"]
    if name == "glow_digits":
        command += ["--set=model.num_steps=2", "--set=model.width=8"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, f"--model_dir={whole}"], check=True)
    rng = random.Random(name)
    for _ in range(3):
        process = subprocess.Popen([*command, f"--model_dir={killed}"])
        count = checkpoints(killed)
        while process.poll() is None and checkpoints(killed) == count:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.wait()
    subprocess.run([*command, f"--model_dir={killed}"], check=True)
    require_same_run(whole, killed)


def checkpoints(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("checkpoints/last/*.index"))
