"""Checks that the parts of a flow take the context that the flow declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfflows.bijectors import ClassAffine, FlowStep
from tfflows.bijectors.composite import Composite, is_transparent
from tfflows.bijectors.coupling import declared_context
from tfflows.distributions import Base

# Operations whose value depends only on a tensor's shape.
_OF_SHAPES = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def check_sizes(
    part: Any, shape: tuple[int | None, ...] | None, dtype: tf.DType | None, source: str
) -> None:
    """Raises ValueError unless each layer receives a context of the size it takes.

    Args:
      part: A built step, or a base. A layer in it with an attribute `context_dim` (the
        size of a vector, or None for no context) or `context_shape` declares the
        context of all layers inside it. A layer with a method
        `check_context(shape, dtype)` checks by itself.
      shape: Shape of one embedded context; None without contexts.
      dtype: Its dtype.
      source: Text before the shape in messages.
    """
    for layer in _speakers(part):
        check = getattr(layer, "check_context", None)
        if check is not None:
            check(shape, dtype)
            continue
        wanted = declared_context(layer)
        if wanted is None:
            continue
        if shape is None or not tf.TensorShape(shape).is_compatible_with(wanted):
            raise ValueError(
                f"expected a context of shape {wanted} for {layer.name}, got "
                f"{source}{shape}; give context_shape={wanted}, or a context_network "
                "to that shape"
            )


def check_taken(
    transform: FlowStep, base: Base, shape: tuple[int | None, ...], dtype: tf.DType
) -> None:
    """Raises ValueError if neither a step nor the base depends on the context.

    Args:
      transform: The flow's built chain.
      base: Its base.
      shape: Shape of one embedded context.
      dtype: Its dtype.
    """
    if _declares(transform) or _declares(base):
        return
    context = tf.TensorSpec((None, *shape), dtype)
    if any(_step_depends(step, context) for step in _leaves(transform)):
        return
    if type(base).log_prob is not Base.log_prob:  # Base's own ignores the context
        latents = tf.TensorSpec((None, *base.event_shape), transform.flow_dtype)
        if _depends(base.log_prob, latents, context):
            return
    raise ValueError(
        f"expected a step or a base that takes the context of shape {shape}, got none: "
        "it would have no effect. Give a coupling's network the context's size, "
        "networks.MLP(..., context_dim=C) for example, or a conditioner whose call "
        "uses an argument `context`; for class labels a ClassAffine, or a "
        "context_network that embeds them; or leave out context_shape"
    )


def _speakers(layer: Any) -> Iterator[Any]:
    names = ("context_dim", "context_shape", "check_context")
    if any(hasattr(layer, name) for name in names):
        yield layer
    elif not isinstance(layer, Composite) or is_transparent(layer):
        for part in _parts(layer):
            yield from _speakers(part)


def _parts(layer: Any) -> list[Any]:
    return layer._parts() if isinstance(layer, Composite) else layer._layers


def _declares(layer: Any) -> bool:
    """Returns whether a layer of this package declares a context.

    If so, it uses the context and need not be traced. Other layers may declare one and
    ignore it.
    """
    if type(layer).__module__.partition(".")[0] != "tfflows":
        return False
    if isinstance(layer, ClassAffine):
        return True
    if getattr(layer, "context_dim", None) is not None:
        return True
    return any(_declares(part) for part in _parts(layer))


def _leaves(step: FlowStep) -> Iterator[FlowStep]:
    if not is_transparent(step):
        yield step
        return
    for part in step._parts():
        yield from _leaves(part)


def _step_depends(step: FlowStep, context: tf.TensorSpec) -> bool:
    direction, event = "inverse", step.data_event_shape
    if not step.has_inverse:
        direction, event = "forward", step.latent_event_shape
    value = tf.TensorSpec((None, *event), step.flow_dtype)
    return _depends(step._fused_pass(direction), value, context)


def _depends(
    run: Callable[..., Any], value: tf.TensorSpec, context: tf.TensorSpec
) -> bool:
    """Returns whether the outputs of `run(value, context)` depend on the context.

    It looks at a traced graph, because values do not show it: a head that starts at
    zero hides the context, and a label has no derivative.
    """
    traced = tf.function(lambda *inputs: run(*inputs), autograph=False)
    try:
        graph = traced.get_concrete_function(value, context).graph
    except Exception:  # the user's own code, which may run eagerly only
        return True
    return graph.inputs[1].ref() in _sources(graph.outputs)


def _sources(outputs: list[tf.Tensor]) -> set[Any]:
    """Returns references to all tensors of a graph that the outputs depend on."""
    found: set[Any] = set()
    open_ends = list(outputs)
    while open_ends:
        tensor = open_ends.pop()
        if tensor.ref() not in found:
            found.add(tensor.ref())
            open_ends += _inputs_of(tensor)
    return found


def _inputs_of(tensor: tf.Tensor) -> list[tf.Tensor]:
    op = tensor.op
    if op.type in _OF_SHAPES:
        return []
    if op.type == "IdentityN":  # tf.custom_gradient's passes its inputs through
        return [op.inputs[tensor.value_index]]
    if op.type not in _CALLS:
        return list(op.inputs)
    body = op.graph._get_function(op.get_attr("f").name).graph
    sources = _sources([body.outputs[tensor.value_index]])
    return [
        outer
        for outer, inner in zip(op.inputs, body.inputs, strict=True)
        if inner.ref() in sources
    ]
