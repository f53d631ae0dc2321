"""Chooses one device, several, or several machines with `tf.distribute`."""

from __future__ import annotations

import json
import os
import socket
import urllib.parse
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_TIMEOUT = 30.0  # seconds
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def set_cpu_devices(number: int) -> None:
    """Splits the CPU into logical devices, to run several replicas on one machine.

    The devices share the cores, so this is for tests, not for speed.

    Args:
      number: Number of logical CPU devices.

    Raises:
      ValueError: If the number is below 1 or TensorFlow has already started its
        devices.
    """
    if number < 1:
        raise ValueError(f"expected cpu_devices >= 1, got {number}")
    devices = [tf.config.LogicalDeviceConfiguration()] * number
    try:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError as error:
        raise ValueError(
            "expected cpu_devices before TensorFlow starts its devices, got it after: "
            "set it first thing in a process"
        ) from error


def make_strategy(name: str = "auto", tpu: str | None = None) -> tf.distribute.Strategy:
    """Returns a distribution strategy by name.

    Build and compile the model in its scope. Give datasets the global batch size, and
    choose the learning rate for it: losses do not depend on the number of replicas.

    Args:
      name: "one_device"; "mirrored" for all GPUs of this machine (or, without any, all
        logical CPU devices); "multi_worker" for the cluster of the environment variable
        TF_CONFIG, one process on each machine; "tpu"; "auto" takes the first of tpu (if
        given), multi_worker (if TF_CONFIG has workers), mirrored (with two devices or
        more) and one_device.
      tpu: Name or address of the TPU, "local" on a TPU VM.

    Returns:
      The strategy; for one device TensorFlow's default one.

    Raises:
      ValueError: If the name is unknown, or the devices or the cluster do not exist.
    """
    if name not in STRATEGIES:
        raise ValueError(f"expected strategy {' or '.join(STRATEGIES)}, got {name!r}")
    if name == "auto":
        name = _what_is_there(tpu)
    if tpu is not None and name != "tpu":
        raise ValueError(f"expected no tpu with strategy {name!r}, got {tpu!r}")
    if name == "tpu":
        return _tpu(tpu)
    if name == "multi_worker":
        return _multi_worker()
    return _mirrored() if name == "mirrored" else tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes checkpoints and reports."""
    resolver = strategy.cluster_resolver
    if not is_multi_worker(strategy) or resolver is None:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether replicas run in several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def mean_over_workers(strategy: tf.distribute.Strategy) -> Callable[[float], float]:
    """Returns a function that averages a number over all workers.

    Args:
      strategy: A strategy with several workers.

    Returns:
      The function. All workers must call it together, and get the same mean.
    """

    def reduced(value: tf.Tensor) -> tf.Tensor:
        # A plain argument has no device, so it could not be reduced.
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce("MEAN", tf.identity(value))

    @tf.function
    def mean(value: tf.Tensor) -> tf.Tensor:
        results = strategy.run(reduced, args=(value,))
        return strategy.experimental_local_results(results)[0]

    return lambda value: float(mean(tf.constant(value, tf.float64)).numpy())


def require_same_on_all_workers(
    strategy: tf.distribute.Strategy, value: int, what: str
) -> None:
    """Raises an error unless all workers have the same value.

    Args:
      strategy: The strategy. With one process nothing is compared.
      value: This worker's value.
      what: Name of the value, for the error.

    Raises:
      ValueError: If a worker has another value.
    """
    if not is_multi_worker(strategy):
        return
    found = mean_over_workers(strategy)(value)
    if found != value:
        raise ValueError(
            f"expected the same {what} on all workers, got {value} here and {found:g} "
            "in the mean: give all of them one model_dir, on storage that they share"
        )


def _what_is_there(tpu: str | None) -> str:
    if tpu is not None:
        return "tpu"
    if os.environ.get("TF_CONFIG"):
        return "multi_worker"
    return "mirrored" if len(_local_devices()) > 1 else "one_device"


def _local_devices() -> list[str]:
    for kind in ("GPU", "CPU"):
        devices = tf.config.list_logical_devices(kind)
        if devices:
            return [device.name for device in devices]
    return []


def _mirrored() -> tf.distribute.Strategy:
    devices = _local_devices()
    if len(devices) == 1 and "CPU" in devices[0]:
        raise ValueError(
            "expected GPUs, or two or more logical CPU devices, for strategy "
            "'mirrored', got one CPU; take 'one_device', or set cpu_devices=2 to try "
            "replicas without GPUs"
        )
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker() -> tf.distribute.Strategy:
    workers = _check_cluster(os.environ.get("TF_CONFIG"))
    print(f"waiting for the {len(workers)} workers {', '.join(workers)}", flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        raise ValueError(
            f"expected a process on each of the workers {', '.join(workers)}: "
            f"{_first_line(error)}; after TensorFlow has started its devices it is too "
            "late"
        ) from error


def _check_cluster(text: str | None) -> list[str]:
    """Checks the addresses of the workers in TF_CONFIG."""
    expected = (
        "expected the environment variable TF_CONFIG as JSON, for example "
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}, for strategy \'multi_worker\'; got '
    )
    if not text:
        raise ValueError(expected + "none")
    try:
        config: Any = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        jobs = {job: list(cluster.get(job, [])) for job in ("chief", "worker")}
        jobs[task["type"]][int(task["index"])]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{expected}{text!r:.300}") from error
    return [address for addresses in jobs.values() for address in addresses]


def _tpu(name: str | None) -> tf.distribute.Strategy:
    try:
        if "://" in (name or ""):  # TensorFlow would wait for it for ever
            address = urllib.parse.urlsplit(name)
            host, port = str(address.hostname), address.port or 8470
            socket.create_connection((host, port), timeout=_TIMEOUT).close()
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # the resolver raises errors of any class
        raise ValueError(
            f"expected a TPU for strategy 'tpu', got none by the name {name!r}: "
            f"{_first_line(error)}; give tpu='local' on a TPU VM, or its name or "
            "address"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
