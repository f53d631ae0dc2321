"""The names that DESIGN fixes, and that each says what it is."""

from __future__ import annotations

import inspect

import pytest

import tfflows

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


def test_every_step_states_its_four_formulas():
    for name in tfflows.bijectors.__all__:
        cls = getattr(tfflows.bijectors, name)
        if not issubclass(cls, tfflows.FlowStep) or cls is tfflows.FlowStep:
            continue
        if cls.__doc__.startswith("Data standardised"):  # ActNorm's formulas
            continue
        for line in ("forward:", "forward log-det:", "inverse:", "inverse log-det:"):
            assert line in cls.__doc__, f"{name}: {line}"
