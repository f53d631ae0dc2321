"""Errors that name the way out."""

from __future__ import annotations

from typing import Any


class InverseNotAvailable(NotImplementedError):  # noqa: N818 - the field's name for it
    """Raised by a step that has no map from data to latent."""

    # No constructor of its own: TensorFlow raises errors of a traced function again,
    # as type(error)(message).
    @classmethod
    def of(cls, step: Any) -> InverseNotAvailable:
        """The error of a step that was asked for its inverse."""
        return cls(
            f"{step.name} ({type(step).__name__}) maps from latent to data only. Use "
            "sample_and_log_prob, or fit it by reverse KL or as a VAE's posterior; to "
            "fit data directly, wrap it in Invert, so that this direction runs on data."
        )
