"""Anomalies in labelled tables: FlowDensity beside scikit-learn's detectors.

    python benchmarks/anomaly.py --output_dir=runs/anomaly

Each task has normal rows and anomalies: malignant tumours among benign ones
(scikit-learn's breast cancer, 30 columns), one cultivar of wine among the other two (13
columns), and one class of the digits among the other nine (64 columns of 17 levels;
--classes, in turn). Estimators are fitted to half of the normal rows. They have to tell
the others from the anomalies by their score alone (ROC-AUC: 0.5 is chance, 1 no error).
Writes table.md. What an earlier call found is kept.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
from collections.abc import Sequence

import numpy as np
from sklearn import datasets
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tfflows.sklearn import FlowDensity, mixtures
from tfflows.sklearn.stacking import far_log_densities, stack_weights

FLOWS = {
    "FlowDensity": lambda levels: FlowDensity(levels=levels, random_state=0),
    # The settings of the table before, a flow alone.
    "FlowDensity, realnvp alone": lambda levels: FlowDensity(
        "realnvp",
        num_layers=8,
        levels=levels,
        batch_size=64,
        weight_decay=2.0,
        max_epochs=60,
        random_state=0,
    ),
}


class Mixtures:
    """The Gaussian mixtures of `FlowDensity`'s stack, without its flows.

    Args:
      noise: Deviation of the noise on training rows, in the columns' units.
    """

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def fit(self, x: np.ndarray) -> Mixtures:
        """Fits the mixtures that explain a tenth of the rows best."""
        rng = np.random.default_rng(0)
        y = x + rng.normal(0.0, self.noise, size=x.shape)
        self.shift, self.scale = y.mean(axis=0), y.std(axis=0)
        z = (y - self.shift) / self.scale
        held_out = rng.permutation(len(z))[: len(z) // 10]
        far = far_log_densities(z, z)
        folds = mixtures.Folds(z, np.ones(len(z)), [held_out], far)
        with threadpool_limits(1):
            tried = list(mixtures.search([folds], 0))
            log_p = np.stack([one.log_densities for one in tried], axis=1)
            weights = stack_weights(log_p, np.ones(len(held_out)))
            best = np.argsort(-weights)[:6]
            fits = [mixtures.refitted(tried[k]) for k in best]
        self.mixture = mixtures.merged(fits, [float(weights[k]) for k in best])
        return self

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Log-densities of standardised rows, up to a constant."""
        return self.mixture.log_densities((x - self.shift) / self.scale)


# Settings by cross-validated likelihood, for each task anew.
PEERS = {
    "GaussianMixture": lambda: GridSearchCV(
        GaussianMixture(random_state=0),
        {"n_components": [1, 2, 5, 10], "reg_covar": [1e-4, 1e-2, 0.1, 1.0]},
        cv=3,
    ),
    "mixtures of FlowDensity, noise 0.3": lambda: Mixtures(0.3),
    "the same, noise 2": lambda: Mixtures(2.0),
    "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
    "IsolationForest": lambda: IsolationForest(n_estimators=300, random_state=0),
}


# Their noise is in grey levels.
OF_DIGITS = ("mixtures of FlowDensity, noise 0.3", "the same, noise 2")


def task(name: str) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Normal rows, anomalies, and the number of levels of integer data."""
    if name == "breast cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        return x[y == 1], x[y == 0], None
    if name == "wine":
        x, y = datasets.load_wine(return_X_y=True)
        return x[y != 0], x[y == 0], None
    x, y = datasets.load_digits(return_X_y=True)
    anomaly = int(name.removeprefix("digit "))
    return x[y != anomaly], x[y == anomaly], 17


def run(estimator: str, name: str) -> dict[str, float]:
    """The ROC-AUC of one estimator, and the processor's seconds of its fit."""
    normal, anomalies, levels = task(name)
    train, others = train_test_split(normal, test_size=0.5, random_state=0)
    test = np.concatenate([others, anomalies])
    is_anomaly = np.repeat([0, 1], [len(others), len(anomalies)])
    start = time.process_time()
    if estimator in FLOWS:
        fitted = FLOWS[estimator](levels).fit(train)
    elif levels is None:
        fitted = make_pipeline(StandardScaler(), PEERS[estimator]()).fit(train)
    else:
        fitted = PEERS[estimator]().fit(train)
    seconds = time.process_time() - start
    auc = roc_auc_score(is_anomaly, -fitted.score_samples(test))
    return {"roc_auc": float(auc), "fit_cpu_seconds": seconds}


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row for each task, as Markdown."""
    names = [name for name in (*FLOWS, *PEERS) if name in results]
    tasks = list(dict.fromkeys(t for name in names for t in results[name]))
    lines = [f"| anomaly | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for each in tasks:
        cells = [
            f"{results[name][each]['roc_auc']:.3f}" if each in results[name] else "-"
            for name in names
        ]
        lines.append(f"| {each} | {' | '.join(cells)} |")
    cells = [
        f"{np.mean([r['fit_cpu_seconds'] for r in results[name].values()]):.1f}"
        for name in names
    ]
    return "\n".join([*lines, f"| CPU s of a fit | {' | '.join(cells)} |"]) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs what is missing, then writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--classes", type=int, nargs="*", default=range(10))
    parser.add_argument(
        "--estimators", nargs="+", default=[*PEERS, *FLOWS], choices=[*PEERS, *FLOWS]
    )
    arguments = parser.parse_args(argv)
    folder = arguments.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    digits = [f"digit {label}" for label in arguments.classes]
    for estimator in arguments.estimators:
        for name in ("wine", "breast cancer", *digits):
            if name in results.setdefault(estimator, {}):
                continue
            if estimator in OF_DIGITS and name not in digits:
                continue
            results[estimator][name] = run(estimator, name)
            path.write_text(json.dumps(results, indent=1))
            print(estimator, name, results[estimator][name], flush=True)
        (folder / "table.md").write_text(table(results))


if __name__ == "__main__":
    main()
