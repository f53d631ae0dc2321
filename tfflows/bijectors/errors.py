"""Errors that say what to do."""

from __future__ import annotations

from typing import Any


class InverseNotAvailable(NotImplementedError):  # noqa: N818 - the field's name for it
    """Raised by a step that cannot map data to latents."""

    # It has no constructor, because TensorFlow raises errors of traced functions again
    # as type(error)(message).
    @classmethod
    def of(cls, step: Any) -> InverseNotAvailable:
        """Returns the error for a step without an inverse."""
        return cls(
            f"{step.name} ({type(step).__name__}) maps from latent to data only. Use "
            "sample_and_log_prob, or fit it by reverse KL or as a VAE's posterior; to "
            "fit data directly, wrap it in Invert, so that this direction runs on data."
        )
