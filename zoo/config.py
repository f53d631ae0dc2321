"""The configuration of an experiment: one frozen dataclass for each part.

A configuration says which model is trained on which data, and how. `config.json` beside
the checkpoints stores it without loss (`tfflows.zoo.overrides`), so the folder of a
training run is enough to build its model again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tfflows.zoo import families
from tfflows.zoo.conditioning import context_arguments
from tfflows.zoo.errors import ConfigError

if TYPE_CHECKING:
    import keras

_POSITIVE = (
    "epochs",
    "batch_size",
    "learning_rate",
    "init_examples",
    "checkpoint_steps",
    "keep",
    "max_skipped",
)


# With slots, each field is also an attribute of the class, like `family` in 0.1.0.
@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model: its family, and arguments for the family's builder.

    The fields are the keywords of the builder, `tfflows.models.<family>`. Read them as
    attributes: `config.num_couplings`.

    Attributes:
      family: A name in `tfflows.families.BUILDERS`, to which you can add your builder.
      arguments: Values by name; missing ones get the builder's defaults.

    Raises:
      ConfigError: If the family or a name is unknown, or a value does not fit.
    """

    family: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        arguments = families.complete(self.family, self.arguments)
        object.__setattr__(self, "arguments", arguments)

    def __getattr__(self, name: str) -> Any:
        # Copying and unpickling read attributes before `arguments` exists.
        if not name.startswith("_") and name != "arguments" and name in self.arguments:
            return self.arguments[name]
        raise AttributeError(f"a model of this family has no field {name!r}")

    def build(
        self, event_shape: tuple[int, ...], levels: int | None, **context: Any
    ) -> keras.Model:
        """Builds the model, with new weights.

        Args:
          event_shape: Shape of one example.
          levels: Number of levels of integer data; None for continuous data.
          **context: `context_shape` and `context_network` of a conditional model.

        Returns:
          The model with its weights.

        Raises:
          ValueError: If the arguments do not fit each other or the data.
        """
        builder = families.find_builder(self.family)
        return builder(event_shape, levels=levels, **self.arguments, **context)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The data, and the shape that the model is built for.

    Attributes:
      name: A name that `tfflows.data.load` knows; None: the user must give one.
      event_shape: Shape of one example; None: taken from the data.
      levels: Number of levels of integer data; None for continuous data.
      columns: Names of a table's columns; None: taken from the data, if it has names.
      label_as_context: Whether the label conditions the model.
      seed: Seed that splits (and, for the toys, draws) the data, also for evaluation.
      data_dir: Folder of prepared data; None: TFDS's own.
      label_column: The column of class labels in a csv or Parquet table.
      context_columns: Columns of a table that condition the model; they imply
        label_as_context.
      image_size: Height and width, or one number for both, that your own images are
        resized to; None: as they are.
      augment: Random changes of training images, "flip" and "shift"; None: none.
      label_names: Names of the classes that condition the model; None: taken from the
        data.
    """

    name: str | None = None
    event_shape: tuple[int, ...] | None = None
    levels: int | None = None
    columns: tuple[str, ...] | None = None
    label_as_context: bool = False
    seed: int = 0
    data_dir: str | None = None
    label_column: str | None = None
    context_columns: tuple[str, ...] | None = None
    image_size: tuple[int, ...] | None = None
    augment: tuple[str, ...] | None = None
    label_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.context_columns is not None:
            object.__setattr__(self, "label_as_context", True)


@dataclasses.dataclass(frozen=True)
class TrainerConfig:
    """The settings of the training.

    Attributes:
      epochs: Passes over the training data.
      batch_size: Examples in the global batch.
      learning_rate: The highest learning rate.
      schedule: "cosine" falls to zero over all epochs, "constant" stays.
      warmup_steps: Steps over which the rate first rises linearly.
      optimizer: A Keras optimizer.
      weight_decay: Decoupled weight decay; 0 for none.
      clip_norm: Largest global norm of a gradient; None for no limit.
      ema: Momentum of a moving average of the weights, for example 0.999, which is
        validated, kept as the best and used after the training; None: no average.
      init_examples: Training examples for the data-dependent start.
      jit_compile: Whether XLA compiles the training step.
      precision: Keras dtype policy of the networks while training, for example
        "mixed_bfloat16"; None: the model's own. Weights stay float32.
      checkpoint_steps: Steps between checkpoints within an epoch; each epoch ends with
        one, too.
      keep: Number of checkpoints to keep, besides the best.
      max_skipped: Skipped steps in a row, without a finite loss and gradient, that end
        the training with an error.
      seed: Seed of the first weights, the order of the data and the training noise.
      patience: Epochs without a lower validation loss after which the training stops;
        None: it runs all epochs.
    """

    epochs: int = 50
    batch_size: int = 256
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = 0
    optimizer: Literal["adam", "adamax", "rmsprop", "sgd"] = "adam"
    weight_decay: float = 0.0
    clip_norm: float | None = None
    ema: float | None = None
    init_examples: int = 4096
    jit_compile: bool = False
    precision: str | None = None
    checkpoint_steps: int = 1000
    keep: int = 3
    max_skipped: int = 20
    seed: int = 0
    patience: int | None = None

    def __post_init__(self) -> None:
        for field in _POSITIVE:
            _check(field, getattr(self, field), getattr(self, field) > 0, "above 0")
        for field in ("warmup_steps", "weight_decay", "seed"):
            _check(field, getattr(self, field), getattr(self, field) >= 0, ">= 0")
        clips = self.clip_norm is None or self.clip_norm > 0
        _check("clip_norm", self.clip_norm, clips, "above 0 or none")
        waits = self.patience is None or self.patience > 0
        _check("patience", self.patience, waits, "above 0 or none")
        averages = self.ema is None or 0 < self.ema < 1
        _check("ema", self.ema, averages, "between 0 and 1, or none")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """One experiment: a model, its data and how it is trained.

    Attributes:
      name: The registered name.
      model: The model's configuration.
      data: The data's configuration.
      trainer: The training's configuration.
      description: One sentence about the experiment.
      reference: Figures of this architecture and data, by name.
    """

    name: str
    model: ModelConfig
    data: DataConfig
    trainer: TrainerConfig
    description: str = ""
    reference: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def build(self) -> keras.Model:
        """Builds the model for the shape of the data, with new weights.

        Returns:
          The model.

        Raises:
        ConfigError: If the shape of the data, or the model of "auto", is not known yet.
        """
        families.find_builder(self.model.family)
        if self.data.event_shape is None:
            raise ConfigError(
                f"expected data.event_shape for {self.name}, got None: its dimensions "
                "come from the data; give event_shape=, or train on a data set"
            )
        context = context_arguments(self.model, self.data)
        return self.model.build(self.data.event_shape, self.data.levels, **context)


def _check(field: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(f"expected trainer.{field} {expected}, got {value}")
