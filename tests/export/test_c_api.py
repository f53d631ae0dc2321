"""The C API on a toy SavedModel: all dtypes, TensorFlow's errors, a clean process."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfflows.export import c_api
from tfflows.export.c_api import CApiError
from tfflows.export.c_api_client import CApiWorker

DTYPES = ("bool", "float32", "float64", "int32", "int64", "string", "uint8")
X_SPEC = tf.TensorSpec([None, 2], tf.float32, "x")


class Toy(tf.Module):
    def __init__(self):
        self.weight = tf.Variable([1.0, 10.0])

    @tf.function(input_signature=[X_SPEC])
    def dot(self, x):
        x = tf.ensure_shape(x, X_SPEC.shape)
        return {"y": tf.linalg.matvec(x, self.weight), "shape": tf.shape(x)}

    @tf.function(input_signature=[X_SPEC], jit_compile=True)
    def compiled(self, x):
        return {"y": x * self.weight}

    @tf.function(input_signature=[tf.TensorSpec(None, d, f"{d}_in") for d in DTYPES])
    def echo(self, *values):
        return dict(zip(DTYPES, map(tf.identity, values), strict=True))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    path = tmp_path_factory.mktemp("c_api") / "toy"
    module = Toy()
    signatures = {name: getattr(module, name) for name in ("dot", "compiled", "echo")}
    tf.saved_model.save(module, path, signatures=signatures)
    return path


def test_signatures(worker, toy):
    signatures = worker.signatures(toy)
    assert sorted(signatures) == ["compiled", "dot", "echo"]
    inputs, outputs = signatures["dot"]
    assert list(inputs) == ["x"]
    assert inputs["x"][1:] == ("float32", (-1, 2))
    assert {name: info[1:] for name, info in outputs.items()} == {
        "y": ("float32", (-1,)),
        "shape": ("int32", (2,)),
    }
    assert {n: i.dtype for n, i in signatures["echo"].outputs.items()} == {
        dtype: dtype for dtype in DTYPES
    }
    assert {info.shape for info in signatures["echo"].inputs.values()} == {None}


def test_runs_with_the_saved_weights(worker, toy):
    outputs = worker.run(toy, "dot", {"x": np.float32([[1, 2], [3, 4], [5, 6]])})
    np.testing.assert_array_equal(outputs["y"], [21, 43, 65])
    np.testing.assert_array_equal(outputs["shape"], [3, 2])


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=["scalar", "empty", "matrix"])
def test_every_dtype_goes_through_unchanged(worker, toy, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    texts = [b"", b"short", b"longer than what fits in place", b"\xff", b"4", b"5"]
    arrays = {
        dtype: np.take(texts, values) if dtype == "string" else values.astype(dtype)
        for dtype in DTYPES
    }
    outputs = worker.run(toy, "echo", {f"{d}_in": a for d, a in arrays.items()})
    for dtype, array in arrays.items():
        assert outputs[dtype].dtype.kind == array.dtype.kind
        assert outputs[dtype].shape == shape
        np.testing.assert_array_equal(outputs[dtype], array)


def test_memory_layout_does_not_matter(worker, toy):
    x = np.arange(6, dtype=">f4").reshape(2, 3).T  # not contiguous, big-endian
    outputs = worker.run(toy, "dot", {"x": x})
    np.testing.assert_array_equal(outputs["y"], x @ [1, 10])


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "message"),
    [
        ("dot", {"x": np.zeros((2, 1), np.float32)}, 3, "not compatible with expected"),
        ("dot", {"x": np.zeros((2, 2), np.float64)}, 3, "float but double"),
        ("dot", {"x": np.zeros((2, 2), np.float16)}, 3, "expected an array of float32"),
        ("dot", {"y": np.zeros((2, 2), np.float32)}, 3, r"expected inputs \['x'\]"),
        ("no", {"x": np.zeros((2, 2), np.float32)}, 3, "expected a signature of"),
        ("compiled", {"x": np.zeros((2, 2), np.float32)}, 13, "XLA compilation disab"),
    ],
    ids=["shape", "dtype", "unknown dtype", "name", "signature", "xla"],
)
def test_errors_carry_the_code_of_tensorflow(
    worker, toy, signature, inputs, code, message
):
    with pytest.raises(CApiError, match=message) as raised:
        worker.run(toy, signature, inputs)
    assert raised.value.code == code
    # The worker goes on.
    outputs = worker.run(toy, "dot", {"x": np.ones((1, 2), np.float32)})
    np.testing.assert_array_equal(outputs["y"], [11])


def test_missing_model(worker, tmp_path):
    with pytest.raises(CApiError, match="Could not find SavedModel") as raised:
        worker.signatures(tmp_path / "nothing")
    assert raised.value.code == 5


@pytest.mark.parametrize("part", ["variables", "variables/variables.index"])
def test_a_model_without_its_variables_is_refused(worker, toy, tmp_path, part):
    """TensorFlow would load it, and fail at each request."""
    copy = shutil.copytree(toy, tmp_path / "copy")
    (copy / part).rename(tmp_path / "not_copied")
    with pytest.raises(CApiError, match=r"variables\.index, got none") as raised:
        worker.signatures(copy)
    assert raised.value.code == 5
    (tmp_path / "not_copied").rename(copy / part)
    assert "dot" in worker.signatures(copy)


def test_worker_holds_no_tensorflow_python(worker, toy):
    worker.signatures(toy)
    mapped = pathlib.Path(f"/proc/{worker.pid}/maps").read_text()
    assert "libtensorflow_cc.so.2" in mapped
    assert "_pywrap_tensorflow" not in mapped


def test_a_bad_request_is_an_error_and_a_closed_worker_says_so(toy):
    with CApiWorker() as own:
        with pytest.raises(RuntimeError, match="allow_pickle"):
            own.run(toy, "dot", {"x": np.array([None])})
        assert "dot" in own.signatures(toy)
    with pytest.raises(RuntimeError, match="no more requests"):
        own.signatures(toy)


def test_lines_that_are_no_requests_are_answered_too(toy):
    with CApiWorker() as own:
        process = own._process
        for line in ("not json", json.dumps({"model": str(toy)})):
            print(line, file=process.stdin, flush=True)
        bad, good = (json.loads(process.stdout.readline()) for _ in range(2))
    assert good["ok"]
    assert bad == {"ok": False, "code": None, "error": bad["error"]}


LOAD = """
import sys
import numpy as np
import c_api

model = c_api.SavedModel(sys.argv[1])
print(model.signatures["dot"].inputs["x"].dtype)
print(model.run("dot", {"x": np.ones((1, 2), np.float32)})["y"].tolist())
model.close()
print([name for name in sys.modules if name.startswith(("tensorflow", "tfflows"))])
"""
COUNT = """
import collections
import sys
import c_api
from c_api import saved_model

alive = collections.Counter()


class Counting:
    def __init__(self, library):
        self.library = library

    def __getattr__(self, name):
        function = getattr(self.library, name)

        def call(*arguments):
            result = function(*arguments)
            if name == "TF_LoadSessionFromSavedModel":
                alive["Session"] += result is not None
            elif name.startswith("TF_New"):
                alive[name.removeprefix("TF_New")] += 1
            elif name.startswith("TF_Delete"):
                alive[name.removeprefix("TF_Delete")] -= 1
            return result

        return call


load = saved_model.load_library
saved_model.load_library = lambda *given: Counting(load(*given))
try:
    c_api.SavedModel("nothing")
except c_api.CApiError:
    print(sorted(+alive))
model = c_api.SavedModel(sys.argv[1])
print(sorted(+alive))
model.close()
print(sorted(+alive))
"""
LONG_TEXTS = """
import pathlib
import resource
import sys
import numpy as np
import c_api

DTYPES = ("bool", "float32", "float64", "int32", "int64", "uint8")
model = c_api.SavedModel(sys.argv[1])
inputs = {f"{dtype}_in": np.zeros(1, dtype) for dtype in DTYPES}
inputs["string_in"] = np.array([b"x" * 2**22] * 2)
for times in (3, 20):
    for _ in range(times):
        assert model.run("echo", inputs)["string"].tolist() == [b"x" * 2**22] * 2
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    print(pages * resource.getpagesize() // 2**20)
"""


def run_alone(script, toy):
    """The lines that a script prints in a process of its own, beside c_api."""
    # Not in this process, in which it would disable XLA for all other tests.
    result = subprocess.run(
        [sys.executable, "-c", script, str(toy)],
        cwd=pathlib.Path(c_api.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()


def test_it_is_imported_alone_in_a_process_of_its_own(toy):
    assert run_alone(LOAD, toy) == ["float32", "[11.0]", "[]"]


def test_a_failed_load_and_a_closed_model_leave_nothing(toy):
    assert run_alone(COUNT, toy) == ["[]", "['Graph', 'Session']", "[]"]


def test_inputs_and_outputs_are_freed_with_their_long_texts(toy):
    before, after = map(int, run_alone(LONG_TEXTS, toy))
    assert after - before < 40  # MiB; 20 requests of 8 MiB were sent in between


def test_another_system_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="expected Linux"):
        c_api.find_library()
    with pytest.raises(OSError, match="expected Linux"):
        CApiWorker()


def test_a_library_without_the_c_api_is_refused(toy):
    with pytest.raises(OSError, match="expected TensorFlow's C API"):
        c_api.SavedModel(toy, library="libc.so.6")
