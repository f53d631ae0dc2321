"""20 processes killed at random points: the next one ends as if none had been."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.test_resuming import COMMAND, require_same_run

pytestmark = pytest.mark.large

KILLING = pathlib.Path(__file__).parent / "killing"
# With the calls that change files. Of a training these are few, so that it is killed
# again and again before its end.
TRAIN = (["tfflows.zoo.train", *COMMAND], 8)
EXPORT = (["tfflows.export.main"], 13)
SCORE = (["tfflows.export.score"], 12)
KILLS = (8, 6, 6)  # of train, export, score
DURATIONS = {}  # of a whole run of each program, in seconds


def start(command, kill_at=None):
    environment = dict(os.environ)
    if kill_at:
        path = [str(KILLING), environment.get("PYTHONPATH", "")]
        environment |= {"KILL_AT": kill_at, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def is_killed(program, arguments, rng):
    """Starts a program that kills itself at a random point, if it gets so far."""
    command, calls = program
    at = f"calls:{rng.randint(1, calls)}"
    if rng.random() < 0.5:
        at = f"seconds:{rng.uniform(0.3, 1) * DURATIONS[command[0]]:.2f}"
    code = start([*command, *arguments], at).returncode
    assert code in (-signal.SIGKILL, 0), (at, code)
    return code != 0


def kill(program, arguments, times, most_starts=40):
    """Has a program killed so many times; its arguments are those of each start."""
    rng, killed = random.Random(program[0][0]), 0
    for number in range(most_starts):
        if killed == times:
            return
        killed += is_killed(program, arguments(number), rng)
    raise AssertionError(f"killed {killed} times in {most_starts} starts")


def finish(program, arguments):
    begin = time.monotonic()
    done = start([*program[0], *arguments])
    DURATIONS.setdefault(program[0][0], time.monotonic() - begin)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def litter(folder):
    return [p for p in folder.rglob("*") if "tmp" in p.name or p.name == ".lock"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    finish(TRAIN, [f"--model_dir={folder / 'run'}", "--deterministic"])
    finish(EXPORT, [f"--model_dir={folder / 'run'}", f"--export_dir={folder / 'e'}"])
    rows = np.random.default_rng(0).normal(size=(3000, 2))
    np.savetxt(folder / "rows.csv", rows, delimiter=",")
    data = [f"--export_dir={folder / 'e'}", f"--input={folder / 'rows.csv'}"]
    finish(SCORE, [*data, f"--output={folder / 'scored'}"])
    return folder


def test_training(whole, tmp_path):
    # A training that has ended does not write any more: each third start is a new run.
    folders = [tmp_path / str(number) for number in range(20)]
    kill(
        TRAIN, lambda n: [f"--model_dir={folders[n // 3]}", "--deterministic"], KILLS[0]
    )
    for folder in filter(pathlib.Path.exists, folders):
        finish(TRAIN, [f"--model_dir={folder}", "--deterministic"])
        require_same_run(whole / "run", folder)
        assert not litter(folder)
        assert not list(folder.rglob("*_temp*"))


def test_exports(whole, tmp_path):
    folder = tmp_path / "e"
    arguments = [f"--model_dir={whole / 'run'}", f"--export_dir={folder}"]
    kill(EXPORT, lambda _: arguments, KILLS[1])
    newest = finish(EXPORT, arguments)
    assert not litter(folder)
    x = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")
    wanted = log_prob(whole / "e" / "1", x)
    assert pathlib.Path(newest) in list(folder.iterdir())
    for version in folder.iterdir():  # also those that were put in place in time
        np.testing.assert_array_equal(log_prob(version, x), wanted)
        assert (version / "assets.extra" / "flow.json").exists()


def log_prob(folder, x):
    function = tf.saved_model.load(folder).signatures["log_prob"]
    return function(x=tf.constant(x))["log_prob"].numpy()


def test_scores(whole, tmp_path):
    folder = tmp_path / "scores"
    common = [f"--export_dir={whole / 'e'}", f"--input={whole / 'rows.csv'}"]
    kill(SCORE, lambda n: [*common, f"--output={folder / str(n)}"], KILLS[2])
    finish(SCORE, [*common, f"--output={folder / 'last'}"])
    assert not litter(folder)
    wanted = lines(folder / "last")
    assert len(wanted) == 3000
    assert lines(whole / "scored") == wanted
    for output in folder.iterdir():
        assert (output / "summary.json").exists()
        assert lines(output) == wanted


def lines(folder):
    texts = [path.read_text().splitlines() for path in folder.glob("scored-*.csv")]
    return sorted(line for text in texts for line in text[1:])
