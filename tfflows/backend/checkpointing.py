"""Makes `tf.train.Checkpoint` see weights in lists of sub-layers."""

from __future__ import annotations

from typing import Any


class CheckpointsAllWeights:
    """Mixin for Keras layers: `tf.train.Checkpoint` saves and restores every weight.

    `tf.saved_model.save` does too.

    Keras 3 keeps lists of sub-layers out of TensorFlow's object graph. Without this
    mixin, a checkpoint silently lacks their weights, and restoring silently skips them.
    """

    weights: list[Any]

    def _trackable_children(
        self, save_type: str = "checkpoint", **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(  # type: ignore[misc]
            save_type, **kwargs
        )
        weights = enumerate(self.weights)
        if save_type == "checkpoint":
            children.update({f"weight_{i}": weight for i, weight in weights})
        else:  # a SavedModel of a tf.Module that holds the layer
            children.update({f"weight_{i}": weight.value for i, weight in weights})
        return children
