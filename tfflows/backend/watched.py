"""Checks that layers have not changed since a function that uses them was traced."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras.src.backend import Variable  # in Keras 3.6, layers have no keras.Variable
from tensorflow_probability import bijectors as tfb

# Of the attributes that Keras and TensorFlow keep, only these affect values: what is
# trained, and in which precision.
_TELLING = {"_trainable", "_dtype_policy", "_layers"}
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
_PLAIN = bool | int | float | str | tuple | list | dict | None


class Watched:
    """The attributes of layers, and of all layers in them, at one time.

    It keeps the attributes themselves, so that no new object gets the identity of a
    deleted one.

    Args:
      layers: Layers, models among them.
    """

    def __init__(self, layers: Iterable[Any]) -> None:
        self._sizes: list[tuple[Any, int]] = []
        self._reads: list[tuple[Callable[[Any], Any], Any]] = []
        self._variables: list[keras.Variable] = []
        self._known: dict[int, Any] = {}
        for layer in layers:
            self._watch(layer)
        self._before = self._values()
        self._held = [
            *(get(source) for get, source in self._reads),
            *(variable._value for variable in self._variables),
        ]

    def unchanged(self) -> bool:
        """Returns whether no attribute and no list of layers has changed since then."""
        for source, size in self._sizes:
            if len(source) != size:
                return False
        return self._values() == self._before

    def _values(self) -> list[int]:
        found = [id(variable._value) for variable in self._variables]
        found += [variable._trainable for variable in self._variables]
        for get, source in self._reads:
            found += map(id, get(source))
        return found

    def _watch(self, value: Any) -> None:
        if id(value) in self._known:
            return
        if isinstance(value, Variable):
            self._known[id(value)] = value
            self._variables.append(value)
        elif isinstance(value, keras.layers.Layer):
            attributes = vars(value)
            self._sizes.append((attributes, len(attributes)))
            self._watch_attributes(value, _telling(value))
        elif isinstance(value, list | tuple):
            self._watch_parts(value, tuple, list(value))
        elif isinstance(value, dict):
            self._watch_parts(value, dict.values, list(value.values()))

    def _watch_attributes(self, value: Any, names: tuple[str, ...]) -> None:
        attributes = vars(value)
        parts = [attributes[name] for name in names]
        get = operator.itemgetter(*names)  # of three or more: `_TELLING`
        self._known[id(value)] = value
        self._reads.append((get, attributes))
        for part in parts:
            self._watch(part)

    def _watch_parts(self, value: Any, get: Any, parts: list[Any]) -> None:
        held = [part for part in parts if isinstance(part, _HOLDERS)]
        self._known[id(value)] = value
        if held:
            self._reads.append((get, value))
        for part in held:
            self._watch(part)


_HOLDERS = keras.layers.Layer | Variable | list | tuple | dict


@functools.cache
def _bare() -> frozenset[str]:
    bare = (keras.layers.Layer(), keras.Model(), tfb.Identity())
    ours = ("_compiled_calls", "_tfp_variables")
    return frozenset(ours).union(*map(vars, bare))


def _telling(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Returns the names of a layer's attributes that may affect its values."""
    names = []
    for name, value in vars(layer).items():
        if name.startswith("_self_") or name.endswith(_OF_TRAINING):
            continue
        # A model also has attributes that `fit` sets.
        kept = not isinstance(layer, keras.Model) or isinstance(
            value, _PLAIN | keras.layers.Layer | Variable
        )
        if name in _TELLING or (name not in _bare() and kept):
            names.append(name)
    return tuple(names)
