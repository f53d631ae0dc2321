"""Interpolation and attribute directions in the latents of a flow."""

from __future__ import annotations

import numpy as np
import pytest

import tfflows
from tests.testing_utils import randomize
from tfflows import latent, models


@pytest.fixture(scope="module")
def flow():
    flow = models.glow((4, 4, 1), num_steps=2, num_levels=2, width=4, levels=256)
    flow.initialize(pixels(64))
    randomize(flow, size=0.05)
    return flow


def pixels(number, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (number, 4, 4, 1)).astype("uint8")


def test_reconstruction_is_the_image(flow):
    x = pixels(300)  # more than one batch
    np.testing.assert_allclose(latent.reconstruct(flow, x), x, atol=0.05)
    assert tfflows.latent is latent


def test_interpolation_is_a_line_between_latents(flow):
    a, b = pixels(2)
    images = latent.interpolate(flow, a, b, [0.0, 0.25, 1.0])
    np.testing.assert_allclose(images[0], a, atol=0.05)
    np.testing.assert_allclose(images[2], b, atol=0.05)
    z_a, z_b = flow.encode(np.stack([a, b])).numpy()
    wanted = flow.decode(np.stack([0.75 * z_a + 0.25 * z_b]))
    np.testing.assert_allclose(images[1:2], wanted, atol=1e-2)
    assert latent.interpolate(flow, a, b, []).shape == (0, 4, 4, 1)


def test_what_is_no_image_or_number_is_named(flow):
    x, ones = pixels(4), np.ones(16)
    a, b = x[:2]
    for call, message in [
        (lambda: latent.encode(None, x), "a tfflows.Flow or FlowVAE, got NoneType"),
        (lambda: latent.encode(flow, a), r"shape \(number, 4, 4, 1\), got \(4, 4, 1\)"),
        (lambda: latent.interpolate(flow, a, b[..., 0], [0.5]), "images of one shape"),
        (lambda: latent.interpolate(flow, a, b, 0.5), "weights as a list of finite"),
        (lambda: latent.interpolate(flow, a, b, [np.nan]), "weights as a list of fin"),
        (
            lambda: latent.manipulate(flow, x, ones, 1.0),
            "strengths as a list of finite",
        ),
        (lambda: latent.manipulate(flow, x, ones * np.nan, [1.0]), "direction as a li"),
        (
            lambda: latent.manipulate(flow, x, ones[:3], [1.0]),
            r"shape \(16,\), got \(3",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1], (0, 1), r"label for each of the 4 examples, got shape \(2,\)"),
        ([0, 1, 1, 2], (0, 3), r"two of the classes \[0, 1, 2\], got \(0, 3\)"),
        ([0, 1, 1, 2], (1, 1), r"two of the classes \[0, 1, 2\], got \(1, 1\)"),
    ],
)
def test_a_direction_between_classes_needs_both(flow, labels, classes, message):
    with pytest.raises(ValueError, match=message):
        latent.class_direction(flow, pixels(4), labels, *classes)


def test_a_direction_is_the_difference_of_means(flow):
    x = pixels(20)
    has = np.arange(20) < 5
    direction = latent.attribute_direction(flow, x, has)
    z = flow.encode(x).numpy()
    np.testing.assert_allclose(
        direction, z[:5].mean(axis=0) - z[5:].mean(axis=0), atol=1e-5
    )
    labels = np.where(has, 7, np.arange(20) % 2)
    of_classes = latent.class_direction(flow, x, labels, from_class=1, to_class=7)
    wanted = z[:5].mean(axis=0) - z[labels == 1].mean(axis=0)
    np.testing.assert_allclose(of_classes, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (np.ones(3), "boolean for each of the 4 examples"),
        (np.arange(4), "boolean for each of the 4 examples, got int64"),
        (np.zeros(4, bool), "with and without the attribute, got 0 of 4"),
        (np.ones(4), "with and without the attribute, got 4 of 4"),
    ],
)
def test_a_direction_needs_both_kinds(flow, has, message):
    with pytest.raises(ValueError, match=message):
        latent.attribute_direction(flow, pixels(4), has)


def test_manipulation_adds_the_direction(flow):
    x, direction = pixels(3), np.linspace(-1, 1, 16).astype("float32")
    images = latent.manipulate(flow, x, direction, [0.0, 0.5])
    assert images.shape == (3, 2, 4, 4, 1)
    np.testing.assert_allclose(images[:, 0], x, atol=0.05)
    wanted = flow.decode(flow.encode(x) + 0.5 * direction)
    np.testing.assert_allclose(images[:, 1], wanted, atol=1e-2)
    by_halves = latent.manipulate(flow, x, np.arange(16), [0.5])  # of whole numbers
    wanted = flow.decode(flow.encode(x) + 0.5 * np.arange(16, dtype="float32"))
    np.testing.assert_allclose(by_halves[:, 0], wanted, atol=1e-2)
    assert latent.manipulate(flow, x[:0], direction, [1.0]).shape == (0, 1, 4, 4, 1)


def test_context_goes_to_both_ways():
    flow = models.glow(
        (4, 4, 1), num_steps=1, num_levels=1, width=4, levels=256, num_classes=3
    )
    x, labels = pixels(40), np.arange(40) % 3
    flow.initialize({"x": x, "context": labels})
    randomize(flow, size=0.05)
    back = latent.reconstruct(flow, x, labels)
    np.testing.assert_allclose(back, x, atol=0.05)
    strip = latent.manipulate(flow, x[:2], np.zeros(16), [0.0, 1.0], labels[:2])
    np.testing.assert_allclose(strip[:, 1], x[:2], atol=0.05)
    direction = latent.class_direction(flow, x, labels, 0, 1, context=labels)
    z = flow.encode(x, labels).numpy()
    wanted = z[labels == 1].mean(axis=0) - z[labels == 0].mean(axis=0)
    np.testing.assert_allclose(direction, wanted, atol=1e-5)
    line = latent.interpolate(flow, x[0], x[3], [0.0, 1.0], context=0)
    np.testing.assert_allclose(line, x[[0, 3]], atol=0.05)
