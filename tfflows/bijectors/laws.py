"""Coupling laws: the element-wise map tau(x, c) that a coupling applies."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_number, check_unused, check_word


class CouplingLaw:
    """An invertible element-wise map with parameters from a conditioner.

    A law receives the part that changes, `[B, ..., n]`, and its parameters,
    `[B, ..., num_params * n]`: block p of n holds parameter p of each element. Zero
    parameters give the identity with log-det 0. A coupling starts there, and uses it
    for masked elements.

    Subclasses set `num_params`, implement `forward` and `inverse`, and, to be saved,
    register with `keras.saving` and extend `get_config`.

    Both methods of a law with many parameters may accept `axis=-1`. Couplings of
    vectors then pass axis=0, with elements along the first axis: the part `[n, B]` and
    parameters `[num_params * n, B]`, in which block p of n rows holds parameter p in
    contiguous memory.
    """

    num_params: int

    def forward(self, z: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x `[B, ..., n]` and ln dx/dz of each element, same shape, in nats."""
        raise NotImplementedError

    def inverse(self, x: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z `[B, ..., n]` and ln dz/dx of each element, same shape, in nats."""
        raise NotImplementedError

    def of_element(self, i: tf.Tensor) -> CouplingLaw:
        """Returns the law of element i alone, if it is another for each element."""
        return self

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CouplingLaw:
        """Returns a law with the same config."""
        return cls(**config)


@keras.saving.register_keras_serializable("tfflows")
class AdditiveLaw(CouplingLaw):
    """x = z + shift; its log-det is exactly 0.

    Source: Dinh et al., "NICE", 2014, arXiv 1410.8516, section 3.2.
    """

    num_params = 1

    def forward(self, z: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z + shift, 0."""
        return z + params, tf.zeros_like(z)

    def inverse(self, x: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x - shift, 0."""
        return x - params, tf.zeros_like(x)


@keras.saving.register_keras_serializable("tfflows")
class AffineLaw(CouplingLaw):
    """x = z * exp(log_scale) + shift.

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    equations 7 and 8.

    Args:
      log_scale: How the conditioner's output h becomes the log of the scale:
        "tanh": bound * tanh(h / bound), so that no step can blow up (the default);
        "sigmoid": ln(sigmoid(h + 2) / sigmoid(2)), Glow's, at most 0.127;
        "exp": h itself.
      bound: Largest absolute log_scale of "tanh".

    Raises:
      ValueError: If log_scale is unknown or bound is not positive.
    """

    num_params = 2

    def __init__(self, log_scale: str = "tanh", bound: float = 2.0) -> None:
        self.log_scale = check_word("log_scale", log_scale, ("tanh", "sigmoid", "exp"))
        self.bound = check_number("bound", bound, above=0.0)
        if log_scale != "tanh":
            check_unused("bound", bound, [2.0], "log_scale='tanh'")

    def _split(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shift, h = tf.split(params, 2, axis=-1)
        if self.log_scale == "tanh":
            h = self.bound * tf.tanh(h / self.bound)
        elif self.log_scale == "sigmoid":
            # The same op in both terms gives exactly 0 at the start.
            at_start = tf.math.log_sigmoid(tf.constant(2.0, h.dtype))
            h = tf.math.log_sigmoid(h + 2.0) - at_start
        return shift, h

    def forward(self, z: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z * exp(log_scale) + shift, log_scale."""
        shift, log_scale = self._split(params)
        return z * tf.exp(log_scale) + shift, log_scale

    def inverse(self, x: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (x - shift) * exp(-log_scale), -log_scale."""
        shift, log_scale = self._split(params)
        return (x - shift) * tf.exp(-log_scale), -log_scale

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"log_scale": self.log_scale, "bound": self.bound}


# Splines from columns take 0.78 of the CPU time of a density and 0.98 of a training
# step's: `benchmarks/special_cases.py columns_density columns`.
def takes_columns(law: CouplingLaw) -> bool:
    """Returns whether both methods of the law take `axis`; see `CouplingLaw`."""
    methods = (law.forward, law.inverse)
    return all("axis" in inspect.signature(each).parameters for each in methods)


_LAWS = {"additive": AdditiveLaw, "affine": AffineLaw}


def as_law(law: CouplingLaw | str) -> CouplingLaw:
    """Returns a law, given itself or its name.

    Raises:
      ValueError: For an unknown name or another object.
    """
    if isinstance(law, CouplingLaw):
        return law
    if isinstance(law, str) and law in _LAWS:
        return _LAWS[law]()
    raise ValueError(f"expected a CouplingLaw or one of {tuple(_LAWS)}, got {law!r}")
