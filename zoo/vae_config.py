"""Configurations of the VAE families."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import keras

import tfflows
from tfflows.zoo.config import ModelConfig
from tfflows.zoo.errors import ConfigError

Basis = Literal["orthogonal", "householder", "triangular"]


@dataclasses.dataclass(frozen=True)
class VAEConfig(ModelConfig):
    """Arguments of `tfflows.models.vae`, without flows."""

    family: ClassVar[str] = "vae"
    latent_dim: int = 32
    network: Literal["dense", "gated_conv"] = "dense"
    hidden_units: tuple[int, ...] = (300, 300)
    warmup_steps: int = 0
    free_nats: float = 0.0
    evaluation_samples: int = 0
    dtype: str | None = None

    def _arguments(self) -> dict[str, Any]:
        """The fields, and what the family fixes, as arguments."""
        return dataclasses.asdict(self)

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        return tfflows.models.vae(
            event_shape, levels=levels, name=self.family, **self._arguments()
        )


@dataclasses.dataclass(frozen=True)
class PlanarVAEConfig(VAEConfig):
    """A VAE whose posterior is a planar flow."""

    family: ClassVar[str] = "planar_vae"
    num_flows: int = 16

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "posterior": "planar"}


@dataclasses.dataclass(frozen=True)
class SylvesterVAEConfig(VAEConfig):
    """A VAE whose posterior is a Sylvester flow.

    Attributes:
      basis: What the matrix Q of each step is.
    """

    family: ClassVar[str] = "sylvester_vae"
    basis: Basis = "orthogonal"
    num_flows: int = 4
    num_columns: int = 16
    num_reflections: int = 8

    def _arguments(self) -> dict[str, Any]:
        arguments = super()._arguments()
        basis = arguments.pop("basis")
        self._check_used("num_columns", "orthogonal")
        self._check_used("num_reflections", "householder")
        return {**arguments, "posterior": f"sylvester_{basis}"}

    def _check_used(self, name: str, basis: str) -> None:
        default = {field.name: field.default for field in dataclasses.fields(self)}
        value = getattr(self, name)
        if self.basis != basis and value != default[name]:
            raise ConfigError(
                f"expected model.{name} with model.basis={basis} only, where it has an "
                f"effect, got {value} with model.basis={self.basis}"
            )


@dataclasses.dataclass(frozen=True)
class RealNVPVAEConfig(VAEConfig):
    """A VAE whose posterior is a chain of affine couplings."""

    family: ClassVar[str] = "realnvp_vae"
    num_flows: int = 4
    flow_units: tuple[int, ...] = (128,)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "posterior": "realnvp"}


@dataclasses.dataclass(frozen=True)
class IAFVAEConfig(VAEConfig):
    """A VAE whose posterior is an inverse autoregressive flow."""

    family: ClassVar[str] = "iaf_vae"
    num_flows: int = 4
    flow_units: tuple[int, ...] = (320,)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "posterior": "iaf"}


@dataclasses.dataclass(frozen=True)
class FlowPriorVAEConfig(VAEConfig):
    """A VAE with a Gaussian posterior and a prior of affine couplings."""

    family: ClassVar[str] = "flowprior_vae"
    num_prior_couplings: int = 6
    flow_units: tuple[int, ...] = (128,)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "prior": "realnvp"}
