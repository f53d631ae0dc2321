"""A fork after TensorFlow has started is warned of: a model would hang in the child."""

import os
import subprocess
import sys
import warnings

import pytest
import tensorflow as tf

import tfflows  # noqa: F401


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_is_warned_of_and_a_new_program_is_not():
    tf.zeros(1)
    with pytest.warns(RuntimeWarning, match="'spawn'"):
        child = os.fork() or os._exit(0)
    os.waitpid(child, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
