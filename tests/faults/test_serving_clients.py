"""Clients that are slow, stop in the middle, or never read: they lose their sockets."""

import contextlib
import json
import socket
import threading
import time

import pytest
import requests

from tests.export.servers import rest_server
from tests.export.toy_model import served_toy

PATIENCE = 0.3  # seconds
GOOD = b'{"instances": [[1, 2]]}'
HEAD = (
    b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
)


@pytest.fixture
def url(tmp_path):
    model = served_toy(tmp_path)
    with rest_server(model, client_seconds=PATIENCE, max_connections=4) as url:
        yield url


@contextlib.contextmanager
def connected(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        yield client


def seconds_until_cut(client, drip=b""):
    """How long a connection lives whose client sends so much again and again."""
    start = time.monotonic()
    client.settimeout(0.02)
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < start + 10:
            with contextlib.suppress(TimeoutError):
                if not client.recv(2**16):
                    break
            client.sendall(drip)
    return time.monotonic() - start


def is_served(url):
    answer = requests.post(f"{url}/v1/models/toy:predict", data=GOOD, timeout=5)
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"", b""),
        (b"POST /v1/models/toy", b""),
        (HEAD % 9 + b"X: ", b"x"),  # a head that never ends
        (HEAD % 1000 + b"\r\n", b""),
        (HEAD % 1000 + b"\r\n" + GOOD, b" "),  # a body that comes byte by byte
    ],
)
def test_a_request_that_does_not_arrive(url, begin, drip):
    with connected(url) as client:
        client.sendall(begin)
        assert PATIENCE / 2 < seconds_until_cut(client, drip) < 5
    assert is_served(url)


def test_a_second_request_that_does_not_arrive(url):
    with connected(url) as client:
        client.sendall(HEAD % len(GOOD) + b"\r\n" + GOOD)
        while b"predictions" not in client.recv(1000):
            pass
        client.sendall(b"POST ")
        assert seconds_until_cut(client) < 4  # uvicorn's own patience is five seconds


def test_an_answer_that_is_never_read(url):
    body = json.dumps({"signature_name": "many", "inputs": [2 * 10**6]}).encode()
    with connected(url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        client.sendall(HEAD % len(body) + b"\r\n" + body)
        client.recv(1)
        time.sleep(4 * PATIENCE)
        received = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(2**20):
                received += len(part)
    assert received < 2 * 10**6  # of as many numbers, each of some bytes
    assert is_served(url)


def test_a_slow_model_is_waited_for(url):
    body = {"signature_name": "wait", "inputs": [3 * PATIENCE]}
    answer = requests.post(f"{url}/v1/models/toy:predict", json=body, timeout=5)
    assert answer.status_code == 200


def test_connections_are_limited(url):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected(url))
        time.sleep(0.05)
        answer = requests.post(f"{url}/v1/models/toy:predict", data=GOOD, timeout=5)
    assert answer.status_code == 503
    assert "at most 4 connections" in answer.json()["error"]
    time.sleep(0.05)
    assert is_served(url)


@pytest.mark.parametrize("garbage", [b"no http\r\n\r\n", HEAD % 9 + b"A B\r\n\r\n"])
def test_what_is_no_http(url, garbage):
    with connected(url) as client:
        client.sendall(garbage)
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert list(json.loads(body)) == ["error"]


def test_the_end_waits_for_answers_and_not_for_bodies(tmp_path):
    model, found = served_toy(tmp_path), []

    def ask():
        body = {"signature_name": "wait", "inputs": [1.0]}
        answer = requests.post(f"{url}/v1/models/toy:predict", json=body, timeout=9)
        found.append(answer.status_code)

    with contextlib.ExitStack() as stack:
        with rest_server(model) as url:
            client = stack.enter_context(connected(url))
            client.sendall(HEAD % 1000 + b"\r\n" + GOOD[:5])
            thread = threading.Thread(target=ask)
            thread.start()
            time.sleep(0.2)
            start = time.monotonic()
        assert time.monotonic() - start < 5
        thread.join()
    assert found == [200]
