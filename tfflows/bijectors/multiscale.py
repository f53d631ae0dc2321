"""Multi-scale levels, which each factor out half of the channels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_flag
from tfflows.bijectors.affine_coupling import AffineCoupling
from tfflows.bijectors.composite import Composite, Run, as_steps, build_step
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import only_event_ndims

# A bound on the log-scale of a factored-out half, far beyond what data need.
_PRIOR_BOUND = 6.0


@keras.saving.register_keras_serializable("tfflows")
class Multiscale(Composite):
    """Levels of steps. After each level but the last, half of the channels is latent.

    Level l maps h_{l-1} (h_0 = x) to an image [H_l, W_l, C_l] by its step, of inverse
    g_l, and, with split priors, a channel coupling s_l that normalises the second half
    of the channels given the first. The second half is then factored out:

      inverse:          (h_l, z_l) = split(s_l^-1(g_l(h_{l-1}))),  z = [z_1, ..., z_L]
      inverse log-det:  sum_l of those of g_l and s_l^-1
      forward:          the same steps backwards
      forward log-det:  minus that

    z is one flat vector [D]. Glow's split prior, a normal whose mean and scale depend
    on the kept half, is this coupling: x_b = z_b * exp(log_scale) + shift, with both
    from a 3x3 convolution that starts at zero. The base therefore stays a standard
    normal, and one temperature acts on all levels.

    Source: Dinh et al., "Density estimation using Real NVP", 2016, arXiv 1605.08803,
    section 3.6; split priors: the authors' code of Kingma and Dhariwal, "Glow", 2018,
    arXiv 1807.03039.

    Args:
      levels: One step for each level, data side first, from images to images.
      split_priors: Whether factored-out halves depend on the kept ones.
      **kwargs: `name`, `dtype` (None: the first level's), `trainable` of `FlowStep`; an
        event is [H, W, C].

    Raises:
      ValueError: If there is no level; on `build`, if a level leaves fewer than 2
        channels.
    """

    argument = "levels"
    is_sequence = False

    def __init__(
        self, levels: Iterable[Any], *, split_priors: bool = True, **kwargs: Any
    ) -> None:
        levels = as_steps("levels", levels, kwargs.get("dtype"))
        if not levels:
            raise ValueError("expected one level or more, got none")
        super().__init__(levels, **only_event_ndims(kwargs, 3))
        self.shape_preserving = False
        self.levels = levels
        self.split_priors = check_flag("split_priors", split_priors)
        self.priors: list[FlowStep] = []
        if split_priors:
            self.priors = [self._prior() for _ in self.levels[:-1]]

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

    def _parts(self) -> list[FlowStep]:
        return [*self.levels, *self.priors]

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
        """Returns the steps of level k, data side first."""
        return [self.levels[k], *self.priors[k : k + 1]]

    def _factor_out(self, value: tf.Tensor, k: int) -> list[tf.Tensor]:
        """Returns the kept half (None at the last level), and the flat other half."""
        if k + 1 == len(self.levels):
            kept, out = [], value
        else:
            out_channels = self._out_shapes[k][-1]
            sizes = [value.shape[-1] - out_channels, out_channels]
            *kept, out = tf.split(value, sizes, axis=-1)
        return [*kept, tf.reshape(out, (-1, math.prod(self._out_shapes[k])))]

    def _join(self, kept: list[tf.Tensor], out: tf.Tensor, k: int) -> tf.Tensor:
        """Inverts `_factor_out`."""
        out = tf.reshape(out, (-1, *self._out_shapes[k]))
        return tf.concat([*kept, out], axis=-1) if kept else out

    def _walk(self, value: tf.Tensor, direction: str, run: Run) -> tf.Tensor:
        if direction == "inverse":
            return self._to_latent(value, run)
        return self._to_data(value, direction, run)

    def _to_latent(self, x: tf.Tensor, run: Run) -> tf.Tensor:
        """Passes data through the steps with `run`, to flat latents."""
        kept, parts = [x], []
        for k in range(len(self.levels)):
            (value,) = kept
            for step in self._steps_of(k):
                value = run(step, value, "inverse")
            *kept, out = self._factor_out(value, k)
            parts.append(out)
        return tf.concat(parts, axis=-1)

    def _to_data(self, z: tf.Tensor, direction: str, run: Run) -> tf.Tensor:
        """Passes flat latents back through the steps with `run`, to data."""
        sizes = [math.prod(shape) for shape in self._out_shapes]
        parts = tf.split(z, sizes, axis=-1)
        kept: list[tf.Tensor] = []
        for k in reversed(range(len(self.levels))):
            value = self._join(kept, parts[k], k)
            for step in reversed(self._steps_of(k)):
                value = run(step, value, direction)
            kept = [value]
        return kept[0]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "split_priors": self.split_priors}
        del config["event_ndims"]
        return config
