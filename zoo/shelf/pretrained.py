"""The trained weights of registered models: their records, and where the files are.

A record, `weights/<name>.json`, ships for each. Small files ship beside it. A large one
lies in `weights/large/` of a checkout, in the folder `TFFLOWS_WEIGHTS_DIR`, or in the
cache of Keras, to which it is fetched from below the address `TFFLOWS_WEIGHTS_URL`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from typing import Any

from tfflows.system import files
from tfflows.zoo.errors import ConfigError

DIR, URL = "TFFLOWS_WEIGHTS_DIR", "TFFLOWS_WEIGHTS_URL"
MOST_BYTES = 5_000_000  # of a file in the wheel
_FOLDER = pathlib.Path(__file__).parents[1] / "weights"
_LARGE = "large"
_SUFFIX = ".weights.h5"
_CACHE = "tfflows"


def names() -> list[str]:
    """Lists the models that have trained weights.

    Returns:
      Registered names, in alphabetical order.
    """
    return sorted(p.stem for p in _FOLDER.glob("*.json"))


def exists(name: str) -> bool:
    """Returns whether a model has trained weights.

    Args:
      name: A registered name.

    Returns:
      True if it does; a large file may still have to be fetched.
    """
    return name in names()


def record(name: str) -> dict[str, Any]:
    """Reads the record of a model's weights: file, commands and figures.

    Args:
      name: A registered name with trained weights.

    Returns:
      "command", "evaluation" (the output of `tfflows-evaluate` on the test split),
      "date", "versions", "sha256", "bytes" and, if known, "commit" and "hours".

    Raises:
      ConfigError: If the model has none; it lists those that do.
    """
    if not exists(name):
        raise ConfigError(
            f"expected a model with trained weights, got {name!r}; "
            f"these have them: {', '.join(names())}"
        )
    return files.read_json(record_path(name))


def path(name: str) -> pathlib.Path:
    """Finds the weight file of a model, or fetches it.

    Args:
      name: A registered name.

    Returns:
      The file; its sha256 is that of the record.

    Raises:
      ConfigError: If the model has no trained weights.
      OSError: If the file is nowhere, or cannot be fetched.
      ValueError: If the file found is not that of the record.
    """
    wanted = record(name)["sha256"]
    places = [_FOLDER, _FOLDER / _LARGE]
    if os.environ.get(DIR):
        places.append(files.path(os.environ[DIR]))
    for folder in places:
        file = folder / f"{name}{_SUFFIX}"
        if file.is_file():
            if sha256(file) != wanted:
                raise ValueError(
                    f"expected the trained weights of {name}, with sha256 {wanted}, "
                    f"got another file, or a part of it, in {file}; remove it, or "
                    "copy it anew"
                )
            return file
    cached = _cache_dir() / _CACHE / f"{name}{_SUFFIX}"
    if cached.is_file() and sha256(cached) == wanted:
        return cached
    return _fetched(name, wanted)


def weights_path(name: str, size: int) -> pathlib.Path:
    """Returns the place in a checkout for the weights of a model.

    Args:
      name: A registered name.
      size: Bytes of the file.

    Returns:
      A path that need not exist; a small file is in the wheel, too.
    """
    folder = _FOLDER if size <= MOST_BYTES else _FOLDER / _LARGE
    return folder / f"{name}{_SUFFIX}"


def record_path(name: str) -> pathlib.Path:
    """Returns the path of the record of a model's weights.

    Args:
      name: A registered name.

    Returns:
      A path that need not exist.
    """
    return _FOLDER / f"{name}.json"


def sha256(file: pathlib.Path) -> str:
    """Returns the sha256 of a file, in hexadecimal digits.

    Args:
      file: The file.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _cache_dir() -> pathlib.Path:
    return files.path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()


def _fetched(name: str, wanted: str) -> pathlib.Path:
    base, size = os.environ.get(URL), record(name)["bytes"]
    remedy = (
        f"set {DIR} to a folder that has {name}{_SUFFIX}, or {URL} to the address "
        "of one"
    )
    if not base:
        raise FileNotFoundError(
            f"expected the trained weights of {name}, {size / 1e6:.1f} MB, which are "
            f"too large for the package; {remedy}"
        )
    import keras

    with contextlib.suppress(OSError):  # without it, Keras takes a temporary folder
        _cache_dir().mkdir(parents=True, exist_ok=True)
    origin = f"{base.rstrip('/')}/{name}{_SUFFIX}"
    try:
        fetched = keras.utils.get_file(
            f"{name}{_SUFFIX}",
            origin,
            cache_dir=str(_cache_dir()),
            cache_subdir=_CACHE,
            file_hash=wanted,
            hash_algorithm="sha256",
        )
    except Exception as error:  # Keras raises bare ones
        raise OSError(
            f"expected the trained weights of {name} at {origin}: {error}; {remedy}"
        ) from error
    return pathlib.Path(fetched)
