"""Several training steps as one loop in the graph, over batches that are there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

Logs = dict[str, tf.Tensor]


def looped_steps(
    train_step: Callable[[Any], Logs], number: int, jit_compile: bool
) -> Callable[[Iterator[Any]], Logs]:
    """A Keras train function for `steps_per_execution` > 1 without a strategy.

    Keras' own fetches batches inside of its loop, so that each step is a branch of the
    graph that is handed all weights and moments; under XLA each is a program of its
    own, entered anew. With hundreds of small variables both take as long as a part of
    the step. Here the loop has no branch, and XLA compiles all of it.

    Batches that are fewer than `number`, or not of one shape, take a step each. The
    batches of a loop, and a copy, or of three loops, in rounds, are in memory at once.

    Args:
      train_step: Maps a batch to the logs after its step.
      number: Steps in one loop.
      jit_compile: Whether XLA compiles it.

    Returns:
      A function of an iterator over batches, or over `Round`s of them; it raises
      StopIteration at its end.
    """
    options: dict[str, Any] = {"jit_compile": jit_compile or None, "autograph": False}
    one_step = tf.function(train_step, reduce_retracing=True, **options)

    @tf.function(reduce_retracing=True, **options)
    def all_steps(stacked: Any) -> Logs:
        def batch(index: Any) -> Any:
            return tf.nest.map_structure(
                lambda parts: None if parts is None else parts[index], stacked
            )

        logs = one_step.get_concrete_function(batch(0)).structured_outputs
        zeros = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), logs)

        def body(index: tf.Tensor, logs: Logs) -> tuple[tf.Tensor, Logs]:
            del logs  # of the step before
            return index + 1, one_step(batch(index))

        return tf.while_loop(lambda index, logs: index < number, body, (0, zeros))[1]

    def train_function(iterator: Iterator[Any]) -> Logs:
        first = next(iterator)
        if isinstance(first, Round):
            return all_steps(first.batches)
        batches = [first, *itertools.islice(iterator, number - 1)]
        batches = [_without_optionals(batch) for batch in batches]
        if len(batches) == number and _alike(batches):
            return all_steps(tf.nest.map_structure(_stack, *batches))
        return [one_step(batch) for batch in batches][-1]

    return train_function


class Round(NamedTuple):
    """The batches of one loop, stacked along a first axis."""

    batches: Any


def in_rounds(data: Any, number: int) -> Any:
    """A dataset without end of batches of one shape, as one of `Round`s.

    Asking a dataset for an element takes a tenth of a millisecond, for it passes from
    thread to thread; a round takes no longer, and is stacked while the one before is
    trained on.

    Args:
      data: What `fit` takes; what is no such dataset is returned as it is.
      number: Batches in a round.
    """
    is_dataset = isinstance(data, tf.data.Dataset)
    if not is_dataset or data.cardinality() != tf.data.INFINITE_CARDINALITY:
        return data
    for spec in tf.nest.flatten(data.element_spec):
        if not isinstance(spec, tf.TensorSpec) or not spec.shape.is_fully_defined():
            return data
    rounds = data.batch(number, drop_remainder=True)
    return tf.data.Dataset.zip(Round(rounds)).prefetch(1)


def _stack(*parts: Any) -> tf.Tensor | None:
    return None if parts[0] is None else tf.stack(parts)


def _without_optionals(batch: Any) -> Any:
    # What Keras' own pipelines hold in place of None.
    optional = tf.experimental.Optional
    return tf.nest.map_structure(
        lambda part: None if isinstance(part, optional) else part, batch
    )


def _alike(batches: list[Any]) -> bool:
    shapes = [
        [getattr(part, "shape", None) for part in tf.nest.flatten(batch)]
        for batch in batches
    ]
    return all(each == shapes[0] for each in shapes)
