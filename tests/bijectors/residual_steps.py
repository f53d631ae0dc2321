"""Residual steps, for the contract's table."""

from __future__ import annotations

from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def _mlp(log_det="exact", step=None, **kwargs):
    def make(dtype):
        network = networks.LipschitzMLP((4,), dtype=dtype, **kwargs)
        return fb.Residual(network, log_det, dtype=dtype, **(step or {}))

    return make


def _conv(dtype):
    network = networks.LipschitzConvNet(3, "elu", dtype=dtype)
    return fb.Residual(network, "series", num_probes=2, dtype=dtype)


# The bound of the estimate's error is checked in test_residual.py.
_ESTIMATE = {"log_det_is_autodiffs": "the log-det is Hutchinson's estimate"}
# Passes of iterations take long. What stays is their mathematics, a file, and the mode
# that differs most from eager mode.
_LONG = (
    "checkpoint",
    "extras",
    "finite_at_extremes",
    "in_a_dataset",
    "in_a_saved_model_and_hmc",
    "in_containers",
    "in_graph",
    "in_vectorized_map",
    "leading_axes",
    "mixed_precision",
    "nothing_is_memoised",
    "stock_bijectors_accept_it",
    "transformed_distribution",
)
_ALL = ("keras_model", "in_xla")

RESIDUAL_STEPS: dict[str, StepCase] = {
    "residual": StepCase(_mlp(), (3,), large=_LONG),
    "residual_inf": StepCase(
        _mlp(norm="inf", activation="tanh"),
        (2,),
        large=(*_LONG, *_ALL, "round_trips", "gradients_reach_every_weight"),
    ),
    "residual_series": StepCase(
        _mlp("series", {"num_terms": 8}, lipschitz=0.5),
        (3,),
        except_for=_ESTIMATE,
        large=(*_LONG, *_ALL),
    ),
    "residual_conv": StepCase(
        _conv,
        (3, 2, 2),
        except_for=_ESTIMATE,
        large=(*_LONG, *_ALL, "round_trips"),
    ),
}
