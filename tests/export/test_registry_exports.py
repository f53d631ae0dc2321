"""Every registered model exports, and its export is verified; older servers load it."""

import dataclasses
import os

import numpy as np
import pytest

from tests.export.twins import NAMES, data_of, twin
from tfflows import zoo
from tfflows.export import export_saved_model
from tfflows.export.c_api_client import CApiWorker
from tfflows.export.writing.deployment import write_deployment
from tfflows.export.writing.lint import lint
from tfflows.export.writing.warmup import read_warmup

pytestmark = pytest.mark.large
# Larger models are exported with fewer and narrower layers, on events of their shape.
MOST_PARAMETERS = 1_000_000
SMALLER = {"num_steps": 1, "num_blocks": 1, "width": 16, "hidden_units": (32,)}
LIBRARIES = os.environ.get("TFFLOWS_TENSORFLOW_LIBRARIES", "")


def build(name):
    info, config = zoo.describe(name), zoo.get_config(name)
    overrides = {}
    if info.event_shape is None:
        overrides["event_shape"] = (3,)
    if info.parameters is not None and info.parameters > MOST_PARAMETERS:
        fields = {field.name for field in dataclasses.fields(config.model)}
        overrides |= {k: v for k, v in SMALLER.items() if k in fields}
    return zoo.create(name, **overrides)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_registered_model_exports(name, tmp_path):
    model = build(name)
    x, context = data_of(model)
    model.initialize(x if context is None else {"x": x, "context": context})
    path = export_saved_model(model, tmp_path)
    assert lint(path) == []
    assert write_deployment(tmp_path).is_dir()


@pytest.mark.skipif(
    not LIBRARIES,
    reason="TFFLOWS_TENSORFLOW_LIBRARIES names no libtensorflow_cc.so.2 of other "
    "versions of TensorFlow (paths separated by colons)",
)
@pytest.mark.parametrize("library", LIBRARIES.split(os.pathsep))
@pytest.mark.parametrize("name", NAMES)
def test_other_versions_of_tensorflow_answer_the_same(name, tmp_path, worker, library):
    path = export_saved_model(twin(name), tmp_path)
    with CApiWorker(library) as other:
        assert other.signatures(path) == worker.signatures(path)
        for signature, inputs in read_warmup(path):
            found = other.run(path, signature, inputs)
            for name, value in worker.run(path, signature, inputs).items():
                if value.dtype.kind != "f":
                    np.testing.assert_array_equal(found[name], value)
                    continue
                scale = np.max(np.abs(value))
                np.testing.assert_allclose(found[name], value, atol=1e-5 * scale)
