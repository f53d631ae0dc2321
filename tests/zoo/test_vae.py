"""The registered VAEs: their fields, sizes, and one tiny run through the binaries."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tests.zoo.test_cli import run
from tfflows import zoo
from tfflows.zoo import evaluate, sample, train

NAMES = zoo.list_models("*vae*")


def test_every_family_has_digits_and_mnist_of_both_kinds():
    suffix = "_static_digits"
    families = {name.removesuffix(suffix) for name in NAMES if suffix in name}
    assert families == {
        "vae",
        "planar_vae",
        "sylvester_vae_o",
        "sylvester_vae_h",
        "sylvester_vae_t",
        "realnvp_vae",
        "iaf_vae",
        "flowprior_vae",
    }
    for family in families:
        data = ("digits", "mnist", "static_mnist")
        assert {f"{family}_{name}" for name in data} <= set(NAMES)


def test_a_figure_of_another_network_is_no_reference():
    dense = zoo.describe("sylvester_vae_o_static_mnist")
    assert dense.reference == {}
    (figure,) = dense.references
    assert (figure.name, figure.value, figure.unit) == ("nll", 83.32, "nats")
    assert "gated convolutions" in figure.source
    assert not figure.same_model
    gated = zoo.describe("planar_vae_gated_static_mnist")
    assert gated.reference == {"nll": 86.06}


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("planar_vae_digits", ["Planar"] * 2),
        ("sylvester_vae_o_digits", ["OrthogonalSylvester"] * 2),
        ("sylvester_vae_h_digits", ["HouseholderSylvester"] * 2),
        ("sylvester_vae_t_digits", ["TriangularSylvester"] * 2),
        ("realnvp_vae_digits", ["AffineCoupling"] * 2),
        ("iaf_vae_digits", ["Chain"] * 2),
    ],
)
def test_the_name_says_what_the_posterior_is(name, steps):
    sizes = {"num_flows": 2, "latent_dim": 16, "hidden_units": (4,)}
    vae = zoo.create(name, stacked=False, **sizes)
    assert [type(step).__name__ for step in vae.posterior.steps] == steps
    assert vae.prior is None


def test_a_run_through_the_binaries(tmp_path, capsys):
    folder = f"--model_dir={tmp_path / 'run'}"
    arguments = ["--model=flowprior_vae_digits", "--set=trainer.epochs=1"]
    arguments += [
        "--set=model.hidden_units=8",
        "--set=model.latent_dim=2",
        "--set=model.num_prior_couplings=2",
        "--set=model.evaluation_samples=5",
    ]
    assert run(train, *arguments, folder) == 0
    rows = list(csv.DictReader((tmp_path / "run/history.csv").open()))
    assert {"elbo", "kl", "active_units", "val_iwae", "val_gap"} <= set(rows[0])
    capsys.readouterr()
    assert run(evaluate, folder) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["nll"] == pytest.approx(-result["elbo"])
    assert result["elbo"] < result["iwae"]
    assert result["bits_per_dim"] == pytest.approx(result["nll"] / (64 * np.log(2)))
    output = tmp_path / "samples.npz"
    assert run(sample, folder, f"--output={output}", "--num_samples=5") == 0
    x = np.load(output)["x"]
    assert x.shape == (5, 8, 8, 1)
    assert set(np.unique(x)) <= {0.0, 1.0}
