"""The table of data sources: what each is, who loads it, under which terms it is.

It is plain text: programs read it before TensorFlow is imported, and a loader, with
what it needs, is imported when it is called.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set, or a kind of data sets that a prefix names ("csv:PATH").

    Attributes:
      loader: "module:function"; it returns a `DataSource`.
      description: What the examples are.
      licence: The terms, as the owners state them; None: not known here.
      labels: What the labels are; None: there are none.
      argument: What the loader is called with: nothing, the name, what follows the
        prefix ("path"), or the source that this names ("source").
      data_dir: Whether the loader takes the folder of prepared data.
      seed: Whether the loader takes a seed.
      takes: What else `load` may be given for it.
      options: What else it takes.
    """

    loader: str
    description: str
    licence: str | None = None
    labels: str | None = None
    argument: Literal["nothing", "name", "path", "source"] = "name"
    data_dir: bool = False
    seed: bool = True
    takes: tuple[str, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_prefix(self) -> bool:
        """Whether a name goes on after a colon."""
        return self.argument in ("path", "source")

    @property
    def is_built_in(self) -> bool:
        """Whether neither files nor a network are needed."""
        return not self.is_prefix and not self.data_dir

    def function(self) -> Callable[..., Any]:
        """The loader, imported."""
        module, _, name = self.loader.partition(":")
        return getattr(importlib.import_module(module), name)


def _drawn(description: str, labels: str | None = None) -> Entry:
    licence = "synthetic, drawn by tfflows itself: Apache-2.0"
    loader = "tfflows.data.drawn_sets:load_drawn"
    return Entry(loader, description, licence, labels)


def _density_set(description: str, licence: str = "") -> Entry:
    uci = "CC BY 4.0 (UCI Machine Learning Repository)"
    loader = "tfflows.data.density_sets:load_density_set"
    return Entry(loader, description, licence or uci, data_dir=True, seed=False)


def _tfds(description: str, licence: str | None, *, prefix: bool = False) -> Entry:
    return Entry(
        "tfflows.data.sources.tfds_source:load_tfds",
        description,
        licence,
        labels="the class",
        argument="path" if prefix else "name",
        data_dir=True,
        seed=False,
    )


def _file(kind: str, description: str, labels: str, *takes: str) -> Entry:
    loader = f"tfflows.data.sources.{kind}:load_{kind}"
    return Entry(loader, description, labels=labels, argument="path", takes=takes)


def _binarized(description: str, *, static: bool) -> Entry:
    return Entry(
        "tfflows.data.sources.binarized:BinarizedSource",
        description,
        labels="those of the data",
        argument="source",
        options={"static": static},
    )


_COLUMNS, _GIVEN = "columns that are named", ("label_column", "context_columns")
_MNIST = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"
_CIFAR10 = "none stated; cite Krizhevsky, 2009"
_IMAGENET = "ImageNet's terms of access: research and education, not commercial"
_CELEBA = "CelebA's agreement: research only, not commercial"

ENTRIES: dict[str, Entry] = {
    "two_moons": _drawn("two half circles with noise [2]"),
    "rings": _drawn("concentric circles with noise [2]"),
    "eight_gaussians": _drawn("eight Gaussians on a circle [2]"),
    "three_gaussians": _drawn("three wide Gaussians [2]"),
    "checkerboard": _drawn("uniform on the dark squares of a board [2]"),
    "von_mises": _drawn("two angles around several directions [2]"),
    "cylinder": _drawn("an angle and a real number that depends on it [2]"),
    "linear_gaussian": _drawn("parameters of a linear simulator", "the observation"),
    "sbi_two_moons": _drawn("parameters of a simulator [2]", "the observation"),
    "digits": Entry(
        "tfflows.data.sources.digits:load_digits",
        "scikit-learn's digits, uint8 [8, 8, 1], 17 levels",
        "CC BY 4.0 (UCI, Optical Recognition of Handwritten Digits)",
        labels="the digit",
        argument="nothing",
    ),
    "cifar10_patches": Entry(
        "tfflows.data.sources.patches:load_patches",
        "63-D patches of CIFAR-10, see `load_patches`",
        _CIFAR10,
        argument="nothing",
        data_dir=True,
    ),
    "power": _density_set("household power consumption [6]"),
    "gas": _density_set("chemical sensors [8]"),
    "hepmass": _density_set("particle collisions [21]"),
    "miniboone": _density_set("electron neutrinos [43]"),
    "bsds300": _density_set(
        "patches of photographs [63]",
        "Berkeley's terms: research and education, not commercial",
    ),
    "celeba64": Entry(
        "tfflows.data.sources.faces:load_faces",
        "CelebA's faces, uint8 [64, 64, 3]",
        _CELEBA,
        labels="the attribute after the colon",
        argument="path",
        data_dir=True,
        seed=False,
    ),
    "mnist": _tfds(
        "digits [28, 28, 1]", "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"
    ),
    "cifar10": _tfds("photographs of 10 classes [32, 32, 3]", _CIFAR10),
    "celeb_a_hq": _tfds("faces in high quality", _CELEBA),
    "downsampled_imagenet": _tfds("ImageNet, made smaller", _IMAGENET),
    "imagenet_resized": _tfds("ImageNet with labels, made smaller", _IMAGENET),
    "tfds": _tfds("any builder of TFDS, see `load_tfds`", None, prefix=True),
    "binarized": _binarized("integer data in black and white", static=False),
    "static_binarized": _binarized("the same, drawn only once", static=True),
    "logit": Entry(
        "tfflows.data.sources.logits:LogitSource",
        "integer data as flat logits",
        labels="those of the data",
        argument="source",
    ),
    "csv": _file("csv", "a table: csv:PATH", _COLUMNS, *_GIVEN),
    "npz": _file(
        "npz", "arrays: npz:PATH or npz:PATH#key", "the array y or label", "image_size"
    ),
    "parquet": _file("parquet", "a table: parquet:PATH", _COLUMNS, *_GIVEN),
    "images": _file(
        "images",
        "images of one size: images:FOLDER or images:GLOB",
        "the subfolder",
        "image_size",
    ),
}


def find(name: str) -> Entry:
    """The entry of a data set; that of TFDS for names that the table lacks.

    Args:
      name: As in `load`.
    """
    prefix, colon, _ = name.partition(":")
    entry = ENTRIES.get(prefix)
    if entry is not None and (entry.is_prefix or not colon or _is_tfds(entry)):
        return entry
    return _tfds(f"TFDS's {name}", None)


def licence(name: str | None) -> str | None:
    """Under which terms a data set is; None where that is not known here.

    Args:
      name: As in `load`.
    """
    parts = (name or "").replace("/", ":").split(":")
    entries = [ENTRIES[part] for part in parts if part in ENTRIES]
    return next((entry.licence for entry in entries if entry.licence), None)


def _is_tfds(entry: Entry) -> bool:
    return entry.loader == ENTRIES["tfds"].loader
