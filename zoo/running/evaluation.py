"""Computes held-out figures of a model, in every unit that fits the data."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfflows.data
from tfflows.data.circular import CIRCULAR
from tfflows.data.simulators import SIMULATORS
from tfflows.data.source import SPLITS
from tfflows.data.table import find
from tfflows.data.toy import TOYS
from tfflows.training import is_multi_worker
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.running.per_label import measures_bits, per_label
from tfflows.zoo.running.sources import load_source, resolve_shape

# In place of a split: all three.
ALL = "all"
# The result has these under its own names.
_IN_NATS_OR_BITS = ("loss", "bits_per_dim")


def evaluate(
    model: keras.Model,
    config: ExperimentConfig,
    split: str = "test",
    progress: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Evaluates a model on a split of the data of its experiment.

    Args:
      model: The model.
      config: Its experiment; the data may be others of the same shape.
      split: "train", "validation", "test", or "all" for the three together.
      progress: {"epoch", "step"} of the weights, to report.

    Returns:
      "model", "dataset", "split", "num_examples", the items of `progress`, and
      "nll": mean of -log_prob in nats, in the units of the raw data;
      "bits_per_dim": for integer data, the same in bits per dimension, unless the
      model is one of data with Gaussian noise ("noise_std", in levels);
      "accuracy": for a flow with a classifier, the share of correct labels;
      "log_likelihood_unit_scaled": for 256 levels, the mean log-likelihood in nats of
      pixels scaled to [0, 1], as in the NICE paper;
      "elbo", "reconstruction", "kl", "active_units" and maybe "iwae": for a VAE, the
      terms of its bound; "nll" is then -"elbo";
      "kl": for data with a known density (a simulator's posterior given the
      observation), mean of log p(x) - log_prob(x), an estimate of KL(data || model)
      in nats;
      "per_label": of data of one's own with labels, or labels that condition the model,
      "num_examples", "nll" and "bits_per_dim" by the name of the class.

    Raises:
      ConfigError: If the data have another shape.
      ValueError: If the data are unknown or cannot be used, or have no such split.
      OSError: If they cannot be read.
    """
    source = load_source(config)
    config = resolve_shape(config, source)
    splits = SPLITS if split == ALL else (split,)
    parts = [source.dataset(each, config.trainer.batch_size) for each in splits]
    dataset = functools.reduce(tf.data.Dataset.concatenate, parts)
    if not model.compiled:
        model.compile()
    logs = model.evaluate(dataset, return_dict=True, verbose=0)
    nll = float(logs["loss"])
    result: dict[str, Any] = {
        "model": config.name,
        "dataset": config.data.name,
        "split": split,
        "num_examples": sum(source.num_examples[each] for each in splits),
        **(progress or {}),
        "nll": nll,
        **{name: float(logs[name]) for name in logs if name not in _IN_NATS_OR_BITS},
    }
    dims = math.prod(source.event_shape)
    has_bits = measures_bits(model, source)
    if has_bits:
        result["bits_per_dim"] = nll / (dims * math.log(2))
    if has_bits and source.levels == 256:
        result["log_likelihood_unit_scaled"] = dims * math.log(256) - nll
    if getattr(model, "noise_std", None) is not None:
        result["noise_std"] = model.noise_std
    true_log_prob = _true_log_prob(source, splits)
    if true_log_prob is not None:
        result["kl"] = true_log_prob + nll
    if _has_labels(config, source) and not is_multi_worker(
        tf.distribute.get_strategy()
    ):
        batch_size = config.trainer.batch_size
        result["per_label"] = per_label(model, source, splits, batch_size)
    return result


def _has_labels(config: ExperimentConfig, source: tfflows.data.DataSource) -> bool:
    """Whether figures of each class are worth a second pass."""
    own = find(config.data.name or "").takes != ()
    return source.label_names is not None and (own or source.label_as_context)


def _true_log_prob(
    source: tfflows.data.DataSource, splits: Sequence[str]
) -> float | None:
    """Returns the mean log-density of splits under their own density, if known."""
    if source.label_as_context and source.name in SIMULATORS:
        theta = np.concatenate([source.arrays(split) for split in splits])
        observation = np.concatenate([np.asarray(source.labels(s)) for s in splits])
        log_prob = SIMULATORS[source.name].posterior_log_prob(theta, observation)
        return float(np.mean(log_prob))
    toy = (TOYS | CIRCULAR).get(source.name)
    if toy is not None and toy.has_log_prob:
        x = np.concatenate([source.arrays(split) for split in splits])
        return float(np.mean(toy.log_prob(x)))
    return None
