import json
import subprocess
import sys

import pytest
from absl import flags, logging

from tfflows import zoo
from tfflows.zoo import cli, evaluate, overrides, registry, sample, train
from tfflows.zoo.running.sources import load_source

BINARIES = {"train": train, "evaluate": evaluate, "sample": sample}


@pytest.fixture(autouse=True)
def _absl_as_it_was():
    verbosity = logging.get_verbosity()
    yield
    logging.set_verbosity(verbosity)


def run(binary, *arguments):
    """Runs a binary in this process; returns its exit code."""
    try:
        rest = cli.parse(binary.FLAGS, [binary.__name__, *arguments])
    except SystemExit as stop:
        return stop.code
    return cli.call(binary.main, rest)


def error_line(capsys):
    """The one line on standard error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=realnvp_digit"], "did you mean realnvp_digits"),
        (["--set=trainer.epoch=2"], "did you mean trainer.epochs"),
        (["--set=trainer.epochs=x"], "expected int for trainer.epochs, got 'x'"),
        (["--set=trainer.epochs"], "expected key=value, got 'trainer.epochs'"),
        (["--mode=x"], "Unknown command line flag 'mode'. Did you mean: "),
        (["--seed=x"], "flag --seed=x: "),
        (["--model="], "expected --model and --model_dir"),
        (["positional"], "expected only flags, got positional"),
        (["--seed=-1"], "expected trainer.seed >= 0"),
        (["--model=nice_table"], "expected a data set for nice_table, got none"),
        (["--set=data.event_shape=3"], "expected examples of shape (3,) with levels"),
    ],
)
def test_usage_errors(capsys, tmp_path, arguments, message):
    folder = tmp_path / "run"
    code = run(train, "--model=nice_rings", f"--model_dir={folder}", *arguments)
    assert code == 2
    assert message in error_line(capsys)
    assert not folder.exists()


@pytest.mark.parametrize("binary", [evaluate, sample])
def test_usage_errors_of_the_others(capsys, tmp_path, binary):
    for arguments in ([], ["--model=realnvp_digits", f"--model_dir={tmp_path}"]):
        assert run(binary, *arguments) == 2
        assert "expected either --model_dir" in error_line(capsys)
    assert run(binary, "--model=nice_mnist") == 2
    assert "these have them: " in error_line(capsys)


def test_run_errors(capsys, tmp_path):
    folder = f"--model_dir={tmp_path / 'run'}"
    assert run(train, "--model=nice_table", folder, "--dataset=csv:none.csv") == 1
    assert "none.csv" in error_line(capsys)
    assert run(evaluate, folder) == 1
    assert "no config.json there" in error_line(capsys)
    (tmp_path / "config.json").write_text("{")
    assert run(evaluate, f"--model_dir={tmp_path}") == 1
    assert "expected JSON in" in error_line(capsys)
    (tmp_path / "config.json").write_text('{"nam": 3}')
    assert run(evaluate, f"--model_dir={tmp_path}") == 1
    assert "expected a configuration in" in error_line(capsys)


def test_verbosity_shows_the_traceback():
    with pytest.raises(FileNotFoundError):
        run(evaluate, "--model_dir=none", "--verbosity=1")


def test_a_folder_of_something_else_is_left_alone(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run(train, "--model=nice_rings", f"--model_dir={tmp_path}") == 2
    assert "not empty" in error_line(capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_missing_file_of_a_run_is_told_with_what_to_do():
    config = zoo.get_config("nsf_table")
    config = overrides.override(config, {"data.name": "csv:/no/such.csv"})
    with pytest.raises(FileNotFoundError, match=r"such\.csv.*--dataset=csv:PATH to ev"):
        load_source(config)


def test_list_names_every_model(capsys):
    assert run(train, "--list") == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == zoo.list_models()


@pytest.mark.parametrize("name", BINARIES)
def test_help(capsys, name):
    assert run(BINARIES[name], "--help") == 0
    assert "--model_dir" in capsys.readouterr().out


def test_values_do_not_stay_from_one_call_to_the_next(capsys):
    assert run(train, "--list") == 0
    assert run(train) == 2
    assert not train.FLAGS.list
    assert "list" not in flags.FLAGS


def test_a_program_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-m", "tfflows.zoo.evaluate", "--model_dir=none"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().endswith("got none: no config.json there")


def test_pretrained_models_need_no_model_dir(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(evaluate, "--model=realnvp_digits", "--split=validation") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["split"] == "validation"
    assert 1.5 < result["bits_per_dim"] < 2.3
    assert run(sample, "--model=realnvp_digits", "--num_samples=4") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["samples.png"]


def test_registered_names_of_the_flags_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset, name in {
        "csv:mine.csv": f"csv:{tmp_path}/mine.csv",
        "npz:/data/x.npz#y": "npz:/data/x.npz#y",
        "csv:gs://bucket/x.csv": "csv:gs://bucket/x.csv",
        "mnist:3.0.1": "mnist:3.0.1",
        "digits": "digits",
    }.items():
        cli.parse(train.FLAGS, ["train", f"--dataset={dataset}", "--data_dir=here"])
        changes = cli.data_changes(train.FLAGS)
        assert changes == {"data.name": name, "data.data_dir": f"{tmp_path}/here"}
    assert registry.get_config("nice_table").data.name is None
