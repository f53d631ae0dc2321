"""Labels, contexts, sizes and augmentation of a user's own data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfflows.data

RNG = np.random.default_rng(0)


def write(folder, name, images):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        png = tf.io.encode_png(image).numpy()
        (folder / name / f"{number}.png").write_bytes(png)


def rows(source):
    """Examples and labels of all splits."""
    splits = source.num_examples
    x = np.concatenate([source.arrays(split) for split in splits])
    return x, np.concatenate([source.labels(split) for split in splits])


def test_subfolders_are_labels(tmp_path):
    for name, value in (("b", 7), ("a", 200), ("c", 90)):
        write(tmp_path, name, np.full((10, 2, 3, 1), value, "uint8"))
    source = tfflows.data.load(f"images:{tmp_path}", label_as_context=True)
    assert source.label_names == ("a", "b", "c")
    assert source.num_classes == 3
    x, labels = rows(source)
    np.testing.assert_array_equal(np.array([200, 7, 90])[labels], x[:, 0, 0, 0])
    batch = next(iter(source.training_batches(5)))
    np.testing.assert_array_equal(
        np.array([200, 7, 90])[batch["context"]], batch["x"][:, 0, 0, 0]
    )
    globbed = tfflows.data.load(f"images:{tmp_path}/[ab]/*.png")
    assert globbed.label_names == ("a", "b")
    (tmp_path / "0.png").write_bytes((tmp_path / "a" / "0.png").read_bytes())
    assert tfflows.data.load(f"images:{tmp_path}").label_names is None
    with pytest.raises(ValueError, match="put the images of each class in a subfolder"):
        tfflows.data.load(f"images:{tmp_path}", label_as_context=True)


def test_a_class_with_one_image(tmp_path):
    write(tmp_path, "many", np.zeros((20, 2, 2, 1), "uint8"))
    write(tmp_path, "one", np.ones((1, 2, 2, 1), "uint8"))
    source = tfflows.data.load(f"images:{tmp_path}")
    assert source.label_names == ("many", "one")
    with pytest.raises(ValueError, match=r"2 examples or more of each .*'one' \(1\)"):
        tfflows.data.load(f"images:{tmp_path}", label_as_context=True)


def test_images_are_resized_from_their_middle(tmp_path):
    image = np.zeros((4, 8, 3), "uint8")
    image[:, 2:6] = RNG.integers(0, 256, (4, 4, 3))
    write(tmp_path, "", [image, image[:, 2:6], np.repeat(image, 2, axis=0)])
    with pytest.raises(ValueError, match="--image_size resizes all"):
        tfflows.data.load(f"images:{tmp_path}")
    source = tfflows.data.load(f"images:{tmp_path}", image_size=2)
    assert source.event_shape == (2, 2, 3)
    means = image[:, 2:6].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    x = np.concatenate([source.arrays(split) for split in source.num_examples])
    close = np.abs(x - means).max(axis=(1, 2, 3)) <= 1
    assert close.sum() == 2  # the third image's middle is another
    wide = tfflows.data.load(f"images:{tmp_path}", image_size=(2, 4))
    assert wide.event_shape == (2, 4, 3)
    with pytest.raises(ValueError, match="expected image_size as height and width"):
        tfflows.data.load(f"images:{tmp_path}", image_size=(1, 2, 3))


def test_arrays_get_their_channel_and_labels(tmp_path):
    images = RNG.integers(0, 256, (20, 4, 5)).astype("uint8")
    np.savez(tmp_path / "a.npz", x=images, y=np.repeat([3, 7], 10))
    source = tfflows.data.load(f"npz:{tmp_path / 'a.npz'}", label_as_context=True)
    assert source.event_shape == (4, 5, 1)
    assert source.label_names == ("3", "7")
    x, labels = rows(source)
    seven = {image.tobytes() for image in images[10:]}
    assert [image.tobytes() in seven for image in x] == (labels == 1).tolist()
    np.savez(tmp_path / "b.npz", images=images, label=np.array(["no", "yes"] * 10))
    small = tfflows.data.load(f"npz:{tmp_path / 'b.npz'}", image_size=2)
    assert (small.event_shape, small.label_names) == ((2, 2, 1), ("no", "yes"))
    np.savez(tmp_path / "c.npz", x=images, y=np.arange(3))
    with pytest.raises(ValueError, match=r"each of the 20 examples.*of shape \(3,\)"):
        tfflows.data.load(f"npz:{tmp_path / 'c.npz'}")
    means = images.mean(axis=(1, 2))
    np.savez(tmp_path / "d.npz", x=images, y=means)
    source = tfflows.data.load(f"npz:{tmp_path / 'd.npz'}", label_as_context=True)
    x, observed = rows(source)
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), observed[:, 0], rtol=1e-5)
    assert (source.label_names, source.observation_shape) == (None, (1,))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_are_labels_or_a_context(tmp_path, kind):
    frame = pd.DataFrame({"a": RNG.normal(size=30), "k": ["u", "v", "w"] * 10})
    frame["b"], frame["n"] = 10 * frame["a"], [5, 2] * 15
    path = tmp_path / f"t.{kind}"
    getattr(frame, f"to_{kind}")(path, index=False)
    numbers = tmp_path / f"n.{kind}"
    getattr(frame.drop(columns="k"), f"to_{kind}")(numbers, index=False)
    source = tfflows.data.load(f"{kind}:{path}", label_column="k")
    assert source.columns == ("a", "b", "n")
    assert source.label_names == ("u", "v", "w")
    assert not source.label_as_context
    source = tfflows.data.load(f"{kind}:{numbers}", label_column="n")
    assert source.label_names == ("2", "5")
    source = tfflows.data.load(f"{kind}:{numbers}", context_columns=["a", "n"])
    assert source.columns == ("b",)
    assert source.observation_shape == (2,)
    x, context = rows(source)
    np.testing.assert_allclose(x[:, 0], 10 * context[:, 0], rtol=1e-5)
    assert next(iter(source.dataset("test", 2)))["context"].shape == (2, 2)


BAD = {
    "unknown": ({"label_column": "kind"}, "for label_column, got 'kind'; there are k"),
    "only": ({"context_columns": ["k", "a"]}, "no others than k, a: nothing is left"),
    "both": ({"label_column": "k", "context_columns": ["a"]}, "got both"),
    "number": ({"label_column": "a"}, r"line 2, column 'a': expected labels that are"),
    "empty": (
        {"label_column": "k"},
        r"line 4, column 'k': expected a label, got an em",
    ),
    "size": ({"image_size": 4}, "expected image_size with npz: or images: data"),
    "images": ({"augment": ["flip"], "label_column": "k"}, "line 4"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_columns(tmp_path, arguments, message):
    text = "k,a\nu,0.5\nv,1.5\n,2.5\nu,3.5\n"
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        tfflows.data.load(f"csv:{tmp_path / 't.csv'}", **arguments)
    (tmp_path / "t.csv").write_text("k\nu\nv\nu\n")
    with pytest.raises(ValueError, match="no others than k: nothing is left"):
        tfflows.data.load(f"csv:{tmp_path / 't.csv'}", label_column="k")


def augmented(*words, **arguments):
    return tfflows.data.load("digits", augment=words, **arguments)


def test_flips_and_shifts_of_training_batches():
    plain, source = tfflows.data.load("digits"), augmented("flip")
    flipped = []
    for batch in source.training_batches(128).take(3):
        given = plain.arrays("train")[batch["index"]]
        x = batch["x"].numpy()
        same = (x == given).all(axis=(1, 2, 3))
        mirrored = (x == given[:, :, ::-1]).all(axis=(1, 2, 3))
        assert (same | mirrored).all()
        flipped.append(mirrored & ~same)
    assert 0.4 < np.mean(flipped) < 0.6
    for batch in augmented("shift").training_batches(128).take(1):
        given = plain.arrays("train")[batch["index"]]
        edges = np.pad(given, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        moved = [edges[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
        found = [(batch["x"].numpy() == m).all(axis=(1, 2, 3)) for m in moved]
        assert np.any(found, axis=0).all()
        assert all(np.any(one) for one in found)


def test_what_an_augmentation_leaves_alone():
    source, plain = augmented("flip", "shift"), tfflows.data.load("digits")
    for split in source.num_examples:
        np.testing.assert_array_equal(source.arrays(split), plain.arrays(split))
        first = next(iter(source.dataset(split, 50)))
        np.testing.assert_array_equal(first["x"], plain.arrays(split)[:50])
    assert (source.levels, source.label_names) == (17, plain.label_names)


def test_an_augmentation_goes_on_at_any_step():
    source = augmented("flip", "shift")
    whole = list(source.training_batches(1300).take(4).as_numpy_iterator())
    later = source.training_batches(1300, first_step=3).take(1).as_numpy_iterator()
    np.testing.assert_array_equal(next(later)["x"], whole[3]["x"])
    again = {batch["x"][batch["index"] == 5].tobytes() for batch in whole} - {b""}
    assert len(again) > 1


def test_bad_augmentations():
    with pytest.raises(ValueError, match="augment of flip and shift, got 'turn'"):
        augmented("turn")
    with pytest.raises(ValueError, match="expected images of shape"):
        tfflows.data.load("two_moons", augment=["flip"])
