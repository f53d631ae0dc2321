"""A class-conditional flow that tells the class of an image as well."""

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
from tfflows.models.compiled_calls import DATA, compiled_call
from tfflows.models.flow import Flow

_LABELS: dict[str, Any] = {"context_shape": ()}


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class ClassifyingFlow(Flow):
    """A class-conditional multi-scale flow with a classifier on its last level.

    With h the last level's output before its class-conditional prior, D the number of
    dimensions, y the label and q a linear classifier of the mean of h over positions:

      loss = -log p(x | y) - classifier_weight D ln q(y | h)

    which is bits/dim of x plus classifier_weight times the bits of y, in nats. The
    history has "nll", the first term alone, and "accuracy". Densities and samples are
    those of `Flow`.

    Source: Kingma and Dhariwal, "Glow", 2018, arXiv 1807.03039, the options `ycond` and
    `weight_y` of the authors' code.

    Args:
      bijector: A `Multiscale` whose last level is a `Chain` that ends in `ClassAffine`.
      event_shape: Shape of one raw event.
      *args: As in `Flow`.
      classifier_weight: Weight of the classifier's loss, > 0.
      **kwargs: As in `Flow`; `context_shape` is () unless given.

    Raises:
      ValueError: For another bijector, or a weight that is not positive.
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
        """Log-probabilities `[B, num_classes]` of the classes, in nats.

        Args:
          x: Raw data `[B, *event]`; of integer data, with the fixed pattern u.

        Raises:
          ValueError: For data as in `log_prob`.
        """
        y = self._raw.dequantized(x)
        # Which label the latents are given makes no difference: see `_logits`.
        labels = tf.zeros(tf.shape(y)[:1], self.conditioning.context_dtype)
        z, _ = self._density.latents(y, labels)
        return tf.nn.log_softmax(self._logits(z, labels))

    def call(
        self, inputs: Any, training: bool = False, with_latents: bool = False
    ) -> Any:
        """As in `Flow`; with latents, z `[B, D]` before the log-densities `[B]`."""
        y, labels = self._prepared(Batch.of(inputs), training)
        z, log_prob = self._density.latents(y, labels)
        return (z, log_prob) if with_latents else log_prob

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """The loss and its parts `[B]`: see the class."""
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
        """Scores `[B, num_classes]` of latents that were found for these labels."""
        prior = _class_prior(self.bijector)
        shape = prior.latent_event_shape
        top = tf.reshape(z[:, -math.prod(shape) :], (-1, *shape))
        # h itself, in which the labels leave no trace: the prior's map is undone.
        h = prior.forward(top, context=labels)
        return self.classifier(tf.reduce_mean(h, axis=[1, 2]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
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
