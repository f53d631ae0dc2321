"""The program with requests as large as it takes: no other request waits for them."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import requests

from tests.export.test_serve import process
from tfflows import Flow, bijectors
from tfflows.export import export_saved_model
from tfflows.export.client import GrpcClient, RestClient

pytestmark = pytest.mark.large
MIB = 2**20
RAISED = ("--max_request_mib=64", "--max_batch=100000000")
LONGEST = 1.0  # seconds, on two cores that have nothing else to do


def body(row):
    """A request of 31 MiB."""
    rows = b",".join([row] * (31 * MIB // (len(row) + 1) - 10))
    return b'{"instances":[' + rows + b"]}"


class Others:
    """Clients that ask for one row after the other, and how long each waited."""

    def __init__(self, *clients):
        self._stop, self.waits = threading.Event(), []
        self._threads = [
            threading.Thread(target=self._ask, args=[client]) for client in clients
        ]

    def _ask(self, client):
        with client:
            client.log_prob([[0.5, 1]])
            while not self._stop.is_set():
                start = time.monotonic()
                client.log_prob([[0.5, 1]])
                self.waits.append(time.monotonic() - start)
                time.sleep(0.01)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *exception):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def scale_export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    export_saved_model(Flow(bijectors.Scale(), (2,)), folder, verify=False)
    return folder


@pytest.mark.parametrize("row", [b"[1,2]", b'{"x":[0.25,-1.5]}'], ids=["list", "dict"])
@pytest.mark.parametrize("flags", [(), RAISED], ids=["default", "raised"])
def test_a_large_request_stalls_no_other(scale_export, row, flags):
    with process(scale_export, *flags) as (url, target):
        predict = f"{url}/v1/models/{scale_export.name}:predict"
        name = scale_export.name
        clients = [RestClient(url, name, retries=0), GrpcClient(target, name)]
        with Others(*clients) as others:
            start = time.monotonic()
            answer = requests.post(predict, data=body(row), timeout=300)
            seconds = time.monotonic() - start
    print(f"\n{row} {answer.status_code} after {seconds:.1f} s, {len(others.waits)}")
    print(
        f"others: at most {max(others.waits):.2f} s, median {np.median(others.waits)}"
    )
    assert max(others.waits) < LONGEST
    if flags:
        assert answer.status_code == 200
        assert answer.content.startswith(b'{"predictions": [')
    else:
        assert answer.status_code == 413
        assert list(answer.json()) == ["error"]


def test_a_large_answer_stalls_no_other(scale_export):
    inputs = {"num_samples": 65_536, "seed": [1, 2], "temperature": 1.0}
    request = json.dumps({"signature_name": "sample_n", "inputs": inputs})
    with process(scale_export, *RAISED) as (url, _):
        predict = f"{url}/v1/models/{scale_export.name}:predict"
        with Others(RestClient(url, scale_export.name, retries=0)) as others:
            answer = requests.post(predict, data=request, timeout=300)
    assert answer.status_code == 200
    assert np.shape(answer.json()["outputs"]["x"]) == (65_536, 2)
    assert max(others.waits) < LONGEST


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_end_does_not_wait_for_a_version_that_loads(scale_export, end, tmp_path):
    program = (
        "import sys, time\n"
        "from tfflows.export import serve\n"
        "from tfflows.export.writing import warmup\n"
        "warmup.load_warm = lambda folder, xla: print('loading') or time.sleep(100)\n"
        "serve.run()\n"
    )
    command = [sys.executable, "-u", "-c", program, f"--export_dir={scale_export}"]
    server = subprocess.Popen([*command, "--port=0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "loading\n"
    start = time.monotonic()
    server.send_signal(end)
    assert server.wait(20) == 0
    assert time.monotonic() - start < 10
    server.stdout.close()
