"""Reads the signatures in a serialized MetaGraphDef.

The tensorflow package has generated classes for it, but must not be imported here.
Reading a few fields takes fewer lines than descriptors would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .tensors import DTYPE_NAMES


class TensorInfo(NamedTuple):
    """An input or output: its tensor in the graph, dtype name and shape.

    In a shape, -1 is any size; a shape of None has any number of axes.
    """

    tensor: str
    dtype: str
    shape: tuple[int, ...] | None


class Signature(NamedTuple):
    """The named inputs and outputs of one signature."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
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


def read_signatures(meta_graph: bytes) -> dict[str, Signature]:
    """Reads `signature_def` (field 5), without the initialization's signature."""
    signatures = {}
    for entry in (value for number, value in fields(meta_graph) if number == 5):
        item = dict(fields(entry))
        signature = Signature({}, {})
        for number, value in fields(item[2]):
            if number in (1, 2):  # a map entry of inputs, of outputs
                tensor = dict(fields(value))
                name = tensor[1].decode()
                signature[number - 1][name] = _read_tensor_info(tensor[2])
        signatures[item[1].decode()] = signature
    signatures.pop("__saved_model_init_op", None)
    return signatures


def _read_tensor_info(message: bytes) -> TensorInfo:
    info = {1: b"", 2: 0, 3: b"", **dict(fields(message))}
    dtype = DTYPE_NAMES.get(info[2], f"dtype {info[2]}")
    return TensorInfo(info[1].decode(), dtype, _read_shape(info[3]))


def _read_shape(message: bytes) -> tuple[int, ...] | None:
    if dict(fields(message)).get(3):  # unknown_rank
        return None
    dims = [dict(fields(dim)) for number, dim in fields(message) if number == 2]
    sizes = [dim.get(1, 0) for dim in dims]
    return tuple(-1 if size == 2**64 - 1 else size for size in sizes)  # int64 as uint64
