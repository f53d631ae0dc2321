"""Checks the file of a SavedModel for problems in TensorFlow Serving.

| rule | what is wrong otherwise |
|---|---|
| version | the server ignores the folder: its name is no positive integer |
| names | clients guess names; REST reads `..._bytes` as base64 |
| dtypes | REST cannot send half precision or complex numbers |
| batch_axis | REST rows and batching refuse the signature |
| ensure_shape | a [3, 1] broadcasts silently |
| stateful_random | all clients share one stream; replicas differ |
| baked_seed | every replica or request draws the same |
| xla | the server refuses functions compiled by XLA |
| py_function | the server has no Python |
| io | a request or loading uses the server's files or network |
| device | the server may not have the device |

`sample_n` is exempt from the rule on batch axes: use it by gRPC or in REST's columnar
form, on a server that does not batch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import op_def_registry

from tfflows.export.writing.graph_walk import GraphWalk, Node, constants
from tfflows.export.writing.lint_io import touches
from tfflows.export.writing.saved_model_proto import (
    INIT_OP,
    has_batch_axis,
    read_meta_graph,
    run_at_loading,
)

_UNBATCHED = ("sample_n",)
_JSON_DTYPES = {
    *("float32", "float64", "bool", "string"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_GUESSED_NAME = re.compile(r"(args|output|input|inputs|kwargs|unknown)_\d+")
_RANDOM_OP = re.compile(
    r"Rng|NonDeterministicInts|Stateful(Uniform|StandardNormal|TruncatedNormal|Random)"
)


class Finding(NamedTuple):
    """A problem: the rule, where it is, what is wrong, and how to fix it."""

    rule: str
    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.problem}; {self.remedy}"


def lint(directory: str | os.PathLike, version: str | None = None) -> list[Finding]:
    """Checks a SavedModel for problems in TensorFlow Serving.

    Args:
      directory: The folder of `saved_model.pb`.
      version: The folder's future name; None: its current name.

    Returns:
      The findings; none if the SavedModel is good.

    Raises:
      FileNotFoundError: If the file does not exist.
      ValueError: If it is no SavedModel.
    """
    graph = read_meta_graph(directory)
    walk = GraphWalk(graph)
    name = Path(directory).resolve().name if version is None else version
    findings = list(_version(name))
    signatures = {k: v for k, v in graph.signature_def.items() if k != INIT_OP}
    findings += _signature_names(signatures)
    for key, signature in sorted(signatures.items()):
        where = f"signature {key}"
        findings += _tensors(where, signature)
        if not _is_unbatched(key, signature, signatures):
            findings += _batch_axes(where, signature)
        findings += _unchecked_inputs(where, signature, walk)
        findings += _graph(where, signature, walk)
    nodes, _ = walk.run_for(run_at_loading(graph))
    for node in nodes:
        findings += _beyond(f"loading, {node}", node, loading=True)
    return findings


def _version(name: str) -> Iterator[Finding]:
    if not re.fullmatch(r"[1-9]\d*", name):
        yield Finding(
            *("version", f"folder {name}", "expected an integer version above 0"),
            "rename the folder, for example to 1",
        )


def _signature_names(signatures: dict) -> Iterator[Finding]:
    for name in signatures:
        if not _NAME.fullmatch(name):
            yield Finding(
                *("names", f"signature {name!r}", "expected a name in lower case"),
                "choose one of letters, digits and underscores",
            )
    if "serving_default" not in signatures:
        yield Finding(
            *("names", "signatures", "expected serving_default among them, got none"),
            "some platforms know no other: save the main one under that name too",
        )


def _tensors(where: str, signature: meta_graph_pb2.SignatureDef) -> Iterator[Finding]:
    for side in ("inputs", "outputs"):
        for name, info in sorted(getattr(signature, side).items()):
            place = f"{where}, {side[:-1]} {name!r}"
            dtype = tf.as_dtype(info.dtype).name
            if not _NAME.fullmatch(name) or _GUESSED_NAME.fullmatch(name):
                yield Finding(
                    *("names", place, "expected a name that says what it is"),
                    "name inputs by tf.TensorSpec(name=...), and return a dict",
                )
            if name.endswith("_bytes") and dtype != "string":
                yield Finding(
                    *("names", place, "the ending _bytes means base64 in REST"),
                    "choose another name",
                )
            if dtype not in _JSON_DTYPES:
                yield Finding(
                    *("dtypes", place, f"{dtype} has no form in JSON"),
                    "cast it to float32 inside the signature",
                )


def _is_unbatched(
    name: str, signature: meta_graph_pb2.SignatureDef, signatures: dict
) -> bool:
    """Returns whether the signature is `sample_n`, or repeats it as serving_default."""
    if name != "serving_default":
        return name in _UNBATCHED
    others = [signatures[other] for other in _UNBATCHED if other in signatures]
    return any(set(other.inputs) == set(signature.inputs) for other in others)


def _batch_axes(
    where: str, signature: meta_graph_pb2.SignatureDef
) -> Iterator[Finding]:
    if not signature.inputs:
        yield Finding(
            *("batch_axis", where, "has no inputs, so that REST cannot call it"),
            "give it an input, if only one [B] that it ignores",
        )
    for side in ("inputs", "outputs"):
        for name, info in sorted(getattr(signature, side).items()):
            if not has_batch_axis(info):
                yield Finding(
                    *("batch_axis", f"{where}, {side[:-1]} {name!r}"),
                    "expected a first axis of any size (None), the batch's",
                    "give it one, and let row i depend on the inputs' rows i alone",
                )


def _unchecked_inputs(
    where: str, signature: meta_graph_pb2.SignatureDef, walk: GraphWalk
) -> Iterator[Finding]:
    for name, info in sorted(signature.inputs.items()):
        for node in walk.first_uses(info.name):
            if node.definition.op != "EnsureShape":
                yield Finding(
                    *("ensure_shape", f"{where}, input {name!r}"),
                    f"its shape is not checked before {node}",
                    "begin with x = tf.ensure_shape(x, spec.shape)",
                )
                break


def _graph(
    where: str, signature: meta_graph_pb2.SignatureDef, walk: GraphWalk
) -> Iterator[Finding]:
    nodes, functions = walk.reachable(signature)
    known = constants(nodes)
    compiled = {f.signature.name for f in functions if _compiles(f.attr)}
    for node in nodes:
        place = f"{where}, {node}"
        if not walk.is_function(node.definition.op):
            yield from _randomness(place, node, known)
        if _compiles(node.definition.attr) or node.definition.op in compiled:
            yield Finding(
                *("xla", place, "must be compiled by XLA, which the server disables"),
                "remove jit_compile=True from the tf.function, or start the server "
                "with --xla_cpu_compilation_enabled=true",
            )
        yield from _beyond(place, node)
        if node.definition.device:
            device = node.definition.device
            yield Finding(
                *("device", place, f"is pinned to {device}"),
                "remove tf.device from the signature",
            )


def _beyond(place: str, node: Node, loading: bool = False) -> Iterator[Finding]:
    """Returns what a node does besides computing: Python, files, the network."""
    if node.definition.op in ("PyFunc", "PyFuncStateless", "EagerPyFunc"):
        yield Finding(
            *("py_function", place, "calls Python, which the server has not"),
            "write it in TensorFlow ops",
        )
    if touched := touches(node.definition, loading):
        yield Finding(
            *("io", place, f"touches {touched}, with the rights of the server"),
            "remove it; do not serve a model of others that has it",
        )


def _compiles(attributes: dict) -> bool:
    return "_XlaMustCompile" in attributes and attributes["_XlaMustCompile"].b


def _randomness(
    place: str, node: Node, known: set[tuple[str, str]]
) -> Iterator[Finding]:
    definition = node.definition
    op = op_def_registry.get(definition.op)
    if op is None:
        return
    seeds = {"seed", "seed2"} & {attribute.name for attribute in op.attr}
    if op.is_stateful and (seeds or _RANDOM_OP.match(op.name)):
        yield Finding(
            *("stateful_random", place, "draws from a state of the server's"),
            "use tf.random.stateless_* with a seed that is an input",
        )
        if any(definition.attr[name].i for name in seeds):
            yield Finding(
                *("baked_seed", place, "has a seed from the exporting process"),
                "every replica draws the same stream; make the seed an input",
            )
    for position, argument in enumerate(op.input_arg):
        is_seed = op.name.startswith("Stateless") and argument.name == "seed"
        source = definition.input[position].partition(":")[0] if is_seed else ""
        if (node.function, source) in known:
            yield Finding(
                *("baked_seed", place, "has a constant seed"),
                "every request draws the same numbers; make the seed an input",
            )
