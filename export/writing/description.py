"""Describes an exported model in plain values: the content of `flow.json`.

`<version>/assets.extra/flow.json` is for programs that use the export. Its keys stay
the same while `format` is 1:

| key | value |
|---|---|
| `format` | 1 |
| `model`, `kind` | the model's name; "Flow", "FlowVAE" or "FlowMixture" |
| `version` | the integer version |
| `event_shape`, `latent_dim` | shape of one example, size of its latent vector, null without one |
| `levels` | number of levels of integer data, null for continuous data |
| `noise_std` | deviation, in levels, of the Gaussian noise in samples and densities, or null |
| `dtype` | float dtype of the signatures: "float32" or "float64" |
| `context` | null, or `shape`, `dtype`, `num_classes` (null if unknown) and, of classes with names, `label_names` |
| `units` | unit of densities and bounds |
| `num_parameters` | number of trainable parameters |
| `jit_compile` | whether the server must allow XLA |
| `default` | the signature that `serving_default` repeats |
| `signatures` | by name: `inputs` and `outputs`, each a `dtype` and a `shape` with null for the batch axis, and `batchable` |
| `training_data`, `data_licence` | name and licence of the data, or null |
| `columns` | names of the columns of x if the data are a table with names, or null |
| `table` | of a density of `FlowDensity`, for each column of x: `name` (null without one), `kind` ("category", "integer", "real"), `categories` in the order of their codes, `step` of a rounded column; else null |
| `metrics` | the model's figures from `tfflows-evaluate`, or null |
| `commands` | the commands that made the model and its metrics, by name |
| `config` | the experiment's configuration, or null |
| `tfflows_version`, `library_versions` | versions of the exporting libraries |
"""  # noqa: E501 (a table row is one line)

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfflows.export.flow_json import FLOW_JSON
from tfflows.export.table_codes import TableCodes
from tfflows.export.writing.saved_model_proto import (
    describe_signatures,
    read_meta_graph,
)
from tfflows.models.contexts.values import number_of_labels
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.flow_vae import FlowVAE
from tfflows.provenance import Provenance

_PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")
_FLOW_UNITS = "log_prob: nats, density in the units of the raw data"
_INTEGER_FLOW_UNITS = (
    "log_prob: nats, density of y = x + u with levels one wide; bits_per_dim: bits"
)
_NOISY_UNITS = "log_prob: nats, density of data in levels with Gaussian noise; no bits"
_TABLE_UNITS = (
    "log_prob: nats, log-probability of categories and integers plus log-density of "
    "real columns given these, in their units"
)
_VAE_UNITS = "elbo, reconstruction, kl: nats, in the units of the raw data"


def describe(
    model: keras.Model, version: int, provenance: Provenance
) -> dict[str, Any]:
    """Describes a model as in the table of this module.

    Args:
      model: An initialised `Flow`, `FlowVAE` or `FlowMixture`.
      version: The version of the export.
      provenance: Where the model comes from.

    Returns:
      JSON values by name, except those that say how it is exported.
    """
    return {
        "format": 1,
        **dataclasses.asdict(provenance),
        "model": provenance.model or model.name,
        "kind": _kind(model),
        "version": version,
        "event_shape": list(model.event_shape),
        "latent_dim": getattr(model, "latent_dim", None),
        "levels": model.levels,
        "noise_std": getattr(model, "noise_std", None),
        "dtype": float_dtype(model).name,
        "context": _context(model, provenance.config or {}),
        "units": _units(model),
        "columns": provenance.columns or _names(model),
        "table": _table(model),
        "num_parameters": sum(math.prod(w.shape) for w in model.trainable_weights),
        "tfflows_version": importlib.metadata.version("tfflows"),
        "library_versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
    }


def write_description(
    description: Mapping[str, Any], saved_model: Path, default: str
) -> dict[str, Any]:
    """Writes `assets.extra/flow.json` into the folder of a SavedModel.

    Args:
      description: `describe` of the model.
      saved_model: The folder; its signatures are described too.
      default: The signature that `serving_default` repeats.

    Returns:
      The written description.
    """
    signatures = describe_signatures(read_meta_graph(saved_model))
    values = {**description, "default": default, "signatures": signatures}
    path = saved_model / FLOW_JSON
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")
    return values


def float_dtype(model: keras.Model) -> tf.DType:
    """Returns the dtype of latents and densities, whatever the networks' policy."""
    if isinstance(model, FlowVAE | FlowMixture):
        return model.flow_dtype
    return model.base.distribution.dtype


def _kind(model: keras.Model) -> str:
    for cls in (FlowVAE, FlowMixture):
        if isinstance(model, cls):
            return cls.__name__
    return "Flow"


def _table(model: keras.Model) -> list[dict[str, Any]] | None:
    return model.columns if isinstance(model, FlowMixture) else None


def _names(model: keras.Model) -> list[str] | None:
    table = TableCodes.of(_table(model))
    return None if table is None or table.names is None else list(table.names)


def _units(model: keras.Model) -> str:
    if isinstance(model, FlowVAE):
        return _VAE_UNITS
    table = _table(model) or []
    if any(column["kind"] != "real" for column in table):
        return _TABLE_UNITS
    if model.levels is None:
        return _FLOW_UNITS
    return _INTEGER_FLOW_UNITS if model.measures_bits else _NOISY_UNITS


def _context(model: keras.Model, config: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(model, Flow) or model.context_shape is None:
        return None
    names = config.get("data", {}).get("label_names")
    return {
        "shape": list(model.context_shape),
        "dtype": tf.as_dtype(model.conditioning.context_dtype).name,
        "num_classes": _num_classes(model),
        **({"label_names": names} if names else {}),
    }


def _num_classes(model: Flow) -> int | None:
    """Returns the number of classes that all layers with labels know."""
    numbers = [
        layer.num_classes
        for layer in model._flatten_layers()
        if hasattr(layer, "num_classes")
    ]
    embedded = number_of_labels(model.conditioning.network)
    numbers += [] if embedded is None else [embedded]
    return min(numbers, default=None) if model.context_shape == () else None
