"""`--model=auto_table`: what is chosen goes to config.json; the rest is as ever."""

from __future__ import annotations

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats

import tfflows
from tests.zoo.test_cli import error_line, run
from tests.zoo.test_resuming import require_same_run
from tfflows import zoo
from tfflows.models import DensityStack
from tfflows.sklearn.plan import FlowPlan, plans_for
from tfflows.zoo import evaluate, train
from tfflows.zoo.overrides import override
from tfflows.zoo.running import automatic, run_dir
from tfflows.zoo.running.sources import load_source, resolve_shape

RNG = np.random.default_rng(0)
# Two normals far from each other, in columns of far scales.
CLUSTER = RNG.integers(0, 2, 420)
Z = RNG.normal(size=(420, 2))
X = (Z + 8.0 * CLUSTER[:, None]) * [100.0, 0.01]
SCALE = np.log(100.0 * 0.01)


def true_log_prob(x):
    z = x / [100.0, 0.01]
    each = [scipy.stats.norm.logpdf(z - m).sum(axis=1) for m in (0.0, 8.0)]
    return np.logaddexp(*each) - np.log(2) - SCALE


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    pd.DataFrame(X, columns=["a", "b"]).to_csv(path, index=False)
    return path


def command(table, folder):
    return ["--model=auto_table", f"--dataset=csv:{table}", f"--model_dir={folder}"]


def small_plans(rows):
    del rows
    budget = dataclasses.replace(
        plans_for(
            "auto",
            600,
            num_layers=None,
            hidden_units=None,
            learning_rate=None,
            weight_decay=0.0,
            batch_size=64,
            max_epochs=200,
            patience=12,
        )[0].budget,
        steps=30,
    )
    return [FlowPlan("nsf_ar", 1, (4,), budget, {"num_bins": 4, "bound": 5.0})]


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(automatic, "_plans", small_plans)
        assert run(train, *command(table, folder)) == 0
    return folder


def test_the_choice_is_in_the_configuration(trained, table, capsys):
    config = run_dir.read_config(trained)
    assert config.model.family == "density_stack"
    assert config.model.num_components >= 2
    assert (config.model.num_steps, config.model.widths) == ((1,), (4,))
    assert config.trainer.epochs == round(30 / (336 // 64))
    assert config.trainer.patience is not None
    assert "auto" not in json.dumps(
        {**config.model.arguments, "f": config.model.family}
    )
    capsys.readouterr()
    # The same command goes on; the choice is not made again.
    assert run(train, *command(table, trained)) == 0
    out = capsys.readouterr().out
    assert "chose" not in out
    assert "finished, " in out


def test_the_model_is_a_good_density_that_all_programs_know(trained, tmp_path, capsys):
    model = zoo.load(trained)
    assert isinstance(model, DensityStack)
    x = np.asarray(X, "float32")
    gap = true_log_prob(X) - model.log_prob(x).numpy()
    assert np.mean(gap) < 0.1
    capsys.readouterr()
    assert run(evaluate, f"--model_dir={trained}") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    source = tfflows.data.load(run_dir.read_config(trained).data.name)
    by_hand = -np.mean(model.log_prob(source.arrays("test")))
    assert result["nll"] == pytest.approx(by_hand, abs=1e-4)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.log_prob(x[:9]), model.log_prob(x[:9]), rtol=1e-5)
    last = len(model.flows) - 1
    assert loaded.get_config()["fixed"] == (*range(last - 1), last)


def test_each_flow_is_trained_apart(trained):
    model = zoo.load(trained)
    x = np.asarray(X[:50], "float32")
    each = model.log_prob_of_flows(x).numpy()
    batch = tfflows.fitting.batch.Batch.of(x)
    loss = model.per_example(batch, training=True)["loss"]
    np.testing.assert_allclose(loss, -each[:, -2], rtol=1e-5)
    mixed = scipy.special.logsumexp(each, b=model.mixture_weights, axis=1)
    np.testing.assert_allclose(model.log_prob(x), mixed, rtol=1e-5)
    flow = {id(weight) for weight in model.flows[-2].trainable_weights}
    assert {id(weight) for weight in model.trainable_weights} == flow


def test_few_rows_get_a_mixture_and_a_stop_is_made_good(table, tmp_path, monkeypatch):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    more = ["--set=trainer.epochs=2"]
    assert run(train, *command(table, whole), *more) == 0
    config = run_dir.read_config(whole)
    assert (config.model.num_steps, config.trainer.epochs) == ((), 2)

    class Interrupt(keras.callbacks.CSVLogger):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks, "CSVLogger", Interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(train, *command(table, resumed), *more)
    assert run_dir.read_config(resumed) == config  # before the training
    assert run(train, *command(table, resumed), *more) == 0
    require_same_run(whole, resumed)
    gap = true_log_prob(X) - zoo.load(whole).log_prob(np.asarray(X, "float32")).numpy()
    assert np.mean(gap) < 0.1


def test_skewed_columns_are_warped_in_mixtures_and_flows(tmp_path, monkeypatch):
    monkeypatch.setattr("tfflows.sklearn.mixtures.SIZES", (1, 2))
    z = np.random.default_rng(1).normal(size=(400, 2))
    frame = pd.DataFrame(100.0 * np.exp(z), columns=["a", "b"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    truth = scipy.stats.norm.logpdf(z).sum(axis=1) - z.sum(axis=1) - 2 * np.log(100.0)
    config = override(
        zoo.get_config("auto_table"), {"data.name": f"csv:{tmp_path / 't.csv'}"}
    )
    source = load_source(config)
    config = automatic.chosen(resolve_shape(config, source), source, tmp_path / "run")
    assert config.model.num_warped_components > 0
    x = frame.to_numpy("float32")
    flow = {"num_steps": (1,), "widths": (4,), "num_bins": (4,), "bounds": (5.0,)}
    more = {f"model.{name}": value for name, value in flow.items()}
    for changes in ({}, {**more, "model.warped": True}):
        model = override(config, changes).build()
        model.initialize(source.arrays("train"))
        automatic.start(model, source, config.trainer.seed)
        each = model.log_prob_of_flows(x).numpy()
        names = [flow.name for flow in model.flows]
        gaps = dict(zip(names, np.mean(truth[:, None] - each, axis=0), strict=True))
        assert gaps["warped_gaussian_mixture"] < 0.1
        if changes:  # a flow that starts near the identity, of warped columns
            assert gaps["warped_nsf"] < 0.5
        else:
            assert np.mean(truth - model.log_prob(x).numpy()) < 0.1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_auto_is_no_model(tmp_path, capsys):
    with pytest.raises(zoo.ConfigError, match="auto_table, which chooses one when it"):
        zoo.create("auto_table")
    with pytest.raises(zoo.ConfigError, match="auto_table, which chooses one"):
        zoo.create("auto_table", event_shape=(3,))
    folder = f"--model_dir={tmp_path / 'run'}"
    assert run(train, "--model=auto_table", "--dataset=digits", folder) == 2
    assert "expected a table of real numbers for auto_table" in error_line(capsys)
    frame = pd.DataFrame({"a": np.arange(50.0), "c": 3.0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert run(train, *command(tmp_path / "t.csv", tmp_path / "run")) == 2
    assert "constant ones in the training rows of" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
