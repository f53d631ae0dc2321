"""The contract inside stock TFP: every step, in every way that TensorFlow runs it."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tests import tfp_checks
from tests.bijectors.step_table import ONE_PER_CLASS, STEPS
from tests.tfp_checks import all_values, assert_alike, densities, values

AUTO_BATCHED = "coroutine_auto_batched"
TRACED = ("joint_sequential", "joint_named", AUTO_BATCHED)
OTHERS = [name for name in tfp_checks.CONTAINERS if name not in TRACED]
NO_INVERSE = "the step has no inverse, and so no log_prob"
NO_XLA = "the step says that XLA cannot compile it"


def in_graph(step, x, folder):
    wanted = values(step, x)
    assert wanted["sample"].shape == (2, 3, *step.data_event_shape)
    assert_alike(tfp_checks.in_graph(values, step, x), wanted)


def in_xla(step, x, folder):
    assert_alike(tfp_checks.in_xla(densities, step, x), densities(step, x))


def in_vectorized_map(step, x, folder):
    wanted = densities(step, x)
    assert_alike(tfp_checks.vectorized(densities, step, x), wanted, 1e-7)


def all_in_graph(step, x, folder):
    assert_alike(tfp_checks.in_graph(all_values, step, x), all_values(step, x))


def all_in_xla(step, x, folder):
    assert_alike(tfp_checks.in_xla(all_values, step, x), all_values(step, x))


def all_in_vectorized_map(step, x, folder):
    wanted = tfp_checks.as_vectorized(all_values(step, x), len(x))
    assert_alike(tfp_checks.vectorized(all_values, step, x), wanted, 1e-7)


def in_containers(step, x, folder):
    assert_alike(*tfp_checks.in_containers(step, x, OTHERS))


def in_joint_distributions(step, x, folder):
    assert_alike(*tfp_checks.in_containers(step, x, TRACED[:2]))


def in_an_auto_batched_container(step, x, folder):
    assert_alike(*tfp_checks.in_containers(step, x, [AUTO_BATCHED]))


def samples_of_containers(step, x, folder):
    tfp_checks.check_samples_of_containers(step, x)


def in_containers_of_a_graph(step, x, folder):
    assert_alike(*tf.function(lambda x: tfp_checks.in_containers(step, x))(x))


def in_a_dataset(step, x, folder):
    tfp_checks.check_dataset(step, x)


def in_hmc(step, x, folder):
    tfp_checks.check_hmc(step, x)


def in_a_saved_model_and_hmc(step, x, folder):
    tfp_checks.check_saved_model(step, x, folder)


def extras(step, x, folder):
    tfp_checks.check_extras(step, x)


# A way: the rows on which the quick suite tries it; the others are `large`. What takes
# longest goes by others there: auto-batched containers by `tf.vectorized_map`, which
# they call, and datasets, which too map rows by a graph; joint distributions, which
# trace a draw of each part, by the sums that they are; containers and HMC of a graph by
# these of compiled log-densities. A SavedModel holds what a graph holds, and HMC takes
# gradients: on the rows whose graphs and gradients differ in kind.
SOME = ("flatten", "repeated", "tfp_softplus")
KINDS = ("actnorm", "affine_tanh", "maf", "repeated", "tfp_step", "recomputed_chain")
# Laws in loops, networks of images, contexts: graphs of other kinds than their class.
GRAPHS = (*ONE_PER_CLASS, "maf_mixture", "maf_spline", "mixture_attention")
GRAPHS += ("image_checkerboard", "coupling_conv_resnet", "chain_changes_shape")
GRAPHS += ("planar_repeated_amortized", "sylvester_triangular_amortized")
GRAPHS += ("tfp_softplus", "transformer_reversed")
WAYS = {
    in_graph: GRAPHS,
    in_xla: ONE_PER_CLASS,
    in_vectorized_map: ONE_PER_CLASS,
    all_in_graph: (),
    all_in_xla: (),
    all_in_vectorized_map: (),
    in_containers: ONE_PER_CLASS,
    in_joint_distributions: KINDS,
    in_an_auto_batched_container: SOME,
    samples_of_containers: ("affine_tanh",),
    in_containers_of_a_graph: ("scale",),
    in_a_dataset: KINDS,
    in_hmc: ("affine_tanh",),
    in_a_saved_model_and_hmc: KINDS,
    extras: ONE_PER_CLASS,
}
RUN_FORWARD = (in_graph, all_in_graph, in_xla, all_in_xla)
RUN_FORWARD += (in_vectorized_map, all_in_vectorized_map)


def exception(way, case, step):
    """Why this cannot hold, or None."""
    if way in (in_xla, all_in_xla) and not step.supports_jit:
        return NO_XLA
    if way not in RUN_FORWARD and not step.has_inverse:
        return NO_INVERSE
    return case.except_for.get(way.__name__)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, marks=() if is_quick else pytest.mark.large)
        for name, case in STEPS.items()
        for way, quick in WAYS.items()
        for is_quick in [name in quick and way.__name__ not in case.large]
    ],
)
def test_step_in_tfp(name, way, tmp_path):
    case = STEPS[name]
    step = case.shared()
    reason = exception(way, case, step)
    if reason:
        pytest.skip(reason)
    way(step, tf.constant(case.values(4)), tmp_path / "folder")


def test_one_row_per_class_is_one_row_per_class():
    classes = {name: type(STEPS[name].shared()) for name in STEPS}
    assert {classes[name] for name in ONE_PER_CLASS} == set(classes.values())
