"""The VAEs on statically binarised MNIST, with equal sizes and equal numbers of steps.

    python benchmarks/mnist_vae_sweep.py --data_dir=FOLDER --output_dir=runs/vae_sweep

trains each model with each seed, a run after the other, and writes table.md. A run
that has ended, or was interrupted, goes on where it stopped: give the command again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import statistics
import time

import keras

from tfflows import data, zoo
from tfflows.zoo.running import evaluation, run_dir
from tfflows.zoo.running.trainer import train

MODELS = (
    "vae",
    "planar_vae",
    "sylvester_vae_o",
    "sylvester_vae_h",
    "sylvester_vae_t",
)
SEEDS = (0, 1, 2)
IWAE_EXAMPLES, IWAE_SAMPLES = 500, 500
RESULT = "sweep.json"


def configuration(
    model: str, seed: int, epochs: int, data_dir: str | None
) -> zoo.ExperimentConfig:
    """The registered experiment, smaller: 24 latents, 256 hidden units."""
    config = zoo.get_config(f"{model}_static_mnist")
    size = {"latent_dim": 24, "hidden_units": (256, 256)}
    config = zoo.override(config, {f"model.{k}": v for k, v in size.items()})
    trainer = dataclasses.replace(
        config.trainer, epochs=epochs, batch_size=128, learning_rate=2e-3, seed=seed
    )
    source = dataclasses.replace(config.data, data_dir=data_dir)
    return dataclasses.replace(config, trainer=trainer, data=source)


def run(config: zoo.ExperimentConfig, folder: pathlib.Path) -> dict:
    """Trains and evaluates one model, or reads what an earlier call found."""
    if (folder / RESULT).exists():
        return json.loads((folder / RESULT).read_text())
    keras.utils.clear_session()  # the graphs of 15 models would fill the memory
    start, cpu_start = time.time(), time.process_time()
    train(config, folder)
    seconds, cpu_seconds = time.time() - start, time.process_time() - cpu_start
    model, config, progress = run_dir.restore(folder)
    result = evaluation.evaluate(model, config, "test", progress)
    source = data.load(config.data.name, data_dir=config.data.data_dir)
    x = source.arrays("test", limit=IWAE_EXAMPLES)
    bounds = [
        model.iwae(x[i : i + 100], IWAE_SAMPLES, seed=i).numpy().mean()
        for i in range(0, len(x), 100)
    ]
    result["negative_iwae"] = -float(statistics.mean(map(float, bounds)))
    result["train_seconds"] = round(seconds)
    result["train_cpu_seconds"] = round(cpu_seconds)  # of all threads
    (folder / RESULT).write_text(json.dumps(result, indent=1))
    return result


def table(results: dict[str, list[dict]]) -> str:
    """Means over the seeds with their standard errors, as Markdown."""
    columns = {
        "-ELBO, test": "nll",
        f"-IWAE ({IWAE_SAMPLES}), first {IWAE_EXAMPLES}": "negative_iwae",
        "KL": "kl",
        "active units": "active_units",
    }
    lines = [f"| model | {' | '.join(columns)} | seeds |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for model, runs in results.items():
        cells = [_mean([run[key] for run in runs]) for key in columns.values()]
        lines.append(f"| {model} | {' | '.join(cells)} | {len(runs)} |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.2f} +- {error:.2f}"


def main() -> None:
    """Runs what is missing, then writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", help="TFDS's folder")
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    results: dict[str, list[dict]] = {}
    for seed in SEEDS:
        for model in MODELS:
            config = configuration(model, seed, arguments.epochs, arguments.data_dir)
            folder = arguments.output_dir / f"{model}_{seed}"
            results.setdefault(model, []).append(run(config, folder))
            (arguments.output_dir / "table.md").write_text(table(results))


if __name__ == "__main__":
    main()
