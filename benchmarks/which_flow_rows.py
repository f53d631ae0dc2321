"""The data and families that `which_flow.py` compares: add a line for a new one.

A cell is the name of a registered experiment, or a pair of a name and the fields of the
model that differ; None: the family is not for such data. Its data are those
of the column, its epochs and schedule those of `which_flow.py`, the optimizer Adam.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Cell = str | tuple[str, dict[str, Any]] | None


class Column(NamedTuple):
    """A data set: its name, the unit of the figure, test rows, and rows of a timing."""

    source: str
    unit: str
    tested: int
    timed: int


COLUMNS = {
    "checkerboard": Column("checkerboard", "KL, nats", 10_000, 1000),
    "patches": Column("cifar10_patches", "nll, nats", 5000, 1000),
    "digits": Column("digits", "bits/dim", 300, 100),
    "mnist": Column("mnist", "bits/dim", 1000, 100),
}


class Row(NamedTuple):
    """A family.

    Attributes:
      likelihood: What its log-likelihood is.
      density: Passes of the networks for a density.
      sample: Passes for a sample.
      checkerboard: The experiment for a toy in two dimensions.
      patches: The one for a table of 63 columns.
      digits: The one for images of 8 x 8.
      mnist: The one for images of 28 x 28.
    """

    likelihood: str
    density: str
    sample: str
    checkerboard: Cell = None
    patches: Cell = None
    digits: Cell = None
    mnist: Cell = None


def _of(title: str) -> dict[str, Cell]:
    """The cells of a family that is registered for vectors of all kinds."""
    return {
        "checkerboard": f"{title}_checkerboard",
        "patches": f"{title}_table",
        "digits": f"{title}_digits",
    }


def _solved(title: str) -> Row:
    """The row of a family that solves a differential equation."""
    toy = f"{title}_checkerboard"
    return Row(
        "exact up to the solver; on wide data the divergence is estimated",
        *("a solve, with the divergence", "a solve"),
        checkerboard=toy,
        patches=(toy, {"divergence": "hutchinson", "standardize": True}),
        digits=f"{title}_digits",
        mnist=f"{title}_mnist",
    )


_COUPLINGS = ("exact", "1", "1")
_BOUND = ("a bound", "1 of encoder and decoder", "1 of the decoder")
_NOISE = ("a bound, of learned noise", "1", "1, with a root search a coupling")

ROWS: dict[str, Row] = {
    "NICE": Row(*_COUPLINGS, **_of("nice"), mnist="nice_mnist"),
    "RealNVP": Row(*_COUPLINGS, **_of("realnvp"), mnist="realnvp_mnist_dense"),
    "NSF": Row(*_COUPLINGS, **_of("nsf"), mnist="nsf_mnist"),
    "MAF": Row("exact", "1", "D", **_of("maf"), mnist="maf_mnist"),
    "NSF, AR": Row("exact", "1", "D", **_of("nsf_ar"), mnist="nsf_ar_mnist"),
    "IAF": Row("exact", "D", "1", **_of("iaf")),
    "FFJORD": _solved("ffjord"),
    "Flow matching": _solved("flow_matching"),
    "RealNVP, multiscale": Row(
        *_COUPLINGS, digits="realnvp_digits_multiscale", mnist="realnvp_mnist_small"
    ),
    "Glow": Row(*_COUPLINGS, digits="glow_digits", mnist="glow_mnist_small"),
    "NSF, multiscale": Row(
        *_COUPLINGS, digits="nsf_multiscale_digits", mnist="nsf_multiscale_mnist_small"
    ),
    "Flow++": Row(*_NOISE, digits="flowpp_digits", mnist="flowpp_mnist_small"),
    "TarFlow": Row(
        "exact", "1", "T", digits="tarflow_digits", mnist="tarflow_mnist_small"
    ),
    "VAE": Row(*_BOUND, digits="vae_digits", mnist="vae_mnist"),
    "VAE, Sylvester": Row(
        *_BOUND, digits="sylvester_vae_o_digits", mnist="sylvester_vae_o_mnist"
    ),
}
