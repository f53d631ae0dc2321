"""`FlowMatching`: a continuous flow trained by regression on its velocities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_word
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors import ContinuousFlow
from tfflows.fitting.batch import Batch
from tfflows.fitting.transport import drawn_partners, transport_plan
from tfflows.models.calls.inputs import existing_latents
from tfflows.models.flow import Flow

PATHS = ("linear", "minibatch_ot")
# Kinds of noise.
_LATENTS, _TIMES, _PARTNERS = 11, 12, 13


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class FlowMatching(Flow):
    """A `Flow` of one `ContinuousFlow`, trained without solving its equation.

    With data x (preprocessed), latents z from N(0, I) and t uniform in [0, 1]:

      loss = mean over elements of (v((1 - t) z + t x, t) - (x - z))^2

    whose minimum is a velocity field that carries N(0, I) to the data. All else is as
    in `Flow`: densities, samples, `encode` and `decode` by the solver, whose error
    `tfflows.models.solver_error` measures. `fit` shows this loss, of validation
    data with fixed noise; `evaluate` the negative log-likelihood in nats, by a solve.

    path "linear" draws x and z independently. "minibatch_ot" draws pairs from the
    optimal transport plan of the batch, so paths are straighter, and fewer steps of a
    solver do. The plan is entropic, by Sinkhorn's iteration in the graph: an exact
    assignment (SciPy's, in a `py_function`) runs neither under XLA nor on accelerators,
    and in the input pipeline it would have to draw the model's noise. On replicas each
    pairs its own share of a batch, so their number changes losses.

    Source: Lipman et al., "Flow Matching for Generative Modeling", 2022, arXiv
    2210.02747, equations 20 to 23 with sigma_min = 0; Tong et al., "Improving and
    generalizing flow-based generative models with minibatch optimal transport", 2023,
    arXiv 2302.00482, section 3.2.

    Args:
      network: As in `ContinuousFlow`: `network(x, t) -> velocity`, or any layer that
        returns features, as `networks.MLP`.
      event_shape: Shape of one raw event.
      path: "linear" or "minibatch_ot"; the latter takes no context, because pairs
        chosen without regard to it would change the latents' law given the context.
      context_shape: As in `Flow`.
      method: Solver, as in `ContinuousFlow`.
      num_steps: As in `ContinuousFlow`.
      divergence: As in `ContinuousFlow`.
      num_probes: As in `ContinuousFlow`.
      tolerance: As in `ContinuousFlow`.
      seed: Of the noise of training and of the probes.
      **kwargs: `preprocessing`, `context_dtype`, `context_network`, `name`, `dtype` of
        `Flow`.

    Raises:
      ValueError: For parts that do not fit each other.
    """

    _fits = False  # whether `fit` runs, which solves nothing

    def __init__(
        self,
        network: Any,
        event_shape: Sequence[int],
        path: str = "linear",
        context_shape: int | Sequence[int] | None = None,
        *,
        method: str = "rk4",
        num_steps: int = 16,
        divergence: str = "exact",
        num_probes: int = 1,
        tolerance: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        path = check_word("path", path, PATHS)
        if path == "minibatch_ot" and context_shape is not None:
            raise ValueError(
                "expected path='linear' with a context, got 'minibatch_ot': pairs "
                "chosen without regard to the context make its latents depend on it"
            )
        flow = ContinuousFlow(
            network,
            method,
            num_steps,
            divergence,
            num_probes=num_probes,
            tolerance=tolerance,
            seed=seed,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(flow, event_shape, context_shape=context_shape, **kwargs)
        # Keras has `path` for the name of a layer.
        self.path_kind, self.seed = path, check_count("seed", seed, least=0)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Flow`; validation shows the loss of the training, without a solve."""
        self._fits, self.test_function = True, None
        try:
            return super().fit(*args, **kwargs)
        finally:
            self._fits, self.test_function = False, None

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """The loss `[B]` in `fit`; else negative log-likelihoods, as in `Flow`."""
        if not training and not self._fits:
            return super().per_example(batch, training)
        y, c, _ = self._prepared(batch, training)
        x = self._preprocessed(y, c)
        step = self.noise_step() if training else tf.constant(0)
        z, t = self._latents_and_times(batch, x, step)
        rows = tf.reshape(t, [-1] + [1] * (x.shape.rank - 1))
        velocity = self.bijector.velocity(z + rows * (x - z), t, c)
        axes = list(range(1, x.shape.rank))
        return {"loss": tf.reduce_mean((velocity - (x - z)) ** 2, axis=axes)}

    def _preprocessed(self, y: tf.Tensor, c: Any) -> tf.Tensor:
        for step in self.preprocessing:
            y, log_det = step.inverse_and_log_det(y, c)
            if not step.onto:
                y = existing_latents(y, log_det, self.name)
        return y

    def _latents_and_times(
        self, batch: Batch, x: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The z `[B, *event]` and t `[B, 1]` of preprocessed data at a step."""
        index = batch.index_or_position()

        def seeds(stream: int) -> tf.Tensor:
            return random.noise_seeds(self.seed, stream, step, index)

        z = random.normal_rows(seeds(_LATENTS), self.latent_dim, x.dtype)
        if self.path_kind == "minibatch_ot":
            flat = tf.reshape(x, tf.shape(z))
            plan = transport_plan(flat, z, batch.sample_weight)
            uniform = random.uniform_rows(seeds(_PARTNERS), 1, x.dtype)[:, 0]
            z = tf.gather(z, drawn_partners(plan, uniform))
        t = random.uniform_rows(seeds(_TIMES), 1, x.dtype)
        return tf.reshape(z, tf.shape(x)), t

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for name in ("bijector", "base", "backprop"):
            del config[name]
        names = ("network", "method", "num_steps", "divergence", "num_probes")
        flow = self.bijector.get_config()
        own = {name: flow[name] for name in (*names, "tolerance", "seed")}
        return {**config, **own, "path": self.path_kind}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> FlowMatching:
        """A fresh model of equal config."""
        names = ("network", "preprocessing", "context_network")
        parts = keras.saving.deserialize_keras_object(
            {name: config.get(name) for name in names}, custom_objects
        )
        return cls(**{**config, **parts})
