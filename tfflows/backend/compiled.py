"""The compiled functions of one model's methods, kept outside of what is saved."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import operator
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import in_stateless_scope
from tensorflow.python.eager import context as eager_context

from tfflows.backend.watched import Watched

# Bytes of the widest tensor of a pass that is computed at once.
_WIDEST = 2**23
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_is_inside: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "is_inside", default=False
)


class CompiledCalls:
    """Functions by kind of call, dropped when a layer changes. Threads may share it.

    Of each kind the first call is not compiled: a trace takes as long as ten to twenty
    calls without one, and many kinds of call are made once. Both compute the same, to
    the bit: see `_as_written`.

    Keras and TensorFlow see no function here that they would track or save; copies and
    pickles are empty.

    Args:
      layers: What the functions read.
    """

    def __init__(self, *layers: Any) -> None:
        self._layers = layers
        self._of_parts: CompiledCalls | None = None
        self._functions: dict[Hashable, CompiledCall | None] = {}  # None: never one
        self._known: set[Hashable] = set()
        self._watched: Watched | None = None
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledCalls, ()

    def __len__(self) -> int:
        """How many functions there are."""
        return sum(each is not None for each in self._functions.values())

    def of_parts(self, *layers: Any) -> CompiledCalls:
        """Those of what a model makes of these parts, as long as it has these."""
        found = self._of_parts
        if found is None or any(map(operator.is_not, found._layers, layers)):
            found = self._of_parts = CompiledCalls(*layers)
        return found

    def find(
        self, kind: Hashable, trace: Callable[[], CompiledCall], at_once: bool
    ) -> CompiledCall | None:
        """The compiled function of a kind of call; None: the call is not compiled.

        Args:
          kind: Dtypes and numbers of axes of a method's arguments.
          trace: Makes the function.
          at_once: Whether the first call of its kind is to be compiled, too.
        """
        if self._watched is not None and not self._watched.unchanged():
            self._drop()
        functions = self._functions
        if kind in functions or not (at_once or kind in self._known):
            return functions.get(kind)
        with self._lock:
            if kind not in functions:
                functions[kind] = trace()
                for layer in self._layers:  # tensors of the trace, of regularizers
                    layer._clear_losses()
                # What a trace changes itself, as a count of calls, is no change.
                self._watched = Watched(self._layers)
        return functions[kind]

    def note(self, kind: Hashable, failed: bool) -> None:
        """Remembers a call that was not compiled.

        Args:
          kind: As in `find`.
          failed: Whether none of its kind is to be: it failed when it was compiled.
        """
        self._known.add(kind)
        if failed:
            self._functions[kind] = None

    def _drop(self) -> None:
        with self._lock:
            self._functions, self._known, self._watched = {}, set(), None


class CompiledCall:
    """One traced function of tensors.

    Args:
      function: What it computes.
      specs: Of its arguments.
    """

    def __init__(
        self, function: Callable[..., Any], specs: Sequence[tf.TensorSpec]
    ) -> None:
        traced = tf.function(function, autograph=False)
        with tf.device(None), inside():
            self._function = traced.get_concrete_function(*specs)
        self.rows = max(1, _WIDEST // max(_widest_row(self._function.graph), 1))

    def __call__(self, *tensors: tf.Tensor) -> Any:
        """What the function computes."""
        with _as_written():
            return self._function(*tensors)


def may_compile() -> bool:
    """Whether this is a plain call: by a user, in eager mode, without a strategy."""
    return (
        tf.executing_eagerly()
        and not _is_inside.get()
        and not tf.config.functions_run_eagerly()
        and not tf.distribute.has_strategy()
        # Keras' layers tell those inside whether they train; scopes replace weights.
        and global_state.get_global_attribute("current_call_ctx") is None
        and not in_stateless_scope()
    )


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Marks what a call calls itself, which is not compiled on its own."""
    token = _is_inside.set(True)
    try:
        yield
    finally:
        _is_inside.reset(token)


@contextlib.contextmanager
def _as_written() -> Iterator[None]:
    """Inside, functions run as they were traced, their operations not rewritten.

    TensorFlow's rewriting of sums and products changes last digits, so that a second
    call would differ from the first, which is not compiled; and it takes as long as the
    trace. It would make RealNVP no faster, Glow and splines by a tenth
    (docs/adr/0008-plain-calls-are-compiled.md).
    """
    context = eager_context.context()
    before = context.function_call_options
    context.function_call_options = _without_rewriting(
        before.config_proto_serialized, before.executor_type
    )
    try:
        yield
    finally:
        context.function_call_options = before


@functools.lru_cache(maxsize=8)
def _without_rewriting(config: bytes, executor: str | None) -> Any:
    options = tf.compat.v1.ConfigProto.FromString(config)
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    return eager_context.FunctionCallOptions(executor, options)


def _widest_row(graph: tf.Graph) -> int:
    """Bytes of one row of the widest tensor, of those with a row for each example."""
    widest = 0
    for operation in graph.get_operations():
        if operation.type in _CALLS:
            name = operation.get_attr("f").name
            widest = max(widest, _widest_row(graph._get_function(name).graph))
        for output in operation.outputs:
            shape = output.shape
            if not shape.rank or shape[0] is not None:
                continue
            if shape[1:].is_fully_defined():
                widest = max(widest, math.prod(shape[1:]) * output.dtype.size)
    return widest
