"""Loads and runs a SavedModel in a session of the C API."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .library import (
    INVALID_ARGUMENT,
    NOT_FOUND,
    CApiError,
    checked,
    find_library,
    load_library,
)
from .meta_graph import TensorInfo, read_signatures
from .tensors import new_tensor, to_array


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t))


class SavedModel:
    """A SavedModel loaded by the C API, by default with XLA disabled.

    Disabling holds for the whole process from the first model on. In a process with
    TensorFlow Python, which has the same library, use `CApiWorker`.

    Args:
      directory: The folder of `saved_model.pb`.
      library: Path of `libtensorflow_cc.so.2`; default: the installed wheel's.
      xla: Whether functions may be compiled by XLA, as in TF Serving with
        `--xla_cpu_compilation_enabled`.

    Attributes:
      signatures: The signatures by name.

    Raises:
      OSError: If there is no C API (`find_library`).
      CApiError: If TensorFlow cannot load the folder, or variables are missing.
    """

    def __init__(
        self, directory: str, library: str | None = None, xla: bool = False
    ) -> None:
        self._tf = load_library(library or find_library(), xla)
        self._graph = self._tf.TF_NewGraph()
        try:
            self._session, meta_graph = self._load(directory)
        except CApiError:
            self._tf.TF_DeleteGraph(self._graph)
            raise
        self.signatures = read_signatures(meta_graph)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs one signature.

        As in a server, inputs are not converted or compared with the declared shapes:
        only the graph checks them.

        Args:
          signature: A key of `signatures`.
          inputs: An array for each input; strings as bytes arrays.

        Returns:
          An array for each output.

        Raises:
          CApiError: If the signature or an input name is unknown, or the graph fails.
        """
        if signature not in self.signatures:
            expected = f"a signature of {sorted(self.signatures)}"
            raise CApiError(INVALID_ARGUMENT, f"expected {expected}, got {signature}")
        sources, targets = self.signatures[signature]
        if sources.keys() != inputs.keys():
            expected = f"inputs {sorted(sources)}, got {sorted(inputs)}"
            raise CApiError(INVALID_ARGUMENT, f"expected {expected}")
        feeds = (ctypes.c_void_p * len(sources))()
        fetches = (ctypes.c_void_p * len(targets))()
        try:
            for row, name in enumerate(sources):
                feeds[row] = new_tensor(self._tf, np.asarray(inputs[name]))
            with checked(self._tf) as status:
                self._tf.TF_SessionRun(
                    *(self._session, None),
                    *(self._ports(sources), feeds, len(feeds)),
                    *(self._ports(targets), fetches, len(fetches)),
                    *(None, 0, None, status),
                )
            arrays = [to_array(self._tf, tensor) for tensor in fetches if tensor]
            return dict(zip(targets, arrays, strict=True))
        finally:
            for tensor in filter(None, [*feeds, *fetches]):
                self._tf.TF_DeleteTensor(tensor)

    def close(self) -> None:
        """Frees the session and its graph. Do not call `run` afterwards."""
        with checked(self._tf) as status:
            self._tf.TF_DeleteSession(self._session, status)
        self._tf.TF_DeleteGraph(self._graph)

    def _load(self, directory: str) -> tuple[int, bytes]:
        """Returns a session of the folder, and its serialized MetaGraphDef."""
        tf, tags = self._tf, (ctypes.c_char_p * 1)(b"serve")
        _require_variables(directory)
        options, meta_graph = tf.TF_NewSessionOptions(), tf.TF_NewBuffer()
        path = os.fsencode(directory)
        try:
            with checked(tf) as status:
                session = tf.TF_LoadSessionFromSavedModel(
                    options, None, path, tags, 1, self._graph, meta_graph, status
                )
            buffer = _Buffer.from_address(meta_graph)
            return session, ctypes.string_at(buffer.data, buffer.length)
        finally:
            tf.TF_DeleteSessionOptions(options)
            tf.TF_DeleteBuffer(meta_graph)

    def _ports(self, infos: Mapping[str, TensorInfo]) -> Any:
        """Returns the graph's tensors, "operation:index", as an array of TF_Output."""
        ports = (_Output * len(infos))()
        for port, info in zip(ports, infos.values(), strict=True):
            operation, _, index = info.tensor.partition(":")
            name = operation.encode()
            port.operation = self._tf.TF_GraphOperationByName(self._graph, name)
            port.index = int(index)
        return ports


def _require_variables(directory: str) -> None:
    """Raises CApiError if a SavedModel's variables are missing."""
    # TensorFlow would load it without variables, and then fail at each request.
    index = os.path.join(directory, "variables", "variables.index")
    model = os.path.join(directory, "saved_model.pb")
    if os.path.exists(model) and not os.path.exists(index):
        message = f"expected {index}, got none: copy the whole folder"
        raise CApiError(NOT_FOUND, message)
