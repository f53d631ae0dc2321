"""A SavedModel run through TensorFlow's C API, the loader that TF Serving uses.

The package imports numpy and the standard library alone, and its own modules
relatively, so that it can be imported without `tfflows` around it, from the folder that
it lies in. It loads the shared library of the tensorflow wheel by ctypes: a process
that does so holds no TensorFlow Python, no Keras and no tfflows, and what it computes
is what a server answers. `c_api.worker` is such a process.
"""

from .library import CApiError, find_library
from .meta_graph import Signature, TensorInfo
from .saved_model import SavedModel

__all__ = ["CApiError", "SavedModel", "Signature", "TensorInfo", "find_library"]
