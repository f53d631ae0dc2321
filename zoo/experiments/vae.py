"""VAEs with and without flows, on binarised images."""

from __future__ import annotations

from typing import Any

from tfflows.zoo.config import DataConfig, TrainerConfig
from tfflows.zoo.reference import Reference
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
# Negative ELBO on static MNIST in nats.
_PAPER = "van den Berg et al. 2018, arXiv 1803.05649, table 1"
_FIGURES = {
    "vae": 86.55,
    "planar_vae": 86.06,
    "iaf_vae": 84.20,
    "sylvester_vae_o": 83.32,
}
_DENSE = "gated convolutions, 64 latents, 16 flows, another draw of the pixels"


def _published(model: str, source: str, same: bool = False) -> tuple[Reference, ...]:
    if model not in _FIGURES:
        return ()
    return (Reference("nll", _FIGURES[model], "nats", source, same),)


for _model, (_arguments, _flows) in _MODELS.items():
    for _data, (_source, _shape, _epochs, _sizes, _images) in _DATA.items():
        add(
            f"{_model}_{_data}",
            **_arguments,
            **_sizes,
            data=DataConfig(name=_source, event_shape=_shape, levels=2),
            trainer=TrainerConfig(
                epochs=_epochs, batch_size=128, learning_rate=1e-3, clip_norm=100.0
            ),
            description=f"VAE, {_flows}; black and white {_images}",
            references=(
                _published(_model, f"{_PAPER}: {_DENSE}")
                if _data == "static_mnist"
                else ()
            ),
        )

# The network and the training of the paper and of the authors' code, with its default
# numbers of columns and reflections. 540 steps are an epoch of 54,000 images.
_GATED: dict[str, Any] = {
    "network": "gated_conv",
    "hidden_units": (256,),
    "latent_dim": 64,
    "warmup_steps": 100 * 540,
    "data": DataConfig(
        name="static_binarized:mnist", event_shape=(28, 28, 1), levels=2
    ),
    "trainer": TrainerConfig(
        epochs=2000,
        batch_size=100,
        learning_rate=5e-4,
        schedule="constant",
        optimizer="adamax",
        patience=100,
    ),
}
_FLOWS: dict[str, dict[str, Any]] = {
    "vae": {},
    "planar_vae": {"num_flows": 16},
    "iaf_vae": {"num_flows": 16},
    "sylvester_vae_o": {"num_flows": 16, "num_columns": 8},
    "sylvester_vae_h": {"num_flows": 16},
    "sylvester_vae_t": {"num_flows": 16},
}
# What makes some of these another model than the one of a figure.
_DIFFERS = {
    "iaf_vae": "autoregressive networks of two layers",
    "sylvester_vae_o": "maybe another number of columns",
}
for _model, _number in _FLOWS.items():
    _text = "16 flows as posterior" if _number else "Gaussian posterior"
    add(
        f"{_model}_gated_static_mnist",
        **_MODELS[_model][0],
        **_number,
        **_GATED,
        description=f"VAE of gated convolutions, {_text}: the paper's encoder, decoder "
        "and training; MNIST drawn once, not Larochelle's draw",
        references=_published(
            _model,
            f"{_PAPER}: {_DIFFERS.get(_model, 'another draw of the pixels')}",
            same=_model not in _DIFFERS,
        ),
    )
