"""Keras' methods to train and evaluate, for models without targets."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.checks import failed_requirements_as_value_errors
from tfflows.fitting.array_rounds import ArrayRounds, can_be_in_rounds
from tfflows.fitting.batch import unpack
from tfflows.fitting.feeding import fed, one_context_each
from tfflows.fitting.rounds import batch_rows, steps_in_round
from tfflows.fitting.skipped_steps import SkippedSteps, SkippedStepsReport
from tfflows.fitting.step_loop import in_rounds, skip_calls


class FitWithoutTargets(keras.Model):
    """`fit`, `evaluate` and others, which take only data, in any form of a batch.

    They check a user's arguments before Keras drops or reinterprets them.
    """

    _skipped: SkippedSteps | None = None
    _steps_behind = 0  # in the next `fit`, see `training.skip_batches`
    _is_auto = False  # whether `fit` chooses the number of steps in a loop

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start has taken place."""
        return True

    @property
    def skipped_steps(self) -> SkippedSteps:
        """Counts training steps left out because loss or gradients were not finite."""
        if self._skipped is None:
            raise ValueError(f"{self.name}: expected a compiled model")
        return self._skipped

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains like `keras.Model.fit`, without targets.

        Args:
          x: Data, or batches from a `tf.data.Dataset`, a generator or a `PyDataset`: x,
            (x, None, sample_weight), or dicts with "x" and any of "context", "index",
            "sample_weight". Arrays may have one context for all rows. (x, y) is an
            error, because y could be weights or labels.
          y: Must stay None.
          *args: As in Keras, from batch_size on.
          **kwargs: Other arguments of `keras.Model.fit`; `class_weight` must stay None.

        Returns:
          Keras' History. It has the keys of `metric_names` and "skipped_steps", the
          number of steps in the epoch that were left out because loss or gradients were
          not finite; a warning also gives the number. Metrics do not include these
          steps and are NaN if there are no others. The History is empty if there is no
          epoch to train (initial_epoch >= epochs).

        Raises:
          ValueError: If targets are given, data are not valid, the model is not
            initialised, or too many steps in a row were left out
            (`compile(max_skipped=)`).
        """
        call = _bound(super().fit, x, y, *args, **kwargs)
        x = self._fed(call, shuffled=bool(call.get("shuffle", True)))
        if call.get("validation_data") is not None:
            call["validation_data"] = self._fed_validation(call["validation_data"])
        if not self.is_initialized:
            raise ValueError(
                f"{self.name}: expected an initialised model; call "
                f"{self.name}.initialize(batch) with one batch of data first"
            )
        if not self.trainable_weights:
            raise ValueError(f"{self.name}: expected weights to train, got none")
        callbacks = contextlib.ExitStack()
        with failed_requirements_as_value_errors(), callbacks:
            done, self._steps_behind = self._steps_behind, 0
            if self._trains_alone:
                x = self._in_rounds(x, call, done)
            elif done:
                skip_calls(self, done // self.steps_per_execution)
            callbacks.enter_context(_first(SkippedStepsReport(), call, self))
            if self._is_auto:
                callbacks.callback(setattr, self, "steps_per_execution", 1)
                callbacks.enter_context(_first(_SingleSteps(), call, self))
            history = super().fit(x, **call)
        epochs = call.get("epochs", 1) - call.get("initial_epoch", 0)
        if not history.history and epochs > 0:
            raise ValueError(f"{self.name}: expected data, got none")
        return history

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates like `keras.Model.evaluate`, without targets; see `fit`.

        An example's position in the data keys the noise of integer data and latents, so
        the figures depend neither on batches nor on the number of replicas.
        """
        cached = kwargs.get("_use_cached_eval_dataset", False)  # by Keras' own `fit`
        call = _bound(super().evaluate, x, y, *args, **kwargs)
        x = call.pop("x") if cached else self._fed(call)
        with failed_requirements_as_value_errors():
            results = super().evaluate(x, **call)
        if isinstance(results, list | dict) and not results:
            raise ValueError(f"{self.name}: expected data, got none")
        return results

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains on one batch, without targets; see `fit`."""
        call = _bound(super().train_on_batch, x, y, *args, **kwargs)
        x, skipped = self._fed(call), self.skipped_steps
        before = int(skipped.total.numpy())
        with failed_requirements_as_value_errors():
            logs = super().train_on_batch(x, **call)
        skipped.report(before, f"{self.name}.train_on_batch")
        skipped.check()
        return logs

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch, without targets; see `fit`."""
        call = _bound(super().test_on_batch, x, y, *args, **kwargs)
        x = self._fed(call)
        with failed_requirements_as_value_errors():
            return super().test_on_batch(x, **call)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns a call's outputs for all data (for a flow, nats)."""
        if isinstance(x, dict):
            x = one_context_each(x, getattr(self, "context_shape", None))
        with failed_requirements_as_value_errors():
            return super().predict(x, *args, **kwargs)

    @property
    def _trains_alone(self) -> bool:
        alone = self._distribute_strategy is None and not tf.distribute.has_strategy()
        return alone and not self.run_eagerly

    def _in_rounds(self, x: Any, call: dict[str, Any], done: int) -> Any:
        """Returns the data of a `fit` in rounds of the steps that run at once."""
        steps = call.get("steps_per_epoch")
        rows = batch_rows(x, call.get("batch_size"))
        if self._is_auto:
            given = call.get("callbacks")
            listed = getattr(given, "callbacks", None) or tf.nest.flatten(given or [])
            number = steps_in_round(self, rows, listed)
            self.steps_per_execution = 1 if done % number else number
        number, shuffle = self.steps_per_execution, call.get("shuffle", True)
        if done:
            skip_calls(self, done // number)
        whole = steps is None and not call.get("validation_split")
        if whole and isinstance(shuffle, bool) and can_be_in_rounds(x):
            return ArrayRounds(x, call.get("batch_size"), number, shuffle)
        return in_rounds(x, number, steps, done)

    @property
    def draws_noise(self) -> bool:
        """Whether an example's figures depend on noise, keyed by its number."""
        return True

    def _fed(self, call: dict[str, Any], shuffled: bool = False) -> Any:
        """Converts the data in the arguments of a call, see `fed`."""
        if call.pop("y", None) is not None:
            raise ValueError(
                f"{self.name}: expected no targets y; give labels as "
                "{'x': x, 'context': labels} and weights as sample_weight="
            )
        if call.pop("class_weight", None) is not None:
            raise ValueError(
                f"{self.name}: expected no class_weight: there are no targets whose "
                "classes it could weigh; give sample_weight="
            )
        x, weight = call.pop("x"), call.pop("sample_weight", None)
        sized = x.get("x") if isinstance(x, dict) else x
        if x is None or getattr(sized, "shape", (1,))[:1] == (0,):
            raise ValueError(f"{self.name}: expected data, got none")
        return self._in_one_form(x, weight, shuffled)

    def _fed_validation(self, data: Any) -> Any:
        weight = None
        if isinstance(data, tuple | list):  # as Keras
            data, weight = unpack(tuple(data))
        return self._in_one_form(data, weight)

    def _in_one_form(self, data: Any, weight: Any, shuffled: bool = False) -> Any:
        shape = getattr(self, "context_shape", None)
        return fed(data, weight, self.name, self.draws_noise, shape, shuffled)


class _SingleSteps(keras.callbacks.Callback):
    """Makes validation within `fit` take its steps one by one."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Called by Keras after it has set up the training."""
        self.model.steps_per_execution = 1


def _bound(method: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Returns the arguments of a call by name, as Keras would bind them."""
    bound = inspect.signature(method).bind(*args, **kwargs).arguments
    return {
        **{k: v for k, v in bound.items() if k != "kwargs"},
        **bound.get("kwargs", {}),
    }


@contextlib.contextmanager
def _first(
    report: keras.callbacks.Callback, call: dict[str, Any], model: keras.Model
) -> Iterator[None]:
    """Puts the report first among the callbacks, so that others see its log."""
    callbacks = call.get("callbacks")
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        call["callbacks"] = [report, *tf.nest.flatten(callbacks or [])]
        yield
        return
    report.set_model(model)
    callbacks.callbacks.insert(0, report)
    try:
        yield
    finally:
        callbacks.callbacks.remove(report)
