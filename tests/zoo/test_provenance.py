"""What an export tells of where its model comes from."""

import dataclasses
import json

import pytest

from tfflows import zoo
from tfflows.system import files
from tfflows.zoo import overrides
from tfflows.zoo.running import provenance, run_dir, sources


def write_run(folder, config, metrics=None):
    folder.mkdir(exist_ok=True)
    files.write_json(folder / "config.json", overrides.to_dict(config))
    if metrics:
        files.write_json(folder / "evaluation.json", metrics)
    return folder


def test_of_the_weights_that_ship():
    told = provenance.of_registered("realnvp_digits", "pretrained")
    assert told.model == "realnvp_digits"
    assert told.training_data == "digits"
    assert told.data_licence.startswith("CC BY 4.0")
    assert told.metrics["bits_per_dim"] > 2
    assert "tfflows-train --model=realnvp_digits" in told.commands["train"]
    assert told.commands["evaluate"] == "tfflows-evaluate --model=realnvp_digits"
    assert told.config["model"]["family"] == "realnvp"


def test_of_other_weights_no_figures_are_told():
    told = provenance.of_registered("realnvp_digits", "some.weights.h5")
    assert told.metrics is None
    assert told.commands == {}


def test_of_a_run(tmp_path):
    config = zoo.get_config("nice_digits")
    told = provenance.of_run(write_run(tmp_path, config))
    assert (told.metrics, set(told.commands)) == (None, {"train"})
    metrics = {"nll": 1.5, "dataset": "digits"}
    told = provenance.of_run(write_run(tmp_path, config, metrics))
    assert told.metrics == metrics
    assert set(told.commands) == {"train", "evaluate"}
    of_all = provenance.of_run(write_run(tmp_path, config, {**metrics, "split": "all"}))
    assert of_all.commands["evaluate"] == "tfflows-evaluate --model_dir=RUN --split=all"
    changed = overrides.override(config, {"model.num_couplings": "2"})
    told = provenance.of_run(write_run(tmp_path, changed, metrics))
    assert set(told.commands) == {"evaluate"}  # its config says the rest


def test_no_path_of_the_training_machine_is_told(tmp_path):
    config = zoo.get_config("realnvp_table")
    name = f"csv:{tmp_path}/mine.csv"
    data = dataclasses.replace(config.data, name=name, data_dir=str(tmp_path))
    config = dataclasses.replace(config, data=data)
    told = provenance.of_run(write_run(tmp_path, config, {"dataset": name}))
    assert told.training_data == "csv:mine.csv"
    assert told.data_licence is None
    assert str(tmp_path) not in json.dumps(dataclasses.asdict(told))


def test_the_columns_of_a_table_are_kept_and_compared(tmp_path):
    config = zoo.get_config("realnvp_table")

    def with_data(config, text):
        path = tmp_path / "mine.csv"
        path.write_text(text + "1,2\n3,4\n5,6\n")
        data = dataclasses.replace(config.data, name=f"csv:{path}")
        config = dataclasses.replace(config, data=data)
        return sources.resolve_shape(config, sources.load_source(config))

    trained = with_data(config, "a,b\n")
    run = write_run(tmp_path / "run", trained)
    assert provenance.of_run(run).columns == ("a", "b")
    trained = run_dir.read_config(run)
    assert with_data(trained, "a,b\n") == trained
    assert with_data(trained, "") == trained  # no names, none to compare
    for header in ("b,a\n", "a,c\n"):
        with pytest.raises(
            zoo.ConfigError, match=r"columns a, b, in this order, .*got"
        ):
            with_data(trained, header)
    unnamed = with_data(config, "")
    assert unnamed.data.columns is None
    assert with_data(unnamed, "a,b\n").data.columns == ("a", "b")


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("two_moons", "synthetic"),
        ("static_binarized:mnist", "CC BY-SA"),
        ("tfds:cifar10", "none stated"),
        ("downsampled_imagenet/32x32", "ImageNet"),
        ("celeba64:Smiling", "CelebA"),
        ("my_own", None),
        (None, None),
    ],
)
def test_licences_of_data(name, licence):
    found = provenance.data_licence(name)
    assert found is None if licence is None else licence in found


def test_the_data_of_every_registration_have_a_licence():
    for name in zoo.list_models():
        data = zoo.get_config(name).data.name
        assert data is None or provenance.data_licence(data), name
