"""Couplings by name: the additive and the affine law."""

from __future__ import annotations

from typing import Any

import keras

from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.laws import AdditiveLaw, AffineLaw


@keras.saving.register_keras_serializable("tfflows")
class AdditiveCoupling(Coupling):
    """`Coupling` with x_b = z_b + shift: volume is kept, the log-det is exactly 0.

      forward:          x_a = z_a,  x_b = z_b + shift(z_a)
      forward log-det:  0
      inverse:          z_a = x_a,  z_b = x_b - shift(x_a)
      inverse log-det:  0

    Source: Dinh et al., "NICE", 2014, arXiv 1410.8516, section 3.2.

    Args:
      conditioner: As in `Coupling`.
      mask: As in `Coupling`.
      **kwargs: `reverse`, `head` of `Coupling`; arguments of `FlowStep`.
    """

    def __init__(
        self, conditioner: keras.layers.Layer, mask: Any = "half", **kwargs: Any
    ) -> None:
        super().__init__(AdditiveLaw(), conditioner, mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["law"]
        return config


@keras.saving.register_keras_serializable("tfflows")
class AffineCoupling(Coupling):
    """`Coupling` with x_b = z_b * exp(log_scale) + shift.

      forward:          x_a = z_a,  x_b = z_b * exp(log_scale(z_a)) + shift(z_a)
      forward log-det:  sum log_scale(z_a)
      inverse:          z_a = x_a,  z_b = (x_b - shift(x_a)) * exp(-log_scale(x_a))
      inverse log-det:  -sum log_scale(x_a)

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    equations 7 and 8.

    Args:
      conditioner: As in `Coupling`.
      mask: As in `Coupling`.
      log_scale: "tanh", "sigmoid" or "exp", see `AffineLaw`.
      bound: Largest absolute log_scale of "tanh".
      **kwargs: `reverse`, `head` of `Coupling`; arguments of `FlowStep`.
    """

    def __init__(
        self,
        conditioner: keras.layers.Layer,
        mask: Any = "half",
        *,
        log_scale: str = "tanh",
        bound: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(AffineLaw(log_scale, bound), conditioner, mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        law = config.pop("law")
        return {**config, **law["config"]}
