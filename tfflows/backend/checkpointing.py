"""Weights in lists of sub-layers, seen by `tf.train.Checkpoint`."""

from __future__ import annotations

from typing import Any


class CheckpointsAllWeights:
    """Mixin of Keras layers: `tf.train.Checkpoint` saves and restores every weight.

    So does `tf.saved_model.save`.

    Keras 3 keeps lists of sub-layers out of TensorFlow's object graph, so that a
    checkpoint of a layer that holds its sub-layers in a list would silently lack their
    weights, and restoring it would silently leave them as they were.
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
