"""A run whose folder has an odd name, and whose files are broken one by one."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.test_cli import error_line, run
from tests.zoo.test_resuming import COMMAND, crash, interrupt, newest
from tfflows import zoo
from tfflows.system import files
from tfflows.zoo import evaluate, sample, train
from tfflows.zoo.running import run_dir

ODD = "lr[1e-3] *?\\'\"#%\u00e9"


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def noise(path):
    size = max(path.stat().st_size, 64)
    path.write_bytes(np.random.default_rng(0).bytes(size))


def nulls(path):  # what a power cut leaves of a file that was not synced
    path.write_bytes(bytes(path.stat().st_size))


MUTATIONS = [empty, cut, noise, nulls]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that crashed in its second epoch, after checkpoints 6 and 8."""
    folder = tmp_path_factory.mktemp("runs") / ODD
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, folder, 9, crash)
    assert (run_dir.read_config(folder).name, newest(folder).name) == (
        "realnvp_three_gaussians",
        "ckpt-8",
    )
    return folder


@pytest.fixture
def folder(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "runs" / ODD)


def values(path):
    with files.without_wildcards(path.parent) as folder:
        reader = tf.train.load_checkpoint(os.path.join(folder, path.name))
        names = sorted(n for n in reader.get_variable_to_shape_map() if n[0] != "_")
        return [reader.get_tensor(name) for name in names]


def test_an_odd_name_is_a_name_like_any_other(folder, tmp_path, capsys):
    assert run(evaluate, f"--model_dir={folder}") == 0
    assert (folder / "evaluation.json").exists()
    output = folder / "s [1].csv"
    assert run(sample, f"--model_dir={folder}", f"--output={output}") == 0
    assert len(output.read_text().splitlines()) == 65
    plain = shutil.copytree(folder, tmp_path / "plain")
    one, other = (zoo.load(path).get_weights() for path in (folder, plain))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_broken_configuration_is_named(folder, mutate, capsys):
    config = folder / "config.json"
    mutate(config)
    before = sorted(folder.rglob("*"))
    for binary, arguments in ((train, COMMAND), (evaluate, [])):
        assert run(binary, *arguments, f"--model_dir={folder}") == 1
        line = error_line(capsys)
        assert str(config) in line
        assert "copied from there" in line
    assert sorted(folder.rglob("*")) == before


def test_a_configuration_of_other_hands_is_named(folder, capsys):
    config = folder / "config.json"
    whole = json.loads(config.read_text())
    for part, field, value in (
        ("trainer", "epochs", 10**400),
        ("trainer", "learning_rate", 10**400),
        ("model", "num_couplings", -1),
        ("model", "num_couplings", {}),
        ("model", "hidden_units", [[8]]),
        ("model", "family", ["realnvp"]),
        ("data", "event_shape", "2"),
        ("data", "event_shape", []),
    ):
        changed = {**whole, part: {**whole[part], field: value}}
        config.write_text(json.dumps(changed))
        if run(evaluate, f"--model_dir={folder}") != 0:
            assert str(config) in error_line(capsys), (field, value)


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_broken_history_is_put_aside(folder, mutate, capsys):
    history = folder / "history.csv"
    mutate(history)
    content = history.read_bytes()
    run_dir.keep_history(folder, 1)
    told = capsys.readouterr().err
    if mutate is cut:  # a header without an end, or a row: nothing that is wrong
        return
    assert str(history) in told
    assert (folder / "history.csv.broken").read_bytes() == content
    assert not history.exists()


def test_a_process_killed_as_it_began_holds_nothing_up(tmp_path):
    config = zoo.get_config("nice_rings")
    (tmp_path / ".lock").write_text("process 1 on another")
    (tmp_path / ".tmp_tfflows_x").mkdir()
    (tmp_path / ".tmp_tfflows_x" / "config.json").write_text("{")
    with run_dir.claimed(tmp_path, config):
        assert sorted(os.listdir(tmp_path)) == [".lock", "config.json"]
        with (
            pytest.raises(ValueError, match=f"process {os.getpid()} on .* holds"),
            run_dir.claimed(tmp_path, config),
        ):
            pass
        with run_dir.claimed(tmp_path, config, writes=False):
            pass  # another worker of the same training
    assert os.listdir(tmp_path) == ["config.json"]


@pytest.mark.large
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_training_goes_on_to_the_same_or_names_the_file(
    stopped, tmp_path, mutate, capsys
):
    whole = shutil.copytree(stopped, tmp_path / "whole")
    assert run(train, *COMMAND, f"--model_dir={whole}") == 0
    paths = [p.relative_to(stopped) for p in stopped.rglob("*") if p.is_file()]
    for number, path in enumerate(paths):
        folder = shutil.copytree(stopped, tmp_path / f"{number}[1]")
        mutate(folder / path)
        capsys.readouterr()
        code = run(train, *COMMAND, f"--model_dir={folder}")
        err = capsys.readouterr().err
        if code:
            assert (code, err.count("\n")) == (1, 1)
            assert str(folder / path.parent / path.name.split(".")[0]) in err
            continue
        if path.parts[:2] == ("checkpoints", "last"):
            assert str(folder / path.parent) in err or "ckpt-8" not in path.name
        for a, b in zip(values(newest(folder)), values(newest(whole)), strict=True):
            np.testing.assert_array_equal(a, b)
        one, other = (zoo.load(f).get_weights() for f in (folder, whole))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
