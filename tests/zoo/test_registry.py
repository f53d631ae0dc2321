import json
import pathlib
import subprocess
import sys

import pytest

import tfflows
from tfflows import data, families, zoo
from tfflows.zoo import parameters, registry
from tfflows.zoo.config import ModelConfig
from tfflows.zoo.shelf import pretrained

NAMES = zoo.list_models()
SIZES = {n: zoo.describe(n).parameters for n in NAMES}
SMALL = [n for n, size in SIZES.items() if size and size <= 100_000]
LARGE = [n for n, size in SIZES.items() if size and size > 100_000]
# The smallest of each family.
SMALLEST = {
    zoo.describe(n).family: n for n in sorted(SMALL, key=SIZES.get, reverse=True)
}.values()


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


# Own arithmetic over the sizes of the layers in the authors' code.
AUTHORS = {
    "nice_mnist": 19_158_352,
    "maf_power": 120_240,
    "maf_gas": 126_320,
    "maf_hepmass": 2_955_080,
    "maf_miniboone": 3_293_880,
    "maf_bsds300": 12_444_120,
    "vae_gated_static_mnist": 3_067_105,
    "planar_vae_gated_static_mnist": 3_597_553,
    "sylvester_vae_o_gated_static_mnist": 5_534_305,
    "sylvester_vae_h_gated_static_mnist": 22_804_705,
    "sylvester_vae_t_gated_static_mnist": 20_699_361,
}


@pytest.mark.parametrize("name", NAMES)
def test_references_belong_to_the_model_or_say_of_what_they_are(name):
    info = zoo.describe(name)
    same = {r.name: r.value for r in info.references if r.same_model}
    assert info.reference == same
    if same:
        assert SIZES[name] == AUTHORS[name]
    for reference in info.references:
        assert reference.unit in ("nats", "bits/dim")
        assert reference.source


def test_the_record_of_parameters_has_each_model_of_known_size():
    """`python -m tfflows.zoo.parameters` writes it."""
    sized = {n for n in NAMES if zoo.describe(n).event_shape is not None}
    assert set(registry.recorded_parameters()) == sized


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SMALLEST else pytest.mark.large)
        for name in SMALL
    ],
)
def test_recorded_parameters(name):
    assert parameters.count(zoo.create(name)) == SIZES[name]


@pytest.mark.large
@pytest.mark.parametrize("name", LARGE)
def test_recorded_parameters_of_the_large_ones(name):
    assert parameters.count(zoo.create(name)) == SIZES[name]


def test_describe_builds_and_imports_nothing(monkeypatch):
    def builder(family):
        raise RuntimeError("asked for")

    monkeypatch.setattr(families, "builder", builder)
    for name in NAMES:
        zoo.describe(name)
    with pytest.raises(RuntimeError, match="asked for"):
        zoo.get_config("nice_table")


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


def test_parameters_are_counted_where_the_record_lacks_them(monkeypatch, tmp_path):
    known = dict(registry.recorded_parameters())
    del known["nice_digits"]
    monkeypatch.setattr(parameters, "recorded_parameters", lambda: known | {"x": 1})
    monkeypatch.setattr(parameters, "PARAMETERS", tmp_path / "parameters.json")
    parameters.main([])
    written = json.loads((tmp_path / "parameters.json").read_text())
    assert written == registry.recorded_parameters()


# Modules without the `__init__` of tfflows, as in the processes that read JSON.
ALONE = """
import sys, types
tfflows = types.ModuleType("tfflows")
tfflows.__path__ = [sys.argv[1]]
sys.modules["tfflows"] = tfflows
import tfflows.zoo.overrides, tfflows.zoo.registry, tfflows.zoo.shelf.pretrained
import tfflows.data.registry
from tfflows import zoo
for name in zoo.list_models():
    zoo.describe(name)
tfflows.data.list_datasets()
try:
    zoo.get_config("realnvp_digit")
except zoo.ConfigError:
    print(sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
"""


def test_names_and_facts_need_no_tensorflow():
    folder = pathlib.Path(tfflows.__file__).parent
    command = [sys.executable, "-P", "-c", ALONE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("call", [zoo.get_config, zoo.describe, zoo.create])
def test_unknown_name(call):
    with pytest.raises(
        zoo.ConfigError, match="'realnvp_digit'; did you mean realnvp_d"
    ):
        call("realnvp_digit")
    with pytest.raises(zoo.ConfigError, match="known: "):
        call("zzz")
