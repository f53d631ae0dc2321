"""A fitted Gaussian mixture as a flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfflows.bijectors import Standardize
from tfflows.distributions import GaussianMixture
from tfflows.models import Flow
from tfflows.models.warped import set_standardization, warped_flow
from tfflows.preprocessing import Dequantization
from tfflows.sklearn.expectation import Mixture
from tfflows.sklearn.warped.warps import Warp


def as_flow(
    mixture: Mixture,
    shift: np.ndarray,
    scale: np.ndarray,
    levels: int | None,
    dtype: str,
    warp: Warp | None = None,
) -> Flow:
    """The flow whose density is that of x = shift + scale * z, z from the mixture.

    With a warp, z is what the warp makes of x.

    Args:
      mixture: Of standardised rows.
      shift: `[D]`.
      scale: `[D]`, above 0.
      levels: Those of integer data; None: real numbers.
      dtype: Of the flow.
      warp: Of raw rows; None: none.
    """
    number, size = mixture.means.shape
    base = GaussianMixture(size, number, covariance="full", dtype=dtype)
    diagonal = np.einsum("kdd->kd", mixture.factors)
    base.means.assign(mixture.means)
    base.log_scales.assign(-np.log(diagonal))
    lower: Any = base.lower
    lower.assign(np.tril(mixture.factors / diagonal[:, :, None], -1))
    base.logits.assign(np.log(mixture.weights))
    preprocessing = [] if levels is None else [Dequantization(levels, dtype=dtype)]
    step, name = Standardize(dtype=dtype), "gaussian_mixture"
    if warp is None:
        flow = Flow(step, (size,), base, preprocessing, name=name)
        set_standardization(step, shift, scale)
        return flow
    flow = warped_flow([step], (size,), base, dtype=dtype, name=f"warped_{name}")
    set_standardization(step, shift, scale)
    warp.set_in(flow)
    return flow
