"""Large weights, which do not ship: from a folder, a cache, a server."""

import functools
import http.server
import shutil
import threading

import numpy as np
import pytest

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.zoo import evaluate
from tfflows.zoo.shelf import pretrained

NAME = "realnvp_two_moons"
FILE = f"{NAME}.weights.h5"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class _Cut(_Quiet):
    """Breaks off in the middle of each file."""

    def copyfile(self, source, outputfile):
        outputfile.write(source.read()[:1000])


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Makes the package ship a record without its file, which is in tmp_path/there."""
    shipped = pretrained.path(NAME)
    (tmp_path / "there").mkdir()
    (tmp_path / "package").mkdir()
    shutil.copy(shipped, tmp_path / "there")
    shutil.copy(pretrained.record_path(NAME), tmp_path / "package")
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path / "package")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv(pretrained.DIR, raising=False)
    monkeypatch.delenv(pretrained.URL, raising=False)
    return tmp_path / "there"


@pytest.fixture
def serve(elsewhere, monkeypatch):
    """Starts a server of a kind on the folder, and names it in the environment."""
    servers = []

    def start(handler):
        handler = functools.partial(handler, directory=elsewhere)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv(pretrained.URL, f"http://127.0.0.1:{server.server_port}/")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_fetched_once_then_cached(serve, elsewhere, monkeypatch):
    serve(_Quiet)
    fetched = pretrained.path(NAME)
    assert fetched.read_bytes() == (elsewhere / FILE).read_bytes()
    monkeypatch.delenv(pretrained.URL)
    assert pretrained.path(NAME) == fetched
    fetched.write_bytes(fetched.read_bytes()[:1000])  # a cut file is not taken
    with pytest.raises(OSError, match=f"{pretrained.DIR} to a folder"):
        pretrained.path(NAME)
    serve(_Quiet)
    assert pretrained.path(NAME).read_bytes() == (elsewhere / FILE).read_bytes()


def test_a_folder_of_weights(elsewhere, monkeypatch):
    monkeypatch.setenv(pretrained.DIR, str(elsewhere))
    assert pretrained.path(NAME) == elsewhere / FILE
    flow = zoo.create(NAME, weights="pretrained")
    assert np.isfinite(flow.log_prob(np.zeros((1, 2), "float32"))).all()


@pytest.mark.parametrize("kind", ["another", "cut"])
def test_a_wrong_file_is_refused(kind, elsewhere, monkeypatch):
    monkeypatch.setenv(pretrained.DIR, str(elsewhere))
    content = (elsewhere / FILE).read_bytes()
    content = content[:-1] if kind == "cut" else content[:-1] + b"?"
    (elsewhere / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=f"with sha256 .* got another file.*{FILE}"):
        zoo.create(NAME, weights="pretrained")


def test_a_server_with_another_file(serve, elsewhere):
    (elsewhere / FILE).write_bytes(b"another")
    serve(_Quiet)
    with pytest.raises(OSError, match="file hash does not match"):
        pretrained.path(NAME)


def test_a_server_that_breaks_off(serve):
    serve(_Cut)
    with pytest.raises(OSError, match=f"expected the trained weights of {NAME} at"):
        pretrained.path(NAME)


def test_no_server(elsewhere, monkeypatch, capsys):
    monkeypatch.setenv(pretrained.URL, "http://127.0.0.1:9")
    assert run(evaluate, f"--model={NAME}") == 1
    assert "refused" in error_line(capsys)
    monkeypatch.delenv(pretrained.URL)
    with pytest.raises(OSError, match="too large for the package"):
        pretrained.path(NAME)
