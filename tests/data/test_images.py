import numpy as np
import pytest
import tensorflow as tf

import tfflows.data

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)


def _write(path, pixels, encode=tf.io.encode_png):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode(pixels).numpy())


@pytest.fixture
def folder(tmp_path):
    for i, pixels in enumerate(PIXELS):
        _write(tmp_path / ("a" if i < 3 else "b") / f"{i}.PNG", pixels)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_text("not an image")
    return tmp_path


def _pixels(source):
    x = np.concatenate([source.arrays(split) for split in source.num_examples])
    return x[np.lexsort(x.reshape(len(x), -1).T)]


def test_folder_and_glob(folder):
    source = tfflows.data.load(f"images:{folder}")
    assert source.event_shape == (5, 4, 3)
    assert (source.dtype, source.levels) == ("uint8", 256)
    assert source.num_examples == {"train": 4, "validation": 1, "test": 1}
    expected = PIXELS[np.lexsort(PIXELS.reshape(6, -1).T)]
    np.testing.assert_array_equal(_pixels(source), expected)
    glob = tfflows.data.load(f"images:{folder}/a/*.PNG")
    assert sum(glob.num_examples.values()) == 3


def test_grey_jpeg(tmp_path):
    for i in range(3):
        _write(tmp_path / f"{i}.jpg", PIXELS[i, ..., :1], tf.io.encode_jpeg)
    assert tfflows.data.load(f"images:{tmp_path}").event_shape == (5, 4, 1)


def test_another_size_names_the_file(folder):
    _write(folder / "b" / "9.png", PIXELS[0, :4])
    with pytest.raises(ValueError, match=r"9\.png.*\(5, 4, 3\).*0\.PNG.*\(4, 4, 3\)"):
        tfflows.data.load(f"images:{folder}")


def test_undecodable_file_is_named(folder):
    (folder / "b" / "9.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"9\.png: expected a png"):
        tfflows.data.load(f"images:{folder}")
    (folder / "b" / "9.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"9\.png: expected a png"):
        tfflows.data.load(f"images:{folder}")


def test_nothing_there(tmp_path):
    for path in (tmp_path, tmp_path / "*.png", tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=r"expected a folder or glob"):
            tfflows.data.load(f"images:{path}")
    with pytest.raises(ValueError, match="expected images:FOLDER"):
        tfflows.data.load("images:")
    _write(tmp_path / "1.png", PIXELS[0])
    with pytest.raises(ValueError, match="at least 3 examples"):
        tfflows.data.load(f"images:{tmp_path}")
