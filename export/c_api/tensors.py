"""Converts numpy arrays to TF_Tensors and back."""

from __future__ import annotations

import ctypes
import math

import numpy as np

from .library import INVALID_ARGUMENT, CApiError

_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 9: "int64", 10: "bool"}
_STRING = 7
DTYPE_NAMES = {**_DTYPES, _STRING: "string"}
_DTYPE_CODES = {name: code for code, name in _DTYPES.items()}
_TSTRING_BYTES = 24  # sizeof(TF_TString), a part of TensorFlow's ABI


def new_tensor(tf: ctypes.CDLL, array: np.ndarray) -> int:
    """Returns a new TF_Tensor that holds a copy of the array."""
    is_string = array.dtype.kind == "S"
    code = _STRING if is_string else _DTYPE_CODES.get(array.dtype.name)
    if code is None:
        expected = f"an array of {', '.join(_DTYPE_CODES)} or bytes"
        message = f"expected {expected}, got {array.dtype}"
        raise CApiError(INVALID_ARGUMENT, message)
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


def to_array(tf: ctypes.CDLL, tensor: int) -> np.ndarray:
    """Returns a copy of a TF_Tensor; strings become an array of bytes."""
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
        raise CApiError(INVALID_ARGUMENT, message)
    array = np.empty(shape, _DTYPES[code])
    ctypes.memmove(array.ctypes.data, data, array.nbytes)
    return array
