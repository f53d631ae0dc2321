"""Signals, in this process: what is told, and the exit codes."""

from __future__ import annotations

import os
import signal

import pytest

from tfflows.system.termination import Termination


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [(signal.SIGTERM, "SIGTERM", 75), (signal.SIGINT, "SIGINT", 130)],
)
def test_a_signal_ends_the_process_when_all_is_cleared_away(number, name, code, capsys):
    before = signal.getsignal(number)

    def work():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second one changes nothing
            print("cleared away")

    with pytest.raises(SystemExit) as stop, Termination():
        work()
    assert stop.value.code == code
    out, err = capsys.readouterr()
    assert out == "cleared away\n"
    assert err == f"stopped by {name}: nothing is left half-written\n"
    assert signal.getsignal(number) is before


def twice(number):
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)


def test_deferred_signals_wait_for_the_training_but_not_the_second_ctrl_c(capsys):
    with Termination() as termination, termination.deferred():
        twice(signal.SIGTERM)
        assert termination.requested
    assert not capsys.readouterr().err
    with (
        pytest.raises(SystemExit),
        Termination() as termination,
        termination.deferred(),
    ):
        twice(signal.SIGINT)
