"""A mixture of flows is exported without latents, and verified as any model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfflows
from tfflows import bijectors as fb
from tfflows.distributions import GaussianMixture, StandardStudentT
from tfflows.export import export_saved_model
from tfflows.models import FlowMixture

DRAWN = {"sample", "sample_n"}


@pytest.fixture(scope="module")
def mixture():
    bases = GaussianMixture(2, 3, covariance="full"), StandardStudentT(2)
    flows = [tfflows.Flow(fb.Standardize(), (2,), base) for base in bases]
    mixture = FlowMixture(flows, [0.8, 0.2], name="stack")
    mixture.initialize(np.random.default_rng(0).normal(size=(50, 2)) * 3 + 1)
    return mixture


@pytest.mark.large
def test_it_answers_as_the_model_does(mixture, tmp_path, worker):
    path = export_saved_model(mixture, tmp_path)
    names = {"log_prob", "score", "info", "serving_default", *DRAWN}
    assert set(worker.signatures(path)) == names
    facts = json.loads((path / "assets.extra/flow.json").read_text())
    assert (facts["kind"], facts["latent_dim"]) == ("FlowMixture", None)
    assert "A mixture of normalizing flows" in (path / "MODEL_CARD.md").read_text()
    x = mixture.sample(4, seed=1).numpy()
    found = worker.run(path, "log_prob", {"x": x})["log_prob"]
    np.testing.assert_allclose(found, mixture.log_prob(x), rtol=1e-5)


def test_one_that_is_not_initialised_is_refused(mixture, tmp_path):
    fresh = FlowMixture([tfflows.Flow(fb.ActNorm(), (2,))])
    with pytest.raises(ValueError, match="expected an initialised model"):
        export_saved_model(fresh, tmp_path)
