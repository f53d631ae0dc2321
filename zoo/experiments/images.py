"""NICE and dense RealNVP on images."""

from __future__ import annotations

from tfflows.zoo.config import TrainerConfig
from tfflows.zoo.experiments.datasets import DIGITS, DIGITS_BASELINES, MNIST
from tfflows.zoo.reference import Reference
from tfflows.zoo.registry import add

# With 1,347 training digits, width and weight decay determine the gap between training
# and held-out data. A small alpha lets the flow fit the many zeros.
add(
    "realnvp_digits",
    "realnvp",
    num_couplings=8,
    hidden_units=(64, 64),
    logit_alpha=0.01,
    data=DIGITS,
    trainer=TrainerConfig(
        epochs=80, batch_size=64, learning_rate=2e-3, weight_decay=2.0
    ),
    description="dense RealNVP on scikit-learn's 8x8 digits, 17 grey levels",
    references=DIGITS_BASELINES,
)
# The learning rate is high because the final scale must rise by orders of magnitude.
add(
    "nice_digits",
    "nice",
    num_couplings=4,
    hidden_units=(128, 128),
    data=DIGITS,
    trainer=TrainerConfig(
        epochs=100, batch_size=64, learning_rate=1e-2, weight_decay=2.0
    ),
    description="NICE on scikit-learn's 8x8 digits, 17 grey levels",
    references=DIGITS_BASELINES,
)
_NICE = "Dinh et al. 2014, arXiv 1410.8516, section 5.1, on test data"
# The paper (Dinh et al. 2014, arXiv 1410.8516) uses AdaM at 1e-3 for 1,500 epochs and
# chooses the best epoch on validation data. The authors' code uses RMSProp with
# momentum 0.5, batches of 200, 50,000 images, a rate that falls from 1e-3 to 1e-4 by
# 1.0005 per step, and first weights within +-0.01.
add(
    "nice_mnist",
    "nice",
    num_couplings=4,
    hidden_units=(1000,) * 5,
    data=MNIST,
    trainer=TrainerConfig(
        epochs=1500,
        batch_size=200,
        learning_rate=1e-3,
        warmup_steps=500,
        clip_norm=1000.0,
    ),
    description="NICE on MNIST: the paper's 4 couplings of 5x1000, logistic base, "
    "Adam; not the paper's: a cosine, clipped gradients, 54,000 training images",
    # The first is the paper's, on test data; the others are the same in our units.
    references=(
        Reference("log_likelihood_unit_scaled", 1980.50, "nats", _NICE, True),
        Reference("nll", 2366.92, "nats", _NICE, True),
        Reference("bits_per_dim", 4.355, "bits/dim", _NICE, True),
    ),
)
# The paper's couplings are convolutional.
add(
    "realnvp_mnist_dense",
    "realnvp",
    num_couplings=8,
    hidden_units=(512, 512),
    data=MNIST,
    trainer=TrainerConfig(
        epochs=100, batch_size=256, learning_rate=5e-4, weight_decay=0.1
    ),
    description="RealNVP on MNIST with dense couplings on the flat image",
)
