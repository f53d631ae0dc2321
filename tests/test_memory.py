"""Freed memory is kept: the second tensor of a size has no pages to fault in."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys

import pytest

from tfflows.backend import memory
from tfflows.system.garbage import collector_paused

# Blocks of different sizes, from threads too, each used and freed.
_CHURN = """
import resource, runpy, sys, threading
keep = runpy.run_path(sys.argv[1])["keep_freed_memory"]  # without TensorFlow
both = threading.Barrier(2)

def churn():
    for mb in 3 * [48, 8, 16, 24]:
        b"x" * (mb * 2**20)

def beside():
    both.wait()
    churn()

def everywhere():
    churn()
    threads = [threading.Thread(target=beside) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

if "call" in sys.argv:
    print(keep())
everywhere()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
everywhere()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_OURS = ("MALLOC_", "GLIBC_TUNABLES")


def churn(*arguments: str, **environment: str) -> list[str]:
    """Lines of a process: what the call returned, and its page faults."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    command = [sys.executable, "-c", _CHURN, memory.__file__, *arguments]
    run = subprocess.run(
        command,
        env={**clean, **environment},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return run.stdout.decode().split()


pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="needs glibc's allocator"
)


def test_freed_memory_is_kept_by_call_and_by_environment():
    told, by_call = churn("call")
    (by_environment,) = churn(**memory.KEEPING)
    (without,) = churn()
    assert told == "True"
    # 221,184 pages of 4 KB are written.
    assert int(by_call) < 1000
    assert int(by_environment) < 1000
    assert int(without) > 20 * (int(by_call) + 1)


def test_an_environment_with_settings_of_its_own_is_left_alone():
    told, faults = churn("call", MALLOC_PERTURB_="0")
    assert told == "False"
    assert int(faults) > 100


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pause_of_the_collector_ends_as_it_began(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with collector_paused(), collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
