"""Data sources by name, or by prefix and path."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfflows.data.table import ENTRIES, Entry, find

if TYPE_CHECKING:
    from tfflows.data.source import DataSource


def load(
    name: str,
    *,
    data_dir: str | None = None,
    seed: int = 0,
    label_as_context: bool = False,
    label_column: str | None = None,
    context_columns: Sequence[str] | None = None,
    image_size: int | Sequence[int] | None = None,
    augment: Sequence[str] | None = None,
) -> DataSource:
    """Loads a data set.

    Args:
        name: one of
            - `list_datasets()`: built in; of the drawn ones 50,000 + 10,000 + 10,000
              examples, of a simulator's parameters the observation is the label;
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
        label_column: of a table, the column of class labels (texts or integers), which
            is then no part of the data.
        context_columns: of a table, the columns of numbers that the others depend on;
            batches then carry them as "context".
        image_size: of "images:" and "npz:", height and width (or one number for both)
            that images are resized to.
        augment: changes of images in training batches, "flip" and "shift": see
            `AugmentedSource`.

    Returns:
        The source: shapes and counts, `dataset`, `arrays`, `labels`, `label_names`.

    Raises:
        ValueError: an unknown name, a bad seed, bad data, labels asked of a set that
            has none, or an argument that is not for these data.
        FileNotFoundError: a file that is not there, or a TFDS set that is not
            prepared and cannot be downloaded.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"expected the name of a data set, got {name!r}")
    importlib.import_module("tfflows.data.source").check_seed(seed)
    entry = find(name)
    given: dict[str, Any] = {
        "label_column": label_column,
        "context_columns": _names(context_columns),
        "image_size": (image_size,) if isinstance(image_size, int) else image_size,
    }
    label_as_context = label_as_context or context_columns is not None
    if entry.argument == "source":
        inner = load(
            name.partition(":")[2],
            data_dir=data_dir,
            seed=seed,
            label_as_context=label_as_context,
            augment=augment,
            **given,
        )
        return entry.function()(inner, seed=seed, **entry.options)
    source = _loaded(entry, name, data_dir, seed, label_as_context, given)
    if augment is None:
        return source
    augmentation = importlib.import_module("tfflows.data.augmentation")
    return augmentation.AugmentedSource(source, _names(augment), seed)


def _names(value: Sequence[str] | None) -> Sequence[str] | None:
    return [value] if isinstance(value, str) else value


def _loaded(
    entry: Entry,
    name: str,
    data_dir: str | None,
    seed: int,
    label_as_context: bool,
    given: dict[str, Any],
) -> DataSource:
    if data_dir is not None and not entry.data_dir:
        raise ValueError(
            f"expected no data_dir for {name!r}, which has no prepared data, got "
            f"{data_dir!r}"
        )
    options: dict[str, Any] = dict(entry.options)
    for argument, value in given.items():
        if value is None:
            continue
        if argument not in entry.takes:
            kinds = [f"{kind}:" for kind, e in ENTRIES.items() if argument in e.takes]
            raise ValueError(
                f"expected {argument} with {' or '.join(kinds)} data, got {name!r}"
            )
        options[argument] = value
    if entry.labels is not None:
        options["label_as_context"] = label_as_context
    elif label_as_context:
        raise ValueError(
            f"data set {name!r} has no labels; expected label_as_context=False, "
            "got True"
        )
    options |= {"data_dir": data_dir} if entry.data_dir else {}
    options |= {"seed": seed} if entry.seed else {}
    path = name.partition(":")[2]
    arguments = {"nothing": [], "name": [name], "path": [path]}[entry.argument]
    return _call(entry, name, arguments, options)


def list_datasets(pattern: str = "*") -> list[str]:
    """Returns the names of the built-in data sets, which need no network.

    Args:
        pattern: shell pattern that the names have to match.
    """
    names = [name for name, entry in ENTRIES.items() if entry.is_built_in]
    return sorted(fnmatch.filter(names, pattern))


def _call(
    entry: Entry, name: str, argument: list[str], options: dict[str, Any]
) -> DataSource:
    if entry.loader != ENTRIES["tfds"].loader:
        return entry.function()(*argument, **options)
    tfds_source = importlib.import_module("tfflows.data.sources.tfds_source")
    try:
        return tfds_source.load_tfds(*argument, **options)
    except tfds_source.UnknownBuilderError as error:
        message = _unknown(name, argument[0], tfds_source.list_tfds())
        raise ValueError(message) from error


def _unknown(name: str, builder: str, builders: list[str]) -> str:
    prefixes = [f"{prefix}:" for prefix, entry in ENTRIES.items() if entry.is_prefix]
    names = [k for k, entry in ENTRIES.items() if not entry.is_prefix]
    known = [*names, *prefixes, *builders]
    # "cvs:table" resembles "csv:" by its prefix, "mnits:3.0.1" "mnist" by its name.
    wanted = [builder, builder.partition(":")[0], builder.partition(":")[0] + ":"]
    near = [n for w in wanted for n in difflib.get_close_matches(w, known, n=3)]
    if kind := _kind_of_path(name):
        return (
            f"unknown data set {name!r}: expected the kind of data before a path, as "
            f"in {kind}:{name}"
        )
    hint = f"; near it: {', '.join(dict.fromkeys(near))}" if near else ""
    return (
        f"unknown data set {name!r}{hint}. Expected one of "
        f"{', '.join(names)}, the name of a TFDS builder, or a path after "
        f"{', '.join(prefixes)}"
    )


def _kind_of_path(name: str) -> str | None:
    """The prefix of a path that lacks one; None: it is no path."""
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return "images"
    ending = os.path.splitext(name)[1].lower().lstrip(".")
    known = {"csv": "csv", "parquet": "parquet", "pq": "parquet", "npz": "npz"}
    if ending in known:
        return known[ending]
    return "csv" if os.path.isfile(path) else None
