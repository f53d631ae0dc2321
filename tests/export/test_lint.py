"""The lint: a planted fault of each kind is found, a good export has none."""

import shutil

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfflows.export.writing.lint import lint
from tfflows.export.writing.saved_model_proto import INIT_OP

X = tf.TensorSpec([None, 2], tf.float32, "x")
SEED = tf.TensorSpec([None, 2], tf.int32, "seed")


def checked(x):
    return tf.ensure_shape(x, X.shape)


def good(x):
    return {"y": checked(x) + 1.0}


def unchecked(x):
    return {"y": x + 1.0}


@tf.function
def inner_unchecked(x):
    return tf.identity(x) * 2.0


def unchecked_in_an_inner_function(x):
    return {"y": inner_unchecked(x)}


def checked_in_an_inner_function(x):
    return {"y": tf.function(checked)(tf.identity(x)) + 1.0}


def summed(x):
    return {"y": tf.reduce_sum(checked(x))}


def halved(x):
    return {"y": tf.cast(checked(x), tf.float16)}


def stateful(x):
    x = checked(x)
    return {"y": x + tf.random.normal(tf.shape(x))}


def stateful_in_a_loop(x):
    draw = lambda i, y: (i + 1, y + tf.random.normal(tf.shape(y)))  # noqa: E731
    return {"y": tf.while_loop(lambda i, _: i < 3, draw, [0, checked(x)])[1]}


def op_seed(x):
    x = checked(x)
    return {"y": x + tf.random.normal(tf.shape(x), seed=3)}


GENERATOR = tf.random.Generator.from_seed(1)


def generator(x):
    x = checked(x)
    return {"y": x + GENERATOR.normal(tf.shape(x))}


def constant_seed(x):
    x = checked(x)
    return {"y": x + tf.random.stateless_normal(tf.shape(x), [1, 2])}


@tf.function(jit_compile=True)
def compiled_square(x):
    return tf.square(x)


def compiled(x):
    return {"y": compiled_square(checked(x))}


def python(x):
    y = tf.py_function(lambda v: v + 1.0, [checked(x)], tf.float32)
    return {"y": tf.ensure_shape(y, X.shape)}


def numpy(x):
    y = tf.numpy_function(lambda v: v + 1.0, [checked(x)], tf.float32)
    return {"y": tf.ensure_shape(y, X.shape)}


def pinned(x):
    with tf.device("/device:GPU:0"):
        return {"y": checked(x) + 1.0}


def write_file(x):
    tf.io.write_file("/tmp/note", "asked")
    return {"y": checked(x)}


def read_in_a_branch_of_a_loop(x):
    read = lambda: tf.strings.length(tf.io.read_file("/tmp/note"))  # noqa: E731
    step = lambda i: [i + tf.cond(i > 1, read, lambda: 1)]  # noqa: E731
    (count,) = tf.while_loop(lambda i: i < 3, step, [0])
    return {"y": checked(x) + tf.cast(count, tf.float32)}


def names_in_a_data_set(x):
    files = tf.data.Dataset.from_tensors("/tmp/*").map(
        lambda pattern: tf.size(tf.io.matching_files(pattern))
    )
    total = files.reduce(0, lambda total, number: total + number)
    return {"y": checked(x) + tf.cast(total, tf.float32)}


def save_and_restore(x):
    x = checked(x)
    tf.raw_ops.SaveV2(
        prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], tensors=[x]
    )
    (y,) = tf.raw_ops.RestoreV2(
        prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], dtypes=[x.dtype]
    )
    return {"y": x + tf.ensure_shape(y, X.shape)}


def print_to_a_file(x):
    tf.print("asked", output_stream="file:///tmp/log")
    return {"y": checked(x)}


def records(x):
    first = tf.data.TFRecordDataset("/tmp/records").reduce(0, lambda n, _: n + 1)
    return {"y": checked(x) + tf.cast(first, tf.float32)}


def reduce_over_servers(x):
    y = tf.raw_ops.CollectiveReduce(
        input=checked(x),
        group_size=2,
        group_key=1,
        instance_key=1,
        merge_op="Add",
        final_op="Id",
        subdiv_offsets=[0],
    )
    return {"y": tf.ensure_shape(y, X.shape)}


def nameless(x):
    return checked(x)


def bytes_named(x):
    return {"y_bytes": checked(x)}


def no_inputs():
    return {"y": tf.ones([3])}


def stateless(x, seed):
    x, seed = checked(x), tf.ensure_shape(seed, SEED.shape)
    return {"y": x + tf.random.stateless_normal(tf.shape(x), seed[0])}


def save(folder, signatures):
    module = tf.Module()
    module.functions = {
        name: tf.function(function, input_signature=list(specs))
        for name, (function, *specs) in signatures.items()
    }
    module.generator = GENERATOR
    concrete = {n: f.get_concrete_function() for n, f in module.functions.items()}
    tf.saved_model.save(module, folder, signatures=concrete)
    return folder


def name_of(function):
    return function.__name__


PLANTED = {
    "ensure_shape": [unchecked, unchecked_in_an_inner_function],
    "batch_axis": [summed],
    "dtypes": [halved],
    "stateful_random": [stateful, stateful_in_a_loop, op_seed, generator],
    "baked_seed": [op_seed, constant_seed],
    "xla": [compiled],
    "py_function": [python, numpy],
    "device": [pinned, python, numpy],  # TensorFlow pins Python by itself
    "names": [nameless, bytes_named],
    "io": [
        *(write_file, read_in_a_branch_of_a_loop, names_in_a_data_set),
        *(save_and_restore, print_to_a_file, records, reduce_over_servers),
    ],
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """All faults in one SavedModel, each in a signature of its own."""
    tf.random.set_seed(None)  # or each stateful op would have a baked seed
    functions = {f.__name__: f for kind in PLANTED.values() for f in kind}
    signatures = {name: (function, X) for name, function in functions.items()}
    signatures["serving_default"] = signatures["good"] = (good, X)
    signatures["good_inside"] = (checked_in_an_inner_function, X)
    signatures["stateless"] = (stateless, X, SEED)
    signatures["no_inputs"] = (no_inputs,)
    signatures["sample_n"] = (summed, X)
    signatures["Upper"] = (good, X)
    return save(tmp_path_factory.mktemp("planted") / "7", signatures)


@pytest.fixture(scope="module")
def findings(planted):
    return lint(planted)


def rules(findings, signature):
    """The rules that a signature breaks."""
    where = f"signature {signature}"
    return {f.rule for f in findings if f.where.split(",")[0] == where}


@pytest.mark.parametrize(
    ("rule", "signature"),
    [(rule, name_of(f)) for rule, functions in PLANTED.items() for f in functions],
)
def test_a_planted_fault_is_found_where_it_is(findings, rule, signature):
    expected = {r for r, all_ in PLANTED.items() if signature in map(name_of, all_)}
    found = {
        f.rule for f in findings if f.where.split(",")[0] == f"signature {signature}"
    }
    assert rule in found
    assert found == expected


@pytest.mark.parametrize("signature", ["good", "good_inside", "stateless", "sample_n"])
def test_what_is_right_has_no_finding(findings, signature):
    assert rules(findings, signature) == set()


def test_signatures_without_inputs_or_with_other_names(findings):
    assert rules(findings, "no_inputs") == {"batch_axis"}
    assert [f.where for f in findings if "lower case" in f.problem] == [
        "signature 'Upper'"
    ]


def test_a_finding_says_where_and_how_to_mend_it(findings):
    (finding,) = [f for f in findings if f.rule == "xla"]
    text = str(finding)
    assert text.startswith("xla: signature compiled, node ")
    assert "remove jit_compile=True" in text
    assert all(f.where and f.problem and f.remedy for f in findings)


@pytest.mark.parametrize("where", ["saver", "init op"])
def test_loading_is_read_too(tmp_path, where):
    path = save(tmp_path / "1", {"serving_default": (good, X)})
    model = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    (graph,) = model.meta_graphs
    operation = graph.graph_def.node.add(name="hidden", op="WriteFile")
    first = graph.saver_def.restore_op_name
    if where == "init op":
        first = graph.signature_def[INIT_OP].outputs[INIT_OP].name.partition(":")[0]
    (node,) = [node for node in graph.graph_def.node if node.name == first]
    node.input.append(f"^{operation.name}")
    (path / "saved_model.pb").write_bytes(model.SerializeToString())
    (finding,) = lint(path)
    assert (finding.rule, finding.where.split(",")[0]) == ("io", "loading")
    assert "touches files" in finding.problem


@pytest.mark.parametrize("name", ["0", "01", "new", "1.5"])
def test_the_folder_must_be_a_version(planted, name):
    (finding,) = [f for f in lint(planted, name) if f.rule == "version"]
    assert name in finding.where


def test_serving_default_must_be_there(tmp_path):
    path = save(tmp_path / "1", {"good": (good, X)})
    assert [f.rule for f in lint(path)] == ["names"]


def test_an_export_has_no_finding(export):
    assert lint(export.path) == []


def test_what_is_no_saved_model(tmp_path, planted):
    with pytest.raises(FileNotFoundError, match="expected the folder of a SavedModel"):
        lint(tmp_path)
    folder = shutil.copytree(planted, tmp_path / "7")
    (folder / "saved_model.pb").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="expected a SavedModel"):
        lint(folder)
    (folder / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="expected a graph with the tag 'serve'"):
        lint(folder)
