"""`ReverseKL` fits a flow to a density that is known up to its normalizer."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import domains, random
from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checks import require
from tfflows.fitting.batch import Batch
from tfflows.fitting.call_signature import input_spec
from tfflows.fitting.impossible_data import first_row
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.calls.arguments import NUMBER, SEED, START
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.flow import Flow

_TRAINING = 0


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class ReverseKL(LikelihoodModel):
    """Fits a flow q to p(x) = exp(target(x)) / Z, without data or a normalizer.

      loss = E_q[log q(x) - target(x)] = KL(q || p) - log Z,  the free energy, in nats

    It needs only samples of the flow and their densities, so the flow may lack an
    inverse. `fit` draws new samples at each step, keyed by (seed, step, index).

    Source: Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015,
    arXiv 1505.05770, equations 15 and 20 (with the annealing).

    Args:
      flow: A `tfflows.Flow` on continuous events.
      target_log_prob: Maps x `[B, *event]` to log-densities `[B]` in nats, up to a
        constant. To save the model, register the function with `keras.saving`.
      annealing_steps: Training steps over which the target's weight rises from 0.01 to
        1, which helps the flow find separate modes.
      seed: Seed of the noise of `fit`.
      name: Name of the model.
      **kwargs: Arguments of `keras.Model`; `dtype` is the flow's by default.

    Raises:
      ValueError: If the flow is no such flow.
    """

    def __init__(
        self,
        flow: Flow,
        target_log_prob: Callable[[tf.Tensor], tf.Tensor],
        *,
        annealing_steps: int = 0,
        seed: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", getattr(flow, "dtype_policy", None))
        super().__init__(name=name, **kwargs)
        if not isinstance(flow, Flow) or flow.levels is not None:
            raise ValueError(
                f"expected a tfflows.Flow on continuous events, got {flow!r}"
            )
        if flow.context_shape is not None:
            raise ValueError(
                "expected a flow without a context, for there are no data that bring "
                f"one, got {flow.name} with context_shape={flow.context_shape}"
            )
        if not callable(target_log_prob):
            raise ValueError(
                f"expected target_log_prob to be a function, got {target_log_prob!r}"
            )
        self.flow, self.target_log_prob = flow, target_log_prob
        self.annealing_steps = check_count("annealing_steps", annealing_steps, least=0)
        self.seed = check_count("seed", seed, least=0)
        self.supports_jit = flow.supports_jit
        self._create_trackers()
        self.built = True
        self._post_build()

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start of the flow has taken place."""
        return self.flow.is_initialized

    def initialize(self, batch: Any, context: Any = None) -> None:
        """Sets the flow's weights from one batch, see `Flow.initialize`."""
        self.flow.initialize(batch, context)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return self.flow.event_shape

    @property
    def call_signature(self) -> Any:
        """The spec of a call's input: seeds. To export the flow, use `kl.flow`."""
        return input_spec("seeds", (2,), tf.int32)

    def export(
        self, filepath: Any, format: str = "tf_saved_model", *args: Any, **kwargs: Any
    ) -> None:
        """Writes a SavedModel of a call: log q - target of one draw for each seed.

        Raises:
          ValueError: If the format is another one: it has no operation for the draws.
        """
        if format != "tf_saved_model":
            raise ValueError(
                f"{self.name}: expected format='tf_saved_model', got {format!r}, which "
                "has no operation for the flow's draws; export the fitted flow, "
                f"{self.name}.flow.export(filepath, {format!r})"
            )
        super().export(filepath, format, *args, **kwargs)

    def call(self, seeds: tf.Tensor) -> tf.Tensor:
        """Returns log q(x) - target(x) `[B]` of one draw for each seed `[B, 2]`."""
        _, log_q, log_target = self._log_densities(seeds)
        return log_q - log_target

    def _log_densities(
        self, seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws x `[B, *event]`, one for each seed; also log q(x), target(x) `[B]`."""
        x, log_q = self.flow.sample_rows_and_log_prob(seeds, tf.ones_like(seeds[:, 0]))
        log_target = tf.convert_to_tensor(self.target_log_prob(x))
        if not log_target.shape.is_compatible_with(log_q.shape):
            raise ValueError(
                f"expected target_log_prob to return shape {tuple(log_q.shape)} for x "
                f"of shape {tuple(x.shape)}, got {tuple(log_target.shape)}"
            )
        is_number = tf.reduce_all(~tf.math.is_nan(log_target))
        with require(is_number, "expected target_log_prob to return numbers, got NaN"):
            return x, log_q, tf.identity(tf.cast(log_target, log_q.dtype))

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the free energy `[B]` in nats, one draw for each index."""
        step = self.noise_step() if training else 0
        index = batch.index_or_position()
        seeds = random.noise_seeds(self.seed, _TRAINING, step, index)
        x, log_q, log_target = self._log_densities(seeds)
        if training:
            log_target = self._checked_target(x, log_target)
        if training and self.annealing_steps:
            step = tf.cast(self.optimizer.iterations, log_q.dtype)
            share = step / self.annealing_steps
            log_target *= tf.minimum(0.01 + share, 1.0)
        return {"loss": log_q - log_target}

    def _checked_target(self, x: tf.Tensor, log_target: tf.Tensor) -> tf.Tensor:
        """Returns the target if it is finite where it must be; XLA drops the check."""
        finite_x = domains.all_of_row(tf.math.is_finite(x))
        bad = tf.math.is_inf(log_target) & finite_x  # else x is the weights' fault
        _, (one,) = first_row(bad, x)
        message = (
            f"{self.name}: expected a target_log_prob that is finite where the flow "
            "puts mass, for KL(q || p) is infinite elsewhere, got an infinite one; "
            "restrict the flow's range to the target's support by its first step, or "
            "let the target fall steeply instead; it was infinite at x ="
        )
        with require(~tf.reduce_any(bad), message, one):
            return tf.identity(log_target)

    def fit(  # type: ignore[override]
        self,
        *,
        steps_per_epoch: int = 100,
        epochs: int = 1,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> Any:
        """Trains without data.

        Args:
          steps_per_epoch: Steps of the optimizer in each epoch.
          epochs: Number of epochs.
          batch_size: Draws for each step, over all replicas.
          **kwargs: Other arguments of `keras.Model.fit` (callbacks, verbose, ...).

        Returns:
          Keras' History; its "loss" is the free energy, with the annealed target if
          there is annealing.

        Raises:
          ValueError: If a number is below 1, the flow is not initialised, or the target
            returns NaN or is infinite at a draw; the error then names the draw. Under
            XLA, such steps are left out.
        """
        check_count("steps_per_epoch", steps_per_epoch)
        check_count("epochs", epochs)
        check_count("batch_size", batch_size)
        numbers = tf.data.Dataset.range(batch_size).batch(batch_size).repeat()
        return super().fit(
            numbers.map(lambda index: {"x": index, "index": index}),
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            shuffle=False,
            **kwargs,
        )

    def free_energy(self, num_samples: int, seed: Any = None) -> tf.Tensor:
        """Estimates E_q[log q - target] = KL(q || p) - log Z, in nats.

        Args:
          num_samples: Number of draws.
          seed: None (fresh), an int, or int32 `[2]`.

        Returns:
          A scalar.
        """
        return -tf.reduce_mean(self._log_weights(num_samples, seed))

    def log_normalizer(self, num_samples: int, seed: Any = None) -> tf.Tensor:
        """Estimates log Z by importance sampling with q; see `free_energy`."""
        log_weights = self._log_weights(num_samples, seed)
        return tf.reduce_logsumexp(log_weights) - math.log(num_samples)

    def effective_sample_size(self, num_samples: int, seed: Any = None) -> tf.Tensor:
        """Returns (sum w)^2 / sum w^2, from 1 to N, for weights w = exp(target) / q.

        The arguments are those of `free_energy`.
        """
        log_weights = self._log_weights(num_samples, seed)
        return tf.exp(
            2.0 * tf.reduce_logsumexp(log_weights)
            - tf.reduce_logsumexp(2.0 * log_weights)
        )

    def _log_weights(self, num_samples: int, seed: Any) -> tf.Tensor:
        check_count("num_samples", num_samples)
        return self._log_weights_from(num_samples, 0, seed)

    @compiled_call(num_samples=NUMBER, start=START, seed=SEED)
    def _log_weights_from(self, num_samples: Any, start: Any, seed: Any) -> tf.Tensor:
        """Returns target(x) - log q(x) `[N]` of draws from number `start` on."""
        numbers = start + tf.range(num_samples)
        return -self(random.fold_in(random.as_seed(seed), numbers))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Raises:
          ValueError: If the target could not be loaded again.
        """
        target = self.target_log_prob
        is_function = isinstance(target, types.FunctionType)
        if not is_function and not hasattr(target, "get_config"):
            raise ValueError(
                "expected, to save the model, a target_log_prob that is a function "
                f"registered with keras.saving, got {target!r}"
            )
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "flow": serialize(self.flow),
            "target_log_prob": serialize(self.target_log_prob),
            "annealing_steps": self.annealing_steps,
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> ReverseKL:
        """Returns a new model with the same config."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {
            name: deserialize(config[name], custom_objects)
            for name in ("flow", "target_log_prob")
        }
        return cls(**{**config, **parts})
