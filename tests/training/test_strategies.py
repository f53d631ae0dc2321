"""Names of strategies, and what is said where the devices are not there."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from tests.zoo.test_cli import error_line, run
from tfflows import training
from tfflows.zoo import train

CLUSTER = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


@pytest.mark.skipif(
    len(tf.config.list_physical_devices("GPU")) > 1, reason="auto takes many GPUs"
)
@pytest.mark.parametrize("name", ["auto", "one_device"])
def test_one_device_is_tensorflows_default(name):
    assert training.make_strategy(name) is tf.distribute.get_strategy()
    assert training.is_chief(training.make_strategy(name))


def test_an_unknown_name():
    with pytest.raises(ValueError, match=r"expected strategy auto or .* got 'many'"):
        training.make_strategy("many")
    with pytest.raises(ValueError, match="expected no tpu with strategy 'mirrored'"):
        training.make_strategy("mirrored", tpu="local")


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU to mirror"
)
def test_mirrored_without_devices():
    with pytest.raises(ValueError, match=r"expected GPUs, .* got one CPU; .*=2"):
        training.make_strategy("mirrored")


def test_no_tpu():
    for name in (None, "grpc://127.0.0.1:9"):
        with pytest.raises(ValueError, match="expected a TPU for strategy 'tpu'"):
            training.make_strategy("tpu", name)


@pytest.mark.parametrize(
    "config",
    [
        None,
        "not JSON",
        "[]",
        json.dumps({"cluster": CLUSTER}),
        json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": CLUSTER, "task": {"type": "boss", "index": 0}}),
    ],
)
def test_many_workers_without_a_cluster(monkeypatch, config):
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=r"expected .* TF_CONFIG as JSON.*; got "):
        training.make_strategy("multi_worker")


def test_devices_are_split_before_tensorflow_starts():
    tf.zeros([])
    with pytest.raises(ValueError, match="before TensorFlow starts its devices"):
        training.set_cpu_devices(2)
    with pytest.raises(ValueError, match="cpu_devices >= 1, got 0"):
        training.set_cpu_devices(0)


def test_the_binary_says_it_in_one_line(tmp_path, capsys):
    arguments = ["--model=nice_rings", f"--model_dir={tmp_path / 'run'}"]
    assert run(train, *arguments, "--strategy=multi_worker") == 1
    assert "TF_CONFIG" in error_line(capsys)
    assert run(train, *arguments, "--strategy=everything") == 2
    assert "auto|one_device|mirrored" in error_line(capsys)
    assert not (tmp_path / "run").exists()
