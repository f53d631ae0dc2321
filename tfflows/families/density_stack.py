"""A stack of densities for tables: a Gaussian mixture, spline flows, a Student t."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfflows.backend.arguments import check_count, check_sizes
from tfflows.backend.policy import DType
from tfflows.bijectors import Standardize
from tfflows.distributions import GaussianMixture, StandardStudentT
from tfflows.families.declare import family
from tfflows.families.nsf import nsf
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.stack import DensityStack


@family
def density_stack(
    event_shape: Sequence[int],
    *,
    num_components: int = 8,
    num_steps: Sequence[int] = (4,),
    widths: Sequence[int] = (128,),
    num_bins: Sequence[int] = (16,),
    bounds: Sequence[float] = (5.0,),
    levels: int | None = None,
    dtype: DType = None,
    name: str = "density_stack",
) -> FlowMixture:
    """What `tfflows-train --model=auto_table` chooses: several densities of a table.

    A Gaussian mixture with full covariances, autoregressive spline flows, and a Student
    t for far rows. Training leaves the first and the last as they are, unless there is
    no flow: then it trains the mixture.

    Args:
      event_shape: `(D,)`.
      num_components: Of the Gaussian mixture.
      num_steps: Autoregressive steps of each flow; empty: no flows.
      widths: Width of the two hidden layers of each flow's networks.
      num_bins: Bins of each flow's splines.
      bounds: Interval of each flow's splines, see `nsf`.
      levels: Not supported: None.

    Returns:
      The model.

    Raises:
      ValueError: For lists of different lengths, integer data, or events that are no
        vectors.
    """
    event_shape = check_sizes("event_shape", event_shape)
    check_count("num_components", num_components)
    if levels is not None or len(event_shape) != 1:
        raise ValueError(
            f"expected vectors of real numbers, got shape {event_shape} with levels "
            f"{levels}"
        )
    settings = (num_steps, widths, num_bins, bounds)
    if len({len(setting) for setting in settings}) != 1:
        raise ValueError(
            "expected num_steps, widths, num_bins and bounds of one length, got "
            f"{', '.join(str(tuple(setting)) for setting in settings)}"
        )
    size, count = math.prod(event_shape), len(num_steps)
    flows = [
        nsf(
            event_shape,
            structure="autoregressive",
            num_steps=steps,
            hidden_units=(width, width),
            num_bins=bins,
            bound=bound,
            standardize=True,
        )
        for steps, width, bins, bound in zip(*settings, strict=True)
    ]
    first = Standardize()
    mixture = GaussianMixture(
        size, num_components, covariance="full", dtype=first.flow_dtype
    )
    parts = [Flow(first, event_shape, mixture, name="gaussian_mixture"), *flows]
    far = StandardStudentT(size, dtype=first.flow_dtype)
    parts.append(Flow(Standardize(), event_shape, far, name="student_t"))
    return DensityStack(parts, name=name, fixed=(0, count + 1) if count else (1,))
