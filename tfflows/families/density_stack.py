"""A stack of densities for tables: a Gaussian mixture, spline flows, a Student t."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfflows.backend.arguments import check_count, check_flag, check_sizes
from tfflows.backend.policy import DType
from tfflows.bijectors import Standardize
from tfflows.distributions import GaussianMixture, StandardStudentT
from tfflows.families.declare import family
from tfflows.families.nsf import nsf
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.stack import DensityStack
from tfflows.models.warped import warped_flow

# The name of a mixture's flow; that of warped columns has another word before.
MIXTURE = "gaussian_mixture"


@family
def density_stack(
    event_shape: Sequence[int],
    *,
    num_components: int = 8,
    num_steps: Sequence[int] = (4,),
    widths: Sequence[int] = (128,),
    num_bins: Sequence[int] = (16,),
    bounds: Sequence[float] = (5.0,),
    num_warped_components: int = 0,
    warped: bool = False,
    levels: int | None = None,
    dtype: DType = None,
    name: str = "density_stack",
) -> FlowMixture:
    """What `tfflows-train --model=auto_table` chooses: several densities of a table.

    Gaussian mixtures with full covariances, of the columns and of warped columns,
    autoregressive spline flows, and a Student t for far rows. Training leaves all but
    the flows as they are, unless there is no flow: then it trains the mixtures.

    Args:
      event_shape: `(D,)`.
      num_components: Of the Gaussian mixture of the columns; 0: none.
      num_steps: Autoregressive steps of each flow; empty: no flows.
      widths: Width of the two hidden layers of each flow's networks.
      num_bins: Bins of each flow's splines.
      bounds: Interval of each flow's splines, see `nsf`.
      num_warped_components: Of the Gaussian mixture of columns that curves bring near
        normals; 0: none.
      warped: Whether the flows are of warped columns, too.
      levels: Not supported: None.

    Returns:
      The model.

    Raises:
      ValueError: For lists of different lengths, integer data, or events that are no
        vectors.
    """
    event_shape = check_sizes("event_shape", event_shape)
    check_count("num_components", num_components, least=0)
    least = 0 if num_components else 1
    check_count("num_warped_components", num_warped_components, least=least)
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
            standardize=not warped,
        )
        for steps, width, bins, bound in zip(*settings, strict=True)
    ]
    first = Standardize()
    own = first.flow_dtype.name
    if check_flag("warped", warped):
        flows = [
            warped_flow([flow.bijector], event_shape, dtype=own, name="warped_nsf")
            for flow in flows
        ]
    parts: list[Flow] = []
    if num_components:
        base = _mixture(size, num_components, own)
        parts.append(Flow(first, event_shape, base, name=MIXTURE))
    if num_warped_components:
        base = _mixture(size, num_warped_components, own)
        parts.append(
            warped_flow(
                *([Standardize()], event_shape, base),
                dtype=own,
                name=f"warped_{MIXTURE}",
            )
        )
    mixtures = len(parts)
    parts += flows
    far = StandardStudentT(size, dtype=own)
    parts.append(Flow(Standardize(), event_shape, far, name="student_t"))
    fixed = (*range(mixtures), len(parts) - 1) if count else (len(parts) - 1,)
    return DensityStack(parts, name=name, fixed=fixed)


def _mixture(size: int, number: int, dtype: str) -> GaussianMixture:
    return GaussianMixture(size, number, covariance="full", dtype=dtype)
