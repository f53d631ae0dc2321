"""Runs SavedModels through TensorFlow's C API, which is TF Serving's loader.

The package imports only numpy, the standard library and its own modules (relatively),
so it can be imported from its folder without `tfflows`. It loads the shared library of
the tensorflow wheel with ctypes. Such a process has no TensorFlow Python, Keras or
tfflows, so it gives a server's answers. `c_api.worker` is such a process.
"""

from .library import CApiError, find_library
from .meta_graph import Signature, TensorInfo
from .saved_model import SavedModel

__all__ = ["CApiError", "SavedModel", "Signature", "TensorInfo", "find_library"]
