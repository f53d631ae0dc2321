"""Data sources by name, or by prefix and path."""

import difflib
import fnmatch
from collections.abc import Callable
from typing import Any

from tfflows.data.binarized import BinarizedSource
from tfflows.data.density_sets import DENSITY_SETS, load_density_set
from tfflows.data.digits import load_digits
from tfflows.data.images import load_images
from tfflows.data.logits import LogitSource
from tfflows.data.npz import load_npz
from tfflows.data.patches import load_patches
from tfflows.data.pipelines import ArraySource
from tfflows.data.simulators import SIMULATORS
from tfflows.data.source import DataSource, Examples, check_seed
from tfflows.data.split import split_source
from tfflows.data.tables import load_csv, load_parquet
from tfflows.data.toy import TOYS

_DRAWN_SIZES = (50_000, 10_000, 10_000)
_FILE_READERS: dict[str, Callable[..., ArraySource]] = {
    "csv": load_csv,
    "npz": load_npz,
    "parquet": load_parquet,
    "images": load_images,
}
_TFDS_PREFIX = "tfds"
_FACES = "celeba64"
# Whether the training images are drawn only once.
_BINARIZED = {"binarized": False, "static_binarized": True}
_LOGIT = "logit"
_PATCHES = "cifar10_patches"


def load(
    name: str,
    *,
    data_dir: str | None = None,
    seed: int = 0,
    label_as_context: bool = False,
) -> DataSource:
    """Loads a data set.

    Args:
        name: one of
            - "two_moons", "rings", "eight_gaussians", "three_gaussians",
              "checkerboard": float32 [2], 50,000 + 10,000 + 10,000 points;
            - "linear_gaussian", "sbi_two_moons": parameters of a simulator, as many;
              the observation is their label;
            - "digits": scikit-learn's, uint8 [8, 8, 1], 17 levels;
            - "celeba64" or "celeba64:ATTRIBUTE": CelebA's faces, see `load_faces`;
            - a TFDS builder, bare or as "tfds:NAME": see `load_tfds`;
            - "csv:PATH", "parquet:PATH", "npz:PATH" or "npz:PATH#key",
              "images:FOLDER" or "images:GLOB": your own data;
            - "binarized:NAME" or "static_binarized:NAME": the integer data NAME in
              black and white, see `BinarizedSource`;
            - "logit:NAME": the integer data NAME as flat logits, see `LogitSource`;
            - "cifar10_patches": 63-D patches of CIFAR-10, see `load_patches`;
            - "power", "gas", "hepmass", "miniboone", "bsds300": see
              `load_density_set`.
        data_dir: TFDS's folder, or that of the density sets' files; None:
            `TFDS_DATA_DIR`, else TFDS's default.
        seed: draws the toys' points and fixes the splits, but for TFDS sets, whose
            splits are their own.
        label_as_context: whether batches carry the label (of a simulator's
            parameters, the observation) as "context".

    Returns:
        The source: shapes and counts, `dataset`, `arrays`, `labels`.

    Raises:
        ValueError: an unknown name, a bad seed, bad data, or labels asked of a set
            that has none.
        FileNotFoundError: a file that is not there, or a TFDS set that is not
            prepared and cannot be downloaded.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"expected the name of a data set, got {name!r}")
    check_seed(seed)
    prefix, _, path = name.partition(":")
    _check_used(name, data_dir)
    if prefix in _BINARIZED or prefix == _LOGIT:
        grey = load(
            path, data_dir=data_dir, seed=seed, label_as_context=label_as_context
        )
        if prefix == _LOGIT:
            return LogitSource(grey, seed=seed)
        return BinarizedSource(grey, static=_BINARIZED[prefix], seed=seed)
    if prefix in _FILE_READERS or name in (_PATCHES, *DENSITY_SETS):
        if label_as_context:
            raise ValueError(
                f"data set {name!r} has no labels; expected label_as_context=False, "
                "got True"
            )
        return _load_without_labels(name, data_dir, seed)
    if name == "digits":
        return load_digits(seed=seed, label_as_context=label_as_context)
    if name in TOYS or name in SIMULATORS:
        return _draw(name, seed, label_as_context)
    if prefix == _FACES:
        from tfflows.data.faces import load_faces  # imports TFDS, as below

        return load_faces(path, data_dir=data_dir, label_as_context=label_as_context)
    return _load_tfds(
        name,
        path if prefix == _TFDS_PREFIX else name,
        data_dir=data_dir,
        label_as_context=label_as_context,
    )


def _check_used(name: str, data_dir: str | None) -> None:
    """Raises ValueError for a folder that the data set has no use for."""
    prefix = name.partition(":")[0]
    if prefix in (*_BINARIZED, _LOGIT):
        return  # what they are made of says so
    needs_no_folder = name == "digits" or name in TOYS or name in SIMULATORS
    if data_dir is not None and (needs_no_folder or prefix in _FILE_READERS):
        raise ValueError(
            f"expected no data_dir for {name!r}, which has no prepared data, got "
            f"{data_dir!r}"
        )


def list_datasets(pattern: str = "*") -> list[str]:
    """Returns the names of the built-in data sets, which need no network.

    Args:
        pattern: shell pattern that the names have to match.
    """
    return sorted(fnmatch.filter(["digits", *TOYS, *SIMULATORS], pattern))


def _load_without_labels(name: str, data_dir: str | None, seed: int) -> ArraySource:
    if name == _PATCHES:
        return load_patches(data_dir=data_dir, seed=seed)
    if name in DENSITY_SETS:
        return load_density_set(name, data_dir)
    prefix, _, path = name.partition(":")
    return _FILE_READERS[prefix](path, seed=seed)


def _draw(name: str, seed: int, label_as_context: bool) -> ArraySource:
    size, observation_shape = sum(_DRAWN_SIZES), None
    if name in TOYS:
        examples = Examples(TOYS[name].sample(size, seed))
    else:
        simulator = SIMULATORS[name]
        examples = Examples(*simulator.sample(size, seed))
        observation_shape = (simulator.observation_dim,)
    return split_source(
        name,
        examples,
        seed=seed,
        observation_shape=observation_shape,
        sizes=_DRAWN_SIZES,
        label_as_context=label_as_context,
    )


def _load_tfds(name: str, builder: str, **options: Any) -> DataSource:
    # Imported here so that the other sources do not pay for TFDS's import.
    from tfflows.data import tfds_source

    try:
        return tfds_source.load_tfds(builder, **options)
    except tfds_source.UnknownBuilderError as error:
        message = _unknown(name, builder, tfds_source.list_tfds())
        raise ValueError(message) from error


def _unknown(name: str, builder: str, builders: list[str]) -> str:
    others = (_TFDS_PREFIX, *_BINARIZED, _LOGIT, *_FILE_READERS)
    prefixes = [f"{prefix}:" for prefix in others]
    names = [*list_datasets(), _PATCHES, *DENSITY_SETS]
    known = [*names, *prefixes, *builders]
    # "cvs:table" resembles "csv:" by its prefix, "mnits:3.0.1" "mnist" by its name.
    wanted = [builder, builder.partition(":")[0], builder.partition(":")[0] + ":"]
    near = [n for w in wanted for n in difflib.get_close_matches(w, known, n=3)]
    hint = f"; near it: {', '.join(dict.fromkeys(near))}" if near else ""
    return (
        f"unknown data set {name!r}{hint}. Expected one of "
        f"{', '.join(names)}, the name of a TFDS builder, or a path after "
        f"{', '.join(prefixes)}"
    )
