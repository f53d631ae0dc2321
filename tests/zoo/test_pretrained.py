import pytest

from tfflows import data, zoo
from tfflows.zoo.running import evaluation
from tfflows.zoo.shelf import pretrained

NAMES = pretrained.names()
# Of a family's flows of toys, and of a kind of model, one is enough when it is quick.
TOYS = {f"{family}_{toy}" for family in ("realnvp", "nsf") for toy in data.toy.TOYS}
TOYS -= {"realnvp_two_moons", "nsf_checkerboard"}
QUICK = set(NAMES) - TOYS
QUICK -= {"nsf_digits", "realnvp_digits_multiscale"}
QUICK -= {name for name in NAMES if "_vae_" in name}


def test_there_are_some():
    toys = {"two_moons", "rings", "eight_gaussians", "three_gaussians", "checkerboard"}
    assert {f"realnvp_{toy}" for toy in toys} | {"realnvp_digits"} <= set(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.large)
        for name in NAMES
    ],
)
def test_recorded_figures_hold(name):
    record, config = pretrained.record(name), zoo.get_config(name)
    model = zoo.create(name, weights="pretrained")
    result = evaluation.evaluate(model, config, record["evaluation"]["split"])
    for figure in ("nll", "bits_per_dim", "kl"):
        assert (figure in record["evaluation"]) == (figure in result)
        if figure in result:
            # The nll in nats of all dimensions; the others are for one, or small.
            dims = model.latent_dim if figure == "nll" else 1
            recorded = record["evaluation"][figure]
            assert result[figure] == pytest.approx(recorded, abs=1e-3 * dims)


@pytest.mark.parametrize("name", NAMES)
def test_records_say_how_weights_were_made(name):
    record = pretrained.record(name)
    assert record["bytes"] == pretrained.path(name).stat().st_size
    assert record["command"].startswith(f"tfflows-train --model={name} ")
    assert record["date"]
    assert record["versions"]["tensorflow"]


def test_the_wheel_carries_at_most_40_megabytes():
    sizes = [p.stat().st_size for p in pretrained.record_path("").parent.glob("*.h5")]
    assert max(sizes) <= pretrained.MOST_BYTES
    assert sum(sizes) <= 40_000_000
