"""Binds TensorFlow's C API, in the shared library of its wheel, with ctypes."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator

INVALID_ARGUMENT, NOT_FOUND = 3, 5

_C_TYPES = {
    "v": None,
    "p": ctypes.c_void_p,
    "s": ctypes.c_char_p,
    "i": ctypes.c_int,
    "l": ctypes.c_int64,
    "n": ctypes.c_size_t,
}
# Functions as in tensorflow/c/c_api.h: types of the result and the arguments.
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
    "TF_StringInit": "vp",
    "TF_StringCopy": "vpsn",
    "TF_StringGetDataPointer": "pp",
    "TF_StringGetSize": "np",
    # tensorflow::DisableXlaCompilation(), which TF Serving calls when it starts.
    "_ZN10tensorflow21DisableXlaCompilationEv": "v",
}


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


def find_library() -> str:
    """Returns the path of `libtensorflow_cc.so.2` of the installed wheel.

    The wheel is located, not imported.

    Raises:
      OSError: Outside Linux, or if the file does not exist.
    """
    if sys.platform != "linux":
        raise OSError(f"expected Linux, whose wheel has the C API, got {sys.platform}")
    spec = importlib.util.find_spec("tensorflow")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = os.path.join(folder, "libtensorflow_cc.so.2")
        if os.path.exists(path):
            return path
    raise OSError("expected libtensorflow_cc.so.2 of an installed tensorflow wheel")


def load_library(path: str, xla: bool = False) -> ctypes.CDLL:
    """Loads the library and declares the types of its functions.

    Args:
      path: Path of the library.
      xla: Whether to keep XLA; otherwise it is disabled, as in TF Serving.

    Raises:
      OSError: If the library does not exist or lacks the C API.
    """
    # RTLD_LOCAL: with RTLD_GLOBAL a later `import numpy.random` crashes.
    library = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
    for name, types in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise OSError(f"expected TensorFlow's C API in {path}: {error}") from None
        function.restype, *function.argtypes = [_C_TYPES[letter] for letter in types]
    if not xla:
        library._ZN10tensorflow21DisableXlaCompilationEv()
    return library


@contextlib.contextmanager
def checked(tf: ctypes.CDLL) -> Iterator[int]:
    """Yields a new TF_Status, and raises the error that a call stored in it.

    Raises:
      CApiError: If the call failed.
    """
    status = tf.TF_NewStatus()
    try:
        yield status
        if code := tf.TF_GetCode(status):
            raise CApiError(code, tf.TF_Message(status).decode(errors="replace"))
    finally:
        tf.TF_DeleteStatus(status)
