"""A served model that takes no TensorFlow: y = x + 1, or a wait, or many numbers."""

import time

import numpy as np

from tfflows.export.c_api import CApiError, Signature, TensorInfo
from tfflows.export.serving.served_model import ServedModel


def info(dtype, *shape):
    return TensorInfo("t:0", dtype, shape)


ADD = Signature({"x": info("float32", -1, 2)}, {"y": info("float32", -1, 2)})
SIGNATURES = {
    "serving_default": ADD,
    "add": ADD,
    "two": Signature(
        {"x": info("float32", -1), "n": info("int32", -1)},
        {"y": info("float32", -1), "n": info("int32", -1)},
    ),
    "wait": Signature({"seconds": info("float32", -1)}, {"y": info("float32", -1)}),
    "many": Signature({"number": info("int32", -1)}, {"y": info("float32", -1)}),
    "flags": Signature({"flag": info("bool", -1)}, {"flag": info("bool", -1)}),
    "text": Signature({"text": info("string", -1)}, {"text": info("string", -1)}),
}


class Toy:
    signatures = SIGNATURES

    def run(self, signature, inputs):
        expected = {
            key: len(i.shape) for key, i in SIGNATURES[signature].inputs.items()
        }
        if {key: array.ndim for key, array in inputs.items()} != expected:
            raise CApiError(3, f"expected inputs of ranks {expected}")
        if signature == "wait":
            time.sleep(float(inputs["seconds"][0]))
            return {"y": inputs["seconds"]}
        if signature == "many":
            return {"y": np.zeros(inputs["number"][0], np.float32)}
        outputs = {key: array for key, array in inputs.items() if key != "x"}
        return {**outputs, "y": inputs["x"] + 1} if "x" in inputs else outputs

    def close(self):
        pass


def served_toy(folder, version=1, name="toy"):
    path = folder / str(version)
    path.mkdir(parents=True, exist_ok=True)
    (path / "saved_model.pb").touch()
    model = ServedModel(name, folder, lambda path: Toy())
    model.poll()
    model.poll()
    return model
