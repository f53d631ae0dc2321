"""What each special case in the library saves: with it and without, in turn.

    python benchmarks/special_cases.py bernoulli columns_density adam planar

- bernoulli: draws of a row share their lower 16 bits (`random.bernoulli_rows`);
- columns, columns_density: couplings pass splines' parameters as columns
  (`CouplingLaw`), in training steps and in densities;
- adam: Adam updates a weight by one operation (`fitting.fused_adam`);
- planar: a `Repeated` runs its planar steps at once (`Planar._forward_of_repeats`).

Prints medians of CPU time, which counts all threads, and of the ratios of the rounds. A
name with `_xla` is the same work compiled by XLA. The workloads are those of
`side_by_side`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from side_by_side.contestants.tfflows_fit import MODELS, shuffled_batches
from side_by_side.workloads import WORKLOADS

from tfflows import FlowVAE
from tfflows.backend import random
from tfflows.backend.memory import keep_freed_memory
from tfflows.bijectors import Chain, Coupling, Planar, RationalQuadraticLaw, Repeated
from tfflows.models import Flow
from tfflows.networks import MLP

Call = Callable[[], Any]
STEPS = 50


class PlainAdam(keras.optimizers.Adam):
    """Keras' own updates: subclasses of Adam are left as they are."""


class PlainPlanar(Planar):
    """One step after the other: subclasses do not run at once."""


@keras.saving.register_keras_serializable("benchmarks")
class LawInRows(RationalQuadraticLaw):
    """The same splines from parameters in rows."""

    def forward(self, z: Any, params: Any) -> Any:  # type: ignore[override]
        """Accepts no axis."""
        return super().forward(z, params)

    def inverse(self, x: Any, params: Any) -> Any:  # type: ignore[override]
        """Accepts no axis."""
        return super().inverse(x, params)


def trained(
    name: str, model: keras.Model, optimizer: type = keras.optimizers.Adam, *, xla: bool
) -> Call:
    """A call that trains the model of a workload for some steps."""
    workload = WORKLOADS[name]
    x = workload.data()
    model.initialize(x[: workload.batch_size])
    model.compile(
        optimizer(workload.learning_rate), jit_compile=xla, steps_per_execution=STEPS
    )
    batches = shuffled_batches(x, workload.batch_size)
    return lambda: model.fit(batches, steps_per_epoch=STEPS, verbose=0)


def bernoulli(xla: bool) -> tuple[Call, Call]:
    """Draws of the pixels of 4,096 images, and the same from numbers of their own."""
    rows, size = 4096, 784
    p = tf.constant(np.random.default_rng(0).random((rows, size)), tf.float32)
    seeds = random.fold_in(random.as_seed(0), tf.range(rows))
    ways: list[Call] = [
        lambda: random.bernoulli_rows(seeds, p),
        lambda: random.uniform_rows(seeds, size) < p,
    ]
    one, other = [tf.function(way, jit_compile=xla, autograph=False) for way in ways]
    return lambda: one().numpy(), lambda: other().numpy()


def columns(xla: bool, trains: bool = True) -> tuple[Call, Call]:
    """Training steps of W3, or densities of its events."""
    workload, sizes = WORKLOADS["spline"], WORKLOADS["spline"].model

    def flow(law: type[RationalQuadraticLaw]) -> Flow:
        pair = [
            Coupling(
                law(sizes["num_bins"]), MLP(sizes["hidden_units"]), reverse=reverse
            )
            for reverse in (False, True)
        ]
        pairs = Repeated(Chain(pair), sizes["num_couplings"] // 2)
        return Flow(pairs, workload.event_shape)

    def call(model: Flow) -> Call:
        if trains:
            return trained("spline", model, xla=xla)
        density = tf.function(model.log_prob, jit_compile=xla, autograph=False)
        x = tf.constant(workload.data()[: workload.num_events])
        return lambda: density(x).numpy()

    one, other = call(flow(RationalQuadraticLaw)), call(flow(LawInRows))
    return one, other


def adam(xla: bool) -> tuple[Call, Call]:
    """Training steps of W5, with many small weights."""
    model = MODELS["planar_vae"]
    one, other = [
        trained("planar_vae", model(WORKLOADS["planar_vae"]), optimizer, xla=xla)
        for optimizer in (keras.optimizers.Adam, PlainAdam)
    ]
    return one, other


def planar(xla: bool) -> tuple[Call, Call]:
    """Training steps of W5."""
    sizes, event = WORKLOADS["planar_vae"].model, WORKLOADS["planar_vae"].event_shape
    latent, hidden = sizes["latent_dim"], sizes["hidden_units"]

    def vae(step: type[Planar]) -> FlowVAE:
        networks = [
            keras.Sequential([MLP(units), keras.layers.Dense(size)])
            for units, size in ((hidden, 2 * latent), (hidden[::-1], event[0]))
        ]
        posterior = Repeated(step(), sizes["num_flows"])
        return FlowVAE(*networks, latent, posterior, event_shape=event)

    one, other = [
        trained("planar_vae", vae(step), xla=xla) for step in (Planar, PlainPlanar)
    ]
    return one, other


CASES: dict[str, Callable[[bool], tuple[Call, Call]]] = {
    "bernoulli": bernoulli,
    "columns": columns,
    "columns_density": lambda xla: columns(xla, trains=False),
    "adam": adam,
    "planar": planar,
}


def compared(ways: tuple[Call, Call], rounds: int) -> tuple[list[float], float]:
    """Median milliseconds of CPU time of both, and the median ratio."""
    times: list[list[float]] = []
    for number in range(rounds + 2):
        times.append([])
        for way in ways if number % 2 else ways[::-1]:
            start = time.process_time()
            way()
            times[-1].append(1e3 * (time.process_time() - start))
        if not number % 2:
            times[-1].reverse()
    times = times[2:]  # the first traces and compiles
    medians = [statistics.median(each) for each in zip(*times, strict=True)]
    return medians, statistics.median(one / other for one, other in times)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [f"{name}{end}" for name in CASES for end in ("", "_xla")]
    parser.add_argument("cases", nargs="*", choices=names, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    keep_freed_memory()
    print("| case | with it, ms | without, ms | ratio |\n|---|---|---|---|")
    for name in options.cases:
        case = CASES[name.removesuffix("_xla")]
        (one, other), ratio = compared(case(name.endswith("_xla")), options.rounds)
        print(f"| {name} | {one:.1f} | {other:.1f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
