"""Finds, loads, swaps and frees the versions of a served model."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfflows.export.c_api import Signature

_LOG = logging.getLogger("tfflows.serve")  # the log of the program with this name
_LOG.setLevel(logging.INFO)

_NUMBER = re.compile("0|[1-9][0-9]{0,17}")

# (path, size, time of change) of each file, which change while a folder is written.
Snapshot = tuple[tuple[str, int, int], ...]


class Loaded(Protocol):
    """A loaded SavedModel, as `c_api.SavedModel`."""

    signatures: Mapping[str, Signature]

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs one signature."""

    def close(self) -> None:
        """Frees the model."""


class VersionNotFoundError(LookupError):
    """The version is not served. The text is for the client."""


class _Version:
    """A loaded version, freed after it is retired and its last request has ended."""

    def __init__(self, number: int, model: Loaded) -> None:
        self.number, self.model = number, model
        self.users = 0
        self.retired = self.freed = False


class ServedModel:
    """Serves the newest version in a folder, and swaps versions without lost requests.

    A folder is a version if its name is an integer, it holds a saved_model.pb and no
    file in it changed between two looks. A new version is loaded and then gets the
    requests; the old one is freed after its last request. A version that does not load
    is tried again only after its files change. A served version whose folder is deleted
    stays until another version exists.

    Args:
      name: Name of the model.
      directory: The folder of its versions.
      load: Loads the folder of one version.
    """

    def __init__(
        self, name: str, directory: str | os.PathLike[str], load: Callable[[str], Any]
    ) -> None:
        self.name, self.directory = name, Path(directory)
        self._load = load
        self._lock = threading.Lock()  # of what follows
        self._current: _Version | None = None
        self._states: dict[int, tuple[str, str]] = {}  # state, error
        self._seen: dict[int, Snapshot] = {}  # of the last look
        self._failed: dict[int, Snapshot] = {}

    def poll(self) -> None:
        """Looks at the folder, and loads its newest version if it is new."""
        found = {number: _snapshot(path) for number, path in self._folders().items()}
        still = [number for number, files in found.items() if files]
        still = [number for number in still if self._seen.get(number) == found[number]]
        self._seen = found
        current = self._current.number if self._current else None
        if not still or max(still) == current:
            return
        newest = max(still)
        if self._failed.get(newest) == found[newest]:
            return
        if current in found and newest < current:
            return  # a change in the served version's folder does not matter
        self._swap(newest, found[newest])

    @contextlib.contextmanager
    def use(self, version: int | None = None) -> Iterator[Loaded]:
        """Yields the served model of `lease`."""
        with self.lease(version) as (_, loaded):
            yield loaded

    @contextlib.contextmanager
    def lease(self, version: int | None = None) -> Iterator[tuple[int, Loaded]]:
        """Yields the served version and model, and keeps them until the block ends.

        Args:
          version: The requested version; None: the served one.

        Raises:
          VersionNotFoundError: If the version is not served.
        """
        with self._lock:
            using = self._current
            if using is None or version not in (None, using.number):
                what = "Latest(" if version is None else "Specific("
                where = self.name if version is None else f"{self.name}, {version}"
                raise VersionNotFoundError(
                    f"Servable not found for request: {what}{where})"
                )
            using.users += 1
        try:
            yield using.number, using.model
        finally:
            with self._lock:
                using.users -= 1
            self._free(using)

    def status(self, version: int | None = None) -> dict[int, tuple[str, str]]:
        """Returns state and error text of all versions seen so far, or of one.

        Raises:
          VersionNotFoundError: If there is no such version.
        """
        with self._lock:
            states = dict(sorted(self._states.items(), reverse=True))
        if version is not None:
            states = {key: state for key, state in states.items() if key == version}
        if not states:
            which = "" if version is None else f" with version {version}"
            raise VersionNotFoundError(
                f"Could not find any versions of model {self.name}{which}"
            )
        return states

    @property
    def version(self) -> int | None:
        """The number of the served version."""
        with self._lock:
            return self._current.number if self._current else None

    def close(self) -> None:
        """Retires the served version."""
        self._replace(None)

    def _folders(self) -> dict[int, Path]:
        try:
            paths = list(self.directory.iterdir())
        except OSError as error:
            _LOG.warning("cannot read %s: %s", self.directory, error)
            return {}
        return {int(p.name): p for p in paths if _NUMBER.fullmatch(p.name)}

    def _swap(self, number: int, files: Snapshot) -> None:
        self._set_state(number, "LOADING")
        # This takes minutes if XLA compiles it.
        _LOG.info("loading version %d of %s", number, self.name)
        try:
            model = self._load(str(self.directory / str(number)))
        except Exception as error:  # a broken folder must not stop the polling
            _LOG.error("version %d of %s does not load: %s", number, self.name, error)
            self._failed[number] = files
            self._set_state(number, "END", str(error))
            return
        self._failed.pop(number, None)
        self._replace(_Version(number, model))
        _LOG.info("serving version %d of %s", number, self.name)

    def _set_state(self, number: int, state: str, error: str = "") -> None:
        with self._lock:
            self._states[number] = (state, error)

    def _replace(self, new: _Version | None) -> None:
        with self._lock:
            old, self._current = self._current, new
            if new:
                self._states[new.number] = ("AVAILABLE", "")
            if old:
                old.retired = True
                self._states[old.number] = ("UNLOADING", "")
        if old:
            self._free(old)

    def _free(self, version: _Version) -> None:
        with self._lock:
            if version.freed or version.users or not version.retired:
                return
            version.freed = True
            if self._states[version.number][0] == "UNLOADING":
                self._states[version.number] = ("END", "")
        version.model.close()


def _snapshot(folder: Path) -> Snapshot:
    """Returns the files of a version, none while saved_model.pb is missing."""
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        stats = [(path, path.stat()) for path in paths]
    except OSError:  # it is being deleted
        return ()
    if folder / "saved_model.pb" not in paths:
        return ()
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
