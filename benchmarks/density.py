"""MAF, spline flows and RealNVP beside a Gaussian, at equal training time.

    python benchmarks/density.py --data_dir=FOLDER --results=density.json

trains each registered model on 63-D patches of CIFAR-10 and on MNIST's logits (784-D)
for the same seconds of CPU time, and prints a table of test log-likelihoods. Figures
are kept in the file of --results: a second call trains only what is missing there.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import time

import keras
import numpy as np
import scipy.stats

from tfflows import data, zoo
from tfflows.zoo.overrides import override

DATA = ("cifar10_patches", "mnist_logit")
FAMILIES = ("realnvp", "maf", "nsf")


class TimeBudget(keras.callbacks.Callback):
    """Ends the training after some CPU seconds, over which the learning rate falls.

    It falls by a cosine to 0, after a linear rise over the first 5 per cent.
    """

    def __init__(self, seconds: float, learning_rate: float) -> None:
        super().__init__()
        self.seconds, self.learning_rate, self.steps = seconds, learning_rate, 0

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self.start = None

    def on_train_batch_begin(self, batch, logs=None):
        """Sets the learning rate by the share of the time that is over."""
        if self.start is None and self.steps == 1:
            self.start = time.process_time()  # the first step traces the graph
        elapsed = 0.0 if self.start is None else time.process_time() - self.start
        share = min(elapsed / self.seconds, 1.0)
        rate = min(share / 0.05, 0.5 + 0.5 * math.cos(math.pi * share))
        self.model.optimizer.learning_rate.assign(self.learning_rate * rate)

    def on_train_batch_end(self, batch, logs=None):
        """Counts, and ends the training in time."""
        self.steps += 1
        if self.start and time.process_time() - self.start > self.seconds:
            self.model.stop_training = True


def train(name: str, data_dir: str, seconds: float) -> dict:
    """Trains a registered model for so long; its test log-likelihood in nats."""
    config = override(zoo.get_config(name), {"data.data_dir": data_dir})
    source, trainer = data.load(config.data.name, data_dir=data_dir), config.trainer
    keras.utils.set_random_seed(trainer.seed)
    model = config.build()
    model.initialize(source.arrays("train", limit=20_000))
    model.compile(
        keras.optimizers.Adam(trainer.learning_rate, global_clipnorm=trainer.clip_norm),
        jit_compile=trainer.jit_compile,
    )
    budget, start = TimeBudget(seconds, trainer.learning_rate), time.time()
    batches = source.dataset("train", trainer.batch_size, shuffle=True)
    model.fit(batches.repeat(), steps_per_epoch=10**6, verbose=0, callbacks=[budget])
    return {
        "steps": budget.steps,
        "batch_size": trainer.batch_size,
        "parameters": sum(math.prod(w.shape) for w in model.trainable_weights),
        "cpu_seconds": seconds,
        "wall_seconds": round(time.time() - start),
        **_mean_and_error(model.predict(source.arrays("test"), 1000, verbose=0)),
    }


def fit_gaussian(name: str, data_dir: str) -> dict:
    """The Gaussian with mean and covariance of the training data."""
    source = data.load(zoo.get_config(name).data.name, data_dir=data_dir)
    x = source.arrays("train").astype("float64")
    normal = scipy.stats.multivariate_normal(x.mean(axis=0), np.cov(x.T))
    return _mean_and_error(normal.logpdf(source.arrays("test")))


def _mean_and_error(log_prob: np.ndarray) -> dict:
    error = 2.0 * np.std(log_prob) / math.sqrt(len(log_prob))
    return {"log_likelihood": float(np.mean(log_prob)), "two_errors": float(error)}


def table(results: dict[str, dict]) -> str:
    """The results as Markdown."""
    lines = ["| data | model | parameters | steps | test log-likelihood, nats |"]
    lines.append("|---" * 5 + "|")
    for name, row in results.items():
        model, _, source = name.partition(" ")
        figure = f"{row['log_likelihood']:.2f} +- {row['two_errors']:.2f}"
        size, steps = row.get("parameters"), row.get("steps")
        cells = (source, model, f"{size:,}" if size else "", steps or "", figure)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Fits what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--data", nargs="+", default=DATA)
    arguments = parser.parse_args()
    path, folder = arguments.results, arguments.data_dir
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.data:
        for family in ("Gaussian", *FAMILIES):
            key = f"{family} {name}"
            if key in results:
                continue
            if family == "Gaussian":
                results[key] = fit_gaussian(f"maf_{name}", folder)
            else:
                results[key] = train(f"{family}_{name}", folder, arguments.seconds)
            print(key, results[key], flush=True)
            path.write_text(json.dumps(results, indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
