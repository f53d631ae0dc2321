"""Compiles public methods of models when they are called eagerly.

An eager call of a method decorated with `compiled_call` runs a function that is traced
once for each kind of call. The given arguments, their dtypes and numbers of axes make
the kind. Sizes of leading axes, numbers of samples, seeds and temperatures do not,
because they are tensors. The method runs uncompiled in a graph, in a replica, in an
export, and if functions run eagerly.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

from tfflows.backend.compiled import CompiledCall, CompiledCalls, inside, may_compile
from tfflows.models.calls.arguments import Argument

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Only a first call with more rows, or numbers, than these is compiled at once.
_SMALL = 2**14, 2**20


def compiled_call(**arguments: Argument) -> Callable[[_Function], _Function]:
    """Returns a decorator that compiles a method when it is called eagerly.

    If the compiled call fails, the method runs uncompiled and raises its own error. If
    it then succeeds, its code cannot be traced, for example because a user's network
    looks at values; from then on this kind of call is not compiled.

    Args:
      **arguments: The method's arguments, which are tensors or None.
    """

    def decorate(method: _Function) -> _Function:
        compiled = _Compiled(method, arguments)

        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if may_compile() and not getattr(self, "run_eagerly", False):
                values = compiled.tensors(self, args, kwargs)
                if values is not None:
                    return compiled(self, values)
            return method(self, *args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def calls_of(model: Any) -> CompiledCalls:
    """Returns the compiled functions of a model."""
    # Past __setattr__, so that neither Keras nor TensorFlow tracks it.
    found = vars(model).get("_compiled_calls")
    if found is None:
        found = vars(model).setdefault("_compiled_calls", CompiledCalls(model))
    return found


@dataclasses.dataclass(frozen=True)
class _Compiled:
    method: Callable[..., Any]
    arguments: dict[str, Argument]

    @functools.cached_property
    def _defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.method).parameters
        return {name: parameters[name].default for name in self.arguments}

    def tensors(self, model: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
        """Returns the arguments as tensors; None if the method must refuse them."""
        given = {**dict(zip(self._defaults, args, strict=False)), **kwargs}
        values = {**self._defaults, **given}
        known = len(values) == len(self._defaults)
        if not known or len(given) != len(args) + len(kwargs):
            return None
        if any(value is inspect.Parameter.empty for value in values.values()):
            return None
        try:
            for name, argument in self.arguments.items():
                if values[name] is not None or argument.role == "seed":
                    values[name] = argument.convert(model, values[name])
        except (TypeError, ValueError):
            return None
        return values

    def __call__(self, model: Any, values: dict[str, Any]) -> Any:
        """Returns the method's result for these tensors."""
        plain = functools.partial(self.method, model)
        kinds = self._kinds(model, values)
        if kinds is None:
            return _plainly(plain, values)
        calls, key = calls_of(model), (self.method, kinds)
        rows = self._rows(model, values)
        failed = False
        try:
            at_once = _is_large(model, rows)
            compiled = calls.find(key, lambda: _traced(plain, values, kinds), at_once)
            if compiled is not None:
                return self._in_chunks(compiled, model, values, rows)
        except tf.errors.ResourceExhaustedError:
            raise
        except Exception:  # the method raises its own below
            failed = True
        result = _plainly(plain, values)
        calls.note(key, failed)
        return result

    def _kinds(self, model: Any, values: dict[str, Any]) -> tuple[Any, ...] | None:
        kinds = []
        for name, argument in self.arguments.items():
            value = values[name]
            kind = () if value is None else argument.kind(model, value)
            if kind is None:
                return None
            kinds.append(kind)
        return tuple(kinds)

    def _rows(self, model: Any, values: dict[str, Any]) -> int | None:
        for name, argument in self.arguments.items():
            if values[name] is not None:
                rows = argument.rows(model, values[name])
                if rows is not None:
                    return rows
        return None

    def _in_chunks(
        self, compiled: CompiledCall, model: Any, values: dict[str, Any], rows: Any
    ) -> Any:
        given = {name: value for name, value in values.items() if value is not None}
        if rows is None or rows <= compiled.rows:
            return compiled(*given.values())
        for name, value in given.items():
            own = self.arguments[name].rows(model, value)
            if own not in (None, 1, rows):
                raise ValueError(f"expected {rows} rows of {name}, got {own}")
        parts = []
        for first in range(0, rows, compiled.rows):
            last = min(first + compiled.rows, rows)
            parts.append(
                compiled(
                    *[
                        self.arguments[name].slice(model, value, first, last)
                        for name, value in given.items()
                    ]
                )
            )
        return tf.nest.map_structure(lambda *part: tf.concat(part, axis=0), *parts)


def _plainly(method: Callable[..., Any], values: dict[str, Any]) -> Any:
    with inside():
        return method(**values)


def _traced(
    method: Callable[..., Any], values: dict[str, Any], kinds: tuple[Any, ...]
) -> CompiledCall:
    names = [name for name, value in values.items() if value is not None]
    nothing = {name: None for name, value in values.items() if value is None}
    specs = [tf.TensorSpec(sizes, dtype) for dtype, *sizes in filter(None, kinds)]

    def function(*tensors: tf.Tensor) -> Any:
        return method(**dict(zip(names, tensors, strict=True)), **nothing)

    return CompiledCall(function, specs)


def _is_large(model: Any, rows: int | None) -> bool:
    most_rows, most_numbers = _SMALL
    numbers = (rows or 1) * math.prod(model.event_shape)
    return (rows or 1) > most_rows or numbers > most_numbers
