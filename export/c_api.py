"""A SavedModel run through TensorFlow's C API, the loader that TF Serving uses.

The file imports numpy and the standard library alone, not even its neighbours here,
so that it runs by its path. It loads the shared library of the tensorflow wheel by
ctypes: a process that runs it holds no TensorFlow Python, no Keras and no tfflows,
and what it computes is what a server answers:

    python c_api.py --worker [LIBRARY]

reads one JSON request a line and answers one JSON line (see `_serve`). From Python,
`tfflows.export.c_api_client.CApiWorker` starts that process and speaks to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 9: "int64", 10: "bool"}
_STRING = 7
_DTYPE_NAMES = {**_DTYPES, _STRING: "string"}
_DTYPE_CODES = {name: code for code, name in _DTYPES.items()}
_TSTRING_BYTES = 24  # sizeof(TF_TString), a part of TensorFlow's ABI
_INVALID_ARGUMENT = 3

_C_TYPES = {
    "v": None,
    "p": ctypes.c_void_p,
    "s": ctypes.c_char_p,
    "i": ctypes.c_int,
    "l": ctypes.c_int64,
    "n": ctypes.c_size_t,
}
# The functions used, as in tensorflow/c/c_api.h: type of the result, of the arguments.
_PROTOTYPES = {
    "TF_NewStatus": "p",
    "TF_DeleteStatus": "vp",
    "TF_GetCode": "ip",
    "TF_Message": "sp",
    "TF_NewBuffer": "p",
    "TF_DeleteBuffer": "vp",
    "TF_NewGraph": "p",
    "TF_DeleteGraph": "vp",
    "TF_GraphOperationByName": "pps",
    "TF_NewSessionOptions": "p",
    "TF_DeleteSessionOptions": "vp",
    "TF_LoadSessionFromSavedModel": "pppspippp",
    "TF_SessionRun": "vppppippipipp",
    "TF_DeleteSession": "vpp",
    "TF_AllocateTensor": "pipin",
    "TF_DeleteTensor": "vp",
    "TF_TensorType": "ip",
    "TF_NumDims": "ip",
    "TF_Dim": "lpi",
    "TF_TensorData": "pp",
    "TF_TensorByteSize": "np",
    "TF_StringInit": "vp",
    "TF_StringCopy": "vpsn",
    "TF_StringGetDataPointer": "pp",
    "TF_StringGetSize": "np",
    # tensorflow::DisableXlaCompilation(), which TF Serving calls when it starts.
    "_ZN10tensorflow21DisableXlaCompilationEv": "v",
}


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t))


class CApiError(RuntimeError):
    """An error of the TensorFlow runtime.

    Attributes:
      code: TensorFlow's status code (3 invalid argument, 5 not found, ...).
      message: TensorFlow's own message.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"TensorFlow error {code}: {message}")
        self.code = code
        self.message = message


class TensorInfo(NamedTuple):
    """One input or output: tensor in the graph, dtype name, shape (-1: any size)."""

    tensor: str
    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """The named inputs and outputs of one signature."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


def find_library() -> str:
    """Returns the path of `libtensorflow_cc.so.2` of the installed wheel.

    The wheel is located, not imported.

    Raises:
      OSError: On another system than Linux, or no such file.
    """
    if sys.platform != "linux":
        raise OSError(f"expected Linux, whose wheel has the C API, got {sys.platform}")
    spec = importlib.util.find_spec("tensorflow")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = os.path.join(folder, "libtensorflow_cc.so.2")
        if os.path.exists(path):
            return path
    raise OSError("expected libtensorflow_cc.so.2 of an installed tensorflow wheel")


def _load_library(path: str) -> ctypes.CDLL:
    # RTLD_LOCAL: with RTLD_GLOBAL a later `import numpy.random` crashes.
    library = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
    for name, types in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise OSError(f"expected TensorFlow's C API in {path}: {error}") from None
        function.restype, *function.argtypes = [_C_TYPES[letter] for letter in types]
    library._ZN10tensorflow21DisableXlaCompilationEv()
    return library


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yields (field number, value) of a protocol buffer message: an int or bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        length = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        yield number, message[position : position + length]
        position += length


def _read_tensor_info(message: bytes) -> TensorInfo:
    info = {1: b"", 2: 0, 3: b"", **dict(_fields(message))}
    dims = [dict(_fields(dim)) for number, dim in _fields(info[3]) if number == 2]
    sizes = [dim.get(1, 0) for dim in dims]
    return TensorInfo(
        info[1].decode(),
        _DTYPE_NAMES.get(info[2], f"dtype {info[2]}"),
        tuple(-1 if size == 2**64 - 1 else size for size in sizes),  # int64 as uint64
    )


def _read_signatures(meta_graph: bytes) -> dict[str, Signature]:
    """Reads `signature_def` (field 5) of a serialized MetaGraphDef."""
    # The classes generated for it come with the tensorflow package, which this file
    # must not import; the few fields wanted take fewer lines than descriptors would.
    signatures = {}
    for entry in (value for number, value in _fields(meta_graph) if number == 5):
        item = dict(_fields(entry))
        signature = Signature({}, {})
        for number, value in _fields(item[2]):
            if number in (1, 2):  # a map entry of inputs, of outputs
                tensor = dict(_fields(value))
                name = tensor[1].decode()
                signature[number - 1][name] = _read_tensor_info(tensor[2])
        signatures[item[1].decode()] = signature
    signatures.pop("__saved_model_init_op", None)
    return signatures


class SavedModel:
    """A SavedModel loaded by the C API, XLA disabled as in TF Serving.

    Beside TensorFlow Python, whose library is the same, that holds for the whole
    process: use `CApiWorker` there.

    Args:
      directory: The folder of `saved_model.pb`.
      library: Path of `libtensorflow_cc.so.2`; by default that of the wheel.

    Attributes:
      signatures: The signatures by name.

    Raises:
      OSError: No C API here (`find_library`).
      CApiError: TensorFlow cannot load the folder.
    """

    def __init__(self, directory: str, library: str | None = None) -> None:
        self._tf = tf = _load_library(library or find_library())
        self._graph = tf.TF_NewGraph()
        options, meta_graph = tf.TF_NewSessionOptions(), tf.TF_NewBuffer()
        tags, path = (ctypes.c_char_p * 1)(b"serve"), os.fsencode(directory)
        try:
            with self._status() as status:
                self._session = tf.TF_LoadSessionFromSavedModel(
                    options, None, path, tags, 1, self._graph, meta_graph, status
                )
            buffer = _Buffer.from_address(meta_graph)
            message = ctypes.string_at(buffer.data, buffer.length)
        finally:
            tf.TF_DeleteSessionOptions(options)
            tf.TF_DeleteBuffer(meta_graph)
        self.signatures = _read_signatures(message)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs one signature.

        As in a server, nothing is converted or compared with the declared shapes:
        what the graph itself accepts is what counts.

        Args:
          signature: A key of `signatures`.
          inputs: An array for each of its inputs; strings as bytes arrays.

        Returns:
          An array for each of its outputs.

        Raises:
          CApiError: Unknown signature or input names, or an error of the graph.
        """
        if signature not in self.signatures:
            expected = f"a signature of {sorted(self.signatures)}"
            raise CApiError(_INVALID_ARGUMENT, f"expected {expected}, got {signature}")
        sources, targets = self.signatures[signature]
        if sources.keys() != inputs.keys():
            expected = f"inputs {sorted(sources)}, got {sorted(inputs)}"
            raise CApiError(_INVALID_ARGUMENT, f"expected {expected}")
        feeds = (ctypes.c_void_p * len(sources))()
        fetches = (ctypes.c_void_p * len(targets))()
        try:
            for row, name in enumerate(sources):
                feeds[row] = self._new_tensor(np.asarray(inputs[name]))
            with self._status() as status:
                self._tf.TF_SessionRun(
                    *(self._session, None),
                    *(self._ports(sources), feeds, len(feeds)),
                    *(self._ports(targets), fetches, len(fetches)),
                    *(None, 0, None, status),
                )
            return dict(zip(targets, map(self._to_array, fetches), strict=True))
        finally:
            for tensor in filter(None, [*feeds, *fetches]):
                self._tf.TF_DeleteTensor(tensor)

    def close(self) -> None:
        """Frees the session and its graph; `run` must not be called afterwards."""
        with self._status() as status:
            self._tf.TF_DeleteSession(self._session, status)
        self._tf.TF_DeleteGraph(self._graph)

    @contextlib.contextmanager
    def _status(self) -> Iterator[int]:
        """Yields a new TF_Status; raises the error that a call left in it."""
        status = self._tf.TF_NewStatus()
        try:
            yield status
            if code := self._tf.TF_GetCode(status):
                message = self._tf.TF_Message(status).decode(errors="replace")
                raise CApiError(code, message)
        finally:
            self._tf.TF_DeleteStatus(status)

    def _ports(self, infos: Mapping[str, TensorInfo]) -> Any:
        """Returns the graph's tensors, "operation:index", as an array of TF_Output."""
        ports = (_Output * len(infos))()
        for port, info in zip(ports, infos.values(), strict=True):
            operation, _, index = info.tensor.partition(":")
            name = operation.encode()
            port.operation = self._tf.TF_GraphOperationByName(self._graph, name)
            port.index = int(index)
        return ports

    def _new_tensor(self, array: np.ndarray) -> int:
        """Returns a new TF_Tensor that holds a copy of the array."""
        tf, is_string = self._tf, array.dtype.kind == "S"
        code = _STRING if is_string else _DTYPE_CODES.get(array.dtype.name)
        if code is None:
            expected = f"an array of {', '.join(_DTYPE_CODES)} or bytes"
            message = f"expected {expected}, got {array.dtype}"
            raise CApiError(_INVALID_ARGUMENT, message)
        size = array.size * _TSTRING_BYTES if is_string else array.nbytes
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = tf.TF_AllocateTensor(code, dims, array.ndim, size)
        data = tf.TF_TensorData(tensor)
        if is_string:
            for row, text in enumerate(array.ravel().tolist()):
                tf.TF_StringInit(data + row * _TSTRING_BYTES)
                tf.TF_StringCopy(data + row * _TSTRING_BYTES, text, len(text))
        else:
            array = np.asarray(array, array.dtype.newbyteorder("="), order="C")
            ctypes.memmove(data, array.ctypes.data, size)
        return tensor

    def _to_array(self, tensor: int) -> np.ndarray:
        """Returns a copy of a TF_Tensor; strings become an array of bytes."""
        tf = self._tf
        data, code = tf.TF_TensorData(tensor), tf.TF_TensorType(tensor)
        shape = [tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor))]
        if code == _STRING:
            rows = [data + row * _TSTRING_BYTES for row in range(math.prod(shape))]
            sizes = map(tf.TF_StringGetSize, rows)
            texts = map(ctypes.string_at, map(tf.TF_StringGetDataPointer, rows), sizes)
            return np.array(list(texts), dtype=np.bytes_).reshape(shape)
        if code not in _DTYPES:
            expected = f"an output of {', '.join(_DTYPE_CODES)} or string"
            message = f"expected {expected}, got TensorFlow's dtype {code}"
            raise CApiError(_INVALID_ARGUMENT, message)
        content = bytearray(ctypes.string_at(data, tf.TF_TensorByteSize(tensor)))
        return np.frombuffer(content, dtype=_DTYPES[code]).reshape(shape)


def _answer(
    request: Mapping[str, str], models: dict[str, SavedModel], library: str | None
) -> dict:
    """Answers one request; `models` keeps the models loaded so far."""
    folder = os.path.abspath(request["model"])
    key = _identity(folder)
    if key not in models:
        models[key] = SavedModel(folder, library)
    if "signature" not in request:
        return {"ok": True, "signatures": models[key].signatures}
    with np.load(request["inputs"]) as arrays:
        outputs = models[key].run(request["signature"], dict(arrays))
    np.savez(request["outputs"], **outputs)  # type: ignore[arg-type]
    return {"ok": True}


def _identity(folder: str) -> str:
    """What stays the same when an export is renamed into its place: its file."""
    try:
        file = os.stat(os.path.join(folder, "saved_model.pb"))
    except OSError:
        return folder  # no SavedModel, as loading it will say
    return f"{file.st_dev} {file.st_ino} {file.st_mtime_ns} {file.st_size}"


def _serve(library: str | None = None) -> None:
    """Answers JSON lines until the end of the input.

    {"model": folder} asks for the signatures; with "signature", "inputs" and
    "outputs" (paths of .npz files) it runs one. The answer is {"ok": true, ...} or
    {"ok": false, "code": TensorFlow's code or null, "error": text}. A model is
    loaded once and kept, for an exported version does not change.
    """
    models: dict[str, SavedModel] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), models, library)
        except CApiError as error:
            answer = {"ok": False, "code": error.code, "error": error.message}
        except (OSError, ValueError, KeyError) as error:
            answer = {"ok": False, "code": None, "error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--worker"]:
        sys.exit("usage: python c_api.py --worker [LIBRARY]")
    _serve(*sys.argv[2:])
