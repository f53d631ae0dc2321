"""Makes ONNX files with tf2onnx, and runs them with onnxruntime (extra `onnx`)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.export.errors import ConversionRefusedError
from tfflows.system.extras import needed

_OPSET = 18


def require() -> None:
    """Raises ImportError unless tf2onnx and onnxruntime are installed."""
    with needed("onnx", "tf2onnx and onnxruntime for ONNX"):
        importlib.import_module("tf2onnx")
        importlib.import_module("onnxruntime")


def make(saved_model: Path, signature: str, function: Any) -> bytes:
    """Converts one signature.

    Args:
      saved_model: Not used; the loaded signature is traced.
      signature: Its name.
      function: The loaded signature.

    Raises:
      ConversionRefusedError: If ONNX lacks an op of the signature.
    """
    del saved_model
    import onnx
    import tf2onnx

    specs = function.structured_input_signature[1]

    @tf.function(input_signature=list(specs.values()))
    def traced(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**dict(zip(specs, values, strict=True)))

    try:
        model, _ = tf2onnx.convert.from_function(
            traced,
            input_signature=list(specs.values()),
            opset=_OPSET,
            custom_op_handlers={"Log1p": (_log1p, [])},
        )
    except Exception as error:  # tf2onnx raises many kinds
        raise ConversionRefusedError(f"ONNX: {error}") from error
    # tf2onnx leaves unknown ops in the file.
    ops = {node.op_type for node in model.graph.node}
    if unknown := sorted(op for op in ops if not onnx.defs.has(op)):
        raise ConversionRefusedError(f"ONNX: no op for {', '.join(unknown)}")
    return model.SerializeToString()


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs a file of one signature."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def _log1p(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Replaces log1p(x), which ONNX lacks, by log(1 + x)."""
    from tf2onnx import utils

    del arguments
    (x,), outputs = node.input, list(node.output)
    shape, dtype = graph.get_shape(outputs[0]), graph.get_dtype(outputs[0])
    graph.remove_node(name)
    one = np.ones((), utils.map_onnx_to_numpy_type(dtype))
    constant = graph.make_const(utils.make_name(f"{name}_one"), one).output[0]
    total = graph.make_node("Add", [x, constant]).output[0]
    graph.make_node("Log", [total], outputs=outputs, shapes=[shape], dtypes=[dtype])
