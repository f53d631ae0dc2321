"""The settings of a family: its builder's keywords with their types and defaults.

The builder's signature is the only declaration; nothing here repeats it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tfflows import families
from tfflows.zoo.convert import convert
from tfflows.zoo.errors import ConfigError, unknown_name

# Arguments that data or program decide, and objects that a configuration cannot hold.
_OTHERS = frozenset(
    ["levels", "name", "context", "context_shape", "context_dtype", "context_network"]
    + ["support"]
)

# Keywords added after 0.1.0: for each family, the value that builds the old model.
_ADDED: Mapping[str, Mapping[str, Any]] = {"stacked": {"*": False, "glow": True}}


# The family of an experiment that chooses one when it sees the data.
AUTO = "auto"


class Field(NamedTuple):
    """A keyword of a builder.

    Attributes:
      annotation: Its type.
      default: Its default; `inspect.Parameter.empty` if a value is required.
    """

    annotation: Any
    default: Any


def find_builder(family: str) -> Callable[..., Any]:
    """Returns the function that builds the models of a family.

    Args:
      family: For example "realnvp".

    Raises:
      ConfigError: If there is no such family (near ones are listed), or it is "auto".
    """
    if family == AUTO:
        raise ConfigError(
            "expected a model that can be built, got auto_table, which chooses one "
            "when it sees the data: train it with tfflows-train --model=auto_table, "
            "and load the run with tfflows.zoo.load(model_dir)"
        )
    if not isinstance(family, str) or family not in families.BUILDERS:
        raise unknown_name("model family", str(family), families.BUILDERS)
    return families.builder(family)


def fields(family: str) -> Mapping[str, Field]:
    """Returns the keywords of a family, by name.

    Args:
      family: For example "realnvp".

    Raises:
      ConfigError: If there is no such family.
    """
    return {} if family == AUTO else _keywords(find_builder(family))


def complete(family: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the arguments of a family and adds the defaults of missing ones.

    Args:
      family: For example "realnvp".
      arguments: Values, or their text or JSON form, by name.

    Raises:
      ConfigError: If the family or a name is unknown, a value does not fit, or a
        required one is missing.
    """
    known = fields(family)
    for name in arguments:
        if name not in known:
            raise unknown_name("field of model", str(name), known)
    for name, field in known.items():
        if field.default is inspect.Parameter.empty and name not in arguments:
            raise ConfigError(f"expected a value for model.{name}, got none")
    return {
        name: convert(arguments[name], field.annotation, f"model.{name}")
        if name in arguments
        else field.default
        for name, field in known.items()
    }


def as_saved(family: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Completes the arguments of a model that an older version may have saved.

    Args:
      family: For example "realnvp".
      arguments: The saved arguments, by name.

    Returns:
      The same and, for keywords added later, the values that build the saved model.

    Raises:
      ConfigError: If there is no such family.
    """
    known = fields(family)
    added = {
        name: values.get(family, values["*"])
        for name, values in _ADDED.items()
        if name in known
    }
    return {**added, **arguments}


@functools.cache
def _keywords(builder: Callable[..., Any]) -> Mapping[str, Field]:
    hints = typing.get_type_hints(builder)
    return {
        name: Field(hints[name], parameter.default)
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in _OTHERS
    }
