"""The public names and their signatures, as plain data.

`python -m tests.public_api > tests/public_api.json` records those of the checkout; the
file that is kept is version 0.1.0's, with what came since.
"""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import tfflows

# Every package with an `__all__`, and the modules that the README names.
MODULES = (
    "tfflows",
    "tfflows.bijectors",
    "tfflows.data",
    "tfflows.distributions",
    "tfflows.export",
    "tfflows.export.c_api",
    "tfflows.export.client",
    "tfflows.latent",
    "tfflows.metrics",
    "tfflows.models",
    "tfflows.networks",
    "tfflows.preprocessing",
    "tfflows.sklearn",
    "tfflows.training",
    "tfflows.zoo",
)


def snapshot() -> dict[str, dict[str, Any]]:
    """Signatures by module and name; `Class.method` for methods."""
    return {name: _signatures(importlib.import_module(name)) for name in MODULES}


def _signatures(module: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in getattr(module, "__all__", None) or _own_names(module):
        thing = getattr(module, name)
        is_error = inspect.isclass(thing) and issubclass(thing, Exception)
        has_signature = callable(thing) and not is_error
        found[name] = parameters(thing) if has_signature else None
        if inspect.isclass(thing):
            found |= {f"{name}.{k}": v for k, v in _methods(thing).items()}
    return found


def _own_names(module: Any) -> list[str]:
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", None) == module.__name__
    ]


def _methods(cls: type) -> dict[str, Any]:
    """Those that tfflows' classes define, less what `FlowStep` has for all steps."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("tfflows.")]
    names = sorted({name for base in own for name in vars(base) if name[0] != "_"})
    found = {name: method_parameters(cls, name) for name in names}
    if cls is not tfflows.FlowStep and issubclass(cls, tfflows.FlowStep):
        shared = _methods(tfflows.FlowStep)
        found = {k: v for k, v in found.items() if k not in shared or shared[k] != v}
    return found


def method_parameters(cls: type, name: str) -> Any:
    """The parameters of a method; None for a property or another attribute."""
    thing = inspect.getattr_static(cls, name)
    if isinstance(thing, staticmethod | classmethod):
        thing = thing.__func__
    return parameters(thing) if inspect.isfunction(thing) else None


def parameters(function: Any) -> list[list[str]]:
    """Name, kind and default (its repr, "" for none) of each parameter."""
    return [
        [
            parameter.name,
            parameter.kind.name,
            "" if parameter.default is parameter.empty else repr(parameter.default),
        ]
        for parameter in inspect.signature(function).parameters.values()
    ]


if __name__ == "__main__":
    lines = json.dumps(snapshot(), sort_keys=True).replace("]], ", "]],\n")
    print(lines.replace("null, ", "null,\n").replace("}, ", "},\n"))
