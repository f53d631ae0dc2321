"""Makes TFLite files with TensorFlow's converter, and runs them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.export.errors import ConversionRefusedError
from tfflows.system import files


def make(saved_model: Path, signature: str, function: Any) -> bytes:
    """Converts one signature.

    Args:
      saved_model: The folder of the export.
      signature: Its name.
      function: Not used; the converter reads the folder.

    Raises:
      ConversionRefusedError: If TFLite lacks an op of the signature.
    """
    del function
    with files.without_wildcards(saved_model) as readable:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            readable, signature_keys=[signature]
        )
    try:
        return converter.convert()
    except Exception as error:  # the converter's own class is not public
        ops = re.search(r"(TF Select|Custom) ops: (.*)", str(error))
        reason = f"no built-in op for {ops[2]}" if ops else str(error).split("\n")[0]
        if "does not dominate this use" in str(error):
            reason = "its converter fails on loops over elements; ONNX has them"
        raise ConversionRefusedError(f"TFLite: {reason}") from error


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs a file of one signature."""
    with warnings.catch_warnings():
        # Its warning names a successor, but TensorFlow ships this one.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    (signature,) = interpreter.get_signature_list()
    return dict(interpreter.get_signature_runner(signature)(**inputs))
