"""Anomalies among real digits: a flow beside scikit-learn's density estimators.

    python benchmarks/anomaly_digits.py --output_dir=runs/anomaly

Each class of scikit-learn's digits in turn (or some: --classes) is the anomaly: the
estimators are fitted to training images of the other nine, and have to tell test images
of these from the class that they never saw, by their score alone (ROC-AUC: 0.5 is
chance, 1 no error). Writes table.md. What an earlier call found is kept.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time

import numpy as np
from sklearn import datasets
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity

from tfflows.sklearn import FlowDensity

# Settings of peers by cross-validated likelihood, for each class anew.
ESTIMATORS = {
    "FlowDensity": lambda: FlowDensity(
        "realnvp",
        num_layers=8,
        levels=17,
        batch_size=64,
        weight_decay=2.0,
        max_epochs=60,
        random_state=0,
    ),
    "GaussianMixture": lambda: GridSearchCV(
        GaussianMixture(random_state=0),
        {"n_components": [1, 5, 10], "reg_covar": [0.1, 1.0]},
        cv=3,
    ),
    "KernelDensity": lambda: GridSearchCV(
        KernelDensity(), {"bandwidth": [1.0, 1.5, 2.0, 3.0, 4.0, 6.0]}, cv=3
    ),
    # Found by looking at the scores, to show what the likelihood does not choose.
    "KernelDensity, bandwidth 4": lambda: KernelDensity(bandwidth=4.0),
    "IsolationForest": lambda: IsolationForest(n_estimators=300, random_state=0),
}


def task(anomaly: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training images of nine classes, test images, and which of these are anomalies.

    Half of the other classes' images are test images, and all of the anomaly's.
    """
    images, labels = datasets.load_digits(return_X_y=True)
    known, unknown = images[labels != anomaly], images[labels == anomaly]
    train, test = train_test_split(known, test_size=0.5, random_state=0)
    is_anomaly = np.repeat([0, 1], [len(test), len(unknown)])
    return train, np.concatenate([test, unknown]), is_anomaly


def run(name: str, anomaly: int) -> dict[str, float]:
    """The ROC-AUC of one estimator, and the processor's seconds of its fit."""
    train, test, is_anomaly = task(anomaly)
    start = time.process_time()
    estimator = ESTIMATORS[name]().fit(train)
    seconds = time.process_time() - start
    fitted = getattr(estimator, "best_estimator_", estimator)
    auc = roc_auc_score(is_anomaly, -fitted.score_samples(test))
    return {"roc_auc": float(auc), "fit_cpu_seconds": seconds}


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row for each class, then the means, as Markdown."""
    names = [name for name in ESTIMATORS if name in results]
    classes = sorted(set.intersection(*(set(results[name]) for name in names)))
    lines = [f"| anomaly | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    rows = {c: [results[name][c]["roc_auc"] for name in names] for c in classes}
    rows["mean"] = list(np.mean(list(rows.values()), axis=0))
    for label, values in rows.items():
        lines.append(f"| {label} | {' | '.join(f'{v:.3f}' for v in values)} |")
    seconds = [
        np.mean([r["fit_cpu_seconds"] for r in results[name].values()])
        for name in names
    ]
    cells = " | ".join(f"{s:.1f}" for s in seconds)
    return "\n".join([*lines, f"| CPU s of a fit | {cells} |"]) + "\n"


def main() -> None:
    """Runs what is missing, then writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument(
        "--classes", type=int, nargs="+", default=range(10), help="anomalies in turn"
    )
    arguments = parser.parse_args()
    folder = arguments.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for anomaly in map(str, arguments.classes):
        for name in ESTIMATORS:
            if anomaly in results.setdefault(name, {}):
                continue
            results[name][anomaly] = run(name, int(anomaly))
            path.write_text(json.dumps(results, indent=1))
            print(name, anomaly, results[name][anomaly], flush=True)
        (folder / "table.md").write_text(table(results))


if __name__ == "__main__":
    main()
