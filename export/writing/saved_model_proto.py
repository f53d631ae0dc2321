"""Loads a SavedModel, or reads its `saved_model.pb` without loading it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfflows.export.errors import ExportError
from tfflows.system import files

INIT_OP = "__saved_model_init_op"


def load_saved_model(directory: str | os.PathLike) -> Any:
    """Loads a SavedModel from a path with any characters.

    Args:
      directory: The folder of `saved_model.pb`.

    Raises:
      ExportError: If it cannot be loaded.
    """
    try:
        with files.without_wildcards(directory) as readable:
            return tf.saved_model.load(readable)
    except Exception as error:  # broken files raise errors of any class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"expected a SavedModel in {directory}: {reason}") from error


def read_meta_graph(directory: str | os.PathLike) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph with the tag "serve", which servers load.

    Args:
      directory: The folder of `saved_model.pb`.

    Raises:
      FileNotFoundError: If the file does not exist.
      ValueError: If it is no SavedModel or has no such graph.
    """
    path = Path(directory) / "saved_model.pb"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the folder of a SavedModel, got {directory}: no saved_model.pb "
            "there; of a served model, give one of its versions, as in models/mine/1"
        )
    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"expected a SavedModel in {path}: {error}") from error
    for graph in message.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return graph
    raise ValueError(
        f"expected a graph with the tag 'serve' in {path}, got none: save it with "
        "tf.saved_model.save"
    )


def run_at_loading(graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Returns the ops that a server runs to load the graph: init, restoring weights."""
    names = {graph.saver_def.restore_op_name} - {""}
    for key in ("saved_model_main_op", "legacy_init_op"):
        names |= set(graph.collection_def[key].node_list.value)
    if INIT_OP in graph.signature_def:
        outputs = graph.signature_def[INIT_OP].outputs.values()
        names |= {info.name for info in outputs}
    return names


def describe_signatures(graph: meta_graph_pb2.MetaGraphDef) -> dict[str, Any]:
    """Returns the signatures by name, as in `flow.json`, without `serving_default`."""
    return {
        name: {
            "inputs": _tensors(signature.inputs),
            "outputs": _tensors(signature.outputs),
            "batchable": all(
                has_batch_axis(info)
                for side in (signature.inputs, signature.outputs)
                for info in side.values()
            ),
        }
        for name, signature in sorted(graph.signature_def.items())
        if name not in (INIT_OP, "serving_default")
    }


def has_batch_axis(info: meta_graph_pb2.TensorInfo) -> bool:
    """Returns whether the first axis of an input or output has any size."""
    dims = info.tensor_shape.dim
    return not info.tensor_shape.unknown_rank and len(dims) > 0 and dims[0].size == -1


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": tf.TensorShape(info.tensor_shape).as_list(),
        }
        for name, info in sorted(infos.items())
    }
