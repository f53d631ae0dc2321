"""Warm-up records: the first requests of a version, which the server sends itself.

A signature's first call takes a hundred times as long as the next ones. TensorFlow
Serving replays `assets.extra/tf_serving_warmup_requests` when it loads a version, and
lets it answer only afterwards; a record that fails makes the version fail, so each is
run before it is written. The file is a TFRecord of `PredictionLog` messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
BATCH_SIZES = (1, 8, 64)
_MOST_BYTES = 4 * 2**20  # of a request, as gRPC limits it unless told otherwise
MOST_RECORDS = 1000  # the server takes no more

# Field numbers of the messages of tensorflow_serving/apis, which the tensorflow package
# has not: they come with tensorflow-serving-api, which would install a second one.
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_SPEC, _REQUEST_INPUTS = 1, 2
_SPEC_NAME, _SPEC_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


def batch_sizes(inputs: Mapping[str, np.ndarray]) -> list[int]:
    """The sizes of batches to warm up: one row, and those that clients can send."""
    row = sum(value[0].nbytes for value in inputs.values())
    return [size for size in BATCH_SIZES if size == 1 or size * row <= _MOST_BYTES]


def rows_of(inputs: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """So many rows, the given ones over and over."""
    return {
        name: value[np.arange(number) % len(value)] for name, value in inputs.items()
    }


def warmup_record(
    model: str, signature: str, inputs: Mapping[str, np.ndarray]
) -> bytes:
    """A serialized `PredictionLog` of one request.

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


def _message(*fields: tuple[int, bytes]) -> bytes:
    """A protocol buffer message of fields that are messages or strings."""
    return b"".join(
        _varint(number << 3 | 2) + _varint(len(content)) + content
        for number, content in fields
    )


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)
