"""Strict conversion of text and JSON values to the types of a configuration.

A value is either text from a command line ("64,64", "none", "1e-3") or its JSON form
([64, 64], None, 0.001). Nothing is guessed: a value that does not fit the annotation of
its field raises an error that names the field.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from tfflows.zoo.errors import ConfigError

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def convert(value: Any, annotation: Any, field: str) -> Any:
    """Converts a value to the annotated type of its field.

    Args:
      value: Text, or a value of that type or in its JSON form.
      annotation: Bool, int, float, str, a Literal of texts, tuple[T, ...] or
        Sequence[T], Mapping[str, T], or a union that begins with one of these.
      field: Name of the field, for the error.

    Returns:
      The value in the annotated type.

    Raises:
      ConfigError: If the value does not fit.
    """
    origin, parameters = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        is_none = value is None or (isinstance(value, str) and value.lower() == "none")
        if is_none and types.NoneType in parameters:
            return None
        return convert(value, parameters[0], field)
    if origin is typing.Literal:
        if value not in parameters:
            raise _misfit(f"one of {', '.join(parameters)}", field, value)
        return value
    if origin in (tuple, Sequence):
        return _to_tuple(value, parameters[0], field)
    if origin is Mapping:
        return _to_mapping(value, parameters[1], field)
    return _to_scalar(value, annotation, field)


def _to_tuple(value: Any, item: Any, field: str) -> tuple[Any, ...]:
    if isinstance(value, str):
        text = value.strip().removeprefix("(").removesuffix(")").removesuffix(",")
        value = text.split(",") if text.strip() else []
    if not isinstance(value, (list, tuple)):
        raise _misfit(f"a tuple of {item.__name__}", field, value)
    return tuple(convert(v, item, field) for v in value)


def _to_mapping(value: Any, item: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _misfit("a mapping", field, value)
    return {str(k): convert(v, item, f"{field}.{k}") for k, v in value.items()}


def _to_scalar(value: Any, kind: type, field: str) -> Any:
    converted: Any
    if kind is str:
        converted = value if isinstance(value, str) else None
    elif kind is bool:
        converted = value if isinstance(value, bool) else _to_bool(value)
    else:
        converted = _to_number(value, kind)
    if converted is None:
        raise _misfit(kind.__name__, field, value)
    return converted


def _to_bool(value: Any) -> bool | None:
    return _BOOLEANS.get(value.lower()) if isinstance(value, str) else None


def _to_number(value: Any, kind: type) -> Any:
    """Returns the int or finite float; None if the value is not one."""
    # In Python, a bool is an int and int(2.5) is 2; both would hide a mistake.
    accepted = (str, int) if kind is int else (str, int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        return None
    try:
        number = kind(value)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):  # an integer beyond the largest float
        return None


def _misfit(expected: str, field: str, value: Any) -> ConfigError:
    return ConfigError(f"expected {expected} for {field}, got {value!r}")
