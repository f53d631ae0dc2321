"""The demo on the built-in digits: trains, evaluates, draws, exports, asks the export.

`python -m tfflows.zoo.demo [FOLDER]` needs no data and no network. On two cores it
takes one or two minutes.
"""

from __future__ import annotations

import math
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import keras
import numpy as np
import sklearn.mixture

import tfflows.data
from tfflows.grids import image_grid
from tfflows.system import files
from tfflows.system.extras import needed
from tfflows.zoo import cli
from tfflows.zoo.registry import get_config
from tfflows.zoo.running import evaluation, run_dir
from tfflows.zoo.running.sources import load_source
from tfflows.zoo.running.trainer import train

with needed("plots", "matplotlib for the demo's picture"):
    import matplotlib.figure

_MODEL = "realnvp_digits"
_NUM_PICTURES = 64
_TEMPERATURE = 0.8  # of the drawn digits; a lower one gives cleaner, less varied digits


def main(argv: Sequence[str]) -> None:
    """Runs the demo.

    Args:
      argv: The program's name and, if not `demo`, the output folder.
    """
    folder = pathlib.Path(argv[1] if len(argv) > 1 else "demo")
    config = get_config(_MODEL)
    source = load_source(config)
    _say(f"Training {_MODEL}: {config.description}")
    train(config, folder / "run")
    model, config, progress = run_dir.restore(folder / "run")

    _say("Held-out bits per dimension")
    figures = {
        split: evaluation.evaluate(model, config, split, progress)["bits_per_dim"]
        for split in ("train", "test")
    }
    uniform = math.log2(source.levels or 1)
    print(f"  uniform over the grey levels  {uniform:.3f}")
    print(f"  full-covariance Gaussian      {gaussian_bits_per_dim(source):.3f}")
    print(f"  {_MODEL:30}{figures['test']:.3f}")
    print(f"  (on its training data         {figures['train']:.3f})")

    picture = folder / "digits.png"
    draw_digits(picture, source, model)
    _say(f"Real digits beside samples: {picture}")

    # Imported here, because the rest of the zoo works without the exporter.
    from tfflows.export import export_saved_model
    from tfflows.zoo.running import provenance

    exported = export_saved_model(
        model, folder / "export", provenance=provenance.of_run(folder / "run")
    )
    _say(f"Exported: {exported}\nA new process asks it, with TensorFlow alone:")
    ask_export(exported, source.arrays("test", limit=64), folder / "held_out.npy")


def gaussian_bits_per_dim(source: tfflows.data.DataSource) -> float:
    """Fits a Gaussian to the dequantized training data.

    Args:
      source: Integer data.

    Returns:
      Its mean bits per dimension on dequantized test data.
    """
    rng = np.random.default_rng(0)
    train_y, test_y = (
        x.reshape(len(x), -1) + rng.random((len(x), math.prod(x.shape[1:])))
        for x in (source.arrays("train"), source.arrays("test"))
    )
    gaussian = sklearn.mixture.GaussianMixture(covariance_type="full").fit(train_y)
    return float(-gaussian.score(test_y) / (train_y.shape[1] * math.log(2)))


def draw_digits(
    path: pathlib.Path, source: tfflows.data.DataSource, model: keras.Model
) -> None:
    """Draws held-out digits beside samples.

    Args:
      path: PNG file to write.
      source: The digits.
      model: A trained flow.
    """
    real = source.arrays("test", limit=_NUM_PICTURES)
    samples = model.sample(_NUM_PICTURES, seed=0, temperature=_TEMPERATURE).numpy()
    figure = matplotlib.figure.Figure(figsize=(10, 5.4), layout="tight")
    titles = ("held-out digits", f"samples at temperature {_TEMPERATURE}")
    for k, (title, x) in enumerate(zip(titles, (real, samples), strict=True)):
        axes = figure.add_subplot(1, 2, k + 1, title=title)
        axes.imshow(image_grid(x, source.levels), cmap="gray")
        axes.axis("off")
    with files.replacing(path) as temporary:
        figure.savefig(temporary)


def ask_export(
    exported: str | os.PathLike, digits: np.ndarray, path: pathlib.Path
) -> None:
    """Runs `running/demo_client.py` on an export in a new process.

    Args:
      exported: The version folder.
      digits: Held-out digits [N, 8, 8, 1].
      path: File for the digits, which the new process reads.

    Raises:
      subprocess.CalledProcessError: If the new process fails.
    """
    np.save(path, digits)
    client = pathlib.Path(__file__).parent / "running" / "demo_client.py"
    # -P, so that modules beside the client do not hide others of the same name.
    subprocess.run([sys.executable, "-P", client, exported, path], check=True)


def _say(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(cli.call(main, sys.argv))
