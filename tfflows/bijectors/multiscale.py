"""Levels of a flow that each factor out half of the channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_flag
from tfflows.bijectors.coupling import AffineCoupling
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.nesting import as_step, build_step, check_steps
from tfflows.bijectors.shapes import only_event_ndims

# A bound on the log-scale of a factored-out half, far beyond what data ask for.
_PRIOR_BOUND = 6.0

_Run = Callable[[FlowStep, tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable("tfflows")
class Multiscale(FlowStep):
    """Levels after each of which, but the last, half of the channels becomes latent.

    Level l maps h_{l-1} (h_0 = x) to an image [H_l, W_l, C_l] by its step, of inverse
    g_l, and, with split priors, a channel coupling s_l that normalises the second half
    of the channels given the first. The second half is then factored out:

      inverse:          (h_l, z_l) = split(s_l^-1(g_l(h_{l-1}))),  z = [z_1, ..., z_L]
      inverse log-det:  sum_l of those of g_l and s_l^-1
      forward:          the same steps backwards
      forward log-det:  minus that

    z is one flat vector [D]. The split prior of Glow, a normal with mean and scale
    given by the kept half, is this coupling: x_b = z_b * exp(log_scale) + shift with
    both from a 3x3 convolution that starts at zero; so the base stays a standard
    normal, and one temperature acts on all levels.

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    section 3.6; split priors: the authors' code of Kingma and Dhariwal, "Glow", 2018,
    arXiv 1807.03039.

    Args:
      levels: One step a level, data side first, from images to images.
      split_priors: Whether factored-out halves depend on the kept ones.
      **kwargs: `name`, `dtype` (None: that of the first level), `trainable` of
        `FlowStep`; an event is [H, W, C].

    Raises:
      ValueError: For no level; on `build`, where a level leaves fewer than 2 channels.
    """

    shape_preserving = False

    def __init__(
        self, levels: Iterable[Any], *, split_priors: bool = True, **kwargs: Any
    ) -> None:
        levels = [as_step(level) for level in check_steps("levels", levels)]
        if not levels:
            raise ValueError("expected one level or more, got none")
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = levels[0].dtype_policy
        super().__init__(**only_event_ndims(kwargs, 3))
        self.levels = levels
        self.split_priors = check_flag("split_priors", split_priors)
        self.priors: list[FlowStep] = []
        if split_priors:
            self.priors = [self._prior() for _ in self.levels[:-1]]
        self.has_inverse = all(level.has_inverse for level in self.levels)
        self.supports_jit = all(level.supports_jit for level in self.levels)

    def _prior(self) -> FlowStep:
        return AffineCoupling(
            keras.layers.Identity(dtype=self.dtype_policy),
            mask="channel",
            head="glow",
            log_scale="tanh",
            bound=_PRIOR_BOUND,
            event_ndims=3,
            dtype=self.dtype_policy,
        )

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start in the levels has taken place."""
        return all(level.is_initialized for level in self.levels)

    def build(self, data_shape: Any) -> None:
        """Builds the levels, data side first."""
        shape = tuple(data_shape)[-3:]
        self._out_shapes: list[tuple[int, ...]] = []
        for k, level in enumerate(self.levels):
            shape = build_step(level, shape, self.flow_dtype).latent_event_shape
            if k + 1 == len(self.levels):
                self._out_shapes.append(shape)
                break
            if len(shape) != 3 or shape[-1] < 2:
                raise ValueError(
                    f"{self.name}: expected level {k + 1} to give images of 2 or more "
                    f"channels, half of which to factor out, got shape {shape}"
                )
            if self.split_priors:
                build_step(self.priors[k], shape, self.flow_dtype)
            kept = shape[-1] // 2
            self._out_shapes.append((*shape[:-1], shape[-1] - kept))
            shape = (*shape[:-1], kept)

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([math.prod(shape)])

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.data_event_shape)

    def _steps_of(self, k: int) -> list[FlowStep]:
        """The steps of level k, data side first."""
        return [self.levels[k], *self.priors[k : k + 1]]

    def _factor_out(self, value: tf.Tensor, k: int) -> list[tf.Tensor]:
        """-> the kept half (none of the last level), and the flat other half."""
        if k + 1 == len(self.levels):
            kept, out = [], value
        else:
            out_channels = self._out_shapes[k][-1]
            sizes = [value.shape[-1] - out_channels, out_channels]
            *kept, out = tf.split(value, sizes, axis=-1)
        return [*kept, tf.reshape(out, (-1, math.prod(self._out_shapes[k])))]

    def _join(self, kept: list[tf.Tensor], out: tf.Tensor, k: int) -> tf.Tensor:
        """The inverse of `_factor_out`."""
        out = tf.reshape(out, (-1, *self._out_shapes[k]))
        return tf.concat([*kept, out], axis=-1) if kept else out

    def _to_latent(self, x: tf.Tensor, run: _Run) -> tf.Tensor:
        """Passes data through the steps, each by `run`, to flat latents."""
        kept, parts = [x], []
        for k in range(len(self.levels)):
            (value,) = kept
            for step in self._steps_of(k):
                value = run(step, value)
            *kept, out = self._factor_out(value, k)
            parts.append(out)
        return tf.concat(parts, axis=-1)

    def _to_data(self, z: tf.Tensor, run: _Run) -> tf.Tensor:
        """Passes flat latents back through the steps, each by `run`, to data."""
        sizes = [math.prod(shape) for shape in self._out_shapes]
        parts = tf.split(z, sizes, axis=-1)
        kept: list[tf.Tensor] = []
        for k in reversed(range(len(self.levels))):
            value = self._join(kept, parts[k], k)
            for step in reversed(self._steps_of(k)):
                value = run(step, value)
            kept = [value]
        return kept[0]

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward")

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(x, context, "inverse")

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._through(z, context, "forward_as_inverse")

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_dets = []

        def run(step: FlowStep, value: tf.Tensor) -> tf.Tensor:
            value, log_det = step._fused_pass(direction)(value, context)
            log_dets.append(log_det)
            return value

        return self._walk(direction)(value, run), tf.add_n(log_dets)

    def _walk(self, direction: str) -> Callable[[tf.Tensor, _Run], tf.Tensor]:
        return self._to_latent if direction == "inverse" else self._to_data

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        def run(step: FlowStep, value: tf.Tensor) -> tf.Tensor:
            return step._initialize(value, context, direction)

        return self._walk(direction)(value, run)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        levels = [keras.saving.serialize_keras_object(level) for level in self.levels]
        own = {"levels": levels, "split_priors": self.split_priors}
        config = {**super().get_config(), **own}
        del config["event_ndims"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Multiscale:
        """A fresh step of equal config."""
        levels = [keras.saving.deserialize_keras_object(s) for s in config["levels"]]
        return cls(**{**config, "levels": levels})
