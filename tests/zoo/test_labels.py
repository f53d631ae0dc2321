"""Own images and tables with labels: trained, evaluated, explored, exported."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.zoo import evaluate, explore, sample, train
from tfflows.zoo.running import run_dir

RNG = np.random.default_rng(0)
TINY = ["--set=trainer.epochs=2", "--set=trainer.batch_size=16"]


def write(folder, name, images):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        png = tf.io.encode_png(image).numpy()
        (folder / name / f"{number}.png").write_bytes(png)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Dark and bright 4 x 4 images."""
    folder = tmp_path_factory.mktemp("images")
    for name, low in (("bright", 160), ("dark", 0)):
        write(folder, name, RNG.integers(low, low + 90, (40, 4, 4, 1)).astype("uint8"))
    return folder


@pytest.fixture(scope="module")
def conditional(images, tmp_path_factory):
    """A flow of the images, conditioned on their labels."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    arguments = [f"--dataset=images:{images}", "--label_as_context", *TINY]
    arguments += ["--set=model.num_couplings=1", "--set=model.hidden_units=4"]
    arguments += ["--set=trainer.warmup_steps=40"]
    assert (
        run(train, "--model=realnvp_digits", *arguments, f"--model_dir={folder}") == 0
    )
    return folder


def last_json(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_label_conditions_a_flow(conditional, images, capsys):
    config = run_dir.read_config(conditional)
    assert config.data.label_names == ("bright", "dark")
    flow = zoo.load(conditional)
    x = np.full((1, 4, 4, 1), 30, "uint8")
    assert flow.log_prob(x, [0]) != flow.log_prob(x, [1])
    capsys.readouterr()
    assert run(evaluate, f"--model_dir={conditional}", "--split=all") == 0
    result = last_json(capsys)
    labels = result["per_label"]
    assert {name: row["num_examples"] for name, row in labels.items()} == {
        "bright": 40,
        "dark": 40,
    }
    mean = np.mean([row["nll"] for row in labels.values()])
    assert mean == pytest.approx(result["nll"], rel=1e-4)
    # A folder with one of the classes: it keeps its number.
    write(images.parent / "some", "dark", np.zeros((4, 4, 4, 1), "uint8"))
    other = f"--dataset=images:{images.parent / 'some'}"
    arguments = [f"--model_dir={conditional}", other, "--split=all"]
    assert run(evaluate, *arguments) == 0
    result = last_json(capsys)
    assert list(result["per_label"]) == ["dark"]
    by_hand = -flow.log_prob(np.zeros((4, 4, 4, 1), "uint8"), [1] * 4)
    assert result["nll"] == pytest.approx(float(np.mean(by_hand)), abs=2.0)
    write(images.parent / "some", "grey", np.zeros((4, 4, 4, 1), "uint8"))
    assert run(evaluate, *arguments) == 2
    assert "the classes bright, dark of the training data, got also grey" in error_line(
        capsys
    )


def test_samples_of_a_class_by_its_name(conditional, tmp_path, capsys):
    found = []
    for context in ("dark", "1"):
        output = tmp_path / f"{context}.npz"
        arguments = [f"--context={context}", f"--output={output}", "--num_samples=3"]
        assert run(sample, f"--model_dir={conditional}", *arguments) == 0
        found.append(np.load(output)["x"])
    np.testing.assert_array_equal(*found)
    assert run(sample, f"--model_dir={conditional}", "--context=grey") == 2
    assert "got grey" in error_line(capsys)


def test_a_long_warm_up_is_shortened(conditional, images, tmp_path, capsys):
    assert run_dir.read_config(conditional).trainer.warmup_steps == 40
    trainer = zoo.TrainerConfig(warmup_steps=40, epochs=2)
    from tfflows.zoo.running.optimizer import make_optimizer

    rate = make_optimizer(trainer, 30, []).learning_rate
    told = capsys.readouterr().out
    assert "warm-up of 3 steps in place of trainer.warmup_steps=40" in told
    assert rate > 3e-4  # the first of three steps to 1e-3
    assert make_optimizer(trainer, 400, []).learning_rate < 3e-5
    assert "in place of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (["--show=interpolation", "--num_steps=3"], (2, 3)),
        (["--show=attribute", "--from_class=dark", "--to_class=bright"], (2, 2)),
        (["--show=reconstruction"], (2, 2)),
    ],
)
def test_a_conditional_flow_is_explored(conditional, tmp_path, arguments, shape):
    output = tmp_path / "strips.png"
    arguments = [*arguments, f"--output={output}", "--num_images=2", "--scale=1"]
    assert run(explore, f"--model_dir={conditional}", *arguments) == 0
    picture = keras.utils.img_to_array(keras.utils.load_img(output))
    rows, columns = shape
    assert picture.shape[:2] == (rows * 5, columns * 5) or picture.shape[
        0
    ] * columns == (picture.shape[1] * rows)


def test_a_vae_is_explored(images, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = [f"--dataset=images:{images}", *TINY, "--set=model.hidden_units=8"]
    arguments += ["--set=model.latent_dim=2"]
    assert run(train, "--model=vae_digits", *arguments, f"--model_dir={folder}") == 0
    for show in ("interpolation", "reconstruction"):
        assert run(explore, f"--model_dir={folder}", f"--show={show}") == 0
    classes = ["--show=attribute", "--from_class=dark"]
    assert run(explore, f"--model_dir={folder}", *classes, "--to_class=bright") == 0
    capsys.readouterr()
    assert run(explore, f"--model_dir={folder}", *classes, "--to_class=grey") == 2
    assert "got grey; there are bright, dark" in error_line(capsys)
    assert run(evaluate, f"--model_dir={folder}") == 0
    assert set(last_json(capsys)["per_label"]) <= {"bright", "dark"}
    conditional = {"data.label_as_context": True, "data.label_names": ("a", "b")}
    with pytest.raises(zoo.ConfigError, match="expected a family that takes a context"):
        zoo.create("vae_digits", **conditional)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """y is 100 times as far in the second species, and follows 1e4 + x."""
    path = tmp_path_factory.mktemp("table") / "t.csv"
    species = RNG.choice(["setosa", "virginica"], 400)
    x = RNG.normal(1e4, 100.0, 400)
    y = x + RNG.normal(size=400) + np.where(species == "setosa", 0.0, 50.0)
    frame = pd.DataFrame({"x": x, "y": y, "species": species})
    frame.to_csv(path, index=False)
    return path


def test_columns_condition_a_flow(table, tmp_path, capsys):
    folder = tmp_path / "run"
    frame = pd.read_csv(table).drop(columns="species").assign(z=RNG.normal(size=400))
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = [f"--dataset=csv:{tmp_path / 't.csv'}", "--context_columns=x", *TINY]
    arguments += ["--set=trainer.epochs=20", "--set=model.num_couplings=2"]
    arguments += ["--set=model.hidden_units=8", "--set=trainer.learning_rate=1e-2"]
    assert run(train, "--model=nice_table", *arguments, f"--model_dir={folder}") == 0
    assert run_dir.read_config(folder).data.columns == ("y", "z")
    flow = zoo.load(folder)
    network = flow.conditioning.network
    assert np.exp(-network.log_scale.numpy())[0] == pytest.approx(100, rel=0.2)
    near, far = flow.log_prob([[1e4, 0.0]] * 2, [[1e4], [1.02e4]]).numpy()
    assert near > far + 1
    capsys.readouterr()
    assert run(evaluate, f"--model_dir={folder}") == 0
    assert "per_label" not in last_json(capsys)


def test_labels_of_a_table(table, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = [f"--dataset=csv:{table}", "--label_column=species", *TINY]
    arguments += ["--set=model.num_couplings=2", "--set=model.hidden_units=8"]
    command = ["--model=realnvp_table", *arguments, f"--model_dir={folder}"]
    assert run(train, *command) == 0
    capsys.readouterr()
    assert run(evaluate, f"--model_dir={folder}") == 0
    assert set(last_json(capsys)["per_label"]) == {"setosa", "virginica"}
    assert run_dir.read_config(folder).data.label_names is None  # it is not conditional
    other = [*command[:-1], "--context_columns=x", f"--model_dir={folder}2"]
    assert run(train, *other) == 1
    assert "expected label_column or context_columns, got both" in error_line(capsys)
