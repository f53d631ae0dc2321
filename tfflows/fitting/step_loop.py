"""Runs several training steps as one loop in the graph, over ready batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

Logs = dict[str, tf.Tensor]


def looped_steps(
    train_step: Callable[[Any], Logs], number: int, jit_compile: bool
) -> Callable[[Iterator[Any]], Logs]:
    """Returns a Keras train function for use without a strategy.

    Keras' own function fetches batches inside its loop, so each step is a branch of the
    graph that receives all weights and moments. Under XLA, each step is a program of
    its own. With hundreds of small variables, this takes as long as part of the step.
    Here, the loop has no branch, and XLA compiles all of it.

    If there are fewer than `number` batches, or they have different shapes, each takes
    a step of its own. The batches of one loop and a copy are in memory at once; with
    rounds, the batches of three loops.

    Args:
      train_step: Maps a batch to the logs after its step.
      number: Steps in one loop.
      jit_compile: Whether XLA compiles it.

    Returns:
      A function of an iterator over batches, or over `Round`s of them. It raises
      StopIteration at the iterator's end.
    """
    options: dict[str, Any] = {"jit_compile": jit_compile or None, "autograph": False}
    one_step = tf.function(train_step, reduce_retracing=True, **options)

    @tf.function(reduce_retracing=True, **options)
    def all_steps(stacked: Any, count: tf.Tensor) -> Logs:
        def batch(index: Any) -> Any:
            return tf.nest.map_structure(
                lambda parts: None if parts is None else parts[index], stacked
            )

        logs = one_step.get_concrete_function(batch(0)).structured_outputs
        zeros = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), logs)

        def body(index: tf.Tensor, logs: Logs) -> tuple[tf.Tensor, Logs]:
            del logs  # of the step before
            return index + 1, one_step(batch(index))

        return tf.while_loop(lambda index, logs: index < count, body, (0, zeros))[1]

    def train_function(iterator: Iterator[Any]) -> Logs:
        first = next(iterator)
        if isinstance(first, Round):
            return of_round(first)
        batches = [first, *itertools.islice(iterator, number - 1)]
        batches = [_without_optionals(batch) for batch in batches]
        if len(batches) == number > 1 and _alike(batches):
            stacked = tf.nest.map_structure(_stack, *batches)
            return all_steps(stacked, tf.constant(number))
        return [one_step(batch) for batch in batches][-1]

    def of_round(batches: Round) -> Logs:
        logs = {}
        if tf.nest.flatten(batches.batches):
            count = len(tf.nest.flatten(batches.batches)[0])
            if count == 1:
                logs = one_step(tf.nest.map_structure(lambda t: t[0], batches.batches))
            else:
                # One shape, for one trace; the padding is not used.
                full = tf.nest.map_structure(_padded(number), batches.batches)
                logs = all_steps(full, tf.constant(count))
        return one_step(batches.rest) if batches.rest else logs

    return train_function


class Round(NamedTuple):
    """The batches of one loop, stacked along a first axis, and a smaller last one."""

    batches: Any
    rest: Any = ()


def in_rounds(
    data: Any, number: int, steps_per_epoch: int | None = None, done: int = 0
) -> Any:
    """Turns an infinite dataset of batches with one shape into one of `Round`s.

    Each element of a dataset takes a tenth of a millisecond, because it passes from
    thread to thread. A round takes no longer, and is stacked while the one before
    trains.

    Args:
      data: Data for `fit`; data other than such a dataset are returned unchanged.
      number: Batches in a round.
      steps_per_epoch: Batches of an epoch, whose last round has the remaining ones; or
        None.
      done: Batches of the first epoch that are done, a multiple of `number`.
    """
    if number == 1:
        return data
    is_dataset = isinstance(data, tf.data.Dataset)
    if not is_dataset or data.cardinality() != tf.data.INFINITE_CARDINALITY:
        return data
    for spec in tf.nest.flatten(data.element_spec):
        if not isinstance(spec, tf.TensorSpec) or not spec.shape.is_fully_defined():
            return data
    rounds = data.batch(number, drop_remainder=True)
    whole, rest = divmod(steps_per_epoch or 0, number)
    if rest:
        sizes = [number] * whole + [rest]
        start = done // number % len(sizes)
        rounds = rounds.rebatch(sizes[start:] + sizes[:start])
    return tf.data.Dataset.zip(Round(rounds)).prefetch(1)


def skip_calls(model: Any, calls: int) -> None:
    """Makes the next calls of the model's train function take no step."""
    model.make_train_function()
    train_function, left = model.train_function, calls
    means: dict[str, Any] = {}

    def function(iterator: Iterator[Any]) -> Any:
        nonlocal left, means
        if not left:
            return train_function(iterator)
        left -= 1
        means = means or model.get_metrics_result()
        return means

    model.train_function = function


def _padded(number: int) -> Callable[[tf.Tensor], tf.Tensor]:
    def pad(stacked: tf.Tensor) -> tf.Tensor:
        lacking = number - stacked.shape[0]
        rest = [[0, 0]] * (stacked.shape.rank - 1)
        return tf.pad(stacked, [[0, lacking], *rest]) if lacking else stacked

    return pad


def _stack(*parts: Any) -> tf.Tensor | None:
    return None if parts[0] is None else tf.stack(parts)


def _without_optionals(batch: Any) -> Any:
    # Keras' own pipelines hold this in place of None.
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
