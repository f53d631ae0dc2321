"""Writes warm-up records: requests that a server runs when it loads a version.

A signature's first call is slow. TensorFlow Serving replays
`assets.extra/tf_serving_warmup_requests` when it loads a version, before the version
answers requests. A record that fails makes the version fail, so each is run before it
is written. The file is a TFRecord of `PredictionLog` messages. `load_warm` does what
the server does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from tfflows.export.c_api import SavedModel
from tfflows.export.c_api.meta_graph import fields
from tfflows.export.flow_json import read_description
from tfflows.system import files

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
BATCH_SIZES = (1, 8, 64)
_MOST_BYTES = 4 * 2**20  # gRPC's default limit of a request
MOST_RECORDS = 1000  # the server's limit

# Field numbers of the messages in tensorflow_serving/apis. The tensorflow package lacks
# them, and tensorflow-serving-api would install a second TensorFlow.
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_SPEC, _REQUEST_INPUTS = 1, 2
_SPEC_NAME, _SPEC_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


def batch_sizes(inputs: Mapping[str, np.ndarray]) -> list[int]:
    """Returns the batch sizes to warm up: one row, and those that clients can send."""
    row = sum(value[0].nbytes for value in inputs.values())
    return [size for size in BATCH_SIZES if size == 1 or size * row <= _MOST_BYTES]


def rows_of(inputs: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """Returns the given number of rows, repeating the given ones."""
    return {
        name: value[np.arange(number) % len(value)] for name, value in inputs.items()
    }


def warmup_record(
    model: str, signature: str, inputs: Mapping[str, np.ndarray]
) -> bytes:
    """Returns a serialized `PredictionLog` of one request.

    Args:
      model: Name of the model; the server ignores it.
      signature: Name of the signature.
      inputs: Its inputs.
    """
    entries = [
        _message(
            (_ENTRY_KEY, name.encode()),
            (_ENTRY_VALUE, tf.make_tensor_proto(value).SerializeToString()),
        )
        for name, value in inputs.items()
    ]
    spec = _message((_SPEC_NAME, model.encode()), (_SPEC_SIGNATURE, signature.encode()))
    request = _message(
        (_REQUEST_SPEC, spec), *((_REQUEST_INPUTS, entry) for entry in entries)
    )
    return _message((_LOG_PREDICT, _message((_PREDICT_REQUEST, request))))


def write_warmup(saved_model: Path, records: Iterable[bytes]) -> None:
    """Writes the file of warm-up records into the folder of a SavedModel."""
    path = saved_model / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read_warmup(saved_model: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields signature and inputs of the predictions in a SavedModel's file, if any.

    Raises:
      ValueError: If the file has no records.
    """
    path = saved_model / WARMUP_FILE
    records = tf.data.TFRecordDataset(str(path)) if path.exists() else ()
    try:
        for record in records:
            log = dict(fields(record.numpy()))
            if _LOG_PREDICT in log:
                yield _read_request(dict(fields(log[_LOG_PREDICT]))[_PREDICT_REQUEST])
    except (tf.errors.OpError, LookupError, DecodeError) as error:
        raise ValueError(f"expected records of requests in {path}: {error}") from error


def load_warm(directory: str, xla: bool = False) -> SavedModel:
    """Loads a SavedModel with the C API and runs its warm-up requests.

    As in TensorFlow Serving, at most `MOST_RECORDS` are allowed, and one that fails
    makes the whole fail. (That server replays other requests than predictions too.)

    Args:
      directory: Its folder.
      xla: As of `c_api.SavedModel`.

    Raises:
      OSError, ValueError, c_api.CApiError: It does not load, or not answer.
    """
    _require_xla(Path(directory), xla)
    with files.without_wildcards(directory) as readable:
        model = SavedModel(readable, xla=xla)
    try:
        for number, request in enumerate(read_warmup(Path(directory))):
            if number == MOST_RECORDS:
                raise ValueError(f"expected at most {MOST_RECORDS} warm-up requests")
            model.run(*request)
    except Exception:
        model.close()
        raise
    return model


def _require_xla(directory: Path, xla: bool) -> None:
    try:
        compiled = read_description(directory).get("jit_compile", False)
    except FileNotFoundError:  # no export of ours
        return
    if compiled and not xla:
        raise ValueError(
            "expected --xla_cpu_compilation_enabled for a version that XLA compiles"
        )


def _read_request(request: bytes) -> tuple[str, dict[str, np.ndarray]]:
    signature, inputs = "", {}
    for number, value in fields(request):
        item = dict(fields(value)) if number in (_REQUEST_SPEC, _REQUEST_INPUTS) else {}
        if number == _REQUEST_SPEC:
            signature = item.get(_SPEC_SIGNATURE, b"").decode()
        elif number == _REQUEST_INPUTS:
            proto = tensor_pb2.TensorProto.FromString(item[_ENTRY_VALUE])
            array = tf.make_ndarray(proto)
            is_text = array.dtype == object
            name = item[_ENTRY_KEY].decode()
            inputs[name] = array.astype(np.bytes_) if is_text else array
    return signature or "serving_default", inputs


def _message(*contents: tuple[int, bytes]) -> bytes:
    """A protocol buffer message of fields that are messages or strings."""
    return b"".join(
        _varint(number << 3 | 2) + _varint(len(content)) + content
        for number, content in contents
    )


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)
