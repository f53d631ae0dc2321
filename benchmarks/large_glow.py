"""Parameters, build, graph and first training step of the Glow paper's largest model.

    python benchmarks/large_glow.py

K = 32, L = 3, width 512 on 32x32x3. Prints a Markdown table: CPU seconds to build the
model and to trace the gradient of its loss, operations of that graph with those of its
functions, and the seconds of the first step of `fit` (batch of 2, Adamax).
"""

from __future__ import annotations

import math
import time

import numpy as np
import tensorflow as tf

from tfflows import Flow
from tfflows.models import glow


def traced_operations(flow: Flow) -> int:
    """Operations in the graph of the loss and its gradient, functions included."""
    weights = [weight.value for weight in flow.trainable_weights]

    @tf.function
    def gradients(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow(x))
        return tape.gradient(loss, weights)

    spec = tf.TensorSpec((None, *flow.event_shape), tf.uint8)
    graph = gradients.get_concrete_function(spec).graph
    functions = graph.as_graph_def().library.function
    inner = sum(len(function.node_def) for function in functions)
    return len(graph.get_operations()) + inner


def main() -> None:
    """Prints the table."""
    clock = [time.process_time()]
    flow = glow((32, 32, 3), levels=256)
    clock.append(time.process_time())
    operations = traced_operations(flow)
    clock.append(time.process_time())
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    flow.initialize(x)
    flow.compile("adamax")
    start = time.process_time()
    flow.fit(x, batch_size=2, epochs=1, verbose=0)
    first_step = time.process_time() - start
    weights = flow.trainable_weights
    rows = {
        "trainable parameters": f"{sum(math.prod(w.shape) for w in weights):,}",
        "weights": len(weights),
        "build, CPU s": f"{clock[1] - clock[0]:.1f}",
        "trace of loss and gradient, CPU s": f"{clock[2] - clock[1]:.1f}",
        "graph operations": f"{operations:,}",
        "first step of `fit`, CPU s": f"{first_step:.1f}",
    }
    print("| | measured |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
