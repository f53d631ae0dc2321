"""VAEs with and without flows, on binarised images."""

from __future__ import annotations

from typing import Any

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.registry import add

_SYLVESTER = {"o": "orthogonal", "h": "householder", "t": "triangular"}
# For each name: the family with its arguments, and the description.
_MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "vae": ({"family": "vae"}, "Gaussian posterior and prior"),
    "planar_vae": ({"family": "planar_vae"}, "16 amortised planar steps as posterior"),
    "realnvp_vae": (
        {"family": "realnvp_vae"},
        "4 conditional couplings as posterior",
    ),
    "iaf_vae": ({"family": "iaf_vae"}, "4 inverse autoregressive steps as posterior"),
    "flowprior_vae": ({"family": "flowprior_vae"}, "6 couplings as prior"),
    **{
        f"sylvester_vae_{letter}": (
            {"family": "sylvester_vae", "basis": basis},
            f"4 amortised Sylvester steps ({basis}) as posterior",
        )
        for letter, basis in _SYLVESTER.items()
    },
}
_SMALL = {"latent_dim": 16, "hidden_units": (128, 128)}
# For each data set: source, event shape, epochs, arguments, and the description.
_DATA: dict[str, tuple[str, tuple[int, ...], int, dict[str, Any], str]] = {
    "digits": (
        "binarized:digits",
        (8, 8, 1),
        200,
        _SMALL,
        "digits, drawn in each epoch",
    ),
    "static_digits": (
        "static_binarized:digits",
        (8, 8, 1),
        200,
        _SMALL,
        "digits, drawn once",
    ),
    "mnist": ("binarized:mnist", (28, 28, 1), 100, {}, "MNIST, drawn in each epoch"),
    "static_mnist": (
        "static_binarized:mnist",
        (28, 28, 1),
        100,
        {},
        "MNIST, drawn once",
    ),
}
# Negative ELBO on static MNIST in nats, from van den Berg et al. 2018, arXiv
# 1803.05649, table 1 (gated convolutions, 64 latents, 16 flows, another draw of the
# pixels).
_REFERENCE = {
    "vae_static_mnist": 86.55,
    "planar_vae_static_mnist": 86.06,
    "iaf_vae_static_mnist": 84.20,
    "sylvester_vae_o_static_mnist": 83.32,
}

for _model, (_arguments, _flows) in _MODELS.items():
    for _data, (_source, _shape, _epochs, _sizes, _images) in _DATA.items():
        _name = f"{_model}_{_data}"
        add(
            _name,
            **_arguments,
            **_sizes,
            data=DataConfig(name=_source, event_shape=_shape, levels=2),
            trainer=TrainerConfig(
                epochs=_epochs, batch_size=128, learning_rate=1e-3, clip_norm=100.0
            ),
            description=f"VAE, {_flows}; black and white {_images}",
            reference={"nll": _REFERENCE[_name]} if _name in _REFERENCE else None,
        )
