"""Runs SavedModels in another process, `c_api.worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from tfflows.export.c_api import CApiError, Signature, TensorInfo

_FOLDER = str(Path(__file__).parent)
# Import it without `tfflows`, which would import TensorFlow. Remove its folder from the
# path again, so that its modules shadow no others.
_START = """
import sys
sys.path.insert(0, sys.argv[1])
from c_api.worker import serve
del sys.path[0]
serve(*sys.argv[2:])
"""


def _tensor_infos(tensors: Mapping[str, list]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(tensor, dtype, shape if shape is None else tuple(shape))
        for name, (tensor, dtype, shape) in tensors.items()
    }


class CApiWorker:
    """A process that runs SavedModels with the C API, without TensorFlow Python.

    It is a context manager. A worker serves any number of models, and loads each once.

    Args:
      library: Path of `libtensorflow_cc.so.2`, for example of another TensorFlow
        version; default: the installed wheel's.
      xla: As in `c_api.SavedModel`.

    Attributes:
      pid: The process id of the worker.

    Raises:
      OSError: Outside Linux, where the wheel has no C API.
    """

    def __init__(self, library: str | None = None, xla: bool = False) -> None:
        if sys.platform != "linux":
            raise OSError(f"expected Linux for TensorFlow's C API, got {sys.platform}")
        self._folder = tempfile.TemporaryDirectory(prefix="tfflows_c_api_")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                _START,
                _FOLDER,
                library or "",
                "xla" if xla else "",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ},
        )
        self.pid = self._process.pid

    def __enter__(self) -> CApiWorker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def signatures(self, directory: str | Path) -> dict[str, Signature]:
        """Returns the signatures of a SavedModel by name.

        Raises:
          CApiError: If TensorFlow cannot load the folder.
        """
        answer = self._ask({"model": str(directory)})
        return {
            name: Signature(*map(_tensor_infos, sides))
            for name, sides in answer["signatures"].items()
        }

    def run(
        self, directory: str | Path, signature: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature of a SavedModel; see `c_api.SavedModel.run`.

        Raises:
          CApiError: TensorFlow's error, with its code and message.
          RuntimeError: If the worker fails otherwise, or ends.
        """
        paths = {
            key: os.path.join(self._folder.name, f"{key}.npz")
            for key in ("inputs", "outputs")
        }
        np.savez(paths["inputs"], **inputs)
        self._ask({"model": str(directory), "signature": signature, **paths})
        with np.load(paths["outputs"]) as outputs:
            return dict(outputs)

    def close(self) -> None:
        """Ends the worker and waits for it."""
        self._process.communicate()
        self._folder.cleanup()

    def _ask(self, request: Mapping[str, str]) -> dict[str, Any]:
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = cast(IO[str], self._process.stdout).readline()
        except (BrokenPipeError, ValueError) as error:  # ended, or closed
            raise RuntimeError("the worker takes no more requests") from error
        if not line:
            raise RuntimeError(f"the worker ended with code {self._process.wait()}")
        answer = json.loads(line)
        if answer["ok"]:
            return answer
        if answer["code"] is None:
            raise RuntimeError(f"the worker failed: {answer['error']}")
        raise CApiError(answer["code"], answer["error"])
