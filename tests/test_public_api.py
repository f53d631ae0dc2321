"""The names that DESIGN fixes, and that each says what it is."""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib

import pytest

import tfflows
from tests import public_api

NAMES = {
    "": "Flow FlowStep InverseNotAvailable bijectors data distributions metrics models "
    "networks preprocessing training zoo export sklearn",
    "bijectors": "FlowStep Chain Invert TFPStep Permute ActNorm Coupling "
    "AdditiveCoupling AffineCoupling Scale Logit Standardize",
    "networks": "MLP ResNet",
    "distributions": "StandardNormal StandardLogistic",
    "zoo": "list_models describe get_config create load register",
    "export": "export_saved_model",
    "data": "load toy simulators",
    "sklearn": "FlowDensity",
    "metrics": "nll bits_per_dim calibration_ranks uniformity_p_values",
}


@pytest.mark.parametrize("package", NAMES)
def test_public_names_exist_and_are_documented(package):
    module = getattr(tfflows, package) if package else tfflows
    for name in NAMES[package].split():
        thing = getattr(module, name)
        assert inspect.getdoc(thing), name
        assert name in dir(module)


RECORDED = json.loads(pathlib.Path(__file__).with_name("public_api.json").read_text())
# What may differ from the record, with the reason.
_MIRRORED = "the builder's signature says it; ModelConfig(family, arguments)"
CHANGED: dict[str, str] = {
    f"tfflows.zoo.{name}": _MIRRORED
    for name in RECORDED["tfflows.zoo"]
    if name.startswith(("IAFC", "MAFC", "NICEC", "NSFC", "RealNVPC"))
}
CHANGED["tfflows.sklearn.FlowDensity"] = "None by default: chosen from the data"


def now(module, name):
    """What `public_api.snapshot` has of one name, today."""
    owner, _, method = name.partition(".")
    thing = getattr(importlib.import_module(module), owner)
    if method:
        return public_api.method_parameters(thing, method)
    return public_api.parameters(thing)


@pytest.mark.parametrize("module", RECORDED)
def test_what_programs_call_is_still_there(module):
    """Each recorded parameter stands where it stood, with its kind and default."""
    for name, wanted in RECORDED[module].items():
        if f"{module}.{name}" in CHANGED:
            continue
        owner, _, method = name.partition(".")
        thing = getattr(importlib.import_module(module), owner)
        assert not method or hasattr(thing, method), f"{module}.{name}"
        if wanted is None:
            continue
        got = now(module, name)
        kept = [old for old in wanted if any(accepts(new, old) for new in got)]
        assert kept == wanted, f"{module}.{name}: {got}"
        in_place = [old for old in wanted if old[1] == "POSITIONAL_OR_KEYWORD"]
        places = zip(got, in_place, strict=False)
        assert all(accepts(new, old) for new, old in places), f"{module}.{name}: {got}"


def accepts(new, old):
    """Whether a parameter is the recorded one, or that with a default added."""
    return new[:2] == old[:2] and old[2] in ("", new[2])


def test_unknown_attributes_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'flows'"):
        _ = tfflows.flows


@pytest.mark.parametrize("package", ["bijectors", "distributions", "networks"])
def test_all_is_complete(package):
    module = getattr(tfflows, package)
    public = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and not name.startswith("_")
    }
    assert public == set(module.__all__)


@pytest.mark.parametrize("package", NAMES)
def test_all_promised_names_are_there(package):
    module = getattr(tfflows, package) if package else tfflows
    promised = getattr(module, "__all__", ())
    missing = [name for name in promised if not is_there(module, name)]
    assert missing == []


def is_there(module, name):
    """Whether a module has a name; plots needs an extra, as its error says."""
    try:
        return hasattr(module, name)
    except ImportError:
        return True


def test_every_step_states_its_four_formulas():
    for name in tfflows.bijectors.__all__:
        cls = getattr(tfflows.bijectors, name)
        if not issubclass(cls, tfflows.FlowStep) or cls is tfflows.FlowStep:
            continue
        if cls.__doc__.startswith("Data standardised"):  # ActNorm's formulas
            continue
        for line in ("forward:", "forward log-det:", "inverse:", "inverse log-det:"):
            assert line in cls.__doc__, f"{name}: {line}"
