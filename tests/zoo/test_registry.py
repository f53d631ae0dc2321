import math

import pytest

from tfflows import data, zoo
from tfflows.zoo import pretrained, registry
from tfflows.zoo.config import ModelConfig

NAMES = zoo.list_models()
SIZES = {n: zoo.describe(n).parameters for n in NAMES}
SMALL = [n for n, size in SIZES.items() if size and size <= 100_000]
LARGE = [n for n, size in SIZES.items() if size and size > 100_000]


def count_parameters(model):
    return sum(math.prod(w.shape) for w in model.trainable_weights)


def test_the_registered_names():
    toys = [
        f"{family}_{toy}" for family in ("nice", "realnvp") for toy in data.toy.TOYS
    ]
    others = ["nice_digits", "realnvp_digits", "nice_mnist", "realnvp_mnist_dense"]
    tables = ["nice_table", "realnvp_table"]
    assert {*toys, *others, *tables} <= set(NAMES)
    assert sorted(NAMES) == NAMES
    assert zoo.list_models("nice_d*") == ["nice_digits"]
    assert zoo.list_models("no_such_*") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_registration(name):
    config, info = zoo.get_config(name), zoo.describe(name)
    assert config.name == info.name == name
    assert info.family == config.model.family
    # RealNVP and Glow are of two kinds, dense and on images: one name for both.
    family = info.family.removesuffix("_multiscale").removesuffix("_dense")
    assert name.startswith(f"{family}_")
    assert isinstance(config.model, ModelConfig)
    assert info.description
    assert info.parameters is None or info.parameters > 0
    assert (info.parameters is None) == (info.event_shape is None)
    if info.dataset in data.list_datasets():
        source = data.load(info.dataset)
        assert (source.event_shape, source.levels) == (info.event_shape, info.levels)


@pytest.mark.parametrize("name", SMALL)
def test_recorded_parameters(name):
    assert count_parameters(zoo.create(name)) == SIZES[name]


@pytest.mark.large
@pytest.mark.parametrize("name", LARGE)
def test_recorded_parameters_of_the_large_ones(name):
    assert count_parameters(zoo.create(name)) == SIZES[name]


def test_describe_builds_nothing(monkeypatch):
    def build(*args):
        raise RuntimeError("built")

    for config in (zoo.NICEConfig, zoo.RealNVPConfig):
        monkeypatch.setattr(config, "build", build)
    for name in NAMES:
        zoo.describe(name)


def test_describe_tells_the_pretrained_figures():
    assert zoo.describe("realnvp_table").pretrained is None
    name = "realnvp_digits"
    assert zoo.describe(name).pretrained == pretrained.record(name)


def test_register(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    config = zoo.get_config("realnvp_digits")

    @zoo.register("realnvp_mine", parameters=3)
    def mine():
        return config

    assert zoo.get_config("realnvp_mine") is mine()
    assert zoo.describe("realnvp_mine").parameters == 3
    with pytest.raises(KeyError, match="expected a new name, got 'realnvp_mine'"):
        zoo.register("realnvp_mine")


@pytest.mark.parametrize("call", [zoo.get_config, zoo.describe, zoo.create])
def test_unknown_name(call):
    with pytest.raises(
        zoo.ConfigError, match="'realnvp_digit'; did you mean realnvp_d"
    ):
        call("realnvp_digit")
    with pytest.raises(zoo.ConfigError, match="known: "):
        call("zzz")
