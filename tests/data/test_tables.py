import re

import numpy as np
import pandas as pd
import pytest

import tfflows.data

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def _load(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tfflows.data.load(f"csv:{path}")


def _all_rows(source):
    return np.concatenate([source.arrays(split) for split in source.num_examples])


def _sorted(x):
    return x[np.lexsort(x.reshape(len(x), -1).T)]


@pytest.mark.parametrize("header", [True, False])
def test_csv_round_trip(tmp_path, header):
    pd.DataFrame(X, columns=list("abc")).to_csv(
        tmp_path / "x.csv", index=False, header=header
    )
    source = tfflows.data.load(f"csv:{tmp_path / 'x.csv'}")
    assert source.event_shape == (3,)
    assert (source.dtype, source.levels, source.num_classes) == ("float32", None, None)
    assert source.num_examples == {"train": 40, "validation": 5, "test": 5}
    assert source.columns == (("a", "b", "c") if header else None)
    np.testing.assert_array_equal(_sorted(_all_rows(source)), _sorted(X))
    other = tfflows.data.load(f"csv:{tmp_path / 'x.csv'}", seed=1)
    assert not np.array_equal(source.arrays("test"), other.arrays("test"))


def test_csv_parquet_and_npz_agree(tmp_path):
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    np.savez(tmp_path / "x.npz", X)
    names = [f"{kind}:{tmp_path / f'x.{kind}'}" for kind in ("csv", "parquet", "npz")]
    sources = [tfflows.data.load(name) for name in names]
    assert [s.columns for s in sources] == [("a", "b", "c")] * 2 + [None]
    csv, parquet, npz = (source.arrays("train") for source in sources)
    np.testing.assert_array_equal(csv, parquet)
    np.testing.assert_array_equal(csv, npz)


def test_csv_blank_lines_spaces_bom_and_integers(tmp_path):
    source = _load(tmp_path, "\ufeff\n a, b\n\n1, 2\n3,4\r\n\n5, -6e0\n\n")
    expected = np.array([[5, -6], [1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(_sorted(_all_rows(source)), expected)


def test_one_column(tmp_path):
    assert _load(tmp_path, "1\n2\n3\n").event_shape == (1,)


BAD_CSV = {
    "empty": ("", "got an empty file"),
    "blank": ("\n \n", "got an empty file"),
    "header_only": ("a,b\n", "got a header line only"),
    "single_row": ("1,2\n", "at least 3 examples.*got 1"),
    "single_row_after_header": ("a,b\n1,2\n", "at least 3 examples.*got 1"),
    "text": ("a,b\n\n1,2\n3,4\n5,six\n", "line 5, column 'b'.*got 'six'"),
    "text_without_header": ("1,2\n3,4\nx,6\n", "line 3, column '1'.*got 'x'"),
    "nan": ("a,b\n1,2\nnan,4\n5,6\n", "line 3, column 'a'.*got NaN"),
    "nan_first": ("1,nan\n3,4\n5,6\n", "line 1, column '2'.*got NaN"),
    "missing": ("a,b\n1,2\n\n3,\n5,6\n", "line 4, column 'b'.*an empty cell"),
    "inf": ("a,b\n1,2\n3,-inf\n5,6\n", "line 3, column 'b'.*got .*inf"),
    "overflow": ("a,b\n1,2\n3,4\n1e39,6\n", r"line 4, column 'a'.*got .*1e\+39"),
    "bool": ("a,b\n1,True\n3,False\n5,True\n", "line 2, column 'b'.*bool"),
    "long_row": ("a,b\n1,2\n3,4,5\n", "rows of equal length.*saw 3"),
    "long_rows": ("a,b\n1,2,3\n3,4,5\n", "expected 2 columns.*got 3"),
    "short_row": ("a,b\n1,2\n3\n4,5\n", "line 3, column 'b'.*empty cell"),
    "half_header": ("1,b\n1,2\n3,4\n", "line 1.*'1' in column 1"),
    "row_index": (",a\n0,2\n1,4\n", "line 1.*'' in column 1.*name every column"),
    "binary": (b"\x93\xff\x00\n1", "expected UTF-8"),
    "open_quote": ('a,"b\n1,2\n3,4\n', "table.csv"),
}


@pytest.mark.parametrize(("text", "message"), BAD_CSV.values(), ids=BAD_CSV)
def test_bad_csv(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        _load(tmp_path, text)
    assert "table.csv" in str(error.value)


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_missing_file(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match=r"no\.such"):
        tfflows.data.load(f"{kind}:{tmp_path / 'no.such'}")
    with pytest.raises(ValueError, match="expected a path"):
        tfflows.data.load(f"{kind}:")


BAD_COLUMNS = {
    "text": (["1", "two", "3"], "row 2, column 'b'.*'two'"),
    "none": ([1, 2, None], "row 3, column 'b'.*NaN or an empty cell"),
    "inf": ([1.0, np.inf, 3], "row 2, column 'b'.*inf"),
    "date": (pd.date_range("2020", periods=3), "row 1, column 'b'.*datetime"),
    "list": ([[1], [2], [3]], "row 1, column 'b'"),
    "category": (pd.Categorical(["u", "v", "u"]), "row 1, column 'b'.*'u'"),
}


@pytest.mark.parametrize(("column", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_parquet(tmp_path, column, message):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"a": [1.0, 2, 3], "b": column}).to_parquet(path)
    with pytest.raises(ValueError, match=message) as error:
        tfflows.data.load(f"parquet:{path}")
    assert str(path) in str(error.value)


def test_foreign_and_empty_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="expected a Parquet file"):
        tfflows.data.load(f"parquet:{path}")
    pd.DataFrame({"a": []}).to_parquet(path)
    with pytest.raises(ValueError, match="expected rows"):
        tfflows.data.load(f"parquet:{path}")


def test_npz_images_and_keys(tmp_path):
    pixels = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3, 1)
    np.savez(tmp_path / "a.npz", x=pixels, y=X, counts=np.arange(12).reshape(6, 2))
    images = tfflows.data.load(f"npz:{tmp_path / 'a.npz'}")
    assert (images.dtype, images.levels) == ("uint8", 256)
    np.testing.assert_array_equal(_sorted(_all_rows(images)), pixels)
    table = tfflows.data.load(f"npz:{tmp_path / 'a.npz'}#y")
    np.testing.assert_array_equal(_sorted(_all_rows(table)), _sorted(X))
    counts = tfflows.data.load(f"npz:{tmp_path / 'a.npz'}#counts")
    assert (counts.dtype, counts.levels) == ("float32", None)


BAD_ARRAYS = {
    "two": ({"a": X, "b": X}, r"\['a', 'b'\]; add #key"),
    "none": ({}, "one array"),
    "text": ({"x": np.array([["a"], ["b"]])}, "expected numbers"),
    "bool": ({"x": np.ones((5, 2), bool)}, "expected numbers"),
    "object": ({"x": np.array([[None]])}, "not a usable"),
    "scalar": ({"x": np.float32(1)}, r"\[examples, \.\.\.\].*shape \(\)"),
    "vector": ({"x": X[:, 0]}, r"shape \(50,\)"),
    "empty": ({"x": X[:0]}, r"shape \(0, 3\)"),
    "two_rows": ({"x": X[:2]}, "at least 3 examples.*got 2"),
    "nan": ({"x": np.where(X[7, 2] == X, np.nan, X)}, r"nan at position \[7, 2\]"),
    "overflow": ({"x": np.full((4, 1), 1e39)}, r"1e\+39 at position \[0, 0\]"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_npz(tmp_path, arrays, message):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as error:
        tfflows.data.load(f"npz:{path}")
    assert str(path) in str(error.value)


def test_foreign_npz_and_unknown_key(tmp_path):
    np.savez(tmp_path / "a.npz", x=X)
    with pytest.raises(ValueError, match=re.escape("array 'z', got ['x']")):
        tfflows.data.load(f"npz:{tmp_path / 'a.npz'}#z")
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "t.npz").write_text("hello")
    (tmp_path / "e.npz").touch()
    for name in ("a.npy", "t.npz", "e.npz"):
        with pytest.raises(ValueError, match=f"{name}: not a usable .npz"):
            tfflows.data.load(f"npz:{tmp_path / name}")


def _table(rows, **columns):
    """A csv file's text: normals, and what is given, of so many rows."""
    a = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"a": a, **columns}).to_csv(index=False)


FOREIGN = {
    "semicolons": ("a;b\n1;2\n3;4\n5;6\n", "line 2: .*got semicolons.*sep=';'"),
    "decimal_commas": ("a;b\n1,5;2\n3;4,5\n", "line 2: .*sep=';', decimal=','"),
    "tabs": ("a\tb\n1\t2\n3\t4\n5\t6\n", r"line 2: .*got tabs.*sep='\\t'"),
    "spaces": ("1.5 2\n3 4\n5 6\n", "got spaces; convert"),
    "latin_1": (
        "\na,größe\n1,2\n".encode("latin-1"),
        "line 2: .*0xf6.*encoding='latin",
    ),
    "same_names": ("a,b,a\n1,2,3\n4,5,6\n7,8,9\n", "'a' as columns 1 and 3; rename"),
    "sentinel": ("a,b\n1,2\n3,1e30\n5,6\n", "line 3, column 'b': .*got 1e.30; if it"),
}


@pytest.mark.parametrize(("text", "message"), FOREIGN.values(), ids=FOREIGN)
def test_other_tables_are_told_what_to_do(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        _load(tmp_path, text)
    assert "table.csv" in str(error.value)


NOTICES = {
    "few_rows": (_table(5), r"table\.csv has 5 rows"),
    "constant": (_table(60, b=3.5), "column 'b' has the value 3.5 in all rows"),
    "integers": (_table(60, b=range(60)), r"columns 'b' \(integers\): a density grows"),
    "few_values": (
        _table(60, b=np.arange(60) % 3 / 2),
        r"columns 'b' \(3 distinct values\): a",
    ),
    "dependent": (
        pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
        .assign(**{"c d": lambda f: 2 * f.a - f.b})
        .to_csv(index=False),
        "column 'c d' is a linear combination of 'a', 'b'",
    ),
}


@pytest.mark.parametrize(("text", "message"), NOTICES.values(), ids=NOTICES)
def test_columns_without_a_density_are_named(tmp_path, text, message):
    with pytest.warns(UserWarning, match=message) as found:
        _load(tmp_path, text)
    assert len(found) == 1


def test_a_path_without_its_kind(tmp_path):
    (tmp_path / "x.CSV").touch()
    for name, kind in (("x.CSV", "csv"), ("y.parquet", "parquet"), (".", "images")):
        with pytest.raises(ValueError, match=f"as in {kind}:"):
            tfflows.data.load(str(tmp_path / name))
