"""Warns at a fork that the child process cannot use TensorFlow.

The child process lacks TensorFlow's threads. It waits for them for ever in `log_prob`
and in any other computation.
"""

from __future__ import annotations

import os
import warnings

from tensorflow.python.eager import context

_TEXT = (
    "os.fork() after TensorFlow has started: a model hangs in the child process, which "
    "has none of TensorFlow's threads. Start processes anew: "
    "multiprocessing.get_context('spawn')"
)


def _warn() -> None:
    started = context.context_safe()
    if started is not None and getattr(started, "_initialized", True):
        warnings.warn(_TEXT, RuntimeWarning, stacklevel=2)


def warn_at_forks() -> None:
    """Makes later forks of this process warn if TensorFlow has computed by then.

    `subprocess` starts new programs, so it does not warn.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=_warn)
