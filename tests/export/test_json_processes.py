"""Large JSON, which other processes read and write: the same answers, and no stalls."""

import asyncio
import json
import os
import signal
import time

import numpy as np
import pytest

from tests.export.toy_model import SIGNATURES
from tfflows.export.serving import json_processes, rest_json
from tfflows.export.serving.json_arrays import BadRequestError
from tfflows.export.serving.json_processes import JsonProcessError, JsonProcesses

ROWS = np.random.default_rng(0).normal(size=(20_000, 2)).round(6)
BODY = json.dumps({"instances": ROWS.tolist()}).encode()


@pytest.fixture(scope="module")
def processes():
    processes = JsonProcesses(1)
    yield processes
    processes.close()


class Contended(list):
    """An item that another thread takes just after one has seen it."""

    def __bool__(self):
        seen = len(self) > 0
        self.clear()
        return seen


def test_threads_may_take_the_last_idle_process_at_once(monkeypatch):
    class Echo:
        def ask(self, name, arguments):
            return name

    monkeypatch.setattr(json_processes, "_Process", Echo)
    processes = JsonProcesses(2)
    processes._idle = Contended([Echo()])
    assert processes._run("read", ()) == "read"


def test_the_same_as_here(processes):
    here = rest_json.read_request(BODY, SIGNATURES)
    there = asyncio.run(processes.read(BODY, SIGNATURES))
    assert there[::2] == here[::2]
    np.testing.assert_array_equal(there.inputs["x"], here.inputs["x"])
    outputs = {"x": here.inputs["x"], "y": np.full(len(ROWS), np.nan, np.float32)}
    written = asyncio.run(processes.write(outputs, True))
    assert written == rest_json.write_reply(outputs, True)


def test_refusals_come_back(processes):
    with pytest.raises(BadRequestError, match="unexpected size"):
        asyncio.run(processes.read(BODY[:-2] + b", [1]]}", SIGNATURES))
    with pytest.raises(BadRequestError, match="no common batch"):
        asyncio.run(processes.write({"x": ROWS, "n": ROWS[:1]}, True))


def test_nothing_else_waits(processes):
    """The event loop, which answers all others, goes on while a body is read."""

    async def longest_pause():
        reading = asyncio.create_task(processes.read(BODY, SIGNATURES))
        pauses, start = [], time.monotonic()
        while not reading.done():
            before = time.monotonic()
            await asyncio.sleep(0)
            pauses.append(time.monotonic() - before)
        return max(pauses), time.monotonic() - start

    pause, whole = asyncio.run(longest_pause())
    assert pause < max(0.5 * whole, 0.05)


def test_a_process_that_is_killed(processes):
    (process,) = processes._idle
    pid = process._process.pid
    os.kill(pid, signal.SIGTERM)  # ignored: a request may be in work
    asyncio.run(processes.read(BODY, SIGNATURES))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(JsonProcessError, match="ended with code -9"):
        asyncio.run(processes.read(BODY, SIGNATURES))
    asyncio.run(processes.read(BODY, SIGNATURES))  # by another one


def test_a_process_holds_no_tensorflow(processes):
    (process,) = processes._idle
    with open(f"/proc/{process._process.pid}/maps") as maps:
        assert "tensorflow" not in maps.read()


def test_small_ones_take_no_process(monkeypatch):
    monkeypatch.setattr(json_processes, "_Process", None)
    processes = JsonProcesses()
    body = b'{"instances": [[1, 2]]}'
    assert asyncio.run(processes.read(body, SIGNATURES)).rows
    assert asyncio.run(processes.write({"x": ROWS[:9]}, True))
