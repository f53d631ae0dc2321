"""Checks of constructor and builder arguments.

Each check returns the argument as a plain Python value, or raises a ValueError that
says what was expected and what it got.
"""

from __future__ import annotations

import difflib
import math
import numbers
import typing
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np


def is_integer(value: Any) -> bool:
    """Returns whether the value is an integer; True and False are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Checks an integer against a minimum.

    Args:
      name: Name of the argument.
      value: What was given.
      least: The smallest that will do.

    Raises:
      ValueError: For anything else, for example 2.0 or True.
    """
    if not is_integer(value) or value < least:
        raise ValueError(f"expected {name} >= {least}, an integer, got {value!r}")
    return int(value)


def check_counts(name: str, values: Any) -> tuple[int, ...]:
    """Checks one or more integers >= 1, for example the widths of layers.

    Raises:
      ValueError: For an empty sequence or anything else.
    """
    listed = _listed(values)
    if not listed or not all(is_integer(value) and value >= 1 for value in listed):
        raise ValueError(
            f"expected {name} as a sequence of one or more integers >= 1, got "
            f"{values!r}"
        )
    return tuple(map(int, listed))


def check_sizes(name: str, shape: Any) -> tuple[int, ...]:
    """Checks a shape with known sizes >= 1; an integer is a vector's size.

    Raises:
      ValueError: For anything else.
    """
    listed = _listed(shape, or_one=True)
    if not listed or not all(is_integer(size) and size >= 1 for size in listed):
        raise ValueError(f"expected {name} of sizes >= 1, got {shape!r}")
    return tuple(map(int, listed))


def check_open_sizes(name: str, shape: Any) -> tuple[int | None, ...]:
    """Checks a shape whose sizes are >= 1 or None (any size).

    Raises:
      ValueError: For anything else.
    """
    listed = _listed(shape, or_one=True)
    if listed is None or not all(
        size is None or (is_integer(size) and size >= 1) for size in listed
    ):
        raise ValueError(
            f"expected {name} of sizes >= 1, got {shape!r}; None stands for any size"
        )
    return tuple(None if size is None else int(size) for size in listed)


def check_number(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Checks a finite real number against a range.

    Args:
      name: Name of the argument.
      value: What was given.
      least: The smallest that will do.
      above: The value must be greater than this.
      below: The value must be less than this.

    Raises:
      ValueError: For anything else.
    """
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (
        is_real and math.isfinite(value) and least <= value and above < value < below
    ):
        bounds = [(">=", least), (">", above), ("<", below)]
        limits = [f"{sign} {limit:g}" for sign, limit in bounds if math.isfinite(limit)]
        wanted = " and ".join(limits) or "as a number"
        raise ValueError(f"expected a finite {name} {wanted}, got {value!r}")
    return float(value)


def check_flag(name: str, value: Any) -> bool:
    """Checks a boolean; 1 and 0 are accepted.

    Raises:
      ValueError: For anything else, for example "no", which Python counts as true.
    """
    if not isinstance(value, bool | np.bool_ | numbers.Integral) or value not in (0, 1):
        raise ValueError(f"expected {name} as True or False, got {value!r}")
    return bool(value)


def check_word(name: str, value: Any, words: Any) -> str:
    """Checks that a word is one of those in a `Literal` or an iterable.

    Raises:
      ValueError: For another word. The message lists similar ones.
    """
    words = typing.get_args(words) or tuple(words)
    if not isinstance(value, str) or value not in words:
        near = difflib.get_close_matches(str(value), words, n=2)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        *others, last = map(repr, words)
        listed = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"expected {name} {listed}, got {value!r}{hint}")
    return value


def check_activation(value: Any) -> Any:
    """Returns the Keras activation of this name, or the function itself.

    Raises:
      ValueError: For an unknown name. The message lists similar ones.
    """
    if value is not None and not isinstance(value, str | dict) and not callable(value):
        raise ValueError(
            f"expected activation as the name of a Keras activation, got {value!r}"
        )
    try:
        return keras.activations.get(value)
    except ValueError as error:
        known = [name for name in dir(keras.activations) if not name.startswith("_")]
        near = difflib.get_close_matches(str(value), known, n=2)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            "expected activation as the name of a Keras activation, got "
            f"{value!r}{hint}"
        ) from error


def check_unused(name: str, value: Any, defaults: Iterable[Any], where: str) -> None:
    """Checks that an argument without an effect has its default.

    Args:
      name: Name of the argument.
      value: What was given.
      defaults: The default, or the defaults of several callers.
      where: What would give it an effect.

    Raises:
      ValueError: For another value.
    """
    if _plain(value) not in [_plain(default) for default in defaults]:
        raise ValueError(
            f"expected {name} with {where} only, where it has an effect, got "
            f"{name}={value!r}"
        )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _listed(values: Any, or_one: bool = False) -> list[Any] | None:
    """Returns the values of a sequence or integer, or None for anything else."""
    if or_one and is_integer(values):
        return [values]
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str | bytes | dict) or not isinstance(values, Sequence):
        values = getattr(values, "as_list", lambda: None)()  # a tf.TensorShape
    return None if values is None else list(values)
