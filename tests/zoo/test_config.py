import dataclasses
import inspect
import json

import pytest

import tfflows
from tfflows.zoo import ConfigError, get_config, list_models, override
from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.model_config import (
    GlowDenseConfig,
    IAFConfig,
    MAFConfig,
    NICEConfig,
    NSFConfig,
    RealNVPConfig,
)
from tfflows.zoo.overrides import (
    field_names,
    first_difference,
    from_dict,
    parse_assignments,
    to_dict,
)

CONFIG = get_config("realnvp_digits")


@pytest.mark.parametrize("name", list_models())
def test_json_round_trip(name):
    config = get_config(name)
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("config", "function"),
    [
        (NICEConfig, tfflows.models.nice),
        (RealNVPConfig, tfflows.models.realnvp),
        (MAFConfig, tfflows.models.maf),
        (IAFConfig, tfflows.models.iaf),
        (NSFConfig, tfflows.models.nsf),
        (GlowDenseConfig, tfflows.models.glow_dense),
    ],
)
def test_fields_mirror_the_arguments_of_the_model(config, function):
    parameters = inspect.signature(function).parameters
    wanted = {k: p.default for k, p in parameters.items() if p.kind == p.KEYWORD_ONLY}
    # NICE has no context in the zoo, and a network is no value of a configuration.
    others = ["name", "levels", "context", "context_shape"]
    others += ["context_dtype", "context_network"]
    for other in [*others, *(["context_dim"] if config is NICEConfig else [])]:
        wanted.pop(other, None)
    fields = {f.name: f.default for f in dataclasses.fields(config)}
    assert fields == wanted


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
