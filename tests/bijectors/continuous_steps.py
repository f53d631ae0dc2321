"""Continuous flows, for the contract's table: exact to rounding by many steps."""

from __future__ import annotations

from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def _continuous(**kwargs):
    def make(dtype):
        network = networks.MLP((4,), activation="tanh", dtype=dtype)
        return fb.ContinuousFlow(network, num_steps=48, dtype=dtype, **kwargs)

    return make


_ESTIMATE = {"log_det_is_autodiffs": "the log-det is Hutchinson's estimate"}
# A trace of a solver and its derivatives takes seconds. What stays is its mathematics,
# and the mode that differs most from eager mode.
_LONG = (
    "checkpoint",
    "functional_call",
    "keras_file_round_trip",
    "mixed_precision",
    "nothing_is_memoised",
    "transformed_distribution",
    "extras",
    "in_a_saved_model_and_hmc",
    "in_containers",
    "in_joint_distributions",
    "in_a_dataset",
    "in_graph",
    "in_vectorized_map",
)
_ALL = (
    "round_trips",
    "log_dets_cancel",
    "finite_at_extremes",
    "gradients_reach_every_weight",
    "leading_axes",
    "stock_bijectors_accept_it",
    "in_xla",
)

CONTINUOUS_STEPS: dict[str, StepCase] = {
    "continuous": StepCase(_continuous(), (2,), large=_LONG),
    "continuous_hutchinson": StepCase(
        _continuous(divergence="hutchinson", num_probes=2),
        (3,),
        except_for=_ESTIMATE,
        large=(*_LONG, *_ALL),
    ),
}
