"""Plain configs of stock TFP bijectors and distributions, used to save models."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

_PLAIN = (bool, int, float, str, type(None))
_MODULES = {"bijector": tfp.bijectors, "distribution": tfp.distributions}


def to_tfp_config(obj: Any) -> dict[str, Any]:
    """Returns the class name and constructor parameters of a TFP object.

    Args:
      obj: A `tfb.Bijector` or `tfd.Distribution` of a public TFP class.

    Returns:
      A JSON-ready dict for `from_tfp_config`.

    Raises:
      ValueError: For a class of another library, or a parameter that is a function or
        another object: such an object can be used, but not saved.
    """
    kind = _kind(obj)
    name = type(obj).__name__.lstrip("_")
    stock = type(obj).__module__.startswith("tensorflow_probability.")
    if not stock or not hasattr(_MODULES[kind], name):
        raise ValueError(
            f"expected a class of tfp.{kind}s to save, got {name}; subclass "
            "tfflows.bijectors.FlowStep for a map of your own"
        )
    defaults = inspect.signature(getattr(_MODULES[kind], name).__init__).parameters
    parameters = {
        key: _encode(value, f"{name}.{key}")
        for key, value in obj.parameters.items()
        if key != "name" and not (key in defaults and value is defaults[key].default)
    }
    return {"tfp": kind, "class": name, "parameters": parameters, "name": obj.name}


def from_tfp_config(config: dict[str, Any]) -> Any:
    """Returns the TFP object of a config from `to_tfp_config`."""
    cls = getattr(_MODULES[config["tfp"]], config["class"])
    parameters = {key: _decode(value) for key, value in config["parameters"].items()}
    return cls(**parameters, name=config["name"])


def _kind(obj: Any) -> str:
    if isinstance(obj, tfp.bijectors.Bijector):
        return "bijector"
    if isinstance(obj, tfp.distributions.Distribution):
        return "distribution"
    raise ValueError(
        f"expected a tfb.Bijector or tfd.Distribution, got {type(obj).__name__}"
    )


def _encode(value: Any, where: str) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return [_encode(item, where) for item in value]
    if isinstance(value, tf.DType):
        return {"dtype": value.name}
    if isinstance(value, tfp.bijectors.Bijector | tfp.distributions.Distribution):
        return to_tfp_config(value)
    if isinstance(value, tf.Variable | tf.Tensor | np.ndarray | np.generic):
        array = np.asarray(value)
        encoded = {"array": array.tolist(), "of": str(array.dtype)}
        if isinstance(value, tf.Variable):
            encoded["trainable"] = value.trainable
        return encoded
    raise ValueError(
        f"{where}: expected a number, array, variable, bijector or distribution to "
        f"save, got {type(value).__name__}"
    )


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tfp" in value:
        return from_tfp_config(value)
    if "dtype" in value:
        return tf.as_dtype(value["dtype"])
    array = np.asarray(value["array"], dtype=value["of"])
    if "trainable" in value:
        return tf.Variable(array, trainable=value["trainable"])
    return array
