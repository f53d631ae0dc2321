"""Errors that name the way out."""

from __future__ import annotations

from typing import Any


class InverseNotAvailable(NotImplementedError):  # noqa: N818 - the field's name for it
    """Raised by a step that has no map from data to latent.

    Args:
      step: The step that was asked.
    """

    def __init__(self, step: Any) -> None:
        super().__init__(
            f"{step.name} ({type(step).__name__}) maps from latent to data only. Use "
            "sample_and_log_prob, or fit it by reverse KL or as a VAE's posterior; to "
            "fit data directly, wrap it in Invert, so that this direction runs on data."
        )
