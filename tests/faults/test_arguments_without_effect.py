"""Arguments that would be accepted and do nothing."""

from __future__ import annotations

import numpy as np
import pytest

import tfflows
from tests.faults.test_context import coupling
from tfflows import bijectors as fb
from tfflows import models
from tfflows.sklearn import FlowDensity
from tfflows.zoo import ConfigError, cli, explore, get_config, sample, train
from tfflows.zoo.overrides import override
from tfflows.zoo.running.sources import load_source, resolve_shape

ROWS = np.random.default_rng(0).normal(size=(20, 2))
CALLS = {
    "bound of another log_scale": lambda: fb.AffineLaw("exp", bound=5.0),
    "seed of no shuffle": lambda: fb.Permute("reverse", seed=3),
    "event_ndims of images": lambda: fb.Squeeze(event_ndims=1),
    "event_ndims of vectors": lambda: fb.InverseAutoregressive(
        tfflows.networks.MADE((4,)), event_ndims=3
    ),
    "event_ndims of a checkerboard": lambda: fb.AdditiveCoupling(
        tfflows.networks.ConvNet(2), mask="checkerboard", event_ndims=1
    ),
    "widths of a resnet": lambda: models.realnvp(
        (2,), network="resnet", hidden_units=(8, 4)
    ),
    "network of no kind": lambda: models.nsf(
        (2,), structure="autoregressive", network="mpl"
    ),
    "logit_alpha of real numbers": lambda: models.maf((2,), logit_alpha=0.1),
    "draws of no noise": lambda: models.nice((2,), evaluation_draws=3),
    "logit_alpha of real images": lambda: models.glow((8, 8, 1), logit_alpha=0.1),
    "log_scale of additive couplings": lambda: models.glow(
        (8, 8, 1), coupling="additive", log_scale="exp"
    ),
    "priors of no halves": lambda: models.nsf_multiscale(
        (8, 8, 1), factor_out=False, split_priors=True
    ),
    "noise of real images": lambda: models.flowpp((8, 8, 1), noise_width=8),
    "couplings of uniform noise": lambda: models.flowpp(
        (8, 8, 1), noise="uniform", levels=4, noise_couplings=2
    ),
    "Gaussian noise of real images": lambda: models.tarflow((8, 8, 1), noise_std=0.1),
    "widths of convolutions": lambda: models.vae(
        (8, 8, 1), network="gated_conv", hidden_units=(64, 32)
    ),
    "layers of an own family": lambda: FlowDensity(
        lambda size: tfflows.Flow(coupling(), (size,)), num_layers=3
    ).fit(ROWS),
    "flows of no posterior": lambda: models.vae((8, 8, 1), num_flows=3),
    "columns of planar flows": lambda: models.vae(
        (8, 8, 1), posterior="planar", num_columns=4
    ),
    "couplings of no prior": lambda: models.vae((8, 8, 1), num_prior_couplings=2),
    "widths of no couplings": lambda: models.vae(
        (8, 8, 1), posterior="planar", flow_units=(8,)
    ),
    "columns of no such basis": lambda: override(
        get_config("sylvester_vae_h_digits"), {"model.num_columns": 8}
    ).build(),
    "folder of drawn data": lambda: tfflows.data.load("two_moons", data_dir="here"),
    "folder of a file": lambda: tfflows.data.load("csv:x.csv", data_dir="here"),
    "folder below a prefix": lambda: tfflows.data.load(
        "binarized:digits", data_dir="here"
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_argument_without_effect_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        CALLS[call]()


def test_the_defaults_of_those_arguments_are_no_offence():
    fb.AffineLaw("exp", bound=2.0)
    fb.Permute("reverse", seed=0)
    fb.Squeeze(event_ndims=3)
    models.maf((2,), num_steps=1, hidden_units=(2,), logit_alpha=0.05)


@pytest.mark.parametrize(
    ("field", "value"), [("data.levels", "7"), ("data.columns", "a,b,c")]
)
def test_a_field_that_the_data_overrule_is_refused(field, value, tmp_path):
    path = tmp_path / "mine.csv"
    np.savetxt(path, ROWS, delimiter=",", header="u,v", comments="")
    config = override(get_config("realnvp_table"), {"data.name": f"csv:{path}"})
    resolved = resolve_shape(config, load_source(config))
    assert resolved.data.levels is None
    wrong = override(config, {field: value})
    with pytest.raises(ConfigError, match="expected"):
        resolve_shape(wrong, load_source(wrong))


@pytest.mark.parametrize(
    ("binary", "line"),
    [
        (train, ["--list", "--model=realnvp_digits"]),
        (sample, ["--model=realnvp_digits", "--dataset=digits"]),
        (sample, ["--model=realnvp_two_moons", "--guidance=1", "--output=x.npz"]),
        (explore, ["--show=reconstruction", "--strengths=1,2"]),
    ],
)
def test_a_flag_without_effect_is_a_usage_error(binary, line, capsys):
    cli.parse(binary.FLAGS, ["program", *line])
    assert cli.call(binary.main, ["program"]) == 2
    assert "where it has no effect" in capsys.readouterr().err
