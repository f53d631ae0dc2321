"""Exact against approximate likelihood on the same real data: the lecture's summary.

    python benchmarks/likelihoods_compared.py --output_dir=runs/likelihoods

trains a MADE, a RealNVP, a Glow and a VAE on the digits (--data=mnist --data_dir=FOLDER
for MNIST), one after the other, and writes table.md and likelihoods.png. A training
that was interrupted goes on where it stopped: give the command again.

All figures are upper bounds on the bits/dim of the integer pixels x. A flow's is
E_u[-log2 p(x + u)] / D, u uniform noise: exact for the density of x + u. The VAE's is
-log2 of the importance-weighted bound on its probability of x itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import pathlib
import time
from collections.abc import Callable

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from tfflows import data, zoo
from tfflows.zoo.running import evaluation, run_dir
from tfflows.zoo.running.trainer import train

IWAE_SAMPLES = 500
SHOWN, TIMED = 10, 100
RESULT, SAMPLES = "result.json", "samples.npy"
# The registered experiment that each row begins from, by data set.
MODELS = {
    "MADE": {"digits": "maf_digits", "mnist": "maf_mnist"},
    "RealNVP": {"digits": "realnvp_digits", "mnist": "realnvp_mnist_small"},
    "Glow": {"digits": "glow_digits", "mnist": "glow_mnist_small"},
    "VAE": {"digits": "vae_digits", "mnist": "vae_mnist"},
}


def configuration(
    label: str, name: str, epochs: int | None, data_dir: str | None
) -> zoo.ExperimentConfig:
    """The experiment of a row, on grey levels.

    MADE is one affine autoregressive step: each pixel's logit is normal, with a mean
    and deviation that a masked network makes of the pixels before it.
    """
    config = zoo.get_config(MODELS[label][name])
    if label == "MADE":
        config = zoo.override(config, {"model.num_steps": 1})
    grey = zoo.get_config(MODELS["Glow"][name]).data
    trainer = config.trainer
    if epochs is not None:
        trainer = dataclasses.replace(trainer, epochs=epochs)
    return dataclasses.replace(
        config,
        name=f"{label.lower()}_{name}",
        data=dataclasses.replace(grey, data_dir=data_dir),
        trainer=trainer,
    )


def run(config: zoo.ExperimentConfig, folder: pathlib.Path) -> dict:
    """Trains and measures one model, or reads what an earlier call found."""
    if (folder / RESULT).exists():
        return json.loads((folder / RESULT).read_text())
    keras.utils.clear_session()
    seconds = _timed_training(config, folder)
    model, config, progress = run_dir.restore(folder)
    result = {**_likelihood(model, config, progress), **_times(model, config)}
    result.update(seconds)
    result["parameters"] = sum(math.prod(w.shape) for w in model.trainable_weights)
    levels = config.data.levels or 0
    samples = model.sample(SHOWN, seed=0).numpy()
    np.save(folder / SAMPLES, np.clip(np.floor(samples), 0, levels - 1))
    (folder / RESULT).write_text(json.dumps(result, indent=1))
    return result


def _timed_training(config: zoo.ExperimentConfig, folder: pathlib.Path) -> dict:
    """Trains; the seconds, also those of calls that were interrupted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_suffix(".seconds.json")  # a new run's folder must be empty
    spent = {"train_seconds": 0.0, "train_cpu_seconds": 0.0, "finished": False}
    if path.exists():
        spent = json.loads(path.read_text())
    if spent["finished"]:
        return spent
    start, cpu_start = time.time(), time.process_time()
    try:
        train(config, folder)
        spent["finished"] = True
    finally:
        spent["train_seconds"] += time.time() - start
        spent["train_cpu_seconds"] += time.process_time() - cpu_start
        path.write_text(json.dumps(spent))
    return spent


def _likelihood(
    model: keras.Model, config: zoo.ExperimentConfig, progress: dict[str, int]
) -> dict:
    """Bits/dim of the test images, and their standard error."""
    x = data.load(config.data.name, data_dir=config.data.data_dir).arrays("test")
    per_bit = math.prod(x.shape[1:]) * math.log(2)
    if hasattr(model, "iwae"):
        parts = [x[i : i + 100] for i in range(0, len(x), 100)]
        bounds = [
            model.iwae(part, IWAE_SAMPLES, seed=i) for i, part in enumerate(parts)
        ]
        bits = -np.concatenate(bounds) / per_bit
        elbo = evaluation.evaluate(model, config, "test", progress)["nll"] / per_bit
        figures = {"bits_per_dim": float(bits.mean()), "elbo_bits_per_dim": elbo}
    else:
        bits = -model.predict(x, verbose=0) / per_bit
        figures = evaluation.evaluate(model, config, "test", progress)
    return {**figures, "error": float(bits.std() / len(bits) ** 0.5)}


def _times(model: keras.Model, config: zoo.ExperimentConfig) -> dict[str, float]:
    """CPU milliseconds an image of a density and of a sample, in batches of TIMED."""
    source = data.load(config.data.name, data_dir=config.data.data_dir)
    x = tf.constant(source.arrays("test", limit=TIMED))
    if hasattr(model, "iwae"):
        density = tf.function(lambda: model.iwae(x, IWAE_SAMPLES, seed=0))
    else:
        density = tf.function(lambda: model.log_prob(x))
    sample = tf.function(lambda: model.sample(TIMED, seed=0))
    return {"density_ms": _cpu_time(density), "sample_ms": _cpu_time(sample)}


def _cpu_time(function: Callable[[], tf.Tensor]) -> float:
    """The mean of ten calls: other work on the machine does not count in CPU time."""
    function()
    start = time.process_time()
    for _ in range(10):
        function()
    return 1000 * (time.process_time() - start) / (10 * TIMED)


COLUMNS = {
    "bits/dim, test": lambda r: f"{r['bits_per_dim']:.3f} +- {r['error']:.3f}",
    "likelihood": lambda r: (
        f"bound (IWAE {IWAE_SAMPLES})" if "elbo_bits_per_dim" in r else "exact"
    ),
    "parameters": lambda r: f"{r['parameters']:,}",
    "training, CPU s": lambda r: f"{r['train_cpu_seconds']:.0f}",
    "density, CPU ms": lambda r: f"{r['density_ms']:.3f}",
    "sample, CPU ms": lambda r: f"{r['sample_ms']:.3f}",
}


def table(results: dict[str, dict]) -> str:
    """A row for each model, as Markdown."""
    lines = [f"| model | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for label, result in results.items():
        cells = [cell(result) for cell in COLUMNS.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(
    results: dict[str, dict], rows: dict[str, np.ndarray], levels: int, path: str
) -> None:
    """Samples side by side, the table below them."""
    figure, axes = plt.subplots(len(rows) + 1, 1, figsize=(10, len(rows) + 2.2))
    for axis, (label, images) in zip(axes, rows.items(), strict=False):
        axis.imshow(np.hstack(images[..., 0]), cmap="gray_r", vmin=0, vmax=levels - 1)
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
    axes[-1].axis("off")
    cells = [[cell(r) for cell in COLUMNS.values()] for r in results.values()]
    drawn = axes[-1].table(
        cells, rowLabels=list(results), colLabels=list(COLUMNS), loc="center"
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    """Runs what is missing, then writes the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--data_dir", help="TFDS's folder, for MNIST")
    parser.add_argument(
        "--epochs",
        type=int,
        nargs=len(MODELS),
        help=f"of {', '.join(MODELS)}, instead of the registered numbers",
    )
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output_dir
    results, rows = {}, {}
    epochs = arguments.epochs or [None] * len(MODELS)
    for label, number in zip(MODELS, epochs, strict=True):
        config = configuration(label, arguments.data, number, arguments.data_dir)
        results[label] = run(config, folder / config.name)
        rows[label] = np.load(folder / config.name / SAMPLES)
        print(label, json.dumps(results[label]), flush=True)
    real = data.load(config.data.name, data_dir=arguments.data_dir)
    rows = {"real": real.arrays("test", limit=SHOWN), **rows}
    (folder / "table.md").write_text(table(results))
    draw(results, rows, real.levels, folder / "likelihoods.png")


if __name__ == "__main__":
    main()
