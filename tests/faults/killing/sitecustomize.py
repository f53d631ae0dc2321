"""Kills the process that imports it, as KILL_AT says; for tests/faults/test_kills.py.

`calls:N`: at the N-th call that changes files; `seconds:S`: after S seconds.
"""

import os
import signal
import sys
import threading

# Not the processes that a binary starts, but itself, also where it starts itself anew.
_IS_BINARY = any(argument.startswith("tfflows.") for argument in sys.orig_argv)
_KIND, _, _NUMBER = os.environ.get("KILL_AT", "").partition(":")
_LEFT = float(_NUMBER or 0)


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def _watched(function):
    def wrapper(*args, **kwargs):
        global _LEFT
        _LEFT -= 1
        if _LEFT <= 0:
            _die()
        return function(*args, **kwargs)

    return wrapper


if _KIND == "calls" and _IS_BINARY:
    for _name in ("fsync", "replace", "rename"):
        setattr(os, _name, _watched(getattr(os, _name)))
if _KIND == "seconds" and _IS_BINARY:
    _timer = threading.Timer(_LEFT, _die)
    _timer.daemon = True
    _timer.start()
