"""TensorFlow Datasets, whose import logs an error instead of raising it."""

import tensorflow_datasets as tfds

if not hasattr(tfds, "builder"):
    raise ImportError(
        "expected tensorflow-datasets whole, got a part, since its import failed as "
        "logged above; beside TensorFlow below 2.20 (protobuf below 6): "
        "pip install 'tensorflow-metadata<1.18'"
    )

__all__ = ["tfds"]
