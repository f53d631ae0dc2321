"""Arguments of constructors and builders, checked where they enter.

Each check returns the argument as a plain Python value, or raises a ValueError that
says what was expected and what came.
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
    """Whether it is an integer; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_count(name: str, value: Any, least: int = 1) -> int:
    """An integer of at least so many.

    Args:
      name: Name of the argument.
      value: What was given.
      least: The smallest that will do.

    Raises:
      ValueError: For anything else; 2.0 and True are no integers.
    """
    if not is_integer(value) or value < least:
        raise ValueError(f"expected {name} >= {least}, an integer, got {value!r}")
    return int(value)


def check_counts(name: str, values: Any) -> tuple[int, ...]:
    """One or more integers >= 1, the widths of layers for example.

    Raises:
      ValueError: For none, or anything else.
    """
    listed = _listed(values)
    if not listed or not all(is_integer(value) and value >= 1 for value in listed):
        raise ValueError(
            f"expected {name} as a sequence of one or more integers >= 1, got "
            f"{values!r}"
        )
    return tuple(map(int, listed))


def check_sizes(name: str, shape: Any) -> tuple[int, ...]:
    """A shape of one or more axes of known size >= 1; an integer is a vector's size.

    Raises:
      ValueError: For anything else.
    """
    listed = _listed(shape, or_one=True)
    if not listed or not all(is_integer(size) and size >= 1 for size in listed):
        raise ValueError(f"expected {name} of sizes >= 1, got {shape!r}")
    return tuple(map(int, listed))


def check_open_sizes(name: str, shape: Any) -> tuple[int | None, ...]:
    """A shape of any number of axes, of size >= 1 or None, that of any size.

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
    """A finite real number in a range.

    Args:
      name: Name of the argument.
      value: What was given.
      least: The smallest that will do.
      above: What it has to exceed.
      below: What has to exceed it.

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
    """True or False; 1 and 0 will do.

    Raises:
      ValueError: For anything else, "no" for example, which counts as true.
    """
    if not isinstance(value, bool | np.bool_ | numbers.Integral) or value not in (0, 1):
        raise ValueError(f"expected {name} as True or False, got {value!r}")
    return bool(value)


def check_word(name: str, value: Any, words: Any) -> str:
    """One of some words, which are a `Literal` or an iterable.

    Raises:
      ValueError: For another one; the message names the near ones.
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
    """The Keras activation of that name, or the function itself.

    Raises:
      ValueError: For another name; the message names the near ones.
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
    """An argument without an effect, which therefore has to be its default.

    Args:
      name: Name of the argument.
      value: What was given.
      defaults: The default, or several of callers.
      where: With what it would have an effect.

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
    """The values of a sequence, or of one integer; None for anything else."""
    if or_one and is_integer(values):
        return [values]
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str | bytes | dict) or not isinstance(values, Sequence):
        values = getattr(values, "as_list", lambda: None)()  # a tf.TensorShape
    return None if values is None else list(values)
