"""MAF, IAF and neural spline flows: what they are made of, alone and with a context."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows.models import iaf, maf, nsf

TINY = {"num_steps": 2, "hidden_units": (8, 8)}
FAMILIES = {
    "maf": lambda *args, **kw: maf(*args, **TINY, normalization="batch", **kw),
    "iaf": lambda *args, **kw: iaf(*args, **TINY, residual=True, **kw),
    "nsf": lambda *args, **kw: nsf(*args, **TINY, num_bins=4, **kw),
    "nsf_ar": lambda *args, **kw: nsf(
        *args, **TINY, structure="autoregressive", num_bins=4, **kw
    ),
}


def kinds(flow):
    return [type(step).__name__ for step in flow.bijector.steps]


def test_steps_stand_as_the_papers_have_them():
    maf_steps = kinds(maf((3,), num_steps=3, hidden_units=(4,), stacked=False))
    step = "MaskedAutoregressive"
    assert maf_steps == [step, "Permute", step, "Permute", step]
    assert kinds(iaf((3,), num_steps=1, normalization="actnorm")) == [
        "ActNorm",
        "InverseAutoregressive",
    ]
    assert kinds(maf((3,), num_steps=1, normalization="batch")) == [
        step,
        "BatchNormalization",
    ]
    parts = kinds(tfflows.models.glow_dense((3,), num_steps=1))
    assert parts == ["ActNorm", "Invertible1x1Conv", "AffineCoupling"]
    mixing, spline = "Invertible1x1Conv", "RationalQuadraticCoupling"
    nsf_steps = kinds(nsf((3,), num_steps=2, stacked=False))
    assert nsf_steps == [mixing, spline, mixing, spline, mixing]
    flow = nsf((3,), num_steps=1, structure="autoregressive", num_bins=5, bound=2.0)
    law = flow.bijector.steps[1].law
    assert isinstance(law, fb.RationalQuadraticLaw)
    assert (law.num_bins, law.bound) == (5, 2.0)


@pytest.mark.parametrize(
    "name",
    # The others are these the other way round, and with the law of this one.
    [
        "maf",
        "nsf",
        pytest.param("iaf", marks=pytest.mark.large),
        pytest.param("nsf_ar", marks=pytest.mark.large),
    ],
)
def test_training_saving_and_sampling_with_a_context(name, tmp_path):
    rng = np.random.default_rng(0)
    context = rng.normal(size=(96, 2)).astype("float32")
    x = (3.0 + context[:, :1] + 0.1 * rng.normal(size=(96, 3))).astype("float32")
    data = {"x": x, "context": context}
    flow = FAMILIES[name]((3,), context_dim=2, standardize=True)
    flow.initialize(data)
    randomize(flow, 0.05)
    flow.compile(keras.optimizers.Adam(1e-2))
    loss = flow.fit(data, batch_size=32, epochs=3, verbose=0).history["loss"]
    assert loss[-1] < loss[0]
    z = flow.encode(x, context)
    np.testing.assert_allclose(flow.decode(z, context), x, atol=1e-3)
    drawn, log_prob = flow.sample_and_log_prob(4, seed=1, context=context[:4])
    wanted = flow.log_prob(drawn, context[:4])
    np.testing.assert_allclose(log_prob, wanted, atol=1e-3)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    wanted = flow.log_prob(x, context)
    np.testing.assert_allclose(loaded.log_prob(x, context), wanted, rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_integer_images(name):
    flow = FAMILIES[name]((2, 2, 1), levels=16, dtype="float64")
    x = np.random.default_rng(0).integers(0, 16, (32, 2, 2, 1))
    flow.initialize(x)
    randomize(flow, 0.1)
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, atol=1e-6)
    assert flow.bits_per_dim(x).shape == (32,)


@pytest.mark.parametrize("name", FAMILIES)
def test_labels_through_a_network(name):
    context = {
        "context_shape": (),
        "context_network": keras.layers.Embedding(3, 4, "normal"),
    }
    flow = FAMILIES[name]((2,), context_dim=4, context=context)
    randomize(flow)
    x, labels = np.ones((3, 2)), np.arange(3)
    assert len(np.unique(np.round(flow.log_prob(x, labels), 4))) == 3


def test_unknown_words_and_missing_contexts_are_named():
    for build, message in (
        (lambda: maf((2,), normalization="layer"), "normalization .*'layer'"),
        (lambda: nsf((2,), structure="tree"), "structure .*'tree'"),
        (lambda: nsf((2,), permutation="sort"), "permutation .*'sort'"),
        (lambda: nsf((2,), network="cnn"), "network 'mlp' or 'resnet'"),
        (lambda: nsf((1,)), "2 or more elements"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
    with pytest.raises(ValueError, match="expected a context of shape"):
        maf((2,), context_dim=3).log_prob(np.ones((4, 2)))


def test_one_dimension_is_enough_for_an_autoregressive_flow():
    flow = nsf((1,), structure="autoregressive", num_steps=1, dtype="float64")
    randomize(flow)
    grid = np.linspace(-9.0, 9.0, 20_001)[:, np.newaxis]
    total = np.exp(flow.log_prob(grid)).sum() * (grid[1, 0] - grid[0, 0])
    assert total == pytest.approx(1.0, abs=1e-4)


def test_realnvp_takes_a_context_too():
    flow = tfflows.models.realnvp((2,), num_couplings=2, context_dim=1, actnorm=False)
    randomize(flow)
    x = np.ones((2, 2))
    assert len(np.unique(flow.log_prob(x, np.array([[0.0], [1.0]])))) == 2
