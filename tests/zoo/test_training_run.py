import csv
import json

import keras
import numpy as np
import pandas as pd
import pytest

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.zoo import evaluate, sample, train
from tfflows.zoo.running import evaluation, run_dir
from tfflows.zoo.running.optimizer import make_optimizer
from tfflows.zoo.running.trainer import train as run_training

TINY = [
    "--set=model.num_couplings=2",
    "--set=model.hidden_units=8",
    "--set=trainer.batch_size=8192",
]
TRAIN = ["--model=realnvp_three_gaussians", "--set=trainer.epochs=2", *TINY]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / "run"
    assert run(train, *TRAIN, f"--model_dir={folder}") == 0
    return folder


def test_what_a_run_leaves(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["trainer"]["epochs"] == 2
    rows = list(csv.DictReader((trained / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss"} <= set(rows[0])
    assert list(trained.glob("checkpoints/best/*.index"))
    assert list(trained.glob("logs/validation/*"))


def test_pictures_of_a_run(trained, capsys):
    assert run(evaluate, f"--model_dir={trained}", "--split=validation", "--plot") == 0
    *paths, figures = capsys.readouterr().out.splitlines()
    names = ["marginals", "pairs", "density", "history"]
    assert paths == [f"{trained}/plots/{name}.png" for name in names]
    assert json.loads(figures)["split"] == "validation"
    for path in paths:
        assert picture(path).std() > 0


def picture(path):
    return keras.utils.img_to_array(keras.utils.load_img(path))


def test_evaluate_repeats_the_validation_loss_of_the_best_epoch(trained, capsys):
    arguments = [f"--model_dir={trained}", "--split=validation"]
    assert run(evaluate, *arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = list(csv.DictReader((trained / "history.csv").open()))
    best = min(float(row["val_loss"]) for row in rows)
    assert result["nll"] == pytest.approx(best, abs=1e-5)
    assert json.loads((trained / "evaluation.json").read_text()) == result
    assert (result["step"], result["num_examples"]) == (12, 10_000)
    assert run(evaluate, *arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == result


def test_load_gives_the_best_model(trained):
    model, config = zoo.load(trained), run_dir.read_config(trained)
    by_name = zoo.create(
        "realnvp_three_gaussians", weights=trained, num_couplings=2, hidden_units=(8,)
    )
    x = np.random.default_rng(0).standard_normal((7, 2)).astype("float32")
    np.testing.assert_allclose(model.log_prob(x), by_name.log_prob(x))
    results = {
        split: evaluation.evaluate(model, config, split)
        for split in ("train", "validation", "test", "all")
    }
    assert results["test"]["kl"] > 0
    number = results["all"].pop("num_examples")
    parts = [result for split, result in results.items() if split != "all"]
    for figure in ("nll", "kl"):
        total = sum(part[figure] * part["num_examples"] for part in parts)
        assert results["all"][figure] == pytest.approx(total / number, abs=1e-5)
    with pytest.raises(zoo.ConfigError, match=r"model.num_couplings: 3 and 2"):
        zoo.create(
            "realnvp_three_gaussians",
            weights=trained,
            num_couplings=3,
            hidden_units=(8,),
        )


def test_a_finished_run_says_so(trained, capsys):
    before = (trained / "history.csv").read_text()
    assert run(train, *TRAIN, f"--model_dir={trained}") == 0
    assert "finished, all 2 epochs" in capsys.readouterr().out
    assert (trained / "history.csv").read_text() == before


def test_another_configuration_is_refused(trained, capsys):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    code = run(train, *TRAIN, "--set=trainer.epochs=3", f"--model_dir={trained}")
    assert code == 2
    assert "trainer.epochs: 2 and 3" in error_line(capsys)
    assert {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()} == before


def test_data_of_another_shape_are_refused(trained, capsys):
    assert run(evaluate, f"--model_dir={trained}", "--dataset=digits") == 2
    assert "got shape (8, 8, 1) with levels 17" in error_line(capsys)


def test_sample_is_deterministic(trained, tmp_path):
    arrays = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        output = tmp_path / f"{name}.npz"
        arguments = [f"--output={output}", f"--seed={seed}", "--num_samples=5"]
        assert run(sample, f"--model_dir={trained}", *arguments) == 0
        arrays.append(np.load(output))
    np.testing.assert_array_equal(arrays[0]["x"], arrays[1]["x"])
    assert not np.array_equal(arrays[0]["x"], arrays[2]["x"])
    log_prob = zoo.load(trained).log_prob(arrays[0]["x"])
    np.testing.assert_allclose(arrays[0]["log_prob"], log_prob, atol=1e-4)


def test_sample_refuses_an_ending(trained, tmp_path, capsys):
    output = tmp_path / "x.jpg"
    assert run(sample, f"--model_dir={trained}", f"--output={output}") == 1
    assert "expected an output that ends in" in error_line(capsys)
    assert not output.exists()


def test_an_interrupted_run_goes_on_as_if_it_had_not_stopped(
    trained, tmp_path, monkeypatch, capsys
):
    class Interrupt(keras.callbacks.CSVLogger):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks, "CSVLogger", Interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(train, *TRAIN, f"--model_dir={folder}")
    assert run(train, *TRAIN, f"--model_dir={folder}") == 0
    assert "goes on after epoch 1 of 2" in capsys.readouterr().out
    whole, resumed = (pd.read_csv(path / "history.csv") for path in (trained, folder))
    pd.testing.assert_frame_equal(whole, resumed, rtol=1e-5)


def test_a_run_that_diverges(tmp_path, capsys):
    arguments = [*TRAIN, f"--model_dir={tmp_path / 'run'}"]
    with pytest.warns(UserWarning, match="left out"), np.errstate(all="ignore"):
        code = run(train, *arguments, "--set=trainer.learning_rate=1e30")
    assert code == 1
    assert "in epoch 1; lower trainer.learning_rate" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("checkpoints/*/*.index"))


def test_a_table_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal([5.0, -3.0, 100.0], [1.0, 0.1, 20.0], (300, 3))
    pd.DataFrame(x, columns=["a", "b", "c"]).to_csv("mine.csv", index=False)
    arguments = ["--model=realnvp_table", "--dataset=csv:mine.csv", *TINY]
    arguments += ["--set=trainer.epochs=3"]
    assert run(train, *arguments, "--model_dir=run") == 0
    monkeypatch.chdir("/")
    model_dir = f"--model_dir={tmp_path / 'run'}"
    capsys.readouterr()
    assert run(evaluate, model_dir) == 0
    result = json.loads(capsys.readouterr().out)
    kept = (tmp_path / "run" / "evaluation.json").read_text()
    assert json.loads(kept) == result
    pd.DataFrame(x[:50], columns=["a", "b", "c"]).to_csv(
        tmp_path / "b.csv", index=False
    )
    other = f"--dataset=csv:{tmp_path / 'b.csv'}"
    assert run(evaluate, model_dir, other) == 0
    assert json.loads(capsys.readouterr().out)["num_examples"] == 5
    assert run(evaluate, model_dir, other, "--split=all") == 0
    of_all = json.loads(capsys.readouterr().out)
    log_prob = zoo.load(tmp_path / "run").log_prob(x[:50].astype("float32"))
    assert (of_all["split"], of_all["num_examples"]) == ("all", 50)
    assert of_all["nll"] == pytest.approx(-np.mean(log_prob), abs=1e-4)
    assert (tmp_path / "run" / "evaluation.json").read_text() == kept
    # Standardized data have 4.26 nats; raw units add ln(1 * 0.1 * 20) = 0.69.
    assert 4.5 < result["nll"] < 5.5
    assert "bits_per_dim" not in result
    assert run(sample, model_dir, f"--output={tmp_path / 's.csv'}") == 0
    drawn = pd.read_csv(tmp_path / "s.csv")
    assert (drawn.shape, list(drawn)) == ((64, 3), ["a", "b", "c"])
    standardized = (drawn.mean() - [5.0, -3.0, 100.0]) / [1.0, 0.1, 20.0]
    np.testing.assert_allclose(standardized, 0.0, atol=0.5)  # 4 standard errors


def test_optimizer_of_a_configuration():
    trainer = zoo.TrainerConfig(optimizer="adamax", clip_norm=2.0, weight_decay=0.1)
    kernel, bias = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
    optimizer = make_optimizer(trainer, 10, [kernel, bias])
    assert isinstance(optimizer, keras.optimizers.Adamax)
    assert (optimizer.global_clipnorm, optimizer.weight_decay) == (2.0, 0.1)
    optimizer.apply([np.zeros((2, 2)), np.zeros(2)], [kernel, bias])
    assert np.all(kernel.numpy() < 1)
    assert np.all(bias.numpy() == 1)
    assert make_optimizer(zoo.TrainerConfig(), 10, [kernel]).weight_decay is None


def test_training_needs_no_command_line(tmp_path):
    config = zoo.override(
        zoo.get_config("nice_digits"),
        {
            "model.num_couplings": 1,
            "model.hidden_units": (4,),
            "trainer.epochs": 1,
            "trainer.batch_size": 700,
            "data.label_as_context": False,
        },
    )
    model = run_training(config, tmp_path / "run")
    assert model.event_shape == (8, 8, 1)
    result = evaluation.evaluate(model, config)
    bits = result["nll"] / (64 * np.log(2))
    assert result["bits_per_dim"] == pytest.approx(bits)
    assert "log_likelihood_unit_scaled" not in result
