"""Warm-up records: read back, replayed, and parsed by the published protos."""

import numpy as np
import pytest
import tensorflow as tf

from tfflows.export.c_api import _fields
from tfflows.export.warmup import (
    BATCH_SIZES,
    MOST_RECORDS,
    batch_sizes,
    warmup_record,
)

FILE = "assets.extra/tf_serving_warmup_requests"


def records(path):
    dataset = tf.data.TFRecordDataset(str(path / FILE))
    return [record.numpy() for record in dataset]


def read(record):
    """(signature, inputs) of a record, by the numbers of prediction_log.proto."""
    request = dict(_fields(dict(_fields(record))[6]))[1]
    inputs = {}
    for number, value in _fields(request):
        item = dict(_fields(value))
        if number == 1:
            signature = item[3].decode()
        else:
            proto = tf.make_tensor_proto(0)
            proto.ParseFromString(item[2])
            inputs[item[1].decode()] = tf.make_ndarray(proto)
    return signature, inputs


def test_each_batchable_signature_is_warmed_up_at_each_size(worker, export):
    found = {}
    for signature, inputs in map(read, records(export.path)):
        sizes = {len(value) for value in inputs.values()}
        assert len(sizes) == 1
        found.setdefault(signature, []).append(sizes.pop())
        outputs = worker.run(export.path, signature, inputs)
        assert all(len(value) == found[signature][-1] for value in outputs.values())
    signatures = set(worker.signatures(export.path)) - {"sample_n"}
    assert found == {name: list(BATCH_SIZES) for name in signatures}
    assert sum(map(len, found.values())) <= MOST_RECORDS


def test_the_published_protos_read_the_same(export):
    log = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="needs pip install --no-deps tensorflow-serving-api",
    )
    for record in records(export.path):
        message = log.PredictionLog.FromString(record)
        request = message.predict_log.request
        signature, inputs = read(record)
        assert request.model_spec.name == export.flow.name
        assert request.model_spec.signature_name == signature
        assert set(request.inputs) == set(inputs)
        for name, value in inputs.items():
            np.testing.assert_array_equal(tf.make_ndarray(request.inputs[name]), value)
        assert message.ByteSize() == len(record)  # nothing that the protos do not know


def test_sizes_that_grpc_refuses_are_left_out():
    one = {"x": np.zeros((3, 600, 600), np.float32), "seed": np.zeros((3, 2), np.int32)}
    assert batch_sizes(one) == [1]
    small = {"x": np.zeros((3, 100, 100), np.float32)}
    assert batch_sizes(small) == list(BATCH_SIZES)


def test_long_messages():
    x = np.arange(100_000, dtype=np.float32)
    signature, inputs = read(warmup_record("m", "s", {"x": x}))
    assert signature == "s"
    np.testing.assert_array_equal(inputs["x"], x)
