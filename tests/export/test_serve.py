"""The program tfflows-serve: its command line, and the process under load."""

import contextlib
import functools
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.export.conftest import plane_flow, trained_like
from tfflows import Flow, bijectors
from tfflows.export import export_saved_model, serve
from tfflows.export.client import GrpcClient, RestClient
from tfflows.export.serving.process import listen
from tfflows.system import command_line

ROWS = 64  # of the data that clients ask about, some at a time


@contextlib.contextmanager
def process(folder, *flags, end=signal.SIGTERM):
    """Yields the addresses of `tfflows-serve --export_dir=folder`, REST's and gRPC's.

    When it is told to end, a client has sent half of a request.
    """
    command = [sys.executable, "-m", "tfflows.export.serve", f"--export_dir={folder}"]
    command += ["--port=0", "--grpc_port=0", "--poll_seconds=0.05", *flags]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url, target = (server.stdout.readline().split()[-1] for _ in range(2))
    host, port = url.removeprefix("http://").split(":")
    try:
        yield url, target
    finally:
        with socket.create_connection((host, int(port))) as half:
            half.sendall(
                b"POST /v1/models/mine:predict HTTP/1.1\r\nHost: localhost\r\n"
            )
            half.sendall(b"Content-Length: 1000\r\n\r\n{")
            time.sleep(0.1)
            server.send_signal(end)
            assert server.wait(10) == 0


class Model:
    """A flow, its export, and what it answers about fixed data."""

    def __init__(self, flow, data, folder):
        self.path = export_saved_model(flow, folder)
        seeds = np.stack([np.full(ROWS, 5), np.arange(ROWS)], axis=1).astype(np.int32)
        samples, _ = flow.sample_rows_and_log_prob(seeds, np.ones(ROWS, np.float32))
        self.log_prob = np.asarray(flow.log_prob(data))
        self.samples, self.seeds = np.asarray(samples), seeds


class Load:
    """Clients that ask without a pause; answers are compared with the live models."""

    def __init__(self, connect, data, models):
        self.connect, self.data, self.models = connect, data, models
        self.swapped = False  # whether the second model is known to be served
        self.wrong, self.answers = [], [0, 0]

    def client(self, number):
        # No retries: a lost request would be an error.
        with self.connect("mine", retries=0) as client:
            # However long the swap takes, a quarter is asked of the second model.
            while self.answers[1] <= number // 4 or sum(self.answers) < number:
                if self.wrong:
                    return
                self.ask(client)

    def ask(self, client):
        start = np.random.randint(ROWS - 8)
        rows = slice(start, start + np.random.randint(1, 8))
        allowed = [1] if self.swapped else [0, 1]
        if start % 2:
            found, kind = client.log_prob(self.data[rows]), "log_prob"
        else:
            seeds = self.models[0].seeds[rows]
            found, kind = client.sample(len(seeds), seeds), "samples"
        for model in allowed:
            live = getattr(self.models[model], kind)[rows]
            if np.allclose(found, live, rtol=1e-5, atol=1e-4):
                self.answers[model] += 1
                return
        self.wrong.append((kind, rows, found))


def wait(question):
    deadline = time.monotonic() + 60
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def models(request, tmp_path_factory):
    flow, data = request.param()
    first = Model(flow, data, tmp_path_factory.mktemp("first"))
    for weight in flow.trainable_variables:
        weight.assign_add(0.1 * np.ones(weight.shape, np.float32))
    return data, [first, Model(flow, data, tmp_path_factory.mktemp("second"))]


def tiny_flow():
    data = np.random.default_rng(0).normal(size=[ROWS, 2]).astype(np.float32)
    return trained_like(Flow(bijectors.Scale(), (2,)), data), data


@pytest.mark.parametrize(
    ("models", "number", "clients", "api"),
    [
        (tiny_flow, 240, 8, RestClient),
        pytest.param(plane_flow, 20_000, 32, RestClient, marks=pytest.mark.large),
        pytest.param(plane_flow, 2_000, 32, GrpcClient, marks=pytest.mark.large),
    ],
    indirect=["models"],
)
def test_load_through_a_version_swap(models, tmp_path, number, clients, api):
    data, models = models
    folder = tmp_path / "mine"
    shutil.copytree(models[0].path, folder / "1")
    with process(folder) as addresses, ThreadPoolExecutor(clients) as pool:
        url, target = addresses
        address = url if api is RestClient else target
        load = Load(functools.partial(api, address), data, models)
        futures = [pool.submit(load.client, number) for _ in range(clients)]
        wait(lambda: sum(load.answers) > number // 4)
        shutil.copytree(models[1].path, tmp_path / "new")
        (tmp_path / "new").rename(folder / "2")
        with RestClient(url, "mine") as watch:
            wait(lambda: watch.status().get(2) == "AVAILABLE")
            load.swapped = True
            assert load.answers[0] > 0
            (folder / "3").mkdir()  # as a copy that stopped leaves it
            half = (models[0].path / "saved_model.pb").read_bytes()[:1000]
            (folder / "3" / "saved_model.pb").write_bytes(half)
            for version in "12":  # a served version that is deleted serves on
                shutil.rmtree(folder / version)
            wait(lambda: watch.status() == {3: "END", 2: "AVAILABLE", 1: "END"})
            for future in futures:
                future.result()
    assert load.wrong == []
    assert sum(load.answers) >= number


@pytest.fixture
def call(tmp_path, capsys):
    """Runs the binary's main: its exit code, stdout and the lines of stderr."""

    def call(*arguments):
        line = ["tfflows-serve", *(a.format(tmp_path) for a in arguments)]
        try:
            rest = command_line.parse(serve.FLAGS, line, serve.main)
            code = command_line.call(serve.main, rest)
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected --export_dir"),
        (["--export_dir={}/nothing"], "expected a folder of tfflows-export, got"),
        (["--export_dir={}/mine/1"], "got one version, .*: take --export_dir=.*mine$"),
        (["--export_dir={}/mine", "--export_dir={}/a/mine"], "got mine twice"),
        (["--export_dir={}/mine", "more"], "expected only flags, got more"),
        (["--export_dir={}/mine", "--port=70000"], "port"),
        (["--export_dir={}/mine", "--max_batch=0"], "max_batch"),
        (["--export_dir={}/mine", "--no_such_flag"], "no_such_flag"),
    ],
)
def test_a_wrong_call_is_one_line(call, tmp_path, arguments, message):
    (tmp_path / "mine" / "1").mkdir(parents=True)
    (tmp_path / "mine" / "1" / "saved_model.pb").touch()
    (tmp_path / "a" / "mine").mkdir(parents=True)
    code, out, err = call(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("error: ")
    assert re.search(message, err[0])


def test_models_have_the_names_of_models_config(tmp_path):
    for folder in ("My model/2", "parts/decode/1", "parts/log_prob/3", "none"):
        (tmp_path / folder).mkdir(parents=True)
    for file in tmp_path.glob("*/**/[1-9]"):
        (file / "saved_model.pb").touch()
    models = serve.models([str(tmp_path / name) for name in ("My model", "parts")])
    assert {name: model.directory.name for name, model in models.items()} == {
        "My_model": "My model",
        "parts_decode": "decode",
        "parts_log_prob": "log_prob",
    }
    assert list(serve.models([str(tmp_path / "none")])) == ["none"]  # for now


def test_a_port_that_is_taken(call, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, out, err = call("--export_dir={}", f"--port={port}")
    assert (code, out) == (1, "")
    assert "Address already in use" in err[0]


def test_an_answer_is_not_held_back():
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_help_names_what_production_takes(call):
    code, out, _ = call("--help")
    assert code == 0
    assert "In production, use TensorFlow Serving" in out
    assert "--[no]help" in out
    assert "127.0.0.1" in out


def test_a_package_that_is_missing(call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = call("--export_dir={}")
    assert code == 1
    assert "pip install 'tfflows[serve]'" in err[0]
