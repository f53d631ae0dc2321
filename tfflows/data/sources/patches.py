"""63-D patches of natural images, cut from CIFAR-10 by the recipe of BSDS300."""

from __future__ import annotations

import numpy as np

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import DataInfo, Examples

SIDE = 8
_PER_IMAGE = 4
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def load_patches(*, data_dir: str | None = None, seed: int = 0) -> ArraySource:
    """Loads grey 8x8 patches of CIFAR-10: float32 `[63]`.

    Four patches from random places of each image: 180,000 for training, 20,000 for
    validation (CIFAR-10's last 5,000 training images) and 40,000 for test. The grey
    levels 0 .. 255 get uniform noise in [0, 1) and are divided by 256; each patch loses
    its mean, and its last pixel, which then follows from the others. Log-densities are
    in nats of these numbers, as those of BSDS300.

    Source: Uria, Murray and Larochelle, "RNADE", 2013, arXiv 1306.0186, section 5.2;
    Papamakarios et al., 2017, arXiv 1705.07057, appendix D.

    Args:
        data_dir: TFDS's folder; None: `TFDS_DATA_DIR`, else TFDS's default.
        seed: draws places and noise.

    Raises:
        FileNotFoundError: CIFAR-10 is not prepared and cannot be downloaded.
    """
    from tfflows.data.sources.tfds_source import load_tfds  # slow to import

    images = load_tfds("cifar10", data_dir=data_dir)
    sizes = {split: _PER_IMAGE * n for split, n in images.num_examples.items()}
    info = DataInfo("cifar10_patches", (SIDE**2 - 1,), "float32", None, sizes)

    def read(split: str) -> Examples:
        stream = list(sizes).index(split)
        return Examples(cut_patches(images.arrays(split), [seed, stream]))

    return ArraySource(info, read)


def cut_patches(images: np.ndarray, seed: list[int]) -> np.ndarray:
    """Patches float32 `[4 N, 63]` of images uint8 `[N, H, W, 3]`, image by image.

    Args:
        images: colours 0 .. 255.
        seed: draws places and noise.
    """
    rng = np.random.default_rng(seed)
    grey = np.round(images.astype(np.float32) @ _LUMINANCE)
    windows = np.lib.stride_tricks.sliding_window_view(grey, (SIDE, SIDE), axis=(1, 2))
    count = _PER_IMAGE * len(images)
    image = np.repeat(np.arange(len(images)), _PER_IMAGE)
    row = rng.integers(windows.shape[1], size=count)
    column = rng.integers(windows.shape[2], size=count)
    patches = windows[image, row, column].reshape(count, SIDE**2)
    patches = (patches + rng.random(patches.shape, np.float32)) / 256.0
    patches -= patches.mean(axis=1, keepdims=True)
    return patches[:, :-1]
