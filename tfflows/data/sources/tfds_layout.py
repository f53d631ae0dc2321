"""Which features of a TFDS data set make up an example, and which is its label."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.data.sources.tfds_module import tfds

# Labels of sets without `supervised_keys`; a density of the label makes no sense.
_LABEL_NAMES = ("label", "class_label", "target")

Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a data set's examples have their `x` and their label.

    Attributes:
        paths: the features that make up `x`: one image, or numbers to concatenate.
        event_shape: shape of `x`.
        dtype: "uint8" for an image, "float32" for numbers.
        label: the label, or None.
        num_classes: its number of classes, or None.
    """

    paths: tuple[Path, ...]
    event_shape: tuple[int, ...]
    dtype: str
    label: Path | None
    num_classes: int | None

    def label_names(self, features: Any) -> tuple[str, ...] | None:
        """The names of the classes; None without, or where the set names none."""
        if self.label is None:
            return None
        names = getattr(_get(features, self.label), "names", None)
        return None if names is None else tuple(names)

    def select(self, example: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (x, label) of one TFDS example; label 0 where there is none."""
        label = (
            tf.constant(0, tf.int64)
            if self.label is None
            else tf.cast(_get(example, self.label), tf.int64)
        )
        values = [_get(example, path) for path in self.paths]
        if self.dtype == "uint8":
            return values[0], label
        flat = [tf.reshape(tf.cast(value, tf.float32), [-1]) for value in values]
        x = tf.ensure_shape(tf.concat(flat, axis=0), self.event_shape)
        return tf.debugging.check_numerics(x, "a feature is NaN or Inf"), label


def find_layout(name: str, info: tfds.core.DatasetInfo) -> Layout:
    """Finds the image, or the numbers, and the label.

    Args:
        name: the data set's name, for messages.
        info: its features and supervised keys.

    Raises:
        ValueError: neither images of one size nor numbers.
    """
    features = dict(_leaves(info.features))
    label, target = _labels(features, info.supervised_keys)
    num_classes = features[label].num_classes if label else None
    images = [path for path, f in features.items() if type(f) is tfds.features.Image]
    if images:
        path = ("image",) if ("image",) in images else images[0]
        shape = _image_shape(name, path, features[path])
        return Layout((path,), shape, "uint8", label, num_classes)
    numbers = tuple(
        path for path, f in sorted(features.items()) if _is_number(f) and path != target
    )
    if not numbers:
        raise ValueError(
            f"data set {name!r}: expected an image or numeric features, got "
            f"{list(info.features)}"
        )
    size = sum(int(np.prod(features[path].shape)) for path in numbers)
    return Layout(numbers, (size,), "float32", label, num_classes)


def _labels(features: dict[Path, Any], keys: Any) -> tuple[Path | None, Path | None]:
    """Returns the class label, and the target that `x` has to leave out."""
    key = keys[1] if keys and isinstance(keys[1], str) else None
    names = (key,) if key else _LABEL_NAMES
    target = next(((n,) for n in names if (n,) in features), None)
    if target and isinstance(features[target], tfds.features.ClassLabel):
        return target, target
    return None, target


def _leaves(features: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            yield from _leaves(feature, (*prefix, key))
        else:
            yield (*prefix, key), feature


def _image_shape(name: str, path: Path, feature: Any) -> tuple[int, ...]:
    if None in feature.shape or feature.np_dtype != np.uint8:
        raise ValueError(
            f"data set {name!r}: expected uint8 images of one size, got feature "
            f"{'/'.join(path)!r} of shape {feature.shape}, {feature.np_dtype}"
        )
    return tuple(feature.shape)


def _is_number(feature: Any) -> bool:
    # Tensor and its alias Scalar only: their subclasses are labels, text, boxes, ...
    is_plain = type(feature) in (tfds.features.Tensor, tfds.features.Scalar)
    return (
        is_plain
        and None not in feature.shape
        and np.dtype(feature.np_dtype).kind in "biuf"
    )


def _get(example: Any, path: Path) -> tf.Tensor:
    for key in path:
        example = example[key]
    return example
