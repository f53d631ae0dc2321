"""Own data that readers would take for something else, or run into."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import tfflows.data

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
COLOUR = PIL.Image.fromarray(PIXELS)
DEEP = np.random.default_rng(0).integers(0, 65536, (6, 5, 3)).astype(np.uint16)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def frames(kind):
    return encoded(
        COLOUR, kind, save_all=True, append_images=[PIL.Image.fromarray(255 - PIXELS)]
    )


REFUSED_IMAGES = {
    "grey_16": (encoded(PIL.Image.fromarray(DEEP[..., 0]), "PNG"), "16 bits"),
    "colour_16": (tf.io.encode_png(DEEP).numpy(), "16 bits"),
    "cmyk": (encoded(COLOUR.convert("CMYK"), "JPEG"), "mode CMYK"),
    "gif": (frames("GIF"), "got GIF"),
    "apng": (frames("PNG"), "an animation of 2 images"),
    "tiff": (encoded(PIL.Image.fromarray(np.eye(6, dtype="f4")), "TIFF"), "got TIFF"),
    "webp": (encoded(COLOUR, "WEBP"), "got WEBP"),
    "bmp_palette": (encoded(COLOUR.quantize(16), "BMP"), "a bmp with a palette"),
    "bmp_1_bit": (encoded(COLOUR.convert("1"), "BMP"), "a bmp with a palette"),
    "png_cut": (encoded(COLOUR, "PNG")[:-40], "cannot be decoded"),
    "jpg_cut": (encoded(COLOUR, "JPEG")[:-60], "cannot be decoded"),
    "bmp_cut": (encoded(COLOUR, "BMP")[:-30], "cannot be decoded"),
    "empty": (b"", "cannot be decoded"),
}


def load_images(folder, content):
    folder = folder / "i[1]"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_bytes(content)
    return tfflows.data.load(f"images:{folder}")


@pytest.mark.parametrize(
    ("content", "message"), REFUSED_IMAGES.values(), ids=REFUSED_IMAGES
)
def test_images_that_would_be_read_wrongly(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"a\.png: expected a png.*{message}"):
        load_images(tmp_path, content)


TAKEN_IMAGES = {
    "wrong_ending": (encoded(COLOUR, "BMP"), PIXELS),
    "palette": (
        encoded(COLOUR.quantize(8), "PNG"),
        np.asarray(COLOUR.quantize(8).convert("RGB")),
    ),
    "transparent": (
        encoded(COLOUR.convert("RGBA"), "PNG"),
        np.asarray(COLOUR.convert("RGBA")),
    ),
    "1_bit": (
        encoded(COLOUR.convert("1"), "PNG"),
        255 * np.asarray(COLOUR.convert("1"), np.uint8)[..., np.newaxis],
    ),
}


@pytest.mark.parametrize(("content", "pixels"), TAKEN_IMAGES.values(), ids=TAKEN_IMAGES)
def test_images_that_are_read_as_they_are(tmp_path, content, pixels):
    source = load_images(tmp_path, content)
    np.testing.assert_array_equal(source.arrays("train")[0], pixels)


def test_other_images_in_a_folder_are_not_left_out_in_silence(tmp_path):
    load_images(tmp_path, encoded(COLOUR, "PNG"))
    (tmp_path / "i[1]" / "d.TIF").write_bytes(b"")
    with pytest.raises(ValueError, match=r"d\.TIF: expected png.*take it out"):
        tfflows.data.load(f"images:{tmp_path / 'i[1]'}")
    source = tfflows.data.load(f"images:{tmp_path / 'i[1]'}/*.png")
    assert source.event_shape == (6, 5, 3)


def npy(header, content=b""):
    head = header.encode()
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + content


def described(shape):
    return f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"


BROKEN_ARRAYS = {
    "short": npy(described((4, 2)), bytes(8)),
    "huge": npy(described((10**12, 2)), bytes(64)),
    "header": npy("(" * 5000),
    "no_header": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("content", BROKEN_ARRAYS.values(), ids=BROKEN_ARRAYS)
@pytest.mark.parametrize("member", ["x.npy", "x"])
def test_broken_arrays(tmp_path, content, member):
    path = tmp_path / "a#1[2].npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    with pytest.raises(ValueError, match="a#1") as error:
        tfflows.data.load(f"npz:{path}")
    assert str(path) in str(error.value)


def test_an_archive_larger_than_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros((1000, 1000)))
    monkeypatch.setattr("tfflows.data.sources.npz._memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"x\.npz.*takes 8000128 bytes"):
        tfflows.data.load(f"npz:{path}")


def _why_not(name):
    """The error of loading; None for a byte that nobody reads."""
    try:
        tfflows.data.load(name)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_any_cut_and_any_flipped_byte(tmp_path, kind):
    path, x = tmp_path / f"x.{kind}", np.arange(24.0).reshape(12, 2)
    if kind == "npz":
        np.savez_compressed(path, x=x)
    else:
        pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1]}), path)
    content = path.read_bytes()
    flipped = (
        content[:i] + bytes([content[i] ^ 255]) + content[i + 1 :]
        for i in range(0, len(content), 13)
    )
    for broken in (*(content[:i] for i in range(0, len(content), 41)), *flipped):
        path.write_bytes(broken)
        assert str(path) in (_why_not(f"{kind}:{path}") or str(path))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1", "2", "3"]),
        pa.array(["1", "2", "3"]).dictionary_encode(),
        pa.array([b"1", b"2", b"3"]),
    ],
)
def test_text_that_reads_as_numbers_is_text(tmp_path, column):
    path = tmp_path / "x[1].parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0], "zip code": column}), path)
    with pytest.raises(ValueError, match=r"column 'zip code': expected a column of n"):
        tfflows.data.load(f"parquet:{path}")


BAD_CSV = {
    "nul": (b"a,b\n1,2\n3,\x004\n5,6\n", "line 3: expected text, got a NUL byte"),
    "nuls": (bytes(40), "line 1: expected text, got a NUL byte"),
    "utf_16": ("a,b\n1,2\n".encode("utf-16"), "expected UTF-8"),
    "digits": (b"1,2\n3,4\n5,6\n" + b"9" * 400 + b",1\n", "line 4, column '1'"),
}


@pytest.mark.parametrize(("content", "message"), BAD_CSV.values(), ids=BAD_CSV)
def test_bytes_that_are_no_csv(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.csv.*{message}"):
        tfflows.data.load(f"csv:{tmp_path}/x.csv")


def test_a_plain_csv_of_another_ending(tmp_path):
    (tmp_path / "x.zip").write_text("1,2\n3,4\n5,6\n")
    assert tfflows.data.load(f"csv:{tmp_path}/x.zip").event_shape == (2,)
