"""Trains with a loss per example, the same under every distribution strategy."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.fitting.batch import Batch
from tfflows.fitting.call_signature import CallSignature
from tfflows.fitting.fit import FitWithoutTargets
from tfflows.fitting.older_keras import COUNTS_FROM_FIRST_BATCH, up_to
from tfflows.fitting.replica_sums import RunningMean, global_mean, running_results
from tfflows.fitting.skipped_steps import SkippedSteps, watched
from tfflows.fitting.step_loop import looped_steps
from tfflows.fitting.updates import scaling_the_loss, take_step


@without_autograph
class LikelihoodModel(CallSignature, CheckpointsAllWeights, FitWithoutTargets):
    """A `keras.Model` whose loss is built in, one value per example.

    Subclasses implement `per_example`. Training minimises its key "loss". Each key is a
    metric, averaged over examples with their weights.
    """

    metric_names: tuple[str, ...] = ("loss",)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self._steps_in_loop = 0  # in the train function that Keras keeps

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the loss and the metrics, each `[B]`."""
        raise NotImplementedError

    def _create_trackers(self) -> None:
        self._trackers = {name: RunningMean(name=name) for name in self.metric_names}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means of an epoch."""
        return list(self._trackers.values())

    def compile(
        self,
        optimizer: Any = "adam",
        *,
        loss: Any = None,
        metrics: Any = None,
        jit_compile: bool = False,
        max_skipped: int | None = 20,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer.

        Args:
          optimizer: A Keras optimizer or its name. With dtype "mixed_float16" it is
            wrapped in a `LossScaleOptimizer`, unless it is one.
          loss: Must stay None: the loss is built in.
          metrics: Must stay None: there are no targets.
          jit_compile: Whether to compile steps with XLA.
          max_skipped: Left-out training steps in a row that end the training with an
            error; None: no limit. A step without a finite loss and gradients is left
            out. Steps that a `LossScaleOptimizer` leaves out to find its scale do not
            count.
          **kwargs: Other arguments of `keras.Model.compile`. Without a strategy,
            `steps_per_execution` steps run in one loop, see `step_loop.looped_steps`;
            Keras 3.15's own fails on several replicas. With "auto", `fit` runs up to 32
            short steps in a loop, but 1 on replicas, in eager mode, or with a callback
            that acts after each batch.

        Raises:
          ValueError: If there is a loss or metrics, XLA cannot compile a step, or an
            argument is not valid.
        """
        built_in = {"loss": loss, "metrics": metrics}
        for key in ("loss_weights", "weighted_metrics"):
            built_in[key] = kwargs.pop(key, None)
        given = {key: value for key, value in built_in.items() if value is not None}
        if given:
            raise ValueError(
                f"expected neither loss nor metrics: {type(self).__name__} brings its "
                f"own, {self.metric_names}; got "
                + ", ".join(f"{key}={value!r}" for key, value in given.items())
            )
        if not isinstance(jit_compile, bool):
            raise ValueError(f"expected jit_compile True or False, got {jit_compile!r}")
        if jit_compile:
            self.require_jit()
        is_auto = kwargs.get("steps_per_execution") == "auto"
        if is_auto:
            kwargs["steps_per_execution"] = 1
        check_count("steps_per_execution", kwargs.get("steps_per_execution", 1))
        if max_skipped is not None:
            check_count("max_skipped", max_skipped)
        with self.distribute_strategy.scope():
            optimizer = keras.optimizers.get(optimizer)
            if kwargs.get("auto_scale_loss", True):
                # A log-density sums over the dimensions of an event.
                terms = math.prod(getattr(self, "event_shape", None) or ())
                optimizer = scaling_the_loss(optimizer, self.dtype_policy, terms)
            super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
            self._skipped = SkippedSteps(max_skipped)
        self._is_auto = is_auto

    def require_jit(self) -> None:
        """Raises ValueError, with the reason, if XLA cannot compile the model."""
        if not self.supports_jit:
            raise ValueError(
                f"expected jit_compile=False: {self._what_hinders_jit()} of "
                f"{self.name} cannot be compiled by XLA"
            )

    def _what_hinders_jit(self) -> str:
        steps = {
            layer.name: getattr(layer, "jit_obstacle", "it says so")
            for layer in self._flatten_layers(include_self=False)
            if not layer.supports_jit
            and all(part.supports_jit for part in _parts(layer))
        }
        return "; ".join(f"step {name} ({why})" for name, why in steps.items())

    def make_train_function(self, force: bool = False) -> Any:
        """Creates the train function, and the optimizer's variables before it."""
        if not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_weights)
        steps = self.steps_per_execution if self._trains_alone else 0
        force = force or steps != self._steps_in_loop
        self._steps_in_loop = steps
        function: Any = getattr(self, "train_function", None)
        if not force and function is not None:
            return function
        if not steps:
            super().make_train_function(force)
            function = self.train_function
        else:
            function = looped_steps(self.train_step, steps, self.jit_compile)
        self.train_function: Any = watched(function, self.skipped_steps)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Keras' hook before evaluation."""
        number, known = self.steps_per_execution, getattr(self, "test_function", None)
        if number == 1 or not COUNTS_FROM_FIRST_BATCH or (known and not force):
            return super().make_test_function(force)
        self.steps_per_execution = 1
        super().make_test_function(force)
        self.steps_per_execution = number
        self.test_function: Any = up_to(number, self.test_function)
        return self.test_function

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # Keras would draw a batch to build the model, which is already built. Data that
        # are shuffled at each iteration would then differ from a run without a
        # strategy.
        del args, kwargs

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the config for `compile_from_config` of a loaded model."""
        config = super().get_compile_config()
        if not config:
            return config
        auto = {"steps_per_execution": "auto"} if self._is_auto else {}
        return {**config, **auto, "max_skipped": self.skipped_steps.limit}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was."""
        config = keras.saving.deserialize_keras_object(config)
        kept = (
            "optimizer",
            "run_eagerly",
            "steps_per_execution",
            "jit_compile",
            "auto_scale_loss",
            "max_skipped",
        )
        self.compile(**{key: config[key] for key in kept if key in config})
        self.optimizer.build(self.trainable_variables)

    def noise_step(self) -> tf.Tensor:
        """Returns the step's number, which keys noise with the seed and the example."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is None:  # part of another model, or in a user's loop
            return random.as_seed(None)[0]
        # `iterations` counts updates; one may use gradients of several steps.
        return getattr(optimizer, "inner_optimizer", optimizer)._iterations

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Saves the model; one without a config leaves no broken file."""
        self.get_config()  # Keras asks for it when half the file is written
        super().save(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Loads weights; a file that does not fit changes none."""
        before = self.get_weights()
        try:
            super().load_weights(filepath, *args, **kwargs)
        except Exception:
            self.set_weights(before)
            raise

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Runs one step of the optimizer on one replica's share of the batch.

        If loss or gradients are not finite, the step is left out on all replicas and
        counted in `skipped_steps`.
        """
        batch = Batch.of(data)
        moved = [w for w in self.non_trainable_weights if w.aggregation == "mean"]
        before = [tf.identity(weight.value) for weight in moved]
        with tf.GradientTape() as tape:
            values = self._per_example(batch, training=True)
            loss = global_mean(values["loss"], batch.sample_weight)
            loss += self._weight_penalty(loss.dtype)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = self._gradients(tape, scaled, weights)
        skipped = self.skipped_steps
        taken, counts = take_step(self.optimizer, loss, gradients, weights, skipped)
        for weight, value in zip(moved, before, strict=True):  # by BatchNormalization
            weight.assign(tf.where(taken, weight, value))
        weight = batch.sample_weight
        if weight is None:
            weight = tf.ones_like(values["loss"])
        # A left-out step does not count in the means of the epoch.
        return self._track(values, tf.where(counts, weight, tf.zeros_like(weight)))

    def _gradients(self, tape: tf.GradientTape, loss: Any, weights: Any) -> list[Any]:
        # A method, so that debugging can look at the gradients.
        return tape.gradient(loss, weights)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Returns the metrics of one replica's share of the batch."""
        batch = Batch.of(data)
        values = self._per_example(batch, training=False)
        return self._track(values, batch.sample_weight)

    def _per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        values = self.per_example(batch, training)
        if values["loss"].shape.rank != 1:
            raise ValueError(
                f"{self.name}: expected batches of shape (batch, *event), got "
                f"{tuple(batch.x.shape)}"
            )
        return values

    def _weight_penalty(self, dtype: tf.DType) -> tf.Tensor:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return sum((tf.cast(loss, dtype) for loss in self.losses), 0.0) / replicas

    def _track(
        self, values: dict[str, tf.Tensor], weight: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        for name, value in values.items():
            if weight is not None:  # as in the loss
                counts = tf.reshape(weight > 0, [-1] + [1] * (value.shape.rank - 1))
                value = tf.where(counts, value, tf.zeros_like(value))
            self._trackers[name].update_state(value, sample_weight=weight)
        return running_results({name: self._trackers[name] for name in values})


def _parts(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    return layer._flatten_layers(include_self=False)
