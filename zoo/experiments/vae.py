"""VAEs with and without flows, on binarised images."""

from __future__ import annotations

import dataclasses
import functools

from tfflows.zoo.config import DataConfig, ExperimentConfig, TrainerConfig
from tfflows.zoo.registry import register
from tfflows.zoo.vae_config import (
    Basis,
    FlowPriorVAEConfig,
    IAFVAEConfig,
    PlanarVAEConfig,
    RealNVPVAEConfig,
    SylvesterVAEConfig,
    VAEConfig,
)

_SYLVESTER: dict[str, Basis] = {
    "o": "orthogonal",
    "h": "householder",
    "t": "triangular",
}
_MODELS: dict[str, tuple[VAEConfig, str]] = {
    "vae": (VAEConfig(), "Gaussian posterior and prior"),
    "planar_vae": (PlanarVAEConfig(), "16 amortised planar steps as posterior"),
    "realnvp_vae": (RealNVPVAEConfig(), "4 conditional couplings as posterior"),
    "iaf_vae": (IAFVAEConfig(), "4 inverse autoregressive steps as posterior"),
    "flowprior_vae": (FlowPriorVAEConfig(), "6 couplings as prior"),
    **{
        f"sylvester_vae_{letter}": (
            SylvesterVAEConfig(basis=basis),
            f"4 amortised Sylvester steps ({basis}) as posterior",
        )
        for letter, basis in _SYLVESTER.items()
    },
}
# Name of the data, what is loaded, event shape, epochs, what is said of it.
_DATA = {
    "digits": ("binarized:digits", (8, 8, 1), 200, "digits, drawn in each epoch"),
    "static_digits": ("static_binarized:digits", (8, 8, 1), 200, "digits, drawn once"),
    "mnist": ("binarized:mnist", (28, 28, 1), 100, "MNIST, drawn in each epoch"),
    "static_mnist": ("static_binarized:mnist", (28, 28, 1), 100, "MNIST, drawn once"),
}
# Negative ELBO on static MNIST in nats: van den Berg et al. 2018, arXiv 1803.05649,
# table 1 (gated convolutions, 64 latents, 16 flows, another draw of the pixels).
_REFERENCE = {
    "vae": 86.55,
    "planar_vae": 86.06,
    "iaf_vae": 84.20,
    "sylvester_vae_o": 83.32,
}
# Trainable parameters on digits and on MNIST.
_PARAMETERS = {
    "vae": (55_904, 681_248),
    "planar_vae": (124_016, 994_288),
    "realnvp_vae": (134_304, 860_064),
    "iaf_vae": (282_592, 1_189_664),
    "flowprior_vae": (75_200, 719_072),
    "sylvester_vae_o": (344_864, 1_663_712),
    "sylvester_vae_h": (278_816, 2_337_952),
    "sylvester_vae_t": (212_768, 2_029_728),
}


def _experiment(model: str, data: str) -> ExperimentConfig:
    config, flows = _MODELS[model]
    source, event_shape, epochs, images = _DATA[data]
    if event_shape == (8, 8, 1):
        config = dataclasses.replace(config, latent_dim=16, hidden_units=(128, 128))
    reference = {"nll": _REFERENCE[model]} if model in _REFERENCE else {}
    return ExperimentConfig(
        name=f"{model}_{data}",
        model=config,
        data=DataConfig(name=source, event_shape=event_shape, levels=2),
        trainer=TrainerConfig(
            epochs=epochs, batch_size=128, learning_rate=1e-3, clip_norm=100.0
        ),
        description=f"VAE, {flows}; black and white {images}",
        reference=reference if data == "static_mnist" else {},
    )


for _model, _sizes in _PARAMETERS.items():
    for _data in _DATA:
        register(f"{_model}_{_data}", parameters=_sizes["mnist" in _data])(
            functools.partial(_experiment, _model, _data)
        )
