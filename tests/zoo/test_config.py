import copy
import dataclasses
import inspect
import json
import pickle

import pytest

import tfflows
from tfflows.families import BUILDERS
from tfflows.zoo import ConfigError, ModelConfig, get_config, list_models, override
from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.overrides import (
    field_names,
    first_difference,
    from_dict,
    parse_assignments,
    to_dict,
)
from tfflows.zoo.running import run_dir

CONFIG = get_config("realnvp_digits")


@pytest.mark.parametrize("name", list_models())
def test_json_round_trip(name):
    config = get_config(name)
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("family", BUILDERS)
def test_the_builders_signature_is_what_a_family_can_be_set_to(family):
    parameters = inspect.signature(getattr(tfflows.models, family)).parameters
    others = {"event_shape", "levels", "name", "context", "context_shape"}
    others |= {"context_dtype", "context_network", "support"}
    wanted = {k: p.default for k, p in parameters.items() if k not in others}
    model = ModelConfig(family)
    assert model.arguments == wanted
    for name, default in wanted.items():
        assert getattr(model, name) == default
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied == model


def test_the_arguments_of_a_model_are_checked_where_it_is_made():
    model = ModelConfig("nsf", {"hidden_units": [8, 4], "network": "mlp"})
    assert (model.hidden_units, model.num_bins) == ((8, 4), 8)
    assert model == ModelConfig("nsf", model.arguments)
    assert not hasattr(model, "num_couplings")
    for family, arguments, message in (
        ("nfs", {}, "model family, got 'nfs'; did you mean nsf"),
        ("nsf", {"num_bin": 4}, "field of model, got 'num_bin'; did you mean num_bins"),
        ("nsf", {"network": "mpl"}, "one of mlp, resnet for model.network, got 'mpl'"),
        ("nsf", {"num_bins": 2.5}, "int for model.num_bins, got 2.5"),
        ("sylvester_vae", {"posterior": "planar"}, "field of model, got 'posterior'"),
    ):
        with pytest.raises(ConfigError, match=message):
            ModelConfig(family, arguments)


def test_a_family_of_ones_own(monkeypatch):
    def mine(event_shape, *, size: int, levels: int | None = None):
        return event_shape, size, levels

    monkeypatch.setitem(BUILDERS, "mine", mine)
    assert ModelConfig("mine", {"size": "3"}).build((2,), 5) == ((2,), 3, 5)
    with pytest.raises(
        ConfigError, match=r"expected a value for model\.size, got none"
    ):
        ModelConfig("mine")


def test_the_classes_of_version_0_1_say_what_stands_for_them():
    for name in ("NICEConfig", "RealNVPConfig", "MAFConfig", "IAFConfig", "NSFConfig"):
        with pytest.raises(ImportError, match=r"ModelConfig\(family, arguments\)"):
            getattr(tfflows.zoo, name)


def test_a_file_of_version_0_1_loads():
    old = to_dict(get_config("nice_digits"))
    del old["model"]["context_dim"]  # which that version's NICE did not have
    assert from_dict(old) == get_config("nice_digits")


@pytest.mark.parametrize(
    ("name", "stacked"), [("realnvp_digits", False), ("glow_digits", True)]
)
def test_a_run_of_version_0_1_has_the_structure_of_then(tmp_path, name, stacked):
    """No steps were stacked, but Glow's."""
    config = get_config(name)
    old = to_dict(config)
    del old["model"]["stacked"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    then = override(config, {"model.stacked": stacked})
    assert run_dir.read_config(tmp_path) == then
    # The command that trained it goes on with it.
    assert run_dir.going_on(tmp_path, config) == then
    with run_dir.claimed(tmp_path, config):
        pass
    assert run_dir.going_on(tmp_path / "new", config) == config
    assert from_dict(old) == config  # written by hand


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("trainer.epochs", "2", 2),
        ("trainer.learning_rate", "1e-4", 1e-4),
        ("trainer.learning_rate", "1", 1.0),
        ("trainer.clip_norm", "none", None),
        ("trainer.clip_norm", "2.5", 2.5),
        ("trainer.schedule", "constant", "constant"),
        ("trainer.jit_compile", "true", True),
        ("trainer.jit_compile", "0", False),
        ("model.hidden_units", "64,64", (64, 64)),
        ("model.hidden_units", "(64,)", (64,)),
        ("model.hidden_units", [64, 32], (64, 32)),
        ("model.actnorm", True, True),
        ("data.event_shape", "2", (2,)),
        ("data.name", "csv:a=b.csv", "csv:a=b.csv"),
    ],
)
def test_override_converts(name, text, value):
    changed = override(CONFIG, {name: text})
    part, field = name.split(".")
    assert getattr(getattr(changed, part), field) == value
    assert type(getattr(getattr(changed, part), field)) is type(value)
    assert override(CONFIG, {}) == CONFIG


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trainer.epochs", "x", "expected int for trainer.epochs, got 'x'"),
        ("trainer.epochs", 2.0, "expected int for trainer.epochs, got 2.0"),
        ("trainer.epochs", True, "expected int for trainer.epochs, got True"),
        ("trainer.epochs", "none", "expected int for trainer.epochs, got 'none'"),
        ("trainer.learning_rate", "nan", "expected float for trainer.learning_rate"),
        ("trainer.clip_norm", "x", "expected float for trainer.clip_norm, got 'x'"),
        ("trainer.jit_compile", "maybe", "expected bool for trainer.jit_compile"),
        ("trainer.schedule", "linear", "expected one of cosine, constant for"),
        ("model.hidden_units", "64,x", "expected int for model.hidden_units, got 'x'"),
        ("model.hidden_units", 64, "expected a tuple of int for model.hidden_units"),
        ("data.name", 3, "expected str for data.name, got 3"),
        ("trainer.epochs", "0", "expected trainer.epochs above 0, got 0"),
        ("trainer.warmup_steps", "-1", "expected trainer.warmup_steps >= 0, got -1"),
        ("trainer.epoch", "2", "did you mean trainer.epochs"),
        ("model.num_coupling", "2", "did you mean model.num_couplings"),
        ("epochs", "2", "trainer.epochs"),
        ("name", "x", "expected a known field"),
        ("model", "x", "expected a known field"),
    ],
)
def test_override_refuses(name, value, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        override(CONFIG, {name: value})


def test_parse_assignments():
    assert parse_assignments(["a.b=1", "c.d=x=y"]) == {"a.b": "1", "c.d": "x=y"}
    for wrong in ("trainer.epochs", "=2"):
        with pytest.raises(ConfigError, match="expected key=value"):
            parse_assignments([wrong])


def test_field_names_can_all_be_set_to_what_they_are():
    plain = to_dict(CONFIG)
    values = {n: plain[n.split(".")[0]][n.split(".")[1]] for n in field_names(CONFIG)}
    assert override(CONFIG, values) == CONFIG


def test_first_difference():
    other = override(CONFIG, {"trainer.epochs": 7, "model.num_couplings": 3})
    assert first_difference(CONFIG, CONFIG) is None
    assert first_difference(CONFIG, other).startswith("model.num_couplings: ")
    assert first_difference(CONFIG, other, ("model",)).endswith(" and 7")
    assert first_difference(CONFIG, other, ("model", "trainer.epochs")) is None
    nice = get_config("nice_digits")
    assert first_difference(CONFIG, nice, ("name",)).startswith("model.family: ")


def test_from_dict_refuses():
    plain = to_dict(CONFIG)
    with pytest.raises(ConfigError, match="did you mean trainer"):
        from_dict({**plain, "traner": {}})
    with pytest.raises(ConfigError, match="did you mean realnvp"):
        from_dict({**plain, "model": {"family": "realnpv"}})
    with pytest.raises(ConfigError, match="expected a value for name, got none"):
        from_dict({k: v for k, v in plain.items() if k != "name"})
    with pytest.raises(ConfigError, match=r"expected int for trainer.epochs"):
        from_dict({**plain, "trainer": {"epochs": "many"}})
    with pytest.raises(ConfigError, match="expected a mapping for trainer"):
        from_dict({**plain, "trainer": 3})


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainerConfig().epochs = 3
