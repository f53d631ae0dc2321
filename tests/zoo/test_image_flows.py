"""The registered image flows, and the binary that explores them."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.test_cli import error_line, run
from tfflows import zoo
from tfflows.export import main as export_main
from tfflows.zoo import evaluate, explore, sample, train
from tfflows.zoo.running.contexts import context_of_samples

IMAGE_FLOWS = [
    name
    for name in zoo.list_models()
    if zoo.describe(name).family in ("glow", "realnvp_multiscale")
]
TINY = [
    "--model=glow_digits",
    "--set=model.num_levels=1",
    "--set=model.num_steps=1",
    "--set=model.width=4",
    "--set=trainer.epochs=1",
    "--set=trainer.batch_size=256",
    "--set=trainer.warmup_steps=0",
    "--set=trainer.precision=mixed_bfloat16",
]


def test_the_issues_data_sets_have_both_families():
    for data in ("mnist", "cifar10", "celeba64", "imagenet32", "imagenet64"):
        assert {f"glow_{data}", f"realnvp_{data}"} <= set(IMAGE_FLOWS)
    assert {"glow_digits", "realnvp_digits_multiscale"} <= set(IMAGE_FLOWS)
    assert zoo.describe("glow_cifar10").parameters == 44_052_720
    hq = zoo.get_config("glow_celebahq256")
    assert (hq.model.n_bits, hq.model.coupling) == (5, "additive")


def test_spline_flows_have_the_size_of_the_authors_and_small_ones_that_of_glow():
    published = {"cifar10": 11.8, "cifar10_5bit": 5.3, "imagenet64": 15.6}
    for data, millions in published.items():
        found = zoo.describe(f"nsf_multiscale_{data}").parameters / 1e6
        assert found == pytest.approx(millions, rel=0.006)
    for data in ("digits", "mnist_small", "cifar10_small"):
        one, other = (
            zoo.describe(f"{family}_{data}") for family in ("glow", "nsf_multiscale")
        )
        assert one.parameters == pytest.approx(other.parameters, rel=0.05)


def test_realnvps_say_what_normalises_them():
    for name in IMAGE_FLOWS:
        info = zoo.describe(name)
        said = "batch normalization" in info.description
        assert said == (info.family == "realnvp_multiscale")
    assert "ActNorm in place" in zoo.describe("realnvp_mnist_small").description
    assert "; batch norm" in zoo.describe("realnvp_cifar10").description


@pytest.mark.large
def test_each_level_of_glow_cifar10_has_the_papers_parameters():
    flow = zoo.create("glow_cifar10")
    for level, one in zip(
        flow.bijector.levels, (347_328, 430_752, 598_464), strict=True
    ):
        assert sum(math.prod(w.shape) for w in level.trainable_weights) == 32 * one


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / "glow"
    assert run(train, *TINY, f"--model_dir={folder}") == 0
    return folder


def test_a_run_writes_sample_grids_and_its_model_computes_in_float32(trained, capsys):
    pytest.importorskip("tensorboard", reason="writes the logs")
    assert list(trained.glob("logs/samples/events*"))
    model = zoo.load(trained)
    assert model.bijector.levels[0].compute_dtype == "float32"
    assert run(evaluate, f"--model_dir={trained}") == 0
    assert '"bits_per_dim"' in capsys.readouterr().out.splitlines()[-1]


def test_a_class_conditional_model_through_the_binaries(tmp_path, capsys):
    folder = tmp_path / "run"
    model = "--model=glow_digits_classes"
    assert run(train, *TINY[1:], model, f"--model_dir={folder}") == 0
    assert list(folder.glob("logs/samples/events*"))
    assert run(evaluate, f"--model_dir={folder}") == 0
    assert '"bits_per_dim"' in capsys.readouterr().out.splitlines()[-1]

    drawn = {}
    for name, context in {"turn": [], "of_3": ["--context=3"]}.items():
        output = tmp_path / f"{name}.npz"
        arguments = ["--num_samples=11", f"--output={output}", *context]
        assert run(sample, f"--model_dir={folder}", *arguments) == 0
        drawn[name] = np.load(output)["x"]
    flow = zoo.load(folder)
    np.testing.assert_allclose(drawn["of_3"], flow.sample(11, seed=0, context=3))
    labels = np.arange(11) % 10
    np.testing.assert_allclose(drawn["turn"], flow.sample(11, seed=0, context=labels))

    capsys.readouterr()
    exported = tmp_path / "export"
    arguments = [f"--model_dir={folder}", f"--export_dir={exported}"]
    assert run(export_main, *arguments, "--noverify") == 0
    signatures = tf.saved_model.load(str(exported / "1")).signatures
    x, labels = np.zeros((2, 8, 8, 1), "uint8"), np.int32([4, 7])
    log_prob = signatures["log_prob"](x=tf.constant(x), context=tf.constant(labels))
    np.testing.assert_allclose(
        log_prob["log_prob"], flow.log_prob(x, labels), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("model", "context", "message"),
    [
        ("realnvp_digits", "3", "expected no --context for realnvp_digits, got 3"),
        ("realnvp_digits", "a,b", "expected no --context for realnvp_digits, got a,b"),
    ],
)
def test_a_context_that_does_not_fit(model, context, message, capsys):
    assert run(sample, f"--model={model}", f"--context={context}") == 2
    assert message in error_line(capsys)


def test_a_context_is_one_label():
    config = zoo.get_config("glow_digits_classes")
    flow = zoo.create("glow_digits_classes", num_steps=1, width=4)
    for texts in (["3", "4"], ["0.5"], ["x"]):
        with pytest.raises(zoo.ConfigError, match=r"a number of int32 .*, got "):
            context_of_samples(flow, config, texts, 5)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (["--show=interpolation", "--num_steps=3"], (2, 3)),
        (["--show=attribute", "--from_class=3", "--to_class=8"], (2, 5)),
        (["--show=reconstruction"], (2, 2)),
    ],
)
def test_explore_writes_strips(trained, tmp_path, capsys, arguments, shape):
    output = tmp_path / "strips.png"
    arguments = [f"--model_dir={trained}", f"--output={output}", *arguments]
    assert run(explore, *arguments, "--num_images=2") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(output)
    image = keras.utils.img_to_array(keras.utils.load_img(output))
    rows, columns = shape
    assert image.shape[0] * columns == image.shape[1] * rows  # of square images
    if "--show=reconstruction" in arguments:
        left, right = np.split(image, 2, axis=1)
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--show=attribute", "--to_class=11"], "got 11; there are 0, 1, 2"),
        (["--show=attribute", "--strengths=0,x"], "--strengths as numbers, got 0,x"),
        (["--output=x.jpg"], "ends in .png, got x.jpg"),
    ],
)
def test_explore_refuses(trained, capsys, arguments, message):
    assert run(explore, f"--model_dir={trained}", *arguments) in (1, 2)
    assert message in error_line(capsys)


def test_explore_wants_images(capsys):
    assert run(explore, "--model=realnvp_eight_gaussians") == 2
    assert "expected a flow or VAE of images to explore, got" in error_line(capsys)
