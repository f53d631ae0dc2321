"""One device, two replicas and two workers see the same losses."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.training.replicas import EPOCHS, FAMILIES


def start(*arguments, **environment):
    command = [sys.executable, "-m", "tests.training.replicas", *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process):
    out, err = process.communicate(timeout=3600)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def require_equal(one, other):
    assert one.keys() == other.keys()
    for family, figures in one.items():
        assert len(figures["losses"]) == 3 * EPOCHS
        assert np.std(figures["losses"]) > 0
        close = {"rtol": 1e-5, "err_msg": family}
        np.testing.assert_allclose(other[family]["losses"], figures["losses"], **close)
        for name, value in figures["evaluation"].items():
            np.testing.assert_allclose(
                other[family]["evaluation"][name], value, **close
            )


def test_two_mirrored_replicas_train_as_one_device():
    results = output_of(start("one_device,mirrored", "2", "realnvp"))
    require_equal(results["one_device"], results["mirrored"])


@pytest.mark.large
def test_one_device_two_replicas_and_two_workers_train_alike():
    processes = [start("one_device,mirrored", "2", *FAMILIES)]
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": workers}, "task": task})
        processes.append(start("multi_worker", "1", *FAMILIES, TF_CONFIG=config))
    local, first, second = map(output_of, processes)
    require_equal(local["one_device"], local["mirrored"])
    require_equal(local["one_device"], first["multi_worker"])
    assert first == second  # the weights' digests, too
