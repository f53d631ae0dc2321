"""Scoring tables: each row is scored, or told why not; none is lost."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.export.conftest import trained_like
from tfflows import Flow, bijectors
from tfflows.export import Provenance, export_saved_model
from tfflows.preprocessing import Dequantization
from tfflows.system import command_line

pytest.importorskip("apache_beam", reason="needs Apache Beam: pip install '.[beam]'")

from tfflows.export import score
from tfflows.export.scoring import pipeline, rows


@pytest.fixture
def call(capsys):
    """Runs the binary: its exit code, the lines of stdout and of stderr."""

    def call(*arguments):
        try:
            rest = score.parse(["tfflows-score", *arguments])
            code = command_line.call(score.main, rest)
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


@pytest.fixture(scope="module")
def label_export(tmp_path_factory):
    """Integers of 5 levels whose law depends on one of three labels."""
    steps = bijectors.Chain([bijectors.Scale(), bijectors.ClassAffine(3)])
    flow = Flow(steps, (2,), preprocessing=Dequantization(5), context_shape=())
    x = np.random.default_rng(0).integers(0, 5, (16, 2))
    trained_like(flow, x, np.arange(16) % 3)
    return flow, export_saved_model(flow, tmp_path_factory.mktemp("labels"))


def bad_rows(output):
    lines = [line for p in output.glob("bad-*.jsonl") for line in p.open()]
    return {row["row"]: row["reason"] for row in map(json.loads, lines)}


def scored_csv(output):
    return pd.concat(map(pd.read_csv, sorted(output.glob("scored-*.csv"))))


def test_csv_rows_are_scored_or_told_why_not(call, scale_flow, scale_export, tmp_path):
    bad = {
        "": "expected numbers, got an empty line",
        "1.0": "expected 2 columns, got 1",
        "1,2,3": "expected 2 columns, got 3",
        "1,two": "expected numbers, got 'two'",
        "1,": "expected numbers, got ''",
        "1_0,2": "expected numbers, got '1_0'",
        "nan,1": "expected finite numbers, got nan as float32",
        "1,-inf": "expected finite numbers, got -inf as float32",
        "1e39,1": "expected finite numbers, got 1e+39 as float32",
        '1,"2': "expected comma-separated cells: unexpected end of data",
    }
    x = np.random.default_rng(0).normal(size=(50, 2)).round(4)
    lines = ['left,"=right,1"', *(f"{a}, {b}" for a, b in x), *bad]
    (tmp_path / "a.csv").write_bytes("\r\n".join(lines).encode())
    (tmp_path / "b.csv").write_bytes(b'left,"=right,1"\n"0.5",1e-1\n\xff,1\n')
    code, out, err = call(
        f"--export_dir={scale_export}",
        f"--input={tmp_path}/?.csv",
        f"--output={tmp_path}/out",
        "--batch_size=16",
    )
    assert (code, len(err)) == (0, 1)
    assert "would run '=right,1'" in err[0]
    summary = {"input": 62, "scored": 51, "bad": 11}
    assert json.loads(out[-1]) == summary
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert bad_rows(tmp_path / "out") == {**bad, r"\xff,1": "expected UTF-8 text"}
    got = scored_csv(tmp_path / "out")
    assert list(got) == ["left", "=right,1", "log_prob"]
    values = got[["left", "=right,1"]].to_numpy()
    assert sorted(map(tuple, values)) == sorted([*map(tuple, x), (0.5, 0.1)])
    wanted = scale_flow.log_prob(values.astype("float32"))
    np.testing.assert_allclose(got["log_prob"], wanted, rtol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "b.csv", "out"]


@pytest.fixture(scope="module")
def named_export(scale_flow, tmp_path_factory):
    provenance = Provenance(columns=("left", "right"))
    folder = tmp_path_factory.mktemp("named")
    return export_saved_model(scale_flow, folder, provenance=provenance, verify=False)


def test_rows_without_names_get_those_of_the_training_data(
    call, named_export, tmp_path
):
    (tmp_path / "rows.csv").write_text("1,2\n")
    code, _, _ = call(
        f"--export_dir={named_export}",
        f"--input={tmp_path}/rows.csv",
        f"--output={tmp_path}/out",
    )
    assert code == 0
    assert list(scored_csv(tmp_path / "out")) == ["left", "right", "log_prob"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("names", ["left right", "right left", "left top"])
def test_columns_are_those_of_the_training_data(
    kind, names, call, named_export, tmp_path
):
    frame = pd.DataFrame([[1.0, 2.0]], columns=names.split())
    if kind == "csv":
        frame.to_csv(tmp_path / "rows.csv", index=False)
    else:
        frame.to_parquet(tmp_path / "rows.parquet")
    code, _, err = call(
        f"--export_dir={named_export}",
        f"--input={tmp_path}/rows.{kind}",
        f"--output={tmp_path}/out",
    )
    if names == "left right":
        assert (code, err) == (0, [])
    else:
        assert (code, len(err)) == (1, 1)
        assert "columns left, right, in this order, as in the training data" in err[0]


def example(**features):
    parts = {}
    for name, values in features.items():
        if isinstance(values[0], float):
            parts[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            parts[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    feature = tf.train.Features(feature=parts)
    return tf.train.Example(features=feature).SerializeToString()


def test_integers_with_labels_from_tfrecord_to_parquet(call, label_export, tmp_path):
    flow, path = label_export
    good = [((i % 5, (2 * i) % 5), i % 3) for i in range(20)]
    stored = [example(x=x, context=[label]) for x, label in good]
    bad = {
        example(x=[5, 0], context=[0]): "expected integers from 0 to 4, got 5",
        example(x=[0.5, 1.0], context=[0]): "expected integers, got 0.5",
        example(x=[1, 1], context=[3]): "expected integers from 0 to 2, got 3",
        example(x=[1, 1]): "expected a feature context of numbers",
        example(x=[1], context=[1]): "expected 2 numbers in x, got 1",
        b"noise": "expected a tf.train.Example",
    }
    with tf.io.TFRecordWriter(str(tmp_path / "rows.tfrecord")) as writer:
        for row in [*stored, *bad]:
            writer.write(row)
    code, out, _ = call(
        f"--export_dir={path}",
        f"--input={tmp_path}/rows.tfrecord",
        f"--output={tmp_path}/out",
        "--output_format=parquet",
    )
    assert (code, json.loads(out[-1])["bad"]) == (0, len(bad))
    assert sorted(bad_rows(tmp_path / "out").values()) == sorted(bad.values())
    got = pd.read_parquet(next((tmp_path / "out").glob("scored-*.parquet")))
    assert sorted(zip(got.x1, got.x2, got.context1, strict=True)) == sorted(
        (*x, label) for x, label in good
    )
    wanted = flow.log_prob(got[["x1", "x2"]].to_numpy(), got.context1.to_numpy("int32"))
    np.testing.assert_allclose(got.log_prob, wanted, rtol=1e-6)


def test_parquet_to_tfrecord(scale_export, scale_flow, tmp_path):
    x = np.array([[0.5, None], [1.5, -1.0], [np.inf, 0.0], [2.0, 3.0]], "object")
    frame = pd.DataFrame(x, columns=["a", "b"]).astype("float64")
    frame.to_parquet(tmp_path / "rows.parquet")
    counts = pipeline.score(
        scale_export,
        f"{tmp_path}/rows.parquet",
        f"{tmp_path}/out",
        input_format="parquet",
        output_format="tfrecord",
    )
    assert counts == {"input": 4, "scored": 2, "bad": 2}
    paths = [str(p) for p in (tmp_path / "out").glob("scored-*.tfrecord")]
    for record in tf.data.TFRecordDataset(paths):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        x = np.array([features["x"].float_list.value], "float32")
        (log_prob,) = features["log_prob"].float_list.value
        np.testing.assert_allclose(log_prob, scale_flow.log_prob(x)[0], rtol=1e-6)


def test_rows_that_the_model_refuses_do_not_take_others_with_them(label_export):
    from tfflows.export.scoring.model import LogProbHandler

    flow, path = label_export
    blocks = (
        rows.Block("x", (2,), "uint8"),
        rows.Block("context", (), "int32"),
    )
    handler = LogProbHandler(str(path), rows.RowFormat(blocks), 8)
    given = [(0, 1, 2), (7, 0, 0), (4, 4, 1)]  # of 5 levels, which nothing here knows
    first, refused, last = handler.run_inference(given, handler.load_model())
    assert refused[0] == given[1]
    assert "expected integers" in refused[1]
    wanted = flow.log_prob(np.array([[0, 1], [4, 4]]), np.array([2, 1], "int32"))
    np.testing.assert_allclose([first[1], last[1]], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "error: expected --export_dir, --input, --output"),
        (
            ["--export_dir=x", "--input=a.txt", "--output=o"],
            2,
            "expected --format of csv",
        ),
        (["--export_dir={1}", "--input={0}/u.csv", "--output={0}/o"], 1, "got 3"),
        (["--nonsense"], 2, "nonsense"),
        (["stray"], 2, "expected only flags, got stray; Beam's follow --"),
        (
            ["--export_dir={0}/no", "--input=a.csv", "--output={0}/o"],
            1,
            "no SavedModel",
        ),
        (["--export_dir={1}", "--input={0}/no.csv", "--output={0}/o"], 1, "none match"),
        (["--export_dir={1}", "--input={0}/a.csv", "--output={0}"], 1, "a new folder"),
        (["--export_dir={1}", "--input={0}/w.csv", "--output={0}/o"], 1, "got 3"),
        (
            ["--export_dir={1}", "--input={0}/e.csv", "--output={0}/o"],
            1,
            "rows, got none",
        ),
        (
            [
                "--export_dir={1}",
                "--input={0}/a.csv",
                "--format=parquet",
                "--output={0}/o",
            ],
            1,
            "expected a Parquet file",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments, code, message, call, scale_export, tmp_path
):
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "w.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "e.csv").write_text("a,b\n")
    (tmp_path / "u.csv").write_text("2020_01,2020_02,2020_03\n1,2,3\n")  # a header
    got, _, err = call(*(a.format(tmp_path, scale_export) for a in arguments))
    assert (got, len(err)) == (code, 1)
    assert message in err[0]
    assert not list(tmp_path.glob("o*"))


def test_a_failed_pipeline_leaves_nothing(call, scale_export, tmp_path, monkeypatch):
    def fail(self):
        raise OSError("the model's disk is gone")

    monkeypatch.setattr(pipeline.LogProbHandler, "load_model", fail)
    (tmp_path / "a.csv").write_text("1,2\n")
    where = f"--input={tmp_path}/a.csv", f"--output={tmp_path}/out"
    code, _, err = call(f"--export_dir={scale_export}", *where)
    assert code == 1
    assert "disk is gone" in err[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_beams_own_command_line_follows():
    assert score.parse(["score", "--", "--runner=X", "--y"]) == [
        "score",
        "--runner=X",
        "--y",
    ]
    options = pipeline._runner(["--runner=FlinkRunner"])["options"]
    assert options.get_all_options()["runner"] == "FlinkRunner"
