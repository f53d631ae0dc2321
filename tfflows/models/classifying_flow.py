"""A class-conditional flow that also classifies images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_number
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors import Chain, ClassAffine, FlowStep, Multiscale
from tfflows.fitting.batch import Batch
from tfflows.models.calls.arguments import DATA
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.flow import Flow
from tfflows.models.raw_data import without

_LABELS: dict[str, Any] = {"context_shape": ()}


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class ClassifyingFlow(Flow):
    """A class-conditional multi-scale flow with a classifier on its last level.

    With h the last level's output before its class-conditional prior, D the number of
    dimensions, y the label and q a linear classifier of the mean of h over positions:

      loss = -log p(x | y) - classifier_weight D ln q(y | h)

    It is in nats and equals bits/dim of x plus classifier_weight times the bits of y,
    times D ln 2. The history has "nll", the first term alone, and "accuracy". Densities
    and samples are as in `Flow`.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, the options `ycond` and
    `weight_y` of the authors' code.

    Args:
      bijector: A `Multiscale` whose last level is a `Chain` that ends in `ClassAffine`.
      event_shape: Shape of one raw event.
      *args: As in `Flow`.
      classifier_weight: Weight of the classifier's loss, > 0.
      **kwargs: As in `Flow`; `context_shape` is () unless given.

    Raises:
      ValueError: If the bijector is another one or the weight is not positive.
    """

    def __init__(
        self,
        bijector: Any,
        event_shape: Sequence[int],
        *args: Any,
        classifier_weight: float = 0.01,
        **kwargs: Any,
    ) -> None:
        check_number("classifier_weight", classifier_weight, above=0.0)
        prior = _class_prior(bijector)
        super().__init__(bijector, event_shape, *args, **{**_LABELS, **kwargs})
        self.classifier_weight = float(classifier_weight)
        self.classifier = keras.layers.Dense(
            prior.num_classes,
            kernel_initializer="zeros",
            dtype=self._transform.flow_dtype.name,
            name="classifier",
        )
        self.classifier.build((None, prior.data_event_shape[-1]))
        self.metric_names = ("loss", "nll", *self.metric_names[1:], "accuracy")
        self._create_trackers()

    @compiled_call(x=DATA)
    def classify(self, x: Any) -> tf.Tensor:
        """Returns log-probabilities `[B, num_classes]` of the classes, in nats.

        Args:
          x: Raw data `[B, *event]`; integer data get the fixed pattern u.

        Raises:
          ValueError: If data are not valid, see `log_prob`.
        """
        y = self._raw.dequantized(x)
        # The labels do not matter, because `_logits` undoes their effect.
        labels = tf.zeros(tf.shape(y)[:1], self.conditioning.context_dtype)
        z, _ = self._density.latents(y, labels)
        return tf.nn.log_softmax(self._logits(z, labels))

    def call(
        self, inputs: Any, training: bool = False, with_latents: bool = False
    ) -> Any:
        """Returns log-densities `[B]`, after z `[B, D]` if `with_latents`."""
        y, labels, log_q = self._prepared(Batch.of(inputs), training)
        z, log_prob = self._density.latents(y, labels)
        log_prob = without(log_q, log_prob)
        return (z, log_prob) if with_latents else log_prob

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the loss and its parts `[B]`, see the class."""
        # One pass for both terms.
        z, log_prob = self(batch.inputs, training=training, with_latents=True)
        labels = self.conditioning.rows(batch.context, z, 1, self.name)
        values = {"loss": -log_prob, **self._bits(log_prob)}
        if not training:
            values = super().per_example(batch, training)  # the mean over draws
        logits = self._logits(z, labels)
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        told = tf.argmax(logits, axis=-1) == tf.cast(labels, tf.int64)
        values["nll"] = values["loss"]
        values["loss"] += self.classifier_weight * self.latent_dim * cross_entropy
        values["accuracy"] = tf.cast(told, logits.dtype)
        return values

    def _logits(self, z: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Returns scores `[B, num_classes]` of latents computed with these labels."""
        prior = _class_prior(self.bijector)
        shape = prior.latent_event_shape
        top = tf.reshape(z[:, -math.prod(shape) :], (-1, *shape))
        # Undoes the prior's map: h does not depend on the labels.
        h = prior.forward(top, context=labels)
        return self.classifier(tf.reduce_mean(h, axis=[1, 2]))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"classifier_weight": self.classifier_weight}
        return {**super().get_config(), **own}


def _class_prior(bijector: Any) -> ClassAffine:
    steps: Sequence[FlowStep] = ()
    if isinstance(bijector, Multiscale) and isinstance(bijector.levels[-1], Chain):
        steps = bijector.levels[-1].steps
    if not steps or not isinstance(steps[-1], ClassAffine):
        raise ValueError(
            "expected a Multiscale whose last level is a Chain that ends in "
            f"ClassAffine, got {bijector!r}"
        )
    return steps[-1]
