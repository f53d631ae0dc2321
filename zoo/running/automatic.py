"""What `auto_table` trains: the same choice as that of `FlowDensity(family="auto")`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import keras
import numpy as np

from tfflows.data import DataSource
from tfflows.families.density_stack import MIXTURE
from tfflows.models import DensityStack
from tfflows.sklearn.plan import FlowPlan, plans_for
from tfflows.sklearn.stacking import stack_weights
from tfflows.system import files
from tfflows.zoo.config import ExperimentConfig, ModelConfig, TrainerConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.families import AUTO
from tfflows.zoo.registry import get_config
from tfflows.zoo.running import run_dir
from tfflows.zoo.running.automatic_mixtures import find_mixtures

FAMILY = "density_stack"
# Training of a mixture alone, which EM has fitted already.
_MIXTURE_EPOCHS, _MIXTURE_RATE = 10, 1e-4
_MOMENTUM, _STEPS_AVERAGED, _WARMUP_STEPS, _ROUNDS = 0.998, 0.1, 100, 40


def chosen(
    config: ExperimentConfig, source: DataSource, model_dir: str | os.PathLike
) -> ExperimentConfig:
    """The configuration with a model and a training in the place of "auto".

    Args:
      config: Any configuration; one without "auto" comes back as it is. Fields of the
        trainer that are not `auto_table`'s own stay.
      source: Its data.
      model_dir: The folder of the run; what it has chosen already stays.

    Raises:
      ConfigError: The data are no table of real columns that vary.
    """
    if config.model.family != AUTO:
        return config
    _check(config, source)
    if (files.path(model_dir) / run_dir.CONFIG).is_file():
        there = run_dir.read_config(model_dir)
        return _with(config, there.model, there.trainer)
    rows = source.num_examples["train"]
    plans = _plans(rows)
    found = find_mixtures(source, config.trainer.seed, not plans)
    model = ModelConfig(
        FAMILY,
        {
            "num_components": found.components(""),
            "num_warped_components": found.components("warped_"),
            "warped": bool(plans) and found.warp is not None,
            "num_steps": tuple(plan.num_layers for plan in plans),
            "widths": tuple(plan.hidden_units[0] for plan in plans),
            "num_bins": tuple(plan.arguments.get("num_bins", 8) for plan in plans),
            "bounds": tuple(plan.arguments.get("bound", 3.0) for plan in plans),
        },
    )
    config = _with(config, model, _trainer(config.trainer, plans, source))
    names = [
        f"a Gaussian mixture of {flow.base.distribution.means.shape[0]}{of_what}"
        for name, of_what in (("", ""), ("warped_", " (warped columns)"))
        if (flow := found.mixtures.get(name + MIXTURE)) is not None
    ]
    of_what = " (warped columns)" if model.arguments["warped"] else ""
    names += [plan.name + of_what for plan in plans]
    print(
        f"{config.name} chose {FAMILY} for {rows} rows of {source.event_shape[0]} "
        f"columns: {'; '.join(names)}; a Student t. It trains for up to "
        f"{config.trainer.epochs} epochs at {config.trainer.learning_rate:g}"
    )
    return config


def start(model: keras.Model, source: DataSource, seed: int) -> None:
    """Sets the Gaussian mixture of a new stack as EM fits it to the data.

    Args:
      model: Any model; others than stacks stay as they are.
      source: The data.
      seed: That of the choice.
    """
    if not isinstance(model, DensityStack):
        return
    alone = not _plans(source.num_examples["train"])
    found = find_mixtures(source, seed, alone)
    for flow in model.flows:
        if not flow.name.endswith(MIXTURE):
            if flow.name.startswith("warped_") and found.warp is not None:
                found.warp.set_in(flow)
            continue
        fitted = found.mixtures.get(flow.name)
        wanted = flow.base.distribution.means.shape[0]
        if fitted is None or fitted.base.distribution.means.shape[0] != wanted:
            # A configuration of the user's own.
            fitted = found.alone(flow.name, wanted)
        flow.set_weights(fitted.get_weights())
    if _are_mixtures_alone(model) and found.fits(model):
        shares = [found.shares[flow.name] for flow in model.flows[:-1]]
        model.logits.assign(np.log([*shares, 1.0 - sum(shares)]))


def weigher(model: keras.Model, source: DataSource) -> list[keras.callbacks.Callback]:
    """What gives a stack its weights before each validation; none for other models."""
    if not isinstance(model, DensityStack) or _are_mixtures_alone(model):
        return []
    x = source.arrays("validation")
    share = len(x) / (source.num_examples["train"] + len(x))
    return [_WeighsFlows(model, x, share)]


def _are_mixtures_alone(stack: DensityStack) -> bool:
    return all(flow.name.endswith(MIXTURE) for flow in stack.flows[:-1])


class _WeighsFlows(keras.callbacks.Callback):
    """Sets the weights of a stack's flows by the validation rows, a share of all."""

    def __init__(self, stack: DensityStack, x: np.ndarray, share: float) -> None:
        super().__init__()
        self._stack, self._x, self._share = stack, x, share

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Called by Keras, after the averaged weights are in place."""
        log_p = self._stack.log_prob_of_flows(self._x).numpy().astype("float64")
        weights = stack_weights(log_p, np.ones(len(log_p)), self._share)
        self._stack.logits.assign(np.log(weights))


def _check(config: ExperimentConfig, source: DataSource) -> None:
    if source.label_as_context:
        raise ConfigError(
            f"expected data without a context for {config.name}, got "
            "data.label_as_context; choose nsf_table or another flow"
        )
    if source.levels is not None or len(source.event_shape) != 1:
        raise ConfigError(
            f"expected a table of real numbers for {config.name}, got examples of "
            f"shape {source.event_shape} with levels {source.levels}"
        )
    constant = np.flatnonzero(np.ptp(source.arrays("train"), axis=0) == 0)
    if constant.size:
        columns = source.columns or tuple(map(str, range(source.event_shape[0])))
        names = ", ".join(columns[k] for k in constant)
        raise ConfigError(
            f"expected columns that vary, got constant ones in the training rows of "
            f"{source.name}: {names}; leave them out"
        )


def _plans(rows: int) -> Sequence[FlowPlan]:
    return plans_for(
        "auto",
        rows,
        num_layers=None,
        hidden_units=None,
        learning_rate=None,
        weight_decay=0.0,
        batch_size=256,
        max_epochs=200,
        patience=12,
    )


def _trainer(
    given: TrainerConfig, plans: Sequence[FlowPlan], source: DataSource
) -> TrainerConfig:
    """The training of the plans, but for what was given."""
    if not plans:
        return dataclasses.replace(
            given,
            epochs=_MIXTURE_EPOCHS,
            learning_rate=_MIXTURE_RATE,
            patience=_MIXTURE_EPOCHS,
        )
    budget = plans[0].budget
    steps = budget.steps
    epochs = max(1, round(steps / source.steps_per_epoch(budget.batch_size)))
    return dataclasses.replace(
        given,
        epochs=epochs,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        warmup_steps=min(_WARMUP_STEPS, steps // 10),
        ema=min(_MOMENTUM, 1.0 - 1.0 / (1.0 + _STEPS_AVERAGED * steps)),
        patience=max(2, -(-epochs * budget.patience // _ROUNDS)),
    )


def _with(
    config: ExperimentConfig, model: ModelConfig, trainer: TrainerConfig
) -> ExperimentConfig:
    """The configuration with what was chosen, but for what the user has set."""
    own = get_config("auto_table").trainer
    kept = {
        field.name: getattr(config.trainer, field.name)
        for field in dataclasses.fields(TrainerConfig)
        if getattr(config.trainer, field.name) != getattr(own, field.name)
    }
    trainer = dataclasses.replace(trainer, **kept)
    return dataclasses.replace(config, model=model, trainer=trainer)
