"""Keeps the compiled functions of a model's methods, which are never saved."""

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

# Maximum bytes of the widest tensor in one pass; more rows take several passes.
_WIDEST = 2**23
_CALLS = (
    *("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile"),
    *("If", "StatelessIf", "Case", "StatelessCase"),
)
# One thread starts all operations. In a flow each waits for the one before, and to hand
# a small one to another thread takes longer than the operation.
_ONE_THREAD = "SINGLE_THREADED_EXECUTOR"
_REFUSAL = "ingle-threaded executor"  # of operations that it cannot run
_REWRITERS = (
    "layout_optimizer",
    "constant_folding",
    "shape_optimization",
    "auto_mixed_precision",
    "arithmetic_optimization",
    "dependency_optimization",
    "loop_optimization",
    "function_optimization",
    "debug_stripper",
    "scoped_allocator_optimization",
    "pin_to_host_optimization",
    "implementation_selector",
    "common_subgraph_elimination",
)
_is_inside: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "is_inside", default=False
)


class CompiledCalls:
    """Functions by kind of call, dropped when a layer changes. Threads may share it.

    The first call of each kind is not compiled, because a trace takes as long as ten to
    twenty uncompiled calls, and many kinds of call occur once. Both give the same bits,
    see `as_written`.

    Keras and TensorFlow neither track nor save the functions; copies and pickles are
    empty.

    Args:
      layers: The layers that the functions read.
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
        """Returns the number of functions."""
        return sum(each is not None for each in self._functions.values())

    def of_parts(self, *layers: Any) -> CompiledCalls:
        """Returns the functions for these parts, kept as long as the model has them."""
        found = self._of_parts
        if found is None or any(map(operator.is_not, found._layers, layers)):
            found = self._of_parts = CompiledCalls(*layers)
        return found

    def find(
        self, kind: Hashable, trace: Callable[[], CompiledCall], at_once: bool
    ) -> CompiledCall | None:
        """Returns the compiled function for a kind of call; None: do not compile.

        Args:
          kind: Dtypes and numbers of axes of a method's arguments.
          trace: Makes the function.
          at_once: Whether to compile the first call of its kind, too.
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
                # Changes by a trace itself, such as a count of calls, do not count.
                self._watched = Watched(self._layers)
        return functions[kind]

    def note(self, kind: Hashable, failed: bool) -> None:
        """Remembers a call that was not compiled.

        Args:
          kind: See `find`.
          failed: Whether the compiled call failed; then none of its kind is compiled.
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
      function: The Python function.
      specs: Specs of its arguments.
    """

    def __init__(
        self, function: Callable[..., Any], specs: Sequence[tf.TensorSpec]
    ) -> None:
        traced = tf.function(function, autograph=False)
        self._executor: str | None = _ONE_THREAD
        # The executor decides how loops are traced.
        with tf.device(None), inside(), as_written(self._executor):
            self._function = traced.get_concrete_function(*specs)
        graph = self._function.graph
        self._fuses = not _adds_to_products(graph)
        self.rows = max(1, _WIDEST // max(_widest_row(graph), 1))

    def __call__(self, *tensors: tf.Tensor) -> Any:
        """Returns the function's result."""
        executor = self._executor  # another thread may change it while this one runs
        try:
            return self._run(tensors, executor)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
            if executor is None or _REFUSAL not in str(error):
                raise
        self._executor = None
        return self._run(tensors, None)

    def _run(self, tensors: Sequence[tf.Tensor], executor: str | None) -> Any:
        # Past the binding of arguments, whose kinds are known, and which takes 0.1 ms.
        with as_written(executor, self._fuses):
            return self._function._call_flat(
                list(tensors), self._function.captured_inputs
            )


def may_compile() -> bool:
    """Returns whether a user calls in eager mode, without a strategy."""
    return (
        tf.executing_eagerly()
        and not _is_inside.get()
        and not tf.config.functions_run_eagerly()
        and not tf.distribute.has_strategy()
        # Keras tells inner layers whether they train; scopes replace weights.
        and global_state.get_global_attribute("current_call_ctx") is None
        and not in_stateless_scope()
    )


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Context manager that marks inner calls, which are not compiled separately."""
    token = _is_inside.set(True)
    try:
        yield
    finally:
        _is_inside.reset(token)


@contextlib.contextmanager
def as_written(executor: str | None = None, fuses: bool = False) -> Iterator[None]:
    """Context manager in which TensorFlow does not rewrite sums and products.

    Rewriting changes the last digits, so a second call would differ from the first,
    which is not compiled. It also takes as long as the trace
    (docs/adr/0008-plain-calls-are-compiled.md).

    Args:
      executor: TensorFlow's name of what runs the operations; None: its default.
      fuses: Whether a product, its bias and its activation become one operation.
    """
    context = eager_context.context()
    before = context.function_call_options
    context.function_call_options = _without_rewriting(
        before.config_proto_serialized, before.executor_type or executor, fuses
    )
    try:
        yield
    finally:
        context.function_call_options = before


@functools.lru_cache(maxsize=16)
def _without_rewriting(config: bytes, executor: str | None, fuses: bool) -> Any:
    options = tf.compat.v1.ConfigProto.FromString(config)
    rewriting = options.graph_options.rewrite_options
    rewriting.disable_meta_optimizer = not fuses
    rewriting.min_graph_nodes = -1  # small graphs, too
    rewriting.meta_optimizer_iterations = rewriting.ONE
    for name in _REWRITERS:
        setattr(rewriting, name, rewriting.OFF)
    rewriting.remapping = rewriting.ON
    rewriting.memory_optimization = rewriting.NO_MEM_OPT
    return eager_context.FunctionCallOptions(executor, options)


def _graphs(graph: tf.Graph) -> Iterator[tf.Graph]:
    """Yields a graph and those of its functions: calls, loops and branches."""
    yield graph
    for operation in graph.get_operations():
        if operation.type not in _CALLS:
            continue
        for attribute in operation.node_def.attr.values():
            for called in (attribute.func, *attribute.list.func):  # `Case` has a list
                if called.name:
                    yield from _graphs(graph._get_function(called.name).graph)


def _adds_to_products(graph: tf.Graph) -> bool:
    """Returns whether a layer's output is added to something, as in a residual network.

    TensorFlow 2.21 logs an error when it fuses these.
    """
    return any(
        operation.type in ("Add", "AddV2", "AddN")
        and any(each.op.type in ("BiasAdd", "MatMul") for each in operation.inputs)
        for part in _graphs(graph)
        for operation in part.get_operations()
    )


def _widest_row(graph: tf.Graph) -> int:
    """Returns the bytes per row of the widest tensor with a row per example."""
    widest = 0
    for part in _graphs(graph):
        for output in (o for each in part.get_operations() for o in each.outputs):
            shape = output.shape
            if not shape.rank or shape[0] is not None:
                continue
            if shape[1:].is_fully_defined():
                widest = max(widest, math.prod(shape[1:]) * output.dtype.size)
    return widest
