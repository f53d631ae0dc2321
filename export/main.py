"""Exports a trained model: `tfflows-export --model_dir=DIR --export_dir=DIR`.

Prints the folder of the new SavedModel as its last line. `tfflows-export --check=DIR`
instead checks any SavedModel for problems in TensorFlow Serving. It prints one finding
per line, and exits with 1 if it has any.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tfflows.provenance import Provenance
from tfflows.system import command_line
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.registry import describe
from tfflows.zoo.shelf import pretrained

if TYPE_CHECKING:
    import keras

_STRINGS = {
    "model_dir": "Folder of a training run, whose best weights are taken.",
    "model": "Name of a registered model, instead of --model_dir.",
    "weights": (
        "Weights for --model: 'pretrained' (the default), a .weights.h5 or .keras "
        "file, or the folder of a training run."
    ),
    "export_dir": "Folder of all versions of the exported model.",
    "default": "Signature that serving_default repeats. Default: log_prob.",
    "check": (
        "Folder of any SavedModel, to be read for what TensorFlow Serving stumbles "
        "over instead of an export."
    ),
}
_BOOLEANS = {
    "split": "Writes each signature as a model of its own, EXPORT_DIR/SIGNATURE.",
    "deploy": "Writes files that deploy the model, EXPORT_DIR/deploy, too.",
    "jit_compile": (
        "Has XLA compile the signatures; the server has to be told to allow it."
    ),
    "verify": "Compares the export with the model before it is kept.",
}
_FORMATS = ("onnx", "tflite")
FLAGS = command_line.new_flags(**_STRINGS)
for _name, _text in _BOOLEANS.items():
    flags.DEFINE_boolean(_name, _name == "verify", _text, flag_values=FLAGS)
flags.DEFINE_enum(
    "convert",
    None,
    _FORMATS,
    "Also writes log_prob, encode and decode as files of this format, "
    "EXPORT_DIR/FORMAT/VERSION.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "version", None, "A new version. Default: the next.", 1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "seed",
    0,
    "As in the other binaries; an export draws nothing.",
    flag_values=FLAGS,
)


def main(argv: Sequence[str]) -> int:
    """Exports a model, or checks an export.

    Args:
      argv: Not used.

    Returns:
      The exit code: 1 if --check has findings.

    Raises:
      ConfigError: If flags are missing or contradict each other.
      OSError, ValueError: If the model cannot be read or exported.
    """
    del argv
    if FLAGS.check:
        return _check(FLAGS.check)
    _check_flags()
    command_line.start_tensorflow()
    from tfflows.export.writing.deployment import write_deployment
    from tfflows.export.writing.writer import export_saved_model

    if FLAGS.convert:
        _check_convert()
    model, provenance = _model()
    if FLAGS.jit_compile and FLAGS.verify:
        print("XLA compiles: minutes, for a large model", file=sys.stderr, flush=True)
    path = export_saved_model(
        model,
        FLAGS.export_dir,
        version=FLAGS.version,
        default=FLAGS.default,
        split=FLAGS.split,
        provenance=provenance,
        verify=FLAGS.verify,
        jit_compile=FLAGS.jit_compile,
        progress=lambda text: print(f"{text} ...", file=sys.stderr, flush=True),
    )
    if FLAGS.convert:
        _convert(path)
    if FLAGS.deploy:
        print(write_deployment(FLAGS.export_dir))
    print(path)
    return 0


def run() -> None:
    """Runs the binary."""
    command_line.run(main, FLAGS)


def _check_flags() -> None:
    if not FLAGS.export_dir:
        raise ConfigError("expected --export_dir, the folder to export to")
    if FLAGS.split and FLAGS.default:
        raise ConfigError("expected --split or --default, got both")
    if bool(FLAGS.model_dir) == bool(FLAGS.model):
        raise ConfigError("expected either --model_dir of a training run or --model")
    if FLAGS.weights and not FLAGS.model:
        raise ConfigError("expected --weights with --model, got it with --model_dir")
    if FLAGS.split and FLAGS.convert:
        raise ConfigError("expected --convert without --split, got both")
    if FLAGS.jit_compile and FLAGS.convert == "onnx":
        raise ConfigError(
            "expected --convert=onnx without --jit_compile, got both: its converter "
            "cannot read a function that XLA compiles"
        )
    if FLAGS.model:
        describe(FLAGS.model)  # an unknown name is refused
        if FLAGS.weights in (None, "pretrained"):
            pretrained.record(FLAGS.model)


def _check_convert() -> None:
    """Raises ConfigError before the export if the conversion would fail."""
    from tfflows.export.converting import converter

    try:
        converter.FORMATS[FLAGS.convert].require()
    except ImportError as error:
        raise ConfigError(str(error)) from error


def _convert(path: Path) -> None:
    from tfflows.export.converting import converter

    folder = path.parent / FLAGS.convert / path.name
    files, refused = converter.convert_saved_model(path, folder, FLAGS.convert)
    for signature, reason in refused.items():
        print(f"not converted: {signature}: {reason}")
    for file in files.values():
        print(file)


def _check(directory: str) -> int:
    if FLAGS.export_dir or FLAGS.model or FLAGS.model_dir:
        raise ConfigError("expected --check alone, got it with flags of an export")
    command_line.start_tensorflow()
    from tfflows.export.writing.lint import lint

    findings = lint(directory)
    for finding in findings:
        print(finding)
    print(f"{directory}: {len(findings) or 'no'} findings")
    return 1 if findings else 0


def _model() -> tuple[keras.Model, Provenance]:
    from tfflows.zoo.factory import create, load
    from tfflows.zoo.running.provenance import of_registered, of_run

    if FLAGS.model:
        weights = FLAGS.weights or "pretrained"
        model = create(FLAGS.model, weights=weights)
        return model, of_registered(FLAGS.model, weights)
    return load(FLAGS.model_dir), of_run(FLAGS.model_dir)


if __name__ == "__main__":
    run()
