"""`TarFlow`: a flow whose draws are guided by a label, and denoised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_number
from tfflows.backend.autograph import without_autograph
from tfflows.backend.random import Seeds
from tfflows.bijectors import TransformerAutoregressive
from tfflows.bijectors.guidance import guided
from tfflows.fitting.batch import Batch
from tfflows.models.calls.arguments import CONTEXT, DATA, NUMBER, SEED, temperature_in
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.calls.sampling import seeds_of_numbers, temperature_rows
from tfflows.models.flow import Flow
from tfflows.preprocessing import GaussianNoise

_LABELS = 21  # kind of noise
_NUMBERS = temperature_in(lambda model: model.flow_dtype)


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class TarFlow(Flow):
    """A `Flow` of `TransformerAutoregressive` steps, with a way to draw good images.

    Densities, `sample`, `encode` and `decode` are those of `Flow`. `generate` draws
    with guidance and without noise:

    - A class-conditional model that learnt without labels, too (`label_dropout`), draws
      with the parameters (1 + w) p(label) - w p(no label) of each token, for a weight w
      of the guidance.
    - A model trained with `preprocessing.GaussianNoise` of deviation s draws noisy y,
      which `denoise` replaces by their mean without noise (Tweedie's formula),

        E[y - e | y] = y + s^2 d log p(y) / dy

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329, sections 2.5 and 2.6.

    Args:
      bijector: As in `Flow`.
      event_shape: As in `Flow`.
      *args: As in `Flow`.
      label_dropout: Probability that a training example's label is hidden: the steps
        then get zeros in place of its embedding.
      **kwargs: As in `Flow`.

    Raises:
      ValueError: If labels are to be hidden from a flow that takes none, or none with
        an embedding; as in `Flow`.
    """

    def __init__(
        self,
        bijector: Any,
        event_shape: Sequence[int],
        *args: Any,
        label_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_number("label_dropout", label_dropout, least=0.0, below=1.0)
        super().__init__(bijector, event_shape, *args, **kwargs)
        self.label_dropout = float(label_dropout)
        embeds = self.context_shape == () and self.conditioning.network is not None
        if label_dropout and not (embeds and self._hands_context_on):
            raise ValueError(
                f"expected label_dropout={label_dropout} with class labels that an "
                "embedding gives to TransformerAutoregressive steps, got none; give "
                "num_classes=, or context_shape=() and "
                "context_network=keras.layers.Embedding(num_classes, 16)"
            )

    @property
    def _hands_context_on(self) -> bool:
        return any(
            layer.network.context_dim is not None
            for layer in self._flatten_layers()
            if isinstance(layer, TransformerAutoregressive)
        )

    @property
    def noise_std(self) -> float | None:
        """Deviation of the Gaussian noise of training, in levels; None: there is none.

        Samples, but not those of `generate`, have this noise.
        """
        noise = self.dequantization
        return noise.std if isinstance(noise, GaussianNoise) else None

    def _prepared(
        self, batch: Batch, training: bool
    ) -> tuple[tf.Tensor, Any, tf.Tensor | None]:
        y, c, log_q = super()._prepared(batch, training)
        if not (training and self.label_dropout):
            return y, c, log_q
        index = batch.index_or_position()
        seeds = random.noise_seeds(0, _LABELS, self.noise_step(), index)
        kept = random.uniform_rows(seeds, 1, c.dtype) >= self.label_dropout
        return y, tf.where(kept, c, tf.zeros_like(c)), log_q

    def generate(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
        *,
        guidance: Any = None,
        denoise: bool | None = None,
    ) -> tf.Tensor:
        """Draws `[num_samples, *event]` with guidance, and denoises them.

        Without both, they are those of `sample`. With one, the model's density is not
        theirs.

        Args:
          num_samples: As in `sample`.
          seed: As in `sample`.
          temperature: As in `sample`.
          context: As in `sample`, one label or one for each sample.
          guidance: Weight w >= 0, one or `[num_samples]`; None: no guidance.
          denoise: Whether to denoise; None: if the model was trained with noise.

        Raises:
          ValueError: For a guidance of a model that learnt no labels, or not without
            them; for a denoising of a model without Gaussian noise; as in `sample`.
        """
        denoise = self.noise_std is not None if denoise is None else denoise
        if denoise:
            self._check_noise()
        if guidance is None:
            x = self.sample(num_samples, seed, temperature, context)
        else:
            self._check_guidance()
            x = self._guided(num_samples, seed, temperature, guidance, context)
        return self.denoise(x, context) if denoise else x

    @compiled_call(
        num_samples=NUMBER,
        seed=SEED,
        temperature=_NUMBERS,
        guidance=_NUMBERS,
        context=CONTEXT,
    )
    def _guided(
        self, num_samples: Any, seed: Any, temperature: Any, guidance: Any, context: Any
    ) -> tf.Tensor:
        seeds = seeds_of_numbers(num_samples, 0, seed)
        return self.guided_rows(seeds, temperature, guidance, context)

    def guided_rows(
        self, seeds: Seeds, temperature: Any, guidance: Any, context: Any
    ) -> tf.Tensor:
        """Draws one guided sample for each seed row, not denoised, for exports.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: One or `[N]`.
          guidance: One or `[N]`.
          context: One label or `[N]`.
        """
        number = random.number_of_rows(seeds)
        weight = temperature_rows(guidance, number, self.flow_dtype, "guidance")
        with guided(weight):
            return self._drawn_rows(seeds, temperature, context)[0]

    @compiled_call(x=DATA, context=CONTEXT)
    def denoise(self, x: Any, context: Any = None) -> tf.Tensor:
        """Returns the mean of y without noise given y, by the model's score.

        Args:
          x: Samples of the model, or other noisy y `[..., *event]`, in levels.
          context: As in `log_prob`.

        Raises:
          ValueError: If the model was trained without Gaussian noise.
        """
        std = self._check_noise()
        y = self._raw.checked(x)
        c = self._embedded(context, y, len(self.event_shape))
        with tf.GradientTape() as tape:
            tape.watch(y)
            log_prob = self._log_prob_given(y, c)
        return y + std**2 * tape.gradient(log_prob, y)

    def _check_noise(self) -> float:
        if self.noise_std is None:
            raise ValueError(
                f"{self.name}: expected a model trained with Gaussian noise to "
                "denoise, got one without: give noise_std= to tarflow"
            )
        return self.noise_std

    def _check_guidance(self) -> None:
        if not self.label_dropout:
            raise ValueError(
                f"{self.name}: expected no guidance, got one: the model never learnt "
                "images without their label; train it with label_dropout=0.1"
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "label_dropout": self.label_dropout}
