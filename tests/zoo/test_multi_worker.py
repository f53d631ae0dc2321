"""`tfflows-train --strategy=multi_worker`, as two processes on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.training.test_replicas import free_ports
from tests.zoo.test_resuming import checkpoints, newest

EPOCHS = 20
COMMAND = [
    *("-m", "tfflows.zoo.train", "--model=realnvp_three_gaussians"),
    *("--set=model.num_couplings=2", "--set=model.hidden_units=8"),
    *(f"--set=trainer.epochs={EPOCHS}", "--set=trainer.batch_size=8192"),
    *("--set=trainer.checkpoint_steps=4", "--set=trainer.clip_norm=1"),
    *("--set=trainer.ema=0.9", "--deterministic", "--strategy=multi_worker"),
]


def start(folder):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": workers}, "task": task})
        processes.append(
            subprocess.Popen(
                [sys.executable, *COMMAND, f"--model_dir={folder}"],
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def outputs(processes, code):
    texts = [process.communicate(timeout=1800)[0] for process in processes]
    for process, text in zip(processes, texts, strict=True):
        assert process.returncode == code, text[-3000:]
    return texts


@pytest.mark.large
@pytest.mark.parametrize("who", [(0, 1), (1,)])
def test_two_workers_are_stopped_and_go_on(tmp_path, who):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    chief, other = outputs(start(whole), code=0)
    assert "Epoch" in chief
    assert "Epoch" not in other  # reports are the chief's alone, as are the files
    processes = start(stopped)
    while processes[0].poll() is None and not checkpoints(stopped):
        time.sleep(0.05)
    for index in who:
        processes[index].send_signal(signal.SIGTERM)
    outputs(processes, code=75)
    saved = int(newest(stopped).name.split("-")[1])
    assert saved < 6 * EPOCHS
    chief, other = outputs(start(stopped), code=0)
    for text in (chief, other):
        assert f"goes on after epoch {saved // 6} of {EPOCHS}" in text
    require_close(whole, stopped)


def require_close(whole, stopped):
    one, two = (tf.train.load_checkpoint(str(newest(f))) for f in (whole, stopped))
    names = one.get_variable_to_shape_map()
    assert names == two.get_variable_to_shape_map()
    for name in names:
        if name.startswith(("weights", "optimizer", "epoch", "step")):
            a, b = one.get_tensor(name), two.get_tensor(name)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=name)
    # The row of an epoch that was interrupted has the means of its rest.
    histories = [pd.read_csv(folder / "history.csv") for folder in (whole, stopped)]
    assert all(len(history) == EPOCHS for history in histories)
    val_losses = [history["val_loss"] for history in histories]
    np.testing.assert_allclose(*val_losses, rtol=1e-5)
