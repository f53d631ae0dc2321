import numpy as np
import pytest
import tensorflow as tf

import tfflows.data
from tfflows.data.circular import CIRCULAR
from tfflows.data.pipelines import ArraySource, StreamedSource
from tfflows.data.simulators import SIMULATORS
from tfflows.data.source import DataInfo, Examples
from tfflows.data.toy import TOYS


def _streamed(size=23, label_as_context=False):
    """Example i of each split is [i, -i], its label i % 3."""
    info = DataInfo(
        name="streamed",
        event_shape=(2,),
        dtype="float32",
        levels=None,
        num_examples=dict.fromkeys(("train", "validation", "test"), size),
        num_classes=3,
    )

    def stream(split):
        i = tf.data.Dataset.range(size)
        return i.map(lambda i: (tf.cast(tf.stack([i, -i]), tf.float32), i % 3))

    return StreamedSource(info, stream, label_as_context=label_as_context)


def _in_memory():
    return tfflows.data.load("digits", label_as_context=True)


def _epoch(dataset):
    batches = list(dataset.as_numpy_iterator())
    return {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}


SOURCES = {
    "in_memory": _in_memory,
    "streamed": lambda: _streamed(label_as_context=True),
}
each_source = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


@each_source
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_index_is_the_position_in_arrays(make, shuffle, batch_size):
    source = make()
    epoch = _epoch(source.dataset("validation", batch_size, shuffle=shuffle))
    index = epoch["index"]
    assert index.dtype == np.int64
    assert epoch["x"].dtype == source.dtype
    np.testing.assert_array_equal(np.sort(index), np.arange(len(index)))
    assert len(index) == source.num_examples["validation"]
    np.testing.assert_array_equal(epoch["x"], source.arrays("validation")[index])
    np.testing.assert_array_equal(epoch["context"], source.labels("validation")[index])
    assert shuffle != np.array_equal(index, np.arange(len(index)))


@each_source
def test_shuffling_is_fixed_by_the_seed_and_new_in_each_epoch(make):
    def orders(seed):
        dataset = make().dataset("train", 10, shuffle=True, seed=seed)
        return [_epoch(dataset)["index"].tolist() for _ in range(2)]

    first, second = orders(seed=1)
    assert first != second
    assert orders(seed=1) == [first, second]
    assert orders(seed=2)[0] != first


def _steps(dataset, number):
    return [
        batch["index"].tolist() for batch in dataset.take(number).as_numpy_iterator()
    ]


@each_source
def test_training_batches_go_on_at_any_step(make):
    source, size = make(), make().num_examples["train"]
    batch_size = size // 3  # leaves a remainder out
    steps = source.steps_per_epoch(batch_size)
    all_steps = source.training_batches(batch_size, seed=1)
    orders = _steps(all_steps, 3 * steps)
    assert _steps(all_steps, 3 * steps) == orders  # each iteration is the same
    for first_step in (1, steps, 2 * steps + 1):
        rest = source.training_batches(batch_size, seed=1, first_step=first_step)
        assert _steps(rest, 3 * steps - first_step) == orders[first_step:]
    epochs = np.reshape(orders, (3, -1))
    assert epochs.shape[1] == steps * batch_size
    assert all(len(set(epoch)) == len(epoch) for epoch in epochs.tolist())
    assert epochs.min() >= 0
    assert epochs.max() < size
    assert not np.array_equal(epochs[0], epochs[1])
    assert _steps(source.training_batches(batch_size, seed=2), 1) != orders[:1]
    (everything,) = _steps(source.training_batches(10**6), 1)
    assert sorted(everything) == list(range(size))
    with pytest.raises(ValueError, match="expected first_step >= 0"):
        source.training_batches(1, first_step=-1)


def test_shuffled_places_are_not_near_their_examples_nor_those_of_the_last_epoch():
    x = np.zeros((10_000, 1), "float32")
    info = DataInfo("zeros", (1,), "float32", None, {"train": len(x)})
    source = ArraySource(info, lambda split: Examples(x))
    correlations = []
    for seed in range(10):
        before = np.arange(len(x))
        for order in _steps(source.training_batches(10**6, seed=seed), 10):
            correlations.append(np.corrcoef(order, before)[0, 1])
            before = order
    # Of standard deviation 1 / sqrt(n): 100 of them, and none above four.
    scaled = np.sqrt(len(x)) * np.abs(correlations)
    assert scaled.max() < 4.0
    assert np.mean(scaled**2) == pytest.approx(1.0, abs=0.5)


@each_source
def test_remainder_limit_and_static_shapes(make):
    source = make()
    size = source.num_examples["test"]
    sizes = [len(b["index"]) for b in source.dataset("test", 11)]
    assert sum(sizes) == size
    assert sizes[-1] == size % 11
    dropped = source.dataset("test", 11, drop_remainder=True)
    assert dropped.cardinality() in (size // 11, tf.data.UNKNOWN_CARDINALITY)
    assert dropped.element_spec["x"].shape == (11, *source.event_shape)
    assert len(source.arrays("test", limit=5)) == len(source.labels("test", 5)) == 5
    assert len(source.arrays("test", limit=10**6)) == size


@each_source
def test_bad_arguments(make):
    source = make()
    with pytest.raises(ValueError, match=r"expected a split of .* got 'valid'"):
        source.dataset("valid", 1)
    with pytest.raises(ValueError, match="expected a split"):
        source.arrays("all")
    for batch_size in (0, -1, 2.0, True, "3"):
        with pytest.raises(ValueError, match="expected batch_size"):
            source.dataset("test", batch_size)
    with pytest.raises(ValueError, match="drop_remainder=True, got 301"):
        source.dataset("test", 301, drop_remainder=True)
    with pytest.raises(ValueError, match="expected seed"):
        source.dataset("test", 1, shuffle=True, seed=-1)
    with pytest.raises(ValueError, match="expected limit"):
        source.arrays("test", limit=0)


def test_arrays_cannot_be_changed_through_a_view():
    source = tfflows.data.load("digits")
    with pytest.raises(ValueError, match="read-only"):
        source.arrays("train")[:] = 0


def test_digits():
    source = tfflows.data.load("digits")
    assert source.name == "digits"
    assert source.event_shape == (8, 8, 1)
    assert source.levels == 17
    assert source.num_classes == 10
    assert source.num_examples == {"train": 1347, "validation": 150, "test": 300}
    everything = np.concatenate([source.arrays(s) for s in source.num_examples])
    assert everything.dtype == np.uint8
    assert everything.max() == 16
    # The sum over the whole set: nothing lost, nothing twice.
    assert everything.sum(dtype=np.int64) == 561718
    labels = np.concatenate([source.labels(s) for s in source.num_examples])
    assert np.bincount(labels).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip
    other = tfflows.data.load("digits", seed=1)
    assert not np.array_equal(source.arrays("test"), other.arrays("test"))
    assert "context" not in source.dataset("test", 1).element_spec


@pytest.mark.parametrize("name", TOYS)
def test_toys(name):
    source = tfflows.data.load(name, seed=5)
    sizes = {"train": 50_000, "validation": 10_000, "test": 10_000}
    assert source.num_examples == sizes
    assert source.event_shape == (2,)
    assert (source.dtype, source.levels, source.num_classes) == ("float32", None, None)
    assert source.labels("test") is None
    splits = [source.arrays(split) for split in sizes]
    assert [len(x) for x in splits] == list(sizes.values())
    rows = {tuple(row) for x in splits for row in x.tolist()}
    assert len(rows) > 69_990  # disjoint, but for chance repeats of the checkerboard
    again = tfflows.data.load(name, seed=5)
    np.testing.assert_array_equal(splits[1], again.arrays("validation"))


def test_list_datasets():
    names = sorted(["digits", *TOYS, *CIRCULAR, *SIMULATORS])
    assert tfflows.data.list_datasets() == names
    assert tfflows.data.list_datasets("*gaussians") == [
        "eight_gaussians",
        "three_gaussians",
    ]


def test_unknown_names_list_near_ones():
    near = {
        "two_moon": "two_moons",
        "mnits": "mnist",
        "tfds:cifar1": "cifar10",
        "cvs:table": "csv:",
    }
    for name, expected in near.items():
        with pytest.raises(ValueError, match=f"near it: .*{expected}.*parquet:"):
            tfflows.data.load(name)
    with pytest.raises(ValueError, match="expected the name"):
        tfflows.data.load("")
    with pytest.raises(ValueError, match="expected seed"):
        tfflows.data.load("digits", seed=1.5)


def test_labels_asked_of_a_set_without():
    for name in ("rings", "power"):
        with pytest.raises(ValueError, match="has no labels"):
            tfflows.data.load(name, label_as_context=True)
