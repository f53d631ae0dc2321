"""The configurations of the flow families: the arguments of their builders."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras

import tfflows
from tfflows.zoo.config import ModelConfig


@dataclasses.dataclass(frozen=True)
class NICEConfig(ModelConfig):
    """Arguments of `tfflows.models.nice`."""

    family: ClassVar[str] = "nice"
    num_couplings: int = 4
    hidden_units: tuple[int, ...] = (1000,) * 5
    standardize: bool = False
    evaluation_draws: int = 1
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.nice(event_shape, levels=levels, **arguments)


@dataclasses.dataclass(frozen=True)
class RealNVPConfig(ModelConfig):
    """Arguments of `tfflows.models.realnvp`."""

    family: ClassVar[str] = "realnvp"
    num_couplings: int = 8
    hidden_units: tuple[int, ...] = (128, 128)
    network: Literal["mlp", "resnet"] = "mlp"
    log_scale: Literal["tanh", "sigmoid", "exp"] = "tanh"
    actnorm: bool | None = None
    standardize: bool = False
    logit_alpha: float = 0.05
    evaluation_draws: int = 1
    context_dim: int | None = None
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.realnvp(event_shape, levels=levels, **arguments)


@dataclasses.dataclass(frozen=True)
class RealNVPMultiscaleConfig(ModelConfig):
    """Arguments of `tfflows.models.realnvp_multiscale`."""

    family: ClassVar[str] = "realnvp_multiscale"
    num_levels: int = 2
    width: int = 64
    num_blocks: int = 8
    log_scale: Literal["tanh", "sigmoid", "exp"] = "tanh"
    normalization: Literal["actnorm", "batch"] = "actnorm"
    logit_alpha: float = 0.05
    base: Literal["normal", "logistic"] = "normal"
    evaluation_draws: int = 1
    backprop: Literal["stored", "remat", "reversible"] = "stored"
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.realnvp_multiscale(
            event_shape, levels=levels, **arguments
        )


@dataclasses.dataclass(frozen=True)
class GlowConfig(ModelConfig):
    """Arguments of `tfflows.models.glow`."""

    family: ClassVar[str] = "glow"
    num_steps: int = 32
    num_levels: int = 3
    width: int = 512
    coupling: Literal["affine", "additive"] = "affine"
    log_scale: Literal["tanh", "sigmoid", "exp"] = "sigmoid"
    permutation: Literal["conv", "reverse", "shuffle"] = "conv"
    split_priors: bool = True
    num_classes: int | None = None
    classifier_weight: float = 0.0
    base: Literal["normal", "logistic"] = "normal"
    logit_alpha: float | None = None
    n_bits: int | None = None
    evaluation_draws: int = 1
    backprop: Literal["stored", "remat", "reversible"] = "stored"
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.glow(event_shape, levels=levels, **arguments)


@dataclasses.dataclass(frozen=True)
class MAFConfig(ModelConfig):
    """Arguments of `tfflows.models.maf`."""

    family: ClassVar[str] = "maf"
    num_steps: int = 5
    hidden_units: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    residual: bool = False
    log_scale: Literal["tanh", "sigmoid", "exp"] = "tanh"
    normalization: Literal["batch", "actnorm", "none"] = "none"
    standardize: bool = False
    logit_alpha: float = 0.05
    evaluation_draws: int = 1
    context_dim: int | None = None
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        builder = getattr(tfflows.models, self.family)
        return builder(event_shape, levels=levels, **dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class IAFConfig(MAFConfig):
    """Arguments of `tfflows.models.iaf`, which are those of `maf`."""

    family: ClassVar[str] = "iaf"


@dataclasses.dataclass(frozen=True)
class NSFConfig(ModelConfig):
    """Arguments of `tfflows.models.nsf`."""

    family: ClassVar[str] = "nsf"
    structure: Literal["coupling", "autoregressive"] = "coupling"
    num_steps: int = 8
    hidden_units: tuple[int, ...] = (128, 128)
    network: Literal["mlp", "resnet"] = "resnet"
    num_bins: int = 8
    bound: float = 3.0
    permutation: Literal["linear", "reverse", "shuffle"] = "linear"
    actnorm: bool = False
    standardize: bool = False
    logit_alpha: float = 0.05
    evaluation_draws: int = 1
    context_dim: int | None = None
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.nsf(event_shape, levels=levels, **arguments)


@dataclasses.dataclass(frozen=True)
class GlowDenseConfig(ModelConfig):
    """Arguments of `tfflows.models.glow_dense`."""

    family: ClassVar[str] = "glow_dense"
    num_steps: int = 10
    hidden_units: tuple[int, ...] = (128, 128)
    network: Literal["mlp", "resnet"] = "mlp"
    log_scale: Literal["tanh", "sigmoid", "exp"] = "tanh"
    standardize: bool = False
    logit_alpha: float = 0.05
    evaluation_draws: int = 1
    context_dim: int | None = None
    dtype: str | None = None

    def build(self, event_shape: tuple[int, ...], levels: int | None) -> keras.Model:
        """See the base class."""
        arguments = dataclasses.asdict(self)
        return tfflows.models.glow_dense(event_shape, levels=levels, **arguments)
