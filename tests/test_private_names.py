"""Private names of Keras, TensorFlow and TFP: all that the library uses, in one list.

A release may move them. Then a test here says which one, and what it was for.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib

import keras
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfflows

# Imported: module, or module and name -> what for.
IMPORTED = {
    "keras.src.backend.common.variables.AutocastScope": "continuous flows: weights in "
    "their own dtype",
    "keras.src.backend.common.global_state.get_global_attribute": "compiled calls: "
    "whether a layer's call is under way",
    "keras.src.backend.common.stateless_scope.in_stateless_scope": "compiled calls: "
    "whether a scope replaces weights",
    "keras.src.backend.Variable": "compiled calls: which attributes are weights",
    "keras.src.random.seed_generator.python_random": "seeds of initializers",
    "keras.src.trainers.data_adapters.data_adapter.DataAdapter": "rounds of arrays",
    "keras.src.trainers.data_adapters.get_data_adapter": "whether `fit` takes these",
    "tensorflow.python.eager.context.context": "compiled calls: their options",
    "tensorflow.python.eager.context.FunctionCallOptions": "the same",
    "tensorflow.python.eager.context.context_safe": "warning at forks",
    "tensorflow.python.framework.op_def_registry.get": "lint of exports",
    "tensorflow.python.ops.control_flow_util.GraphOrParentsInXlaContext": "checks that "
    "XLA drops",
    "tensorflow.core.framework.function_pb2.FunctionDef": "walks over exports",
    "tensorflow.core.framework.node_def_pb2.NodeDef": "the same",
    "tensorflow.core.framework.tensor_pb2.TensorProto": "records of the warm-up",
    "tensorflow.core.protobuf.meta_graph_pb2.MetaGraphDef": "walks over exports",
    "tensorflow.core.protobuf.saved_model_pb2.SavedModel": "the same",
    "tensorflow_probability.python.internal.samplers.sanitize_seed": "stateless seeds",
}
PRIVATE = ("keras.src", "tensorflow.python", "tensorflow.core")
PRIVATE += ("tensorflow_probability.python",)


def layer():
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    return layer


def adam():
    optimizer = keras.optimizers.Adam(use_ema=True)
    optimizer.build(layer().trainable_weights)
    return optimizer


# Of objects: what makes one, and the names -> what for.
HELD = {
    "a layer": (
        layer,
        {
            "_layers": "steps and contexts: a layer's parts",
            "_flatten_layers": "models: all layers below one",
            "_trainable_variables": "stacks: a layer's own weights",
            "_non_trainable_variables": "the same",
            "_clear_losses": "compiled calls: no tensors of a trace are left",
            "_post_build": "steps: shapes once a layer is built",
            "_build_shapes_dict": "the same",
        },
    ),
    "a model": (
        lambda: keras.Sequential([layer()]),
        {
            "_default_save_signature": "what tf.saved_model.save traces",
            "_maybe_symbolic_build": "fit: models are built already",
            "_distribute_strategy": "fit: whether a model trains alone",
        },
    ),
    "a variable": (
        lambda: layer().kernel,
        {
            "_value": "compiled calls: replaced weights",
            "_trainable": "the same",
            "_initializer": "stacks: the weights of copies",
        },
    ),
    "Adam": (
        adam,
        {
            "_momentums": "the fused Adam",
            "_velocities": "the same",
            "_trainable_variables": "the same",
            "_get_variable_index": "the same",
            "_clip_by_norm": "clipnorm of weights in stacks",
            "_iterations": "the number of a training step",
            "_model_variables_moving_average": "averaged weights",
        },
    ),
    "TensorBoard's callback": (
        lambda: keras.callbacks.TensorBoard("."),
        {"_should_trace": "rounds: whether each step is traced"},
    ),
    "a traced function": (
        lambda: tf.function(lambda: tf.zeros([])).get_concrete_function(),
        {"_call_flat": "compiled calls: arguments that are tensors already"},
    ),
    "a graph": (tf.Graph, {"_get_function": "compiled calls: sizes in their bodies"}),
    "a bijector": (tfb.Exp, {"_is_injective": "stock bijectors that have an inverse"}),
    "a distribution": (
        lambda: tfd.Normal(0.0, 1.0),
        {
            "_call_sample_n": "the distribution of a flow",
            "_parameter_properties": "the same",
        },
    ),
}


@pytest.mark.parametrize("name", IMPORTED)
def test_what_is_imported_is_there(name):
    module, _, attribute = name.rpartition(".")
    try:
        found = hasattr(importlib.import_module(module), attribute)
    except ImportError:
        found = False
    assert found, f"expected {name}, for {IMPORTED[name]}; {versions()} has none"


@pytest.mark.parametrize("thing", HELD)
def test_what_objects_hold_is_there(thing):
    make, names = HELD[thing]
    held = make()
    for name, use in names.items():
        # A property may need a model that was fitted.
        found = inspect.getattr_static(held, name, inspect) is not inspect
        assert found, f"expected {name} of {thing}, for {use}; {versions()} has none"


def versions():
    return f"TensorFlow {tf.__version__} with Keras {keras.__version__}"


def test_no_other_is_imported():
    listed = set(IMPORTED) | {name.rpartition(".")[0] for name in IMPORTED}
    for path in pathlib.Path(tfflows.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node):
                private = name.startswith(PRIVATE)
                assert name in listed or not private, f"{path}: list {name} here"


def imported(node):
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
