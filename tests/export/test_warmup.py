"""Warm-up records: read back, replayed, and parsed by the published protos."""

import numpy as np
import tensorflow as tf

from tests.export.conftest import try_out
from tfflows.export.c_api.meta_graph import fields
from tfflows.export.warmup import (
    BATCH_SIZES,
    MOST_RECORDS,
    batch_sizes,
    warmup_record,
)

try:
    from tensorflow_serving.apis import prediction_log_pb2
except ImportError:
    prediction_log_pb2 = None

FILE = "assets.extra/tf_serving_warmup_requests"


def records(path):
    dataset = tf.data.TFRecordDataset(str(path / FILE))
    return [record.numpy() for record in dataset]


def read(record):
    """(signature, inputs) of a record, by the numbers of prediction_log.proto."""
    request = dict(fields(dict(fields(record))[6]))[1]
    inputs = {}
    for number, value in fields(request):
        item = dict(fields(value))
        if number == 1:
            signature = item[3].decode()
        else:
            proto = tf.make_tensor_proto(0)
            proto.ParseFromString(item[2])
            inputs[item[1].decode()] = tf.make_ndarray(proto)
    return signature, inputs


def test_an_export_verifies_and_each_batchable_signature_is_warmed_up(worker, export):
    assert not (export.path / FILE).exists()
    try_out(export)
    found = {}
    for record in records(export.path):
        signature, inputs = read(record)
        sizes = {len(value) for value in inputs.values()}
        assert len(sizes) == 1
        found.setdefault(signature, []).append(sizes.pop())
        check_against_the_published_protos(record, export.flow.name)
    signatures = set(worker.signatures(export.path)) - {"sample_n"}
    assert found == {name: list(BATCH_SIZES) for name in signatures}
    assert sum(map(len, found.values())) <= MOST_RECORDS
    signature, inputs = read(record)
    outputs = worker.run(export.path, signature, inputs)
    assert all(len(value) == BATCH_SIZES[-1] for value in outputs.values())


def check_against_the_published_protos(record, model):
    if prediction_log_pb2 is None:  # without tfflows[serving]
        return
    message = prediction_log_pb2.PredictionLog.FromString(record)
    request = message.predict_log.request
    signature, inputs = read(record)
    assert request.model_spec.name == model
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
