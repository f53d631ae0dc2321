"""Planar flows of K steps beside the potentials of Rezende and Mohamed.

    python benchmarks/planar_expressiveness.py --output=planar.png

fits each potential with K = 1, 2, 8 and 32 and several seeds by reverse KL, writes the
picture of the median fits and a table beside it, planar.md. With --results=FILE the
figures of the fits are kept there, and a second call fits only what is missing.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import time

import keras
import matplotlib as mpl
import numpy as np

import tfflows
from tfflows import bijectors
from tfflows.data.potentials import POTENTIALS

mpl.use("Agg")
from matplotlib import pyplot as plt

DEPTHS = (1, 2, 8, 32)
SEEDS = (0, 1, 2)
BATCH_SIZE, EVALUATION_DRAWS = 256, 20_000


def fit(potential: str, depth: int, seed: int, steps: int) -> dict:
    """Fits one flow; returns its KL(q || p) in nats and samples for the picture."""
    keras.utils.clear_session()  # the graphs of 48 models would fill the memory
    keras.utils.set_random_seed(seed)
    flow = tfflows.Flow(
        bijectors.Chain([bijectors.Planar() for _ in range(depth)]), (2,)
    )
    target = POTENTIALS[potential]
    model = tfflows.ReverseKL(
        flow, target.unnormalized_log_prob, annealing_steps=steps // 2, seed=seed
    )
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=10.0), jit_compile=True
    )
    start = time.time()
    model.fit(steps_per_epoch=steps, batch_size=BATCH_SIZE, verbose=0)
    seconds = time.time() - start
    kl = float(model.free_energy(EVALUATION_DRAWS, seed=1)) + target.log_normalizer
    effective = float(model.effective_sample_size(EVALUATION_DRAWS, seed=1))
    return {
        "kl": kl,
        "effective_share": effective / EVALUATION_DRAWS,
        "seconds": round(seconds, 1),
        "samples": flow.sample(4000, seed=2).numpy().round(3).tolist(),
    }


def fit_all(
    potentials: list[str], path: pathlib.Path | None, steps: int
) -> dict[str, dict]:
    """All fits by "potential depth seed", from the file where they are there."""
    done = path is not None and path.exists()
    results = json.loads(path.read_text()) if done and path else {}
    for potential in potentials:
        for depth in DEPTHS:
            for seed in SEEDS:
                key = f"{potential} {depth} {seed}"
                if key not in results:
                    results[key] = fit(potential, depth, seed, steps)
                    print(key, round(results[key]["kl"], 3), flush=True)
                    if path is not None:
                        path.write_text(json.dumps(results))
    return results


def table(potentials: list[str], results: dict[str, dict]) -> str:
    """The median KL over the seeds, with all three, as Markdown."""
    lines = ["| potential | " + " | ".join(f"K = {k}" for k in DEPTHS) + " |"]
    lines.append("|---" * (len(DEPTHS) + 1) + "|")
    for potential in potentials:
        cells = []
        for depth in DEPTHS:
            kls = [results[f"{potential} {depth} {seed}"]["kl"] for seed in SEEDS]
            each = ", ".join(f"{kl:.3f}" for kl in kls)
            cells.append(f"**{statistics.median(kls):.3f}** ({each})")
        lines.append(f"| {potential} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(potentials: list[str], results: dict[str, dict], output: pathlib.Path) -> None:
    """The targets, and the samples of the median fits, as one PNG."""
    figure, axes = plt.subplots(
        len(potentials),
        1 + len(DEPTHS),
        figsize=(10, 2 * len(potentials) + 0.5),
        layout="constrained",
        squeeze=False,
    )
    edges = np.linspace(-4.5, 4.5, 101)
    middle = 0.5 * (edges[1:] + edges[:-1])
    grid = np.stack(np.meshgrid(middle, middle), axis=-1)
    for row, name in zip(axes, potentials, strict=True):
        row[0].pcolormesh(edges, edges, np.exp(-POTENTIALS[name].energy(grid)))
        row[0].set_ylabel(name)
        for axis, depth in zip(row[1:], DEPTHS, strict=True):
            fits = [results[f"{name} {depth} {seed}"] for seed in SEEDS]
            chosen = sorted(fits, key=lambda fit: fit["kl"])[len(fits) // 2]
            x = np.array(chosen["samples"])
            axis.hist2d(x[:, 0], x[:, 1], bins=edges[::2])
            axis.set_title(f"K = {depth}, KL {chosen['kl']:.2f}", fontsize=9)
    axes[0, 0].set_title("target", fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], aspect="equal")
    figure.savefig(output, dpi=110)


def main() -> None:
    """Fits, draws and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--potentials", nargs="+", default=list(POTENTIALS))
    arguments = parser.parse_args()
    potentials = arguments.potentials
    results = fit_all(potentials, arguments.results, arguments.steps)
    draw(potentials, results, arguments.output)
    arguments.output.with_suffix(".md").write_text(table(potentials, results))


if __name__ == "__main__":
    main()
