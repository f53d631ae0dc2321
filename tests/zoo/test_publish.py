import dataclasses

import numpy as np
import pytest

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.zoo import registry, train
from tfflows.zoo.shelf import pretrained, publish


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A registered tiny model, and a folder for published weights."""
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path / "weights")
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    changes = {
        "model.num_couplings": 2,
        "model.hidden_units": (8,),
        "trainer.epochs": 1,
        "trainer.batch_size": 10_000,
    }
    config = zoo.override(zoo.get_config("realnvp_checkerboard"), changes)
    config = dataclasses.replace(config, name="realnvp_tiny")
    zoo.register("realnvp_tiny")(lambda: config)
    return config


def test_published_weights_are_found(tiny, tmp_path):
    folder = f"--model_dir={tmp_path / 'run'}"
    assert run(train, "--model=realnvp_tiny", folder) == 0
    assert not pretrained.exists("realnvp_tiny")
    assert run(publish, folder) == 0
    assert pretrained.names() == ["realnvp_tiny"]
    published = zoo.create("realnvp_tiny", weights="pretrained")
    x = np.random.default_rng(0).uniform(-4, 4, (5, 2)).astype("float32")
    trained = zoo.load(tmp_path / "run")
    np.testing.assert_array_equal(published.log_prob(x), trained.log_prob(x))
    record = zoo.describe("realnvp_tiny").pretrained
    assert record["evaluation"]["kl"] > 0
    assert record["evaluation"]["split"] == "test"


def test_another_configuration_is_not_published(tiny, tmp_path, capsys):
    folder = f"--model_dir={tmp_path / 'run'}"
    other = "--set=model.num_couplings=3"
    assert run(train, "--model=realnvp_tiny", folder, other) == 0
    assert run(publish, folder) == 2
    assert "model.num_couplings: 3 and 2" in error_line(capsys)
    assert not (tmp_path / "weights").exists()
    assert run(publish) == 2


def test_large_weights_are_kept_out_of_the_wheel(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "MOST_BYTES", 1000)
    folder = f"--model_dir={tmp_path / 'run'}"
    assert run(train, "--model=realnvp_tiny", folder, "--set=trainer.seed=1") == 0
    with monkeypatch.context() as strict:
        strict.setattr(publish, "_MOST_NATS", -1.0)
        assert run(publish, folder, "--half") == 1
    assert "publish without --half" in error_line(capsys)
    assert not list((tmp_path / "weights").iterdir())
    assert run(publish, folder, "--half", "--commit=abc") == 0
    file = tmp_path / "weights" / "large" / "realnvp_tiny.weights.h5"
    assert pretrained.path("realnvp_tiny") == file
    record = pretrained.record("realnvp_tiny")
    assert record["command"].endswith("/realnvp_tiny --set=trainer.seed=1")
    assert record["commit"] == "abc"
    assert record["hours"] >= 0
    # In half precision: near to the trained weights, but not these.
    halved = zoo.create("realnvp_tiny", weights="pretrained").get_weights()
    trained = zoo.load(tmp_path / "run").get_weights()
    for half, full in zip(halved, trained, strict=True):
        np.testing.assert_array_equal(half, full.astype(np.float16))
