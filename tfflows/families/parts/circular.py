"""Steps for events of which some elements are angles: orders and masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfflows.backend.angles import check_circular, circular_flags
from tfflows.backend.arguments import check_sizes
from tfflows.bijectors import FlowStep, Permute
from tfflows.families.parts.stacking import repeated

# The flags of a step's elements, its mask, and whether the mask is reversed.
MakeStep = Callable[[list[bool], Any, bool], FlowStep]


def angles_of(
    circular: Sequence[bool] | None, event_shape: Sequence[int], name: str
) -> np.ndarray | None:
    """Returns which elements of a flattened event are angles `[D]`; None if none is.

    Raises:
      ValueError: If they are no flags, or of another number than elements.
    """
    if circular is None:
        return None
    size = math.prod(check_sizes("event_shape", event_shape))
    flags = circular_flags(check_circular(circular, least=0), size, name)
    return flags if flags.any() else None


def only_real(advice: str = "", **arguments: Any) -> None:
    """Checks that arguments for real numbers are not used for angles.

    Args:
      advice: What to do instead.
      **arguments: Their values, by name.

    Raises:
      ValueError: If one is neither None nor False.
    """
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ValueError(
                f"expected no {name} together with circular, got {name}={value!r}: "
                f"angles lie in [-pi, pi) as they are{advice}"
            )


def masked_steps(
    make: MakeStep, flags: np.ndarray, number: int, *, stacked: bool
) -> list[FlowStep]:
    """Returns couplings in the data's order, whose masks differ.

    Each pair of elements is separated by a mask. A matrix would tear angles apart at
    the seam, and so would any other mixing than a change of order.

    Source of the masks: Gao, Isaacson and Krause, "i-flow", 2020, arXiv 2001.05486,
    section 3.

    Args:
      make: Makes a step.
      flags: Which elements are angles, boolean `[D]`.
      number: Number of steps.
      stacked: Whether periods of equal masks are one `Repeated`.
    """
    size = len(flags)
    index = np.arange(size)
    bits = max(math.ceil(math.log2(size)), 1)
    between = [(index >> bit & 1).tolist() for bit in range(1, bits - 1)]
    masks = ["half", *between, "alternating"] if bits > 1 else ["half"]

    def part(k: int) -> list[FlowStep]:
        return [make(flags.tolist(), masks[k // 2 % len(masks)], k % 2 == 1)]

    return repeated(part, number, period=2 * len(masks), stacked=stacked)


def permuted_steps(
    make: MakeStep,
    mixing: Callable[[int], Permute],
    flags: np.ndarray,
    number: int,
    *,
    stacked: bool,
) -> tuple[list[FlowStep], np.ndarray]:
    """Returns steps between permutations, and the flags on the latent side.

    Args:
      make: Makes a step.
      mixing: Makes the permutation before step k; after two, the order must be the
        first again if `stacked`.
      flags: Which elements are angles, boolean `[D]`, on the data side.
      number: Number of steps.
      stacked: Whether pairs of steps are one `Repeated`.
    """
    orders = [flags]  # of each step's elements
    for k in range(number + 1):
        permute = mixing(k)
        permute.build((None, len(flags)))
        orders.append(orders[-1][np.argsort(permute._indices)])

    def part(k: int) -> list[FlowStep]:
        return [mixing(k), make(orders[k + 1].tolist(), "half", False)]

    steps = repeated(part, number, period=2, stacked=stacked)
    return [*steps, mixing(number)], orders[number + 1]
