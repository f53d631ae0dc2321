"""Warm-up records: read back, replayed, and parsed by the published protos."""

import numpy as np
import pytest
import tensorflow as tf

from tests.export.conftest import try_out
from tfflows.export.c_api import CApiError
from tfflows.export.writing import warmup as warmup_module
from tfflows.export.writing.warmup import (
    BATCH_SIZES,
    MOST_RECORDS,
    WARMUP_FILE,
    batch_sizes,
    load_warm,
    read_warmup,
    warmup_record,
    write_warmup,
)

try:
    from tensorflow_serving.apis import prediction_log_pb2
except ImportError:
    prediction_log_pb2 = None


def test_an_export_verifies_and_each_batchable_signature_is_warmed_up(worker, export):
    assert not (export.path / WARMUP_FILE).exists()
    try_out(export)
    found = {}
    written = list(read_warmup(export.path))
    for signature, inputs in written:
        sizes = {len(value) for value in inputs.values()}
        assert len(sizes) == 1
        found.setdefault(signature, []).append(sizes.pop())
    signatures = set(worker.signatures(export.path)) - {"sample_n"}
    assert found == {name: list(BATCH_SIZES) for name in signatures}
    assert sum(map(len, found.values())) <= MOST_RECORDS
    check_against_the_published_protos(export, written)
    outputs = worker.run(export.path, *written[-1])
    assert all(len(value) == BATCH_SIZES[-1] for value in outputs.values())


def check_against_the_published_protos(export, written):
    if prediction_log_pb2 is None:  # without tfflows[serving]
        return
    dataset = tf.data.TFRecordDataset(str(export.path / WARMUP_FILE))
    for record, (signature, inputs) in zip(dataset, written, strict=True):
        message = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = message.predict_log.request
        assert request.model_spec.name == export.flow.name
        assert request.model_spec.signature_name == signature
        assert set(request.inputs) == set(inputs)
        for name, value in inputs.items():
            np.testing.assert_array_equal(tf.make_ndarray(request.inputs[name]), value)
        assert message.ByteSize() == len(record.numpy())  # nothing unknown


def test_sizes_that_grpc_refuses_are_left_out():
    one = {"x": np.zeros((3, 600, 600), np.float32), "seed": np.zeros((3, 2), np.int32)}
    assert batch_sizes(one) == [1]
    small = {"x": np.zeros((3, 100, 100), np.float32)}
    assert batch_sizes(small) == list(BATCH_SIZES)


def warmup(folder, *written):
    (folder / "assets.extra").mkdir(exist_ok=True)
    write_warmup(folder, [warmup_record("m", *one) for one in written])


def test_long_messages(tmp_path):
    x = np.arange(100_000, dtype=np.float32)
    warmup(tmp_path, ("s", {"x": x, "text": np.array([b"a", b"bc"])}))
    ((signature, inputs),) = read_warmup(tmp_path)
    assert signature == "s"
    np.testing.assert_array_equal(inputs["x"], x)
    assert inputs["text"].tolist() == [b"a", b"bc"]


class Counted:
    """A model of one signature, whose requests are counted."""

    def __init__(self, directory):
        self.requests, self.closed = [], False

    def run(self, signature, inputs):
        if signature != "s":
            raise CApiError(3, "no such signature")
        self.requests.append(inputs)

    def close(self):
        self.closed = True


@pytest.fixture
def loaded(monkeypatch):
    """The models that `load_warm` loads."""
    loaded = []

    def load(directory, xla):
        loaded.append(Counted(directory))
        return loaded[-1]

    monkeypatch.setattr(warmup_module, "SavedModel", load)
    return loaded


GOOD = ("s", {"x": np.ones(2, np.float32)})


def test_a_version_that_needs_xla_is_not_loaded_without(tmp_path, loaded):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "flow.json").write_text('{"jit_compile": true}')
    with pytest.raises(ValueError, match="expected --xla_cpu_compilation_enabled"):
        load_warm(tmp_path)
    assert not loaded
    assert load_warm(tmp_path, xla=True) is loaded[0]


def test_requests_are_sent_to_a_model_before_it_is_there(tmp_path, loaded):
    assert load_warm(tmp_path).requests == []  # without the file
    warmup(tmp_path, GOOD, GOOD)
    assert len(load_warm(tmp_path).requests) == 2
    assert not loaded[-1].closed


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda folder: warmup(folder, GOOD, ("t", {})), "no such signature"),
        (
            lambda folder: warmup(folder, *[GOOD] * (MOST_RECORDS + 1)),
            "at most 1000 warm-up requests",
        ),
        (
            lambda folder: (folder / WARMUP_FILE).write_bytes(b"a" * 20),
            "expected records",
        ),
        (lambda folder: write_warmup(folder, [b"garbage"]), "expected records"),
    ],
    ids=["one that fails", "too many", "no records", "other records"],
)
def test_a_fault_of_the_file_closes_the_model(tmp_path, loaded, fault, message):
    warmup(tmp_path, GOOD)
    fault(tmp_path)
    with pytest.raises((ValueError, CApiError), match=message):
        load_warm(tmp_path)
    assert loaded[0].closed
