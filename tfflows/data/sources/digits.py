"""scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels, 17 grey levels."""

import numpy as np
from sklearn import datasets

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import Examples
from tfflows.data.split import split_source

_SIZES = (1347, 150, 300)


def load_digits(*, seed: int = 0, label_as_context: bool = False) -> ArraySource:
    """Loads the digits: uint8 [8, 8, 1], values 0 .. 16, labels 0 .. 9.

    The data come with scikit-learn (the test part of E. Alpaydin and C. Kaynak,
    "Optical Recognition of Handwritten Digits", UCI, 1998) and need no network.
    A seeded permutation gives 1,347 training, 150 validation and 300 test digits.

    Args:
        seed: fixes the splits.
        label_as_context: whether batches carry the label as "context".
    """
    images, labels = datasets.load_digits(return_X_y=True)
    x = images.reshape(-1, 8, 8, 1).astype(np.uint8)
    return split_source(
        "digits",
        Examples(x, labels.astype(np.int64)),
        seed=seed,
        levels=17,
        num_classes=10,
        sizes=_SIZES,
        label_as_context=label_as_context,
    )
