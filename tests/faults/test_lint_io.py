"""Each operation of TensorFlow that names a file or host is known to the lint."""

import re

import pytest
from tensorflow.core.framework import node_def_pb2, op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from tfflows.export.writing import lint_io

NAMES_PLACE = re.compile(
    r"file|path|dir|descriptor_source|address|host|ur[il]|server", re.IGNORECASE
)
# Operations, and why what they have of such a name is no place.
HARMLESS = {
    r"CudnnRNN.*|RiscSort": "the direction of a recurrence or order; reserved memory",
    r"_(Mkl|Fused|Quantized)\w+": "tensors in the memory of the host",
    r"_?TPUReplicate(Metadata)?": "which computations run on the host",
    r"ConfigureAndInitializeGlobalTPU": "a runtime of the host's",
    r"TensorSliceDataset": "whether its strings are names; it opens none",
    r"CTCBeamSearchDecoder": "paths through a lattice",
}


def registered():
    operations = op_def_pb2.OpList()
    buffer = pywrap_tf_session.TF_GetAllOpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(buffer))
    return operations.op


def named_places(operation):
    arguments = [*operation.input_arg, *operation.attr]
    return [each.name for each in arguments if NAMES_PLACE.search(each.name)]


def node(op, **attributes):
    made = node_def_pb2.NodeDef(op=op)
    for name, value in attributes.items():
        made.attr[name].s = value
    made.attr["debug_urls"].list.s.append(b"grpc://a:1")  # of debug operations
    return made


def test_operations_that_name_a_place_are_known():
    found = {op.name: places for op in registered() if (places := named_places(op))}
    assert len(found) > 60
    unknown = {
        name: places
        for name, places in found.items()
        if not any(re.fullmatch(pattern, name) for pattern in HARMLESS)
        and lint_io.touches(node(name, **dict.fromkeys(places, b"/etc/x"))) is None
    }
    assert unknown == {}


def test_the_harmless_are_registered_and_pass():
    names = [op.name for op in registered() if named_places(op)]
    for pattern in HARMLESS:
        fitting = [name for name in names if re.fullmatch(pattern, name)]
        assert fitting, pattern
        for name in fitting:
            assert lint_io.touches(node(name)) is None, name


@pytest.mark.parametrize(
    ("op", "attribute", "harmless", "harmful"),
    [
        ("PrintV2", "output_stream", [b"stderr", b"log(info)"], b"file:///tmp/x"),
        ("FixedUnigramCandidateSampler", "vocab_file", [b""], b"/etc/passwd"),
        ("DecodeProtoV2", "descriptor_source", [b"", b"local://"], b"/tmp/x"),
        ("EncodeProto", "descriptor_source", [b"bytes://\n\x80"], b"file.pb"),
    ],
)
def test_those_that_name_a_file_in_an_attribute(op, attribute, harmless, harmful):
    for value in harmless:
        assert lint_io.touches(node(op, **{attribute: value})) is None
    assert lint_io.touches(node(op)) is None  # defaults may be stripped
    assert lint_io.touches(node(op, **{attribute: harmful})) == "files"
