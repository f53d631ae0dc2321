# ruff: noqa: RUF012 (the class attributes of the builders are never changed)
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfflows.data
from tfflows.data.pipelines import StreamedSource
from tfflows.data.sources import tfds_source

# Builders defined here are registered, and thus found by name, as TFDS's own are.


class _Builder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    SIZES = {"train": 20}
    FEATURES = {}
    KEYS = None

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.FEATURES),
            supervised_keys=self.KEYS,
        )

    def _split_generators(self, manager):
        return {split: self._generate_examples(n) for split, n in self.SIZES.items()}

    def _generate_examples(self, size):
        for i in range(size):
            yield i, self.example(i)


class TfflowsTable(_Builder):
    FEATURES = {
        "b": tfds.features.Scalar(np.int32),
        "a": {"v": tfds.features.Tensor(shape=(2,), dtype=np.float32)},
        "c": np.bool_,
        "text": tfds.features.Text(),
        "target": np.float32,
        "kind": tfds.features.ClassLabel(num_classes=2),
    }
    KEYS = ("a", "kind")

    def example(self, i):
        a = {"v": [i, -i]}
        values = {"b": 10 * i, "c": i % 2 == 0, "text": "x", "target": 7.0}
        return {"a": a, "kind": i % 2, **values}


class TfflowsClasses(_Builder):
    FEATURES = {"a": np.float32, "class_label": np.float32}

    def example(self, i):
        return {"a": i, "class_label": i % 2}


class TfflowsHoles(_Builder):
    FEATURES = {"a": np.float32}

    def example(self, i):
        return {"a": float("nan")}


class TfflowsSizes(_Builder):
    FEATURES = {"image": tfds.features.Image(shape=(None, None, 3))}


class TfflowsText(_Builder):
    FEATURES = {"text": tfds.features.Text()}


class TfflowsTest(TfflowsTable):
    SIZES = {"test": 3}


class TfflowsOffline(TfflowsTable):
    def _split_generators(self, manager):
        raise ConnectionError("no route to host")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(params=["in_memory", "streamed"])
def table(request, data_dir, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(tfds_source, "_MEMORY_BYTES", 0)
    source = tfflows.data.load(
        "tfds:tfflows_table", data_dir=data_dir, label_as_context=True
    )
    assert isinstance(source, StreamedSource) == (request.param == "streamed")
    return source


def test_table(table):
    # In the order of names: a/v, b, c, target (the supervised key is "kind").
    assert table.event_shape == (5,)
    assert (table.dtype, table.levels, table.num_classes) == ("float32", None, 2)
    assert table.num_examples == {"train": 16, "validation": 2, "test": 2}
    x = np.concatenate([table.arrays(split) for split in table.num_examples])
    i = np.sort(x[:, 0])
    np.testing.assert_array_equal(i, np.arange(20))  # disjoint and complete
    np.testing.assert_array_equal(x[:, 1:3], np.stack([-x[:, 0], 10 * x[:, 0]], -1))
    np.testing.assert_array_equal(x[:, 3], x[:, 0] % 2 == 0)
    np.testing.assert_array_equal(
        table.labels("train"), table.arrays("train")[:, 0] % 2
    )


def test_table_batches(table):
    for batch in table.dataset("train", 5, shuffle=True).as_numpy_iterator():
        expected = table.arrays("train")[batch["index"]]
        np.testing.assert_array_equal(batch["x"], expected)
        np.testing.assert_array_equal(batch["context"], batch["x"][:, 0] % 2)


def test_label_is_left_out_by_its_name(data_dir):
    source = tfflows.data.load("tfflows_classes", data_dir=data_dir)
    assert source.event_shape == (1,)
    assert source.labels("train") is None


def test_own_splits_win():
    slices = tfds_source._slices
    ten = {"validation": "train[80%:90%]", "test": "train[90%:100%]"}
    assert slices("", {"train"}) == {"train": "train[:80%]", **ten}
    assert slices("", {"train", "test", "extra"}) == {
        "train": "train[:90%]",
        "validation": "train[90%:100%]",
        "test": "test",
    }
    assert slices("", {"train", "validation"})["test"] == "train[90%:100%]"
    own = {split: split for split in ("train", "validation", "test")}
    assert slices("", set(own)) == own


BAD = {
    "tfflows_sizes": "uint8 images of one size.*'image'.*None",
    "tfflows_text": r"an image or numeric features, got \['text'\]",
    "tfflows_test": r"expected a split 'train', got \['test'\]",
}


@pytest.mark.parametrize("name", BAD)
def test_sets_that_do_not_fit(name, data_dir):
    with pytest.raises(ValueError, match=BAD[name]):
        tfflows.data.load(name, data_dir=data_dir)


def test_nan_in_a_feature(data_dir):
    source = tfflows.data.load("tfflows_holes", data_dir=data_dir)
    with pytest.raises(ValueError, match=r"'tfflows_holes'.*NaN"):
        source.arrays("train")


def test_unprepared_and_offline(data_dir):
    message = (
        f"'tfflows_offline' is not prepared in {data_dir}/tfflows_offline.*"
        "no route to host.*tfds build tfflows_offline.*TFDS_DATA_DIR"
    )
    with pytest.raises(FileNotFoundError, match=message):
        tfflows.data.load("tfflows_offline", data_dir=data_dir)


@pytest.mark.parametrize("name", ["mnist/nonesuch", "mnist:9.8.7"])
def test_unknown_configuration_or_version(name, data_dir):
    with pytest.raises(ValueError, match=r"nonesuch|9\.8\.7"):
        tfflows.data.load(name, data_dir=data_dir)


@pytest.mark.parametrize("name", ["tfds:", "a/b/c", "../x", "huggingface:mnist"])
def test_names_that_are_none(name, data_dir):
    with pytest.raises(ValueError, match="unknown data set"):
        tfflows.data.load(name, data_dir=data_dir)


def test_environment_variable_names_the_folder(data_dir, monkeypatch):
    tfflows.data.load("tfflows_table", data_dir=data_dir)
    monkeypatch.setattr(tfds_source, "_prepare", _refuse)  # it is prepared there
    monkeypatch.setenv("TFDS_DATA_DIR", data_dir)
    assert tfflows.data.load("tfflows_table").num_examples["train"] == 16


def _refuse(name, builder):
    pytest.fail(f"{name} was not found prepared; looked in {builder.data_dir}")


def test_real_mnist(tfds_dir):
    source = tfflows.data.load("mnist", data_dir=tfds_dir)
    assert source.event_shape == (28, 28, 1)
    assert (source.dtype, source.levels, source.num_classes) == ("uint8", 256, 10)
    sizes = {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert source.num_examples == sizes
    splits = {split: source.arrays(split) for split in sizes}
    assert {split: len(x) for split, x in splits.items()} == sizes
    # Mean and variance of the published 60,000 training images, scaled to [0, 1].
    training = np.concatenate([splits["train"], splits["validation"]]) / np.float32(255)
    np.testing.assert_allclose(training.mean(dtype=np.float64), 0.1307, atol=5e-5)
    np.testing.assert_allclose(training.std(dtype=np.float64), 0.3081, atol=5e-5)
    assert np.bincount(source.labels("test")).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_real_cifar10_shapes(tfds_dir):
    source = tfflows.data.load("tfds:cifar10", data_dir=tfds_dir)
    assert source.event_shape == (32, 32, 3)
    assert source.num_examples == {"train": 45_000, "validation": 5_000, "test": 10_000}
    assert source.arrays("validation", limit=2).shape == (2, 32, 32, 3)
